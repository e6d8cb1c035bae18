"""``databroker-writable check``: leftovers, damage, and whether runs can be stored."""

from __future__ import annotations

import sys

import click
import humanize
from click.core import ParameterSource

from ..catalog.reopening import without_password
from ..runs.shown_text import shown_size
from ..tables.wording import counted
from ..upkeep import Report, clean, examine, write_test
from ..upkeep.check_report import Leftover
from ..upkeep.new_process import PATIENCE, failure_elsewhere
from ..upkeep.recovering import RecoveredRun, recovered_and_left
from .failing import CATALOG_HELP
from .parsing import PlainCommand, parse_span
from .printing import json_text, say
from .targets import COMPLETED_AS_PATH, open_existing_to_store, open_to_check

_READ = """
import sys
from databroker_writable.upkeep import read_probe
from databroker_writable.cli.targets import open_to_read
try:
    read_probe(open_to_read(sys.argv[1]), sys.argv[2])
except Exception as exc:
    sys.exit(" ".join(f"{type(exc).__name__}: {exc}".split()))
"""


@click.command(
    cls=PlainCommand,
    help="Find damaged and missing files in CATALOG, and what crashes left behind.\n\n"
    f"{CATALOG_HELP}\n\n"
    "Reads every run file and every asset to its end, and verifies the checksums. Changes nothing except with "
    "--clean or --recover, and never removes anything that a run refers to. Exit status: 0 all is well, 1 something "
    "needs attention, 2 wrong usage.",
    epilog="Example: databroker-writable check results --clean --grace 2d",
)
@click.argument("catalog", type=COMPLETED_AS_PATH)
@click.option("--clean", "cleaning", is_flag=True, help="Remove leftovers that are older than the grace period.")
@click.option(
    "--grace",
    default="1d",
    show_default=True,
    callback=parse_span,
    metavar="TIME",
    help="Leftovers that are younger than this do not count as faults, and --clean keeps them: 90 (seconds), 30m, "
    "12h, 2d. It must be longer than any run takes to store. The age of a file is that of its last modification, the "
    "age of a MongoDB document that of its ObjectId, which the writer's clock sets. Documents of unknown age are "
    "removed only with 0; use that only while nobody stores runs.",
)
@click.option(
    "--unshared",
    is_flag=True,
    help="With --clean: also clean an asset_root that was set by hand, or a separate asset registry. Other "
    "catalogs must not use it: their assets would be removed.",
)
@click.option(
    "--write-test",
    "writing",
    is_flag=True,
    help="Instead, store a small probe run, read it in a new process, and check permissions, indexes and clocks. "
    "The run stays in the catalog; ls, latest and results_of do not show it.",
)
@click.option(
    "--recover",
    "recovering",
    is_flag=True,
    help="Instead, publish the incomplete runs that killed writers left, with the status abort. Only for catalogs "
    "of files.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def check(
    ctx: click.Context,
    catalog: str,
    cleaning: bool,
    grace: float,
    unshared: bool,
    writing: bool,
    recovering: bool,
    as_json: bool,
) -> None:
    if writing and cleaning:
        raise click.UsageError("--write-test does not look for leftovers; use --clean alone")
    if recovering and (writing or cleaning or as_json):
        raise click.UsageError("--recover only publishes runs; use it alone")
    is_grace_given = ctx.get_parameter_source("grace") is not ParameterSource.DEFAULT
    if (writing or recovering) and (unshared or is_grace_given):
        raise click.UsageError("--grace and --unshared are for leftovers, which --write-test and --recover do not see")
    if unshared and not cleaning:
        raise click.UsageError("--unshared is for removing leftovers; give --clean, too")
    if recovering:
        runs, left = recovered_and_left(open_existing_to_store(catalog))
        say(_recovered(runs, catalog))
        ctx.exit(1 if left else 0)
    if writing:
        report = write_test(open_existing_to_store(catalog), lambda uid: _read_elsewhere(catalog, uid))
    else:
        opened = open_to_check(catalog)
        if cleaning:
            opened._store.check_open("open it without that to remove leftovers")
        report = examine(opened, progress=sys.stderr.isatty())
    if cleaning:
        clean(report.findings, grace, unshared=unshared)
    as_dict = {"looked_at": report.looked_at, "findings": [finding.as_json(grace) for finding in report.findings]}
    say(without_password(json_text(as_dict) if as_json else _text(report, grace, catalog)))
    ctx.exit(1 if report.needs_attention(grace) else 0)


def _recovered(runs: list[RecoveredRun], catalog: str) -> str:
    lines = []
    for run in runs:
        line = f"recovered: {run.uid}: {counted(run.documents, 'document')}"
        if run.written_uid != run.uid:
            line += f" of the run {run.written_uid!r}, whose uid another run has"
        if run.events_left_out:
            line += f", {counted(run.events_left_out, 'Event')} left out because of incomplete assets"
        lines.append(line)
    return "\n".join([*lines, f"{catalog}: {counted(len(runs), 'run')} recovered"])


def _read_elsewhere(catalog: str, uid: str) -> str:
    """Open the catalog and read a probe run in a new process; return what went wrong."""
    said = failure_elsewhere(sys.executable, _READ, [catalog, uid])
    return f"it did not answer within {PATIENCE} s" if said is None else "".join(said[-1:])


def _text(report: Report, grace: float, catalog: str) -> str:
    seen = report.looked_at
    lines = []
    for finding in report.findings:
        if isinstance(finding, Leftover):
            state = "removed" if finding.removed else "leftover"
            is_advised = finding.remove is not None and not finding.removed and not finding.failure
            advice = f"; {_advice(finding, grace)}" if is_advised else ""
        else:
            state, advice = ("problem" if finding.is_problem else "note"), ""
        lines.append(f"{state}: {finding.where}: {finding.said()}{advice}")
    if "assets" in seen:
        runs, assets = counted(seen["runs"], "run"), counted(seen["assets"], "asset")
        looked = f"{runs}, {assets} ({shown_size(seen['bytes'])} read)"
    else:
        looked = "a probe run was stored" if seen["runs"] else "no probe run was stored"
    lines.append(f"{catalog}: {looked}; " + ("see above" if report.findings else "nothing to report"))
    return "\n".join(lines)


def _advice(finding: Leftover, grace: float) -> str:
    if finding.age is None:
        return "--clean --grace 0 removes it; use it only while nobody stores"
    if finding.age < grace:
        return (
            f"a process may still be writing it, so --clean keeps it for the grace period of "
            f"{humanize.precisedelta(grace)}; --grace changes that"
        )
    return (
        "--clean --unshared removes it, if no other catalog needs it" if finding.may_be_shared else "--clean removes it"
    )
