"""``databroker-writable store``: store tables from files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ..catalog.documents_to_store import slow_streams
from ..errors import StoreError
from ..results.remarks import check_tags
from ..results.time_arguments import FORMS, moment_in
from ..runs import upstream
from ..runs.built_stream import new_run_uid
from ..runs.document_parts import PRIMARY
from ..tables.metadata_values import day_in
from .failing import message_of, saying_what_was_done, warnings_as_messages
from .file_readers import read_file
from .parsing import parse_metadata, parse_sources, parse_target, parse_units
from .printing import say
from .targets import COMPLETED_AS_PATH, leaving_no_empty_directory, named_uid, open_to_store, run_elsewhere

VALUES = 'A VALUE that is JSON (8979, true, null, [1, 2], {"a": 1}, "29") is stored as JSON, any other as text.'


@click.command(
    epilog="Example: databroker-writable store xanes.csv --to results --metadata sample=Cu --metadata edge_energy=8979"
)
@click.argument("files", nargs=-1, required=True, type=click.Path(allow_dash=True), metavar="FILE...")
@click.option(
    "--to",
    "target",
    type=COMPLETED_AS_PATH,
    required=True,
    callback=parse_target,
    metavar="CATALOG",
    help="A directory (created if it does not exist), a YAML file of one catalog (catalogs.yml) or one entry of it "
    "(catalogs.yml:NAME), or a name in databroker.catalog.",
)
@click.option(
    "--metadata",
    multiple=True,
    metavar="KEY=VALUE",
    callback=parse_metadata,
    help=f"May be repeated. {VALUES} The time of the run is now, or time=TIME: a date, as in "
    "'time=2024-05-31 14:30', or seconds since 1970.",
)
@click.option("--uid", metavar="UID", help="The uid of the run, for one FILE; a new one by default.")
@click.option(
    "--tag", "tags", multiple=True, metavar="TAG", help="A word by which the run can be found. May be repeated."
)
@click.option(
    "--derived-from",
    "sources",
    multiple=True,
    metavar="[ROLE=][CATALOG:]UID",
    callback=parse_sources,
    help="A run that the table was made from: its uid or the first characters, a scan_id, or -1 for the latest run. "
    "A run of another catalog is written like raw:-1. May be repeated.",
)
@click.option("--supersedes", metavar="UID", help="The run of CATALOG that this one replaces, in the same forms.")
@click.option(
    "--parameter",
    "parameters",
    multiple=True,
    metavar="KEY=VALUE",
    callback=parse_metadata,
    help="A parameter of the analysis, like --metadata.",
)
@click.option(
    "--units",
    "units",
    multiple=True,
    metavar="COLUMN=TEXT",
    callback=parse_units,
    help="The units of a column, such as energy=eV. May be repeated.",
)
@click.option(
    "--attach",
    "attached",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="A figure, a report or another small file to keep with the run. May be repeated.",
)
@click.option(
    "--stream", default="primary", show_default=True, metavar="NAME", help="The name of the stream for the table."
)
@click.option("--one-event", is_flag=True, help="Store the table as one Event whose columns are arrays.")
@click.option("--group", metavar="NAME", help="The group of a netCDF file to store; / is the root group.")
@click.option(
    "--sep", "separator", metavar="TEXT", help="What separates the values in a text file: ';', tab, space, ..."
)
@click.option("--comment", metavar="TEXT", help="How comment lines begin, such as #.")
@click.option(
    "--skip-rows",
    "skipped_rows",
    type=click.IntRange(min=0),
    metavar="N",
    help="Number of lines to skip at the beginning.",
)
@click.option("--encoding", metavar="NAME", help="The encoding of a text file, if it is not UTF-8, such as latin-1.")
@click.option("--decimal", type=click.Choice([".", ","]), help="The decimal mark in a text file, a point by default.")
@click.option(
    "--header/--no-header",
    "has_names",
    default=None,
    help="Whether the first line of a text file has the names of the columns.",
)
@click.option(
    "--units-row",
    is_flag=True,
    default=None,
    help="The line below the names in a text file has the units of the columns; --units takes precedence.",
)
def store(
    files: Sequence[str],
    target: str,
    metadata: dict[str, Any],
    uid: str | None,
    tags: tuple[str, ...],
    sources: list[tuple[str, str]],
    supersedes: str | None,
    parameters: dict[str, Any],
    units: dict[str, str],
    attached: Sequence[Path],
    stream: str,
    one_event: bool,
    **of_files: Any,
) -> None:
    """Store the table in each FILE as a run, and print the uids.

    A FILE is CSV (.csv, or - for standard input), text with tabs (.tsv), columns of numbers with comments (.dat, .txt,
    .xdi), each also compressed (.csv.gz), or .parquet, .xlsx or .nc. All files are read before the first is stored.
    """
    if supersedes is not None and len(files) > 1:
        raise click.UsageError("--supersedes is for one FILE, which replaces the run; store the files one at a time")
    if uid is not None and len(files) > 1:
        raise click.UsageError("--uid is for one FILE, because each run has its own; store the files one at a time")
    if "uid" in metadata:
        raise click.UsageError(f"the uid of a run is not metadata; give it as --uid {metadata['uid']}")
    if "time" in metadata:
        metadata = {**metadata, "time": _seconds(metadata["time"])}
    attachments = _by_name(attached)
    with leaving_no_empty_directory(target):
        given = {name: value for name, value in of_files.items() if value is not None}
        with saying_what_was_done(lambda: "nothing was stored"):
            tables = [read_file(file, given) for file in files]
            catalog, expression = open_to_store(target)
            inputs = [(role, _source(catalog, target, text)) for role, text in sources]
            if supersedes is not None:
                supersedes = named_uid(catalog, target, supersedes, "--supersedes")
            if tags:
                check_tags(catalog, tags)
        uids = [new_run_uid() for _ in files] if uid is None else [uid]
        with warnings_as_messages(), saying_what_was_done(lambda: _progress(catalog, uids, files)):
            for file, run_uid, (table, own_units) in zip(files, uids, tables, strict=True):
                try:
                    run = catalog.store_run(
                        table,
                        metadata=metadata,
                        uid=run_uid,
                        one_event=one_event,
                        stream=stream,
                        derived_from=[{role: run} if role else run for role, run in inputs] or None,
                        supersedes=supersedes,
                        parameters=parameters or None,
                        units={**own_units, **units} or None,
                        attachments=attachments or None,
                        progress=sys.stderr.isatty(),
                    )
                except StoreError:
                    if len(files) > 1:
                        say(f"{file} cannot be stored: {_progress(catalog, uids, files)}", error=True)
                    raise
                say(f"stored {run_uid}; read it in Python: {_way_to_read(run, f'{expression}[{run_uid!r}]', stream)}")
                if tags:
                    _tag(catalog, run, tags)


def _way_to_read(run: Any, expression: str, stream: str) -> str:
    """The Python that reads a stream of a run, which an expression opens."""
    if stream in slow_streams(upstream.loaded_descriptors(run), run.metadata["stop"] or {}):
        chosen = "" if stream == PRIMARY else f", {stream!r}"
        return f"databroker_writable.to_dataset({expression}{chosen})"
    return expression + (f".{stream}" if stream.isidentifier() else f"[{stream!r}]") + ".read()"


def _tag(catalog: Any, run: Any, tags: Sequence[str]) -> None:
    """Add tags to a run that is stored; files after it are not stored if this fails."""
    try:
        catalog.annotate(run, tags=tags)
    except StoreError as exc:
        uid = run.metadata["start"]["uid"]
        raise click.ClickException(
            f"the run {uid!r} is stored, but not tagged: {message_of(exc)}; then tag it with databroker-writable note"
        ) from exc


def _seconds(time: Any) -> Any:
    """POSIX seconds of the time in metadata, which can be a date; numbers are checked where the run is built."""
    day = day_in(time)
    seconds = moment_in(time) if isinstance(time, str) else time
    if day is not None or seconds is None:
        remedy = f"time={day}" if day else f"it like {FORMS}, or seconds since 1970"
        raise click.UsageError(f"--metadata time={time} is not a time; write {remedy}")
    return seconds


def _source(catalog: Any, name: str, text: str) -> Any:
    """The run that --derived-from names: of another catalog, or the uid of one that should be in this one."""
    run = run_elsewhere(text)
    return named_uid(catalog, name, text, "--derived-from") if run is None else run


def _by_name(files: Sequence[Path]) -> dict[str, Path]:
    """The files to attach, by name; the names must differ."""
    attachments: dict[str, Path] = {}
    for file in files:
        other = attachments.setdefault(file.name, file)
        if other != file:
            raise click.UsageError(f"--attach {other} and {file} have the same name; rename one of them")
    return attachments


def _progress(catalog: Any, uids: Sequence[str], files: Sequence[str]) -> str:
    """How many files are stored, including the one during which an interrupt came."""
    stored = sum(catalog._backend.has_run(uid) for uid in uids)
    rest = f"; run it again, beginning with {files[stored]}" if stored < len(files) else ""
    return f"{stored:,} of {len(files):,} files stored{rest}"
