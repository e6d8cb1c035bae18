"""Pickle a stored run as its catalog and uid: databroker's own pickle of a run cannot be opened again."""

from __future__ import annotations

import copyreg
import functools
import pickle
from typing import Any

from databroker.core import BlueskyRun, BlueskyRunFromGenerator

from ..results.run_uids import open_run
from .intake_methods import ReopenableMixin
from .reopening import Recipe, describe_catalog, pickled, reopen


def reduced(run: Any) -> Any:
    """What a pickle holds of a run: for one of a writable catalog, how that is opened again."""
    catalog = run.catalog_object
    if not isinstance(catalog, ReopenableMixin):
        return run.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
    _, (recipe,) = pickled(describe_catalog(catalog))
    return opened_again, (recipe, run.metadata["start"]["uid"])


def opened_again(recipe: Recipe, uid: str) -> Any:
    """The run of a pickle; its catalog is opened once for many runs, which a pool of processes returns."""
    return open_run(_catalog_of(pickle.dumps(recipe)), uid)


@functools.lru_cache(maxsize=4)
def _catalog_of(recipe: bytes) -> Any:
    return reopen(pickle.loads(recipe))


def register() -> None:
    """Have runs pickled in this way. Without it a pool of processes that returns a run waits forever."""
    for cls in (BlueskyRun, BlueskyRunFromGenerator):
        copyreg.pickle(cls, reduced)
