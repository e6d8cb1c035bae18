"""``databroker-writable store``: a file becomes a run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from .command_group import warnings_as_messages
from .parsing import parse_metadata
from .readers import read_file
from .targets import open_to_store
from .text import say


@click.command(
    epilog="Example: databroker-writable store xanes.csv --to results --metadata sample=Cu --metadata edge_energy=8979"
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--to",
    "target",
    required=True,
    metavar="CATALOG",
    help="A directory (made if absent), a YAML file of one catalog (catalogs.yml) or one entry of it "
    "(catalogs.yml:NAME), or a name in databroker.catalog.",
)
@click.option(
    "--metadata",
    multiple=True,
    metavar="KEY=VALUE",
    callback=parse_metadata,
    help='May be repeated. A VALUE that is JSON (8979, true, null, [1, 2], {"a": 1}, "29") is taken as such, '
    "any other as text.",
)
@click.option("--one-event", is_flag=True, help="Store the table as one Event whose columns are arrays.")
@click.option(
    "--group", metavar="NAME", help="The group of a netCDF file that is stored; / is what is outside of groups."
)
def store(file: Path, target: str, metadata: dict[str, Any], one_event: bool, group: str | None) -> None:
    """Store the table in FILE (.csv, .parquet or .nc) as a run, and print its uid."""
    table = read_file(file, group)
    opened = open_to_store(target)
    with warnings_as_messages(" (here: --one-event)"):
        on_terminal = sys.stderr.isatty()
        run = opened.catalog.store_run(table, metadata=metadata, one_event=one_event, progress=on_terminal)
    uid = run.metadata["start"]["uid"]
    say(f"stored {uid}; read it in Python: {opened.expression}[{uid!r}].primary.read()")
