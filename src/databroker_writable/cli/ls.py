"""``databroker-writable ls``: the runs of a catalog."""

from __future__ import annotations

import itertools
from typing import Any

import click

from ..results.header_search import STATUSES
from ..results.run_table import records_of, text_table
from ..results.selection import select, sources_in, warn_of_unknown_keys
from ..runs.shown_text import aligned
from .failing import CATALOG_HELP
from .parsing import PlainCommand, parse_metadata, parse_time
from .printing import json_text, say
from .targets import COMPLETED_AS_PATH, find_uid, is_position, open_to_read, run_elsewhere


@click.command(
    cls=PlainCommand,
    help=f"List the runs of CATALOG, newest first.\n\n{CATALOG_HELP}\n\n"
    "The uids are shortened, but stay different. The name is that of the analysis or the plan. Rows are Events, or the "
    "rows of a table that was stored with --one-event. Tags come from remarks.",
    epilog="Example: databroker-writable ls results --where sample=Cu --since 7d",
)
@click.argument("catalog", type=COMPLETED_AS_PATH)
@click.option(
    "--where",
    multiple=True,
    metavar="KEY=VALUE",
    callback=parse_metadata,
    help="Only runs with this metadata. KEY can be nested, as in sample.name. May be repeated. A VALUE that is JSON "
    "is read as JSON, any other as text.",
)
@click.option(
    "--since",
    callback=parse_time,
    metavar="TIME",
    help="Only runs from this time on: 2024-05-31, '2024-05-31 14:30', or 2d for two days ago.",
)
@click.option("--until", callback=parse_time, metavar="TIME", help="Only runs before this time, in the same forms.")
@click.option(
    "--derived-from",
    metavar="[CATALOG:]UID",
    help="Only results of this run: its uid or the first characters, or -1 for the latest run. A run of another "
    "catalog is written like raw:-1.",
)
@click.option("--status", type=click.Choice(STATUSES), help="Only runs with this status.")
@click.option("--tag", multiple=True, metavar="TAG", help="Only runs with this tag. May be repeated.")
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="Show at most this many runs, the newest.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with complete uids.")
def ls(
    catalog: str,
    where: dict[str, Any],
    since: float | None,
    until: float | None,
    derived_from: str | None,
    status: str | None,
    tag: tuple[str, ...],
    limit: int,
    as_json: bool,
) -> None:
    opened = open_to_read(catalog)
    if "time" in where and (since is not None or until is not None):
        raise click.UsageError("--where time=... contradicts --since and --until; give only one of them")
    source: Any = derived_from
    if derived_from is not None and is_position(derived_from):
        source = find_uid(opened, catalog, derived_from)
    elif derived_from is not None:
        run = run_elsewhere(derived_from)
        source = derived_from if run is None else run
    chosen = select(
        opened,
        where,
        status,
        since=since,
        until=until,
        sources=sources_in(opened, source),
        tags=list(tag) or None,
    )
    records = records_of(opened, itertools.islice(chosen, limit))
    more = next(chosen, None) is not None
    if as_json:
        # without tags, where there are none
        say(json_text([{key: value for key, value in record.items() if key != "tags" or value} for record in records]))
    elif not records:
        warn_of_unknown_keys(opened, where)
        say(f"no runs in {catalog}" + (" that fit" if where or since or until or derived_from or status or tag else ""))
    else:
        header, *rows = text_table(records)
        say(aligned(header, rows))
    if more:
        say(f"these are the newest {limit}; --limit gives more", error=True)
