"""Close builders without a ``with`` block, as failed runs, when their process ends."""

from __future__ import annotations

import atexit
import weakref

from ..errors import StoreError, warn_user
from ..runs.builder import RunBuilder
from .catalog_sink import CatalogSink

REASON = "the process ended before the run was closed"

_open: list[tuple[RunBuilder, CatalogSink]] = []

# the finalizers of unfinished files also run at the end of the process; atexit runs what is registered after them first
weakref.finalize(RunBuilder, bool).atexit = False


def close_at_exit(builder: RunBuilder, sink: CatalogSink) -> None:
    """Close a builder when the process ends, if it is still open."""
    _open[:] = [(known, its_sink) for known, its_sink in _open if _is_unfinished(known, its_sink)]
    _open.append((builder, sink))
    # registered last, so it runs first, before finalizers remove what the run has written
    atexit.unregister(_close_all)
    atexit.register(_close_all)


def _is_unfinished(builder: RunBuilder, sink: CatalogSink) -> bool:
    return not builder.closed and not sink.is_lost


def _close_all() -> None:
    for builder, sink in _open:
        if not _is_unfinished(builder, sink) or not sink.has_begun:
            continue
        try:
            builder.close("fail", REASON)
        except StoreError as exc:
            warn_user(f"the run {builder.uid!r} was not closed before the process ended, and could not be kept: {exc}")
        else:
            warn_user(
                f"the run {builder.uid!r} was not closed before the process ended; it is stored as a failed run. "
                "Use the builder in a with block, or close() it"
            )
