"""``databroker-writable ls``: the runs of a catalog."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from ..results.finding import PROBE, starts, starts_without_probes
from .command_group import CATALOG_HELP
from .metadata import parse_metadata
from .targets import open_to_read, with_finding
from .text import json_text, shown, shown_time, table
from .times import parse_time

HEADER = ("uid", "time", "sample", "name", "streams", "rows", "status")
NAMES = ("analysis_name", "analysis", "plan_name")
SHORTEST_UID = 8
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
    limit: int,
    as_json: bool,
) -> None:
    opened = open_to_read(catalog).catalog
    span = {key: value for key, value in (("$gte", since), ("$lt", until)) if value is not None}
    if span and "time" in where:
        raise click.UsageError("--where time=... contradicts --since and --until; give only one of them")
    query = {**where, "time": span} if span else where
    found = _runs(opened, query, derived_from)
    headers = [opened[start["uid"]].metadata for start in itertools.islice(found, limit)]
    more = next(found, None) is not None
    if as_json:
        click.echo(json_text([_record(header["start"], header["stop"]) for header in headers]))
    elif not headers:
        click.echo(f"no runs in {catalog}" + (" that fit" if query or derived_from else ""))
    else:
        length = unambiguous_length([header["start"]["uid"] for header in headers])
        click.echo(table(HEADER, [_row(_record(header["start"], header["stop"]), length) for header in headers]))
    if more:
        click.echo(f"these are the newest {limit}; --limit gives more", err=True)


def unambiguous_length(uids: Sequence[str]) -> int:
    """How many characters tell uids apart."""
    longest = max(map(len, uids))
    return next(n for n in range(SHORTEST_UID, longest + SHORTEST_UID) if len({u[:n] for u in uids}) == len(uids))


def _runs(catalog: Any, query: Mapping[str, Any], derived_from: str | None) -> Iterator[Mapping[str, Any]]:
    """Start documents of the runs that fit, newest first, probe runs left out."""
    if derived_from is not None:
        results = with_finding(catalog).results_of(derived_from)
        return starts(results.search(query) if query else results)
    if query:
        return starts(catalog.search({PROBE: {"$exists": False}, **query}))
    return starts_without_probes(catalog)


def _record(start: Mapping[str, Any], stop: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "uid": start["uid"],
        "time": start["time"],
        "sample": start.get("sample"),
        "name": next((start[key] for key in NAMES if start.get(key)), None),
        "streams": (stop or {}).get("num_events") or {},
        "status": stop["exit_status"] if stop else "unfinished",
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
