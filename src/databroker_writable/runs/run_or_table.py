"""Tell runs, builders and documents from tables, all of which `store_run` accepts; give the documents of runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized
from typing import Any

import event_model
import numpy

from ..errors import InvalidRunError, InvalidTableError, warn_user
from ..tables.classifier import NUMBERS, type_of
from ..tables.input_types import (
    is_of_known_form,
    is_records,
    path_of,
    refuse_unmade,
    way_to_give_columns,
    way_to_read,
)
from ..tables.stream_reading import run_of, stream_columns
from ..tables.wording import short
from . import upstream
from .comparison import transformed
from .document_parts import PRIMARY, Document, NamedDocument
from .paging import named_document
from .sinks import MemorySink
from .stream_resources import lost_column


def is_table(value: Any) -> bool:
    """Whether the input is a table; anything else must give documents."""
    if is_run(value):
        return False
    _refuse_near_misses(value)
    if isinstance(value, Mapping) or any(_has(value, name) for name in ("to_dataset", "data_vars", "columns")):
        return True
    if is_of_known_form(value):
        return True
    refuse_unmade(value)
    path = path_of(value)
    if path is not None:
        remedy = way_to_read(path) or "for a uid give the run, catalog[uid]"
        raise InvalidTableError(
            f"{short(value)}, of type {type(value).__name__}, is neither a run nor a table; {remedy}"
        )
    if value is None or isinstance(value, bytes) or not isinstance(value, Iterable):
        of_stream = "for a stream give the result of its read()" if _has(value, "to_dask") else ""
        remedy = of_stream or way_to_give_columns(value)
        raise InvalidTableError(
            f"{short(value)}, of type {type(value).__name__}, is neither a run nor a table; give a BlueskyRun, "
            f"a RunBuilder, documents, a dict of columns, a DataFrame or a Dataset{remedy and '; '}{remedy}"
        )
    if _has(value, "dtype"):
        return True
    if isinstance(value, Sized) and len(value):
        named_document(next(iter(value)))  # before anything is said of finished runs
    return False


def _refuse_near_misses(value: Any) -> None:
    """Refuse what holds a run or a table, and is none itself."""
    if _has(value, "search"):
        raise InvalidRunError(
            "a catalog is not a run; copy its runs with copy_runs, or store one of them, catalog[uid]"
        )
    if not isinstance(value, list | tuple):
        return
    if not value:
        raise InvalidRunError(
            f"the documents of a run begin with its start document, but {value!r} has none; a table without rows has "
            "columns, as {'x': []}, and is stored with one_event=True"
        )
    if hasattr(value, "_asdict") and not is_of_known_form(value):
        raise InvalidTableError(
            f"{type(value).__name__} is a named tuple, which is not a table; give the dict of its columns, ._asdict()"
        )
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], Mapping) and _is_whole_table(value[0]):
        raise InvalidTableError(
            "a tuple of a table and its metadata is not a run; give build_simple_run(table, metadata) for the two"
        )


def _is_whole_table(value: Any) -> bool:
    """Whether it is a table that is no row, whose values are single."""
    is_columns = isinstance(value, Mapping) and not is_records([value])
    return is_columns or (not isinstance(value, Mapping) and is_of_known_form(value))


def warn_of_wrong_order(table: Any, metadata: Any) -> None:
    """Warn of a table that looks like metadata, beside metadata that look like a table."""
    if not isinstance(table, Mapping) or not all(isinstance(value, str) for value in table.values()):
        return
    columns = [name for name, values in metadata.items() if _is_column(values)] if isinstance(metadata, Mapping) else []
    if columns:
        warn_user(
            f"the table has only single texts ({', '.join(map(short, table))}), and the metadata have numbers of "
            f"several rows ({', '.join(map(short, columns))}); were the two exchanged? The table comes first"
        )


def _is_column(values: Any) -> bool:
    is_list = isinstance(values, list | tuple) or (isinstance(values, numpy.ndarray) and values.ndim == 1)
    return is_list and len(values) > 1 and type_of(type(values[0])) in NUMBERS


def check_many(runs: Any) -> None:
    """Refuse one run, or something without runs, instead of many."""
    if isinstance(runs, str | bytes) or not isinstance(runs, Iterable):
        what, remedy = short(runs), "give them as a list"
    elif _has(runs, "search") and not is_run(runs):
        what, remedy = "a catalog", "give its values(), or copy its runs with copy_runs"
    elif is_run(runs) or (not isinstance(runs, list | tuple) and is_table(runs)):
        what, remedy = f"one run or table ({type(runs).__name__})", "put it in a list, or use store_run"
    else:
        return
    raise InvalidRunError(f"store_runs takes an iterable of runs, not {what}; {remedy}")


def documents_of(run: Any) -> Iterable[NamedDocument]:
    """Return the documents of a run, unfilled, with its event pages; an iterable of documents is returned as it is."""
    if _has(run, "get_run"):
        sink = getattr(run, "_sink", None)
        if not run.closed:
            if sink is not None:
                sink.check_kept()
            raise InvalidRunError("the builder is still open; close() it, or leave its with block, before storing")
        if isinstance(sink, MemorySink):
            return list(sink.documents)
        # without handlers, or bluesky-live scans the installed packages for them
        run = run.get_run(handler_registry={})
    documents: Iterable[NamedDocument] = run
    if _has(run, "documents"):
        run = run_of(run)
        cached = upstream.cached_documents(run)
        documents = _documents_of_databroker(run) if cached is None else cached
    return documents


def _documents_of_databroker(run: Any) -> Iterable[NamedDocument]:
    """Return the documents of a run of databroker 1.2.5, unfilled, each descriptor with a name.

    Its ``documents()`` omits stream_resources and stream_datums, and all Events of descriptors without a name.
    """
    descriptors: list[Document] = upstream.loaded_descriptors(run)
    has_unnamed = any("name" not in descriptor for descriptor in descriptors)
    in_streams = [(key, descriptor) for descriptor in descriptors for key in stream_columns(descriptor)]
    if has_unnamed or in_streams:
        _, arguments = upstream.captured_arguments(run)
        if "gen_func" in arguments:
            given = arguments["gen_func"](*arguments["gen_args"], **arguments["gen_kwargs"])
            return _named(transformed(given, upstream.transforms_of(run)))
        if has_unnamed:
            run = _with_names(run, arguments)
    documents: Iterable[NamedDocument] = run.documents(fill="no", strict_order=False)
    if not in_streams:
        return documents
    column, descriptor = in_streams[0]
    return _without_streams(documents, lost_column(column, descriptor.get("name", PRIMARY)))


def _without_streams(documents: Iterable[NamedDocument], lost: InvalidRunError) -> Iterator[NamedDocument]:
    """databroker's documents of a run without its stream_resources; databroker can fail at their columns."""
    try:
        yield from documents
    except event_model.EventModelError as exc:
        raise lost from exc


def _named(documents: Iterable[NamedDocument]) -> Iterator[NamedDocument]:
    for name, doc in documents:
        yield name, {"name": PRIMARY, **doc} if name == "descriptor" else doc


def _with_names(run: Any, arguments: Mapping[str, Any]) -> Any:
    """The same run, opened again with descriptors that have names."""
    get_event_descriptors = arguments.get("get_event_descriptors")
    if get_event_descriptors is None:
        raise InvalidRunError(
            f"the run {run.metadata['start']['uid']!r} has a descriptor without a name, written by old bluesky, and "
            "databroker 1.2.5 reads no Events of it; give its documents, each descriptor with the name 'primary'"
        )
    named = [{"name": PRIMARY, **descriptor} for descriptor in get_event_descriptors()]
    return type(run)(**{**arguments, "get_event_descriptors": lambda: named})


def is_run(value: Any) -> bool:
    """Whether it is a run or a builder."""
    return _has(value, "documents") or _has(value, "get_run")


def _has(value: Any, name: str) -> bool:
    """Whether its type has this attribute, because a DataFrame also has its columns as attributes."""
    return hasattr(value.__class__, name)
