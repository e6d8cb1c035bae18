"""Displays of runs and streams: text in a terminal, HTML in a notebook."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from ..tables.stream_reading import counts_by_stream
from . import upstream
from .attachments import FILE_NAME, MEDIA_TYPE, has_attachments
from .built_stream import BuiltStream
from .document_parts import PRIMARY, Document, ending_of, name_of
from .shown_text import SHORT_UID, aligned, html_table, shown, shown_time
from .start_document import sources_of

WIDTH = 60
CELL_WIDTH = 40

COLUMN_HEADER = ("column", "dtype", "shape", "units")
ATTACHMENT_HEADER = ("file", "type", "bytes")

_STORED = "read it exactly: databroker_writable.to_dataset(run{})"
_ATTACHED = "read them: databroker_writable.attachments(run)"
_BUILT = "it is in memory; store it: catalog.store_run(run)"

Row = Sequence[str]


@dataclass(frozen=True)
class Display:
    """A title, facts by name, a table whose first row is its header, and what to do next."""

    title: str
    facts: Sequence[tuple[str, str]]
    table: Sequence[Row]
    advice: str

    def text(self) -> str:
        """The lines for a terminal."""
        facts = [f"  {name}: {value}" for name, value in self.facts]
        table = [aligned(self.table[0], self.table[1:], indent="  ")] if len(self.table) > 1 else []
        return "\n".join([self.title, *facts, *table, f"  {self.advice}"])

    def html(self) -> str:
        """The same for a notebook, in the colours of its theme."""
        facts = "<br>".join(f"{html.escape(name)}: {html.escape(value)}" for name, value in self.facts)
        table = html_table(self.table) if len(self.table) > 1 else ""
        title, advice = html.escape(self.title), html.escape(self.advice)
        return f"<p><b>{title}</b><br>{facts}</p>{table}<p><code>{advice}</code></p>"


def rows_by_stream(stop: Mapping[str, Any] | None) -> Mapping[str, int]:
    """The number of Events of each stream, or of rows of a table that is one Event."""
    return counts_by_stream(stop) | counts_by_stream(stop, "num_rows")


def status_of(stop: Mapping[str, Any] | None) -> str:
    """How a run ended, and why."""
    status, reason = ending_of(stop)
    return f"{status} ({reason})" if reason else str(status)


def display_of(run: Any) -> Display:
    """The display of a run of databroker, or of one in memory."""
    start, stop = run.metadata["start"], run.metadata["stop"]
    documents = upstream.cached_documents(run)
    if documents is None:
        descriptors, advice = upstream.loaded_descriptors(run), _STORED.format("")
    else:
        descriptors, advice = [doc for name, doc in documents if name == "descriptor"], _BUILT
    return Display(f"run {start['uid']}", _facts(start, stop), _streams(descriptors, rows_by_stream(stop)), advice)


class ShownBuilder:
    """The display of a builder of a run."""

    def __repr__(self) -> str:
        return _display_of_builder(self).text()

    def _repr_html_(self) -> str:
        return _display_of_builder(self).html()


def _display_of_builder(builder: Any) -> Display:
    streams: Mapping[str, BuiltStream] = builder._streams
    if builder.stored_run is not None:
        state, advice = "stored", "the stored run: builder.stored_run"
    elif builder.closed:
        state, advice = "closed", "the run in memory: builder.get_run()"
    else:
        state, advice = "open", "add to it: builder.add_stream(...), builder.add_data(...)"
    rows = {name: stream.rows for name, stream in streams.items()}
    table = _streams([stream.descriptor for stream in streams.values()], rows)
    return Display(f"builder of the run {builder.uid}", [("state", state)], table, advice)


def display_of_stream(stream: Any) -> Display:
    """The display of a stream of databroker's."""
    (descriptor, *_), start = upstream.loaded_descriptors(stream), stream.metadata["start"]
    name = descriptor.get("name", PRIMARY)
    rows = rows_by_stream(stream.metadata["stop"]).get(name)
    facts = [("run", start["uid"]), ("rows", "?" if rows is None else f"{rows:,}")]
    advice = _STORED.format("" if name == PRIMARY else f", {name!r}")
    data_keys = descriptor["data_keys"]
    if has_attachments(data_keys):
        return Display("attachments", facts[:1], [ATTACHMENT_HEADER, *attachment_rows(data_keys)], _ATTACHED)
    return Display(f"stream {shown(name, WIDTH)}", facts, [COLUMN_HEADER, *column_rows(data_keys)], advice)


def column_rows(data_keys: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    """A row for each column, under `COLUMN_HEADER`."""
    return [
        (
            shown(name, CELL_WIDTH),
            _dtype(data_key),
            _shape(data_key),
            shown(data_key.get("units") or "", CELL_WIDTH),
        )
        for name, data_key in data_keys.items()
    ]


def attachment_rows(data_keys: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    """A row for each attachment, under `ATTACHMENT_HEADER`."""
    return [
        (shown(data_key[FILE_NAME], WIDTH), shown(data_key.get(MEDIA_TYPE, ""), WIDTH), f"{data_key['shape'][0]:,}")
        for data_key in data_keys.values()
    ]


def _dtype(data_key: Mapping[str, Any]) -> str:
    """The numpy dtype if the documents have it, else event-model's."""
    try:
        dtype = numpy.dtype(data_key["dtype_numpy"])
    except (KeyError, TypeError):
        return str(data_key["dtype"])
    return dtype.name if dtype.kind in "biufc" else str(data_key["dtype"])


def _facts(start: Document, stop: Document | None) -> list[tuple[str, str]]:
    made_from = ", ".join(source["uid"][:SHORT_UID] for source in sources_of(start))
    facts = {
        "sample": start.get("sample"),
        "name": name_of(start),
        "time": shown_time(start.get("time")),
        "status": status_of(stop),
        "made from": made_from,
    }
    return [(name, shown(value, WIDTH)) for name, value in facts.items() if value not in (None, "")]


def _streams(descriptors: Iterable[Document], rows: Mapping[str, int]) -> list[Row]:
    """A row for each stream, with the columns of its first descriptor."""
    columns: dict[str, Document] = {}
    for descriptor in descriptors:
        columns.setdefault(descriptor.get("name", PRIMARY), descriptor["data_keys"])
    lines: list[Row] = [("stream", "rows", "columns")]
    for stream, data_keys in columns.items():
        listed = [
            f"{data_key.get(FILE_NAME, name)}" + (f" ({_shape(data_key)})" if data_key.get("shape") else "")
            for name, data_key in data_keys.items()
        ]
        number = f"{rows[stream]:,}" if stream in rows else "?"
        lines.append((shown(stream, WIDTH), number, shown(", ".join(listed), WIDTH)))
    return lines


def _shape(data_key: Mapping[str, Any]) -> str:
    return " x ".join(map(str, data_key.get("shape") or ())) or "scalar"
