"""What `store_run` accepts: tables, runs, builders, documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import humanize

from ..errors import InvalidRunError, InvalidTableError, warn_user
from ..tables.table_forms import is_records, path_of, way_to_read
from ..tables.wording import short
from . import upstream
from .checker import RunDocuments
from .databroker_runs import documents_of_databroker
from .document_parts import NamedDocument
from .sinks import MemorySink

SECONDS_PER_VALUE = 0.0006
"""What databroker 1.2.5's ``read()`` takes for one column of one Event, of which it makes a dask array of its own."""

PATIENCE = 5
"""Seconds of reading from which on there is a warning."""


def is_table(value: Any) -> bool:
    """Whether what is to be stored is to be read as a table; anything else gives documents."""
    if _is_run(value):
        return False
    if isinstance(value, Mapping) or any(_has(value, name) for name in ("to_dataset", "data_vars", "columns")):
        return True
    if is_records(value):
        return True
    path = path_of(value)
    if path is not None:
        remedy = way_to_read(path) or "of a uid give the run, as catalog[uid] gives it"
        raise InvalidTableError(
            f"{short(value)}, of type {type(value).__name__}, is neither a run nor a table; {remedy}"
        )
    if value is None or isinstance(value, bytes) or not isinstance(value, Iterable):
        remedy = "; of a stream give what its read() gives" if _has(value, "to_dask") else ""
        raise InvalidTableError(
            f"{short(value)}, of type {type(value).__name__}, is neither a run nor a table; give a BlueskyRun, "
            f"a RunBuilder, documents, a dict of columns, a DataFrame or a Dataset{remedy}"
        )
    return _has(value, "dtype")


def check_many(runs: Any) -> None:
    """Refuse one run, or what gives no runs, where many are wanted."""
    if isinstance(runs, str | bytes) or not isinstance(runs, Iterable):
        what, remedy = short(runs), "give them as a list"
    elif _has(runs, "search") and not _is_run(runs):
        what, remedy = "a catalog", "give its values(), or copy them by copy_runs"
    elif _is_run(runs) or (is_table(runs) and not isinstance(runs, list | tuple)):
        what, remedy = f"one run or table ({type(runs).__name__})", "put it in a list, or store it by store_run"
    else:
        return
    raise InvalidRunError(f"store_runs takes runs, one after the other, not {what}; {remedy}")


def documents_of(run: Any) -> Iterable[NamedDocument]:
    """Give the documents of a run, unfilled, its event pages as they are; an iterable of documents as it is."""
    if _has(run, "get_run"):
        sink = getattr(run, "_sink", None)
        if not run.closed:
            if sink is not None:
                sink.check_ours()
            raise InvalidRunError("the builder is still open; close() it, or leave its with block, before storing")
        if isinstance(sink, MemorySink):
            return list(sink.documents)
        # without handlers, or bluesky-live scans the installed packages for them
        run = run.get_run(handler_registry={})
    documents: Iterable[NamedDocument] = run
    if _has(run, "documents"):
        if hasattr(run, "db"):  # databroker.v1.Header
            run = run.db.v2[run.start["uid"]]
        cached = upstream.cached_documents(run)
        documents = documents_of_databroker(run) if cached is None else cached
    return documents


def _is_run(value: Any) -> bool:
    """Whether it is a run, or a builder of one."""
    return _has(value, "documents") or _has(value, "get_run")


def _has(value: Any, name: str) -> bool:
    """Whether all objects of its type have this attribute: a DataFrame has its columns as attributes, too."""
    return hasattr(value.__class__, name)


def warn_of_slow_reading(documents: RunDocuments) -> None:
    """Warn of streams that databroker reads slowly, and name what reads them fast."""
    columns = {doc["name"]: len(doc["data_keys"]) for name, doc in documents if name == "descriptor"}
    stop = documents[-1][1]
    for stream, count in (stop.get("num_events") or {}).items():
        seconds = SECONDS_PER_VALUE * count * columns.get(stream, 0)
        if seconds > PATIENCE:
            warn_user(
                f"databroker takes about {humanize.naturaldelta(seconds)} to read() the {count} Events of "
                f"{columns[stream]} columns in the stream {stream!r}. Read it with "
                "databroker_writable.to_dataset(run), at once, or store the table as one Event with one_event=True"
            )
