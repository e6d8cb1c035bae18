"""Lists of runs as text, as ``ls`` and the display of a catalog show them; `run_table` makes DataFrames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..runs.document_parts import name_of
from ..runs.run_display import rows_by_stream
from ..runs.shown_text import shown, shown_time
from .header_search import Header, unambiguous_length
from .remarks import tags_of

WIDTH = 30

Record = dict[str, Any]


def records_of(catalog: Any, chosen: Iterable[tuple[Header, str]]) -> list[Record]:
    """The fields of each run: uid, POSIX time, status, sample, name, rows by stream, and tags."""
    tags = tags_of(catalog)
    return [
        {
            "uid": header.uid,
            "time": header.start["time"],
            "status": status,
            "sample": header.start.get("sample"),
            "name": name_of(header.start),
            "streams": rows_by_stream(header.stop),
            "tags": tags.get(header.uid, []),
        }
        for header, status in chosen
    ]


def text_table(records: Sequence[Record]) -> list[tuple[str, ...]]:
    """A header and a row of text for each run, with a column of tags if there are any."""
    names = ["uid", "time", "sample", "name", "streams", "rows", "status"]
    if any(record["tags"] for record in records):
        names.append("tags")
    length = unambiguous_length([record["uid"] for record in records])
    return [tuple(names), *(tuple(_texts(record, length)[: len(names)]) for record in records)]


def _texts(record: Record, length: int) -> list[str]:
    streams = record["streams"]
    return [
        shown(record["uid"][:length], length),
        shown_time(record["time"]),
        *("" if record[key] is None else shown(record[key], WIDTH) for key in ("sample", "name")),
        shown(", ".join(streams), WIDTH),
        shown(", ".join(map(str, streams.values())), WIDTH),
        record["status"],
        shown(", ".join(record["tags"]), WIDTH),
    ]
