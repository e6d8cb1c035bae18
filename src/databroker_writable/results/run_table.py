"""Lists of runs: as a DataFrame, and as text, as `ls` and the display of a catalog show them."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy
import pandas

from ..errors import InvalidMetadataError, did_you_mean
from ..runs.document_parts import PRIMARY, name_of
from ..runs.run_display import rows_by_stream
from ..runs.shown_text import shown, shown_time
from ..storage.backend import label_of
from ..tables.wording import short
from .header_search import Header, flat, headers, refresh, value_at
from .remarks import tags_of
from .run_uids import unambiguous_length
from .selection import select, sources_in, warn_of_unknown_keys, with_keywords
from .time_arguments import local_times

WIDTH = 30

COLUMNS = ("time", "status", "sample", "name", "streams", "rows", "tags")
"""The columns of every table of runs."""

Record = dict[str, Any]


def table(
    catalog: Any,
    query: Mapping[str, Any] | None,
    columns: Sequence[str],
    more: Mapping[str, Any],
    *,
    derived_from: Any = None,
    limit: int | None = None,
    **filters: Any,
) -> pandas.DataFrame:
    """The matching runs, newest first, with their metadata in `columns`; the filters are those of `select`."""
    if isinstance(query, str):
        raise InvalidMetadataError(
            f"a query must be a dict of conditions on start documents, not {short(query)}; for a column of metadata "
            f"use table(None, {short(query)})"
        )
    query = with_keywords(query, more, "table")
    for name in columns:
        if not isinstance(name, str) or not name:
            raise InvalidMetadataError(
                f"the name of a column must be text such as 'parameters.window', not {short(name)}; conditions come "
                "first, in one dict"
            )
    is_count = isinstance(limit, int | numpy.integer) and not isinstance(limit, bool) and limit > 0
    if limit is not None and not is_count:
        raise InvalidMetadataError(f"limit must be a number of runs, at least 1, or None for all, not {short(limit)}")
    refresh(catalog)
    tags, asked = tags_of(catalog), [name for name in dict.fromkeys(columns) if name not in COLUMNS]
    uids: list[str] = []
    values: dict[str, list[Any]] = {name: [] for name in (*COLUMNS, *asked)}
    sources = sources_in(catalog, derived_from)

    def chosen() -> Iterator[tuple[Header, str]]:
        return itertools.islice(select(catalog, query, sources=sources, **filters), limit and min(limit, sys.maxsize))

    # no dict per run is kept: so many new objects would start garbage collections over everything in the catalog
    for header, status in chosen():
        record = _record(header, status, tags)
        rows = record["streams"]
        record["rows"] = rows.get(PRIMARY, max(rows.values(), default=None))
        record |= {name: ", ".join(record[name]) for name in ("streams", "tags")}
        uids.append(header.uid)
        for name in COLUMNS:
            values[name].append(record[name])
        for name in asked:
            values[name].append(value_at(header.start, name))
    if query and not uids:
        warn_of_unknown_keys(catalog, query)
    for name in asked:
        if uids and all(value is None for value in values[name]):
            _check_known(catalog, name, (header for header, _ in chosen()))
    index = pandas.Index(uids, dtype=object, name="uid")
    made = {"time": local_times(values["time"]), "rows": pandas.array(values["rows"], dtype="Int64")}
    made |= {name: pandas.Series(values[name], index, dtype=object) for name in ("status", "streams", "tags")}
    made |= {name: _metadata(values[name], index) for name in ("sample", "name", *asked)}
    return pandas.DataFrame({name: made[name] for name in values}, index=index)


def _metadata(values: Sequence[Any], index: pandas.Index) -> pandas.Series:
    """A column of metadata, None where a run has none: numbers keep their type beside it, and text gets no NaN."""
    column = pandas.Series(values, index, dtype=object)
    return column if any(value is None for value in values) else column.infer_objects()


def _check_known(catalog: Any, name: str, chosen: Iterable[Header]) -> None:
    if next(headers(catalog, {name: {"$exists": True}}), None) is not None:
        return
    known = sorted({known for header in chosen for known in (*header.start, *flat(header.start))})
    remedy = did_you_mean(name, known) or f"; leave it out, or use one of {', '.join(known)}"
    raise InvalidMetadataError(f"no run of {label_of(catalog)!r} has {name!r} in its metadata{remedy}")


def records_of(catalog: Any, chosen: Iterable[tuple[Header, str]]) -> list[Record]:
    """The fields of each run: uid, POSIX time, status, sample, name, rows by stream, and tags."""
    tags = tags_of(catalog)
    return [_record(header, status, tags) for header, status in chosen]


def _record(header: Header, status: str, tags: Mapping[str, list[str]]) -> Record:
    return {
        "uid": header.uid,
        "time": header.time,
        "status": status,
        "sample": header.start.get("sample"),
        "name": name_of(header.start),
        "streams": rows_by_stream(header.stop),
        "tags": tags.get(header.uid, []),
    }


def text_table(records: Sequence[Record]) -> list[tuple[str, ...]]:
    """A header and a row of text for each run, with a column of tags if there are any."""
    names = ["uid", "time", "sample", "name", "streams", "rows", "status"]
    if any(record["tags"] for record in records):
        names.append("tags")
    length = unambiguous_length([record["uid"] for record in records])
    rows = [
        (
            shown(record["uid"][:length], length),
            shown_time(record["time"]),
            *("" if record[key] is None else shown(record[key], WIDTH) for key in ("sample", "name")),
            shown(", ".join(record["streams"]), WIDTH),
            shown(", ".join(map(str, record["streams"].values())), WIDTH),
            record["status"],
            shown(", ".join(record["tags"]), WIDTH),
        )
        for record in records
    ]
    return [tuple(names), *(row[: len(names)] for row in rows)]
