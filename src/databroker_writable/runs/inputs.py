"""What `store_run` accepts: tables, runs, builders, documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import InvalidRunError, InvalidTableError, warn_user
from ..tables.wording import short
from . import upstream
from .checker import RunDocuments
from .sinks import MemorySink

MANY_ROWS = 5_000
"""From here on databroker's reader takes minutes: it makes one dask array per Event and column."""


def is_table(run: Any) -> bool:
    """Whether `run` is to be read as a table; documents and runs are told by their methods."""
    if _is_run(run):
        return False
    if isinstance(run, Mapping) or hasattr(run, "to_dataset") or hasattr(run, "data_vars") or hasattr(run, "columns"):
        return True
    if run is None or isinstance(run, str | bytes) or not isinstance(run, Iterable):
        remedy = "; of a stream give what its read() gives" if hasattr(run, "to_dask") else ""
        raise InvalidTableError(
            f"{short(run)}, of type {type(run).__name__}, is neither a run nor a table; give a BlueskyRun, "
            f"a RunBuilder, documents, a dict of columns, a DataFrame or a Dataset{remedy}"
        )
    return hasattr(run, "dtype")


def _is_run(run: Any) -> bool:
    """Whether it is a run, or a builder of one."""
    return hasattr(run, "documents") or hasattr(run, "get_run")


def check_many(runs: Any) -> None:
    """Refuse one run, or what gives no runs, where many are wanted."""
    if isinstance(runs, str | bytes) or not isinstance(runs, Iterable):
        what, remedy = short(runs), "give them as a list"
    elif hasattr(runs, "search") and not _is_run(runs):
        what, remedy = "a catalog", "give its values(), or copy them by copy_runs"
    elif _is_run(runs) or is_table(runs):
        what, remedy = f"one run or table ({type(runs).__name__})", "put it in a list, or store it by store_run"
    else:
        return
    raise InvalidRunError(f"store_runs takes runs, one after the other, not {what}; {remedy}")


def documents_of(run: Any) -> Iterable[tuple[str, dict[str, Any]]]:
    """Give the documents of a run, unfilled, its event pages as they are."""
    if hasattr(run, "get_run"):
        if not run.closed:
            raise InvalidRunError("the builder is still open; close() it, or leave its with block, before storing")
        sink = getattr(run, "_sink", None)
        if isinstance(sink, MemorySink):
            return list(sink.documents)
        # without handlers, or bluesky-live scans the installed packages for them
        run = run.get_run(handler_registry={})
    if hasattr(run, "db") and hasattr(run, "start"):  # databroker.v1.Header
        run = run.db.v2[run.start["uid"]]
    cached = upstream.cached_documents(run)
    if cached is not None:
        return cached
    if hasattr(run, "documents"):
        return run.documents(fill="no", strict_order=False)
    return run


def warn_of_many_rows(documents: RunDocuments) -> None:
    stop = documents[-1][1]
    for stream, count in (stop.get("num_events") or {}).items():
        if count > MANY_ROWS:
            warn_user(
                f"the stream {stream!r} has {count} Events: databroker's primary.read() takes minutes for more than "
                f"{MANY_ROWS}. Store the table as one Event with one_event=True, "
                "or read it with catalog.v1[uid].table()"
            )
