"""``databroker-writable diff``: how two runs differ."""

from __future__ import annotations

import click

from ..results.differences import diff as difference_of
from .failing import CATALOG_HELP
from .parsing import CommandOnRuns
from .printing import say
from .targets import COMPLETED_AS_PATH, find_run, open_to_read


@click.command(
    cls=CommandOnRuns,
    help="Compare two runs: metadata, parameters, versions, columns and values. Reads all data.\n\n"
    f"{CATALOG_HELP} Each UID is a run's uid or its first characters, a scan_id, or -1 for the latest run.\n\n"
    "Exit status: 0 no differences, 1 the runs cannot be compared, 2 wrong usage, 3 the runs differ.",
    epilog="Example: databroker-writable diff results -2 -1",
)
@click.argument("catalog", type=COMPLETED_AS_PATH)
@click.argument("first", metavar="UID")
@click.argument("second", metavar="UID")
@click.pass_context
def diff(ctx: click.Context, catalog: str, first: str, second: str) -> None:
    opened = open_to_read(catalog)
    difference = difference_of(*(find_run(opened, catalog, uid) for uid in (first, second)))
    say(repr(difference))
    ctx.exit(3 if difference else 0)
