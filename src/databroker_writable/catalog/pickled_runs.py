"""Pickle a stored run as its catalog and uid, and a stream as its run and name.

databroker's own pickles of them cannot be opened again.
"""

from __future__ import annotations

import copyreg
import functools
import pickle
from typing import Any

from databroker.core import BlueskyEventStream, BlueskyRun, BlueskyRunFromGenerator

from ..results.run_uids import open_run
from ..runs import upstream
from .intake_methods import ReopenableMixin
from .reopening import Recipe, describe_catalog, pickled, reopen

_CHOICES = ("include", "exclude", "sub_dict", "configuration_for")


def reduced(run: Any) -> Any:
    """What a pickle holds of a run: for one of a writable catalog, how that is opened again."""
    catalog = getattr(run, "catalog_object", None)  # a run that was made without a catalog has none
    if not isinstance(catalog, ReopenableMixin):
        return run.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
    _, (recipe,) = pickled(describe_catalog(catalog))
    return opened_again, (recipe, run.metadata["start"]["uid"])


def reduced_stream(stream: Any) -> Any:
    """What a pickle holds of a stream: its run, its name, and what was chosen with ``stream(include=...)``."""
    run = getattr(stream, "catalog_object", None)  # those of ``stream.config`` know no run
    if not isinstance(run, BlueskyRun) or not isinstance(run.catalog_object, ReopenableMixin):
        return stream.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
    _, arguments = upstream.captured_arguments(stream)
    chosen = {key: arguments[key] for key in _CHOICES if key in arguments}
    return stream_of, (run, arguments["stream_name"], chosen)


def stream_of(run: Any, name: str, chosen: dict[str, Any]) -> Any:
    """The stream of a pickle, or of a copy."""
    return run[name](**chosen) if chosen else run[name]


def opened_again(recipe: Recipe, uid: str) -> Any:
    """The run of a pickle; its catalog is opened once for many runs, which a pool of processes returns."""
    return open_run(_catalog_of(pickle.dumps(recipe)), uid)


@functools.lru_cache(maxsize=4)
def _catalog_of(recipe: bytes) -> Any:
    return reopen(pickle.loads(recipe))


def register() -> None:
    """Have runs and streams pickled in this way. Without it a pool of processes that returns a run waits forever."""
    for cls in (BlueskyRun, BlueskyRunFromGenerator):
        copyreg.pickle(cls, reduced)
    copyreg.pickle(BlueskyEventStream, reduced_stream)
