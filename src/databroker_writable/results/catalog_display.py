"""Displays of a catalog, and the lists of runs in them."""

from __future__ import annotations

import contextlib
import html
import itertools
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import pymongo

from ..runs.document_parts import name_of
from ..runs.run_display import rows_by_stream
from ..runs.shown_text import aligned, html_table, shown, shown_time
from ..storage.backend import label_of
from .header_search import Header, unambiguous_length
from .remarks import tags_of
from .selection import select

NEWEST = 10
SECONDS = 2
"""The time limit for a server when a catalog is displayed."""
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


def described(catalog: Any) -> str:
    """A catalog as text: its name, how many runs it has, and the newest ten."""
    title, rows = _described(catalog)
    return f"<{title}>" + (f"\n{aligned(rows[0], rows[1:])}" if rows else "")


def described_in_html(catalog: Any) -> str:
    """A catalog as HTML: its name, how many runs it has, and the newest ten."""
    title, rows = _described(catalog)
    return f"<p>{html.escape(title)}</p>" + (html_table(rows) if rows else "")


def _described(catalog: Any) -> tuple[str, list[tuple[str, ...]]]:
    title = f"catalog {shown(label_of(catalog), WIDTH)!r}"
    try:
        with _answer_within(SECONDS):
            count = len(catalog)
            records = records_of(catalog, itertools.islice(select(catalog), NEWEST))
    except Exception as exc:
        # displaying a catalog must not fail; messages of other libraries can repeat a URI with its password
        return f"{title}, which cannot be read now ({type(exc).__name__})", []
    newest = f", of which the newest {len(records)}:" if count > len(records) else ""
    return f"{title}: {count:,} run{'' if count == 1 else 's'}{newest}", text_table(records) if records else []


def _answer_within(seconds: float) -> AbstractContextManager[Any]:
    """Do not wait long for a MongoDB server, which pymongo can do from 4.2 on."""
    timeout = getattr(pymongo, "timeout", None)
    return contextlib.nullcontext() if timeout is None else timeout(seconds)


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
