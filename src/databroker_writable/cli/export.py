"""``databroker-writable export``: write runs to files for other programs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import tqdm

from ..errors import StoreError
from ..runs.attachments import attachments
from ..upkeep.export_names import SUFFIXES, file_name
from ..upkeep.exporting import attachment_paths, export_with_suitcase
from ..upkeep.exporting import export as export_run
from .failing import CATALOG_HELP, message_of
from .parsing import CommandOnRuns
from .printing import say
from .targets import COMPLETED_AS_PATH, find_run, open_to_read


@click.command(
    cls=CommandOnRuns,
    help="Write runs to files for other programs. Each file is written completely or not at all.\n\n"
    f"{CATALOG_HELP} Each UID is a run's uid or its first characters, a scan_id, or -1 for the latest run.\n\n"
    "The suffix of FILE chooses the format: .nc netCDF, .nxs NeXus, .parquet, .csv (with the metadata in lines that "
    "begin with #), .json. FILE can contain keys of the start document: {sample}_{uid:.6}.nc, "
    "{time:%Y-%m-%d}_{scan_id}.csv. Missing directories are created. Attachments are "
    "written to a directory beside FILE: those of run.nc to run-attachments.",
    epilog="Example: databroker-writable export results -1 -o '{sample}_{uid:.6}.nxs' --with-inputs",
)
@click.argument("catalog", type=COMPLETED_AS_PATH)
@click.argument("uids", nargs=-1, required=True, metavar="UID...")
@click.option("-o", "--output", metavar="FILE", type=COMPLETED_AS_PATH, help="[default: {uid:.8}.nc]")
@click.option("--stream", metavar="NAME", help="Write only this stream. A .csv or .parquet file holds one.")
@click.option("--column", "columns", multiple=True, metavar="NAME", help="Write this column. May be repeated.")
@click.option("--with-inputs", is_flag=True, help="Add the metadata of the runs that a run was made from.")
@click.option(
    "--suitcase", metavar="NAME", help="Use an installed suitcase, such as csv. The names of its files begin with FILE."
)
@click.option("--force", is_flag=True, help="Replace existing files.")
@click.pass_context
def export(
    ctx: click.Context,
    catalog: str,
    uids: tuple[str, ...],
    output: str | None,
    stream: str | None,
    columns: tuple[str, ...],
    with_inputs: bool,
    suitcase: str | None,
    force: bool,
) -> None:
    if suitcase is not None and (force or with_inputs or columns or stream is not None):
        raise click.UsageError("--suitcase cannot be combined with --force, --with-inputs, --column or --stream")
    output = output or ("{uid:.8}-" if suitcase else "{uid:.8}.nc")
    opened = open_to_read(catalog)
    runs = {run.metadata["start"]["uid"]: run for run in (_find(opened, catalog, uid) for uid in uids)}
    names: dict[str, str] = {}
    for uid, run in runs.items():
        name = file_name(output, run.metadata["start"])
        other = names.setdefault(name, uid)
        if other != uid:
            raise click.UsageError(
                f"the runs {other} and {uid} would both be written to {name!r}; give -o a name that differs, such as "
                "{uid:.8}.nc"
            )
    failed = False
    for uid, run in tqdm.tqdm(runs.items(), unit="run", disable=len(runs) == 1 or not sys.stderr.isatty()):
        try:
            if suitcase is not None:
                paths = export_with_suitcase(run, suitcase, output)
            else:
                path = export_run(
                    run, output, stream=stream, columns=columns or None, with_inputs=with_inputs, force=force
                )
                attached = attachment_paths(attachments(run), path) if stream is None and not columns else {}
                paths = [path, *attached.values()]
        except StoreError as exc:
            if len(runs) == 1:
                raise
            failed = True
            say(f"failed: {uid}: {message_of(exc)}", error=True)
        else:
            for path in paths:
                say(f"wrote {path}")
    ctx.exit(1 if failed else 0)


def _find(opened: Any, catalog: str, uid: str) -> Any:
    try:
        return find_run(opened, catalog, uid)
    except click.ClickException:
        if Path(uid).suffix.lower() in SUFFIXES:
            raise click.UsageError(f"{uid!r} is not a run of {catalog}; name the file with -o: -o {uid}") from None
        raise
