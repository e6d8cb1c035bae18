"""``databroker-writable ls``: the runs of a catalog."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import click

from ..results.headers import NO_PROBES, STATUSES, Header, headers, name_of, unambiguous_length
from .command_group import CATALOG_HELP
from .parsing import parse_metadata, parse_time
from .targets import open_to_read, with_finding
from .text import json_text, say, shown, shown_time, table

COLUMNS = ("uid", "time", "sample", "name", "streams", "rows", "status")
WIDTH = 30


@click.command(
    help=f"List the runs of CATALOG, newest first.\n\n{CATALOG_HELP}\n\n"
    "The uids are cut where they still tell the runs apart. The name is that of the analysis or the plan. Rows are "
    "Events: a table stored with --one-event has one.",
    epilog="Example: databroker-writable ls results --where sample=Cu --since 7d",
)
@click.argument("catalog")
@click.option(
    "--where",
    multiple=True,
    metavar="KEY=VALUE",
    callback=parse_metadata,
    help="Only runs whose metadata say so; KEY can be nested, as in sample.name. May be repeated. A VALUE that is "
    "JSON is taken as such, any other as text.",
)
@click.option("--since", callback=parse_time, metavar="TIME", help="2024-05-31, '2024-05-31 14:30', or 2d: 2 days ago.")
@click.option("--until", callback=parse_time, metavar="TIME", help="Before that time, given likewise.")
@click.option("--derived-from", metavar="UID", help="Only results of this run, its uid in full or its beginning.")
@click.option("--status", type=click.Choice(STATUSES), help="Only runs of this status.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At most so many, the newest."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, uids in full.")
def ls(
    catalog: str,
    where: dict[str, Any],
    since: float | None,
    until: float | None,
    derived_from: str | None,
    status: str | None,
    limit: int,
    as_json: bool,
) -> None:
    opened = open_to_read(catalog).catalog
    span = {key: value for key, value in (("$gte", since), ("$lt", until)) if value is not None}
    if span and "time" in where:
        raise click.UsageError("--where time=... contradicts --since and --until; give only one of them")
    query = {**where, "time": span} if span else where
    fitting = (header for header in _runs(opened, query, derived_from) if status in (None, header.status))
    newest = list(itertools.islice(fitting, limit))
    more = next(fitting, None) is not None
    if as_json:
        say(json_text([_record(header) for header in newest]))
    elif not newest:
        say(f"no runs in {catalog}" + (" that fit" if query or derived_from or status else ""))
    else:
        length = unambiguous_length([header.uid for header in newest])
        say(table(COLUMNS, [_row(_record(header), length) for header in newest]))
    if more:
        say(f"these are the newest {limit}; --limit gives more", error=True)


def _runs(catalog: Any, query: Mapping[str, Any], derived_from: str | None) -> Iterator[Header]:
    """Headers of the runs that fit, newest first, probe runs left out."""
    if derived_from is not None:
        return headers(with_finding(catalog).results_of(derived_from), query)
    return headers(catalog, {**NO_PROBES, **query})


def _record(header: Header) -> dict[str, Any]:
    start = header.start
    return {
        "uid": header.uid,
        "time": start["time"],
        "sample": start.get("sample"),
        "name": name_of(start),
        "streams": (header.stop or {}).get("num_events") or {},
        "status": header.status,
    }


def _row(record: Mapping[str, Any], length: int) -> tuple[str, ...]:
    events = record["streams"]
    return (
        shown(record["uid"][:length], length),
        shown_time(record["time"]),
        *("" if record[key] is None else shown(record[key], WIDTH) for key in ("sample", "name")),
        shown(", ".join(events), WIDTH),
        shown(", ".join(map(str, events.values())), WIDTH),
        record["status"],
    )
