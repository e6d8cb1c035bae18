"""The documents of databroker's runs, including those that its ``documents()`` omits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import event_model

from ..errors import InvalidRunError
from ..tables.stream_reading import stream_columns
from . import upstream
from .comparison import transformed
from .document_parts import PRIMARY, Document, NamedDocument
from .stream_resources import lost_column


def documents_of_databroker(run: Any) -> Iterable[NamedDocument]:
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
