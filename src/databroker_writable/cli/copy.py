"""``databroker-writable copy``: runs from one catalog into another."""

from __future__ import annotations

import itertools
import sys
import time
from dataclasses import replace
from typing import Any

import click

from ..errors import InvalidRunError, ServerAwayError, StoreFailedError, UnreadableAssetError
from ..upkeep.copying import CopyReport, add_copies, runs_to_copy
from .failing import CATALOG_HELP, message_of, saying_what_was_done
from .parsing import CommandWithRuns
from .printing import say
from .targets import COMPLETED_AS_PATH, find_uid, open_to_read, open_to_store, tiled_container

TILED = "tiled:"
SECONDS_BETWEEN = 5
LONGEST_PAUSE = 120
"""The most rounds until a run is tried again."""


@click.command(
    cls=CommandWithRuns,
    help="Copy runs from the catalog SOURCE into the catalog DESTINATION, with their assets.\n\n"
    f"{CATALOG_HELP.replace('CATALOG is', 'Each is')} A DESTINATION directory is created if it does not exist; "
    "tiled:URI or tiled:PROFILE is a Tiled server. Each UID is a run's uid or its first characters, a scan_id, or -1 "
    "for the latest run; without UID, all runs are copied. Runs that are there already are skipped, so run the command "
    "again to continue after an interruption.\n\n"
    "Exit status: 0 all runs are there, 1 some could not be copied, 2 wrong usage, 3 only unfinished runs were not "
    "copied; --as-is copies them too.",
    epilog="Example: databroker-writable copy results archive.yml",
)
@click.argument("source", type=COMPLETED_AS_PATH)
@click.argument("destination", type=COMPLETED_AS_PATH)
@click.argument("uids", nargs=-1, metavar="[UID]...")
@click.option(
    "--as-is",
    is_flag=True,
    help="Also copy, unchanged, runs without a stop document, or with wrong counts or documents.",
)
@click.option(
    "--follow",
    is_flag=True,
    help="Continue with runs that are stored later, until Ctrl-C, and retry what failed because of a disk or a "
    "server. Runs without a stop document wait until they have one, also with --as-is.",
)
@click.pass_context
def copy(ctx: click.Context, source: str, destination: str, uids: tuple[str, ...], as_is: bool, follow: bool) -> None:
    original = open_to_read(source)
    known = runs_to_copy(original)
    full = [find_uid(original, source, uid) for uid in uids] if uids else list(known)
    is_tiled = destination.startswith(TILED)
    target = tiled_container(destination.removeprefix(TILED)) if is_tiled else open_to_store(destination)[0]
    report = CopyReport()
    if follow and as_is:
        # a run that is copied before its end is never completed
        report.unfinished += [uid for uid in full if not known.get(uid, True)]
        full = [uid for uid in full if known.get(uid, True)]
    away: ServerAwayError | None = None
    with saying_what_was_done(lambda: _progress(report, len(full))):
        try:
            add_copies(report, original, target, full, as_is=as_is, progress=sys.stderr.isatty())
        except ServerAwayError as exc:
            if not follow:
                if _done(report):
                    say(_progress(report, len(full)), error=True)
                raise
            away = exc
    advice = "" if as_is or is_tiled else "; --as-is copies it as it is"
    _say(report, advice)
    if follow:
        # with UIDs, --follow adds only what is stored from now on
        done = {*known}.difference(full, report.unfinished).union(_done(report))
        with saying_what_was_done(lambda: "run it again to continue"):
            _follow(original, target, done, report, as_is, advice, away)
    ctx.exit(1 if report.failures else 3 if report.unfinished else 0)


def _follow(
    original: Any,
    target: Any,
    done: set[str],
    report: CopyReport,
    as_is: bool,
    advice: str,
    away: ServerAwayError | None,
) -> None:
    """Copy runs that are stored later, until an interrupt; wait for a server that is away.

    What a disk or a server made fail, also in the report of the runs before, waits twice as long after each failure.
    """
    said: dict[str, str] = {}
    pauses: dict[str, int] = {}
    due: dict[str, int] = {}
    was_away = False
    for number in itertools.count():
        for uid, failure in report.failures.items():
            if _may_succeed(failure):
                pauses[uid] = min(2 * pauses.get(uid, 1), LONGEST_PAUSE)
                due[uid] = number + pauses[uid]
        new_failures = {uid: failure for uid, failure in report.failures.items() if said.get(uid) != str(failure)}
        said |= {uid: str(failure) for uid, failure in new_failures.items()}
        if number and (report.copied or new_failures):
            _say(replace(report, failures=new_failures), advice)
        done |= _done(report)
        if away is not None and not was_away:
            say(f"{message_of(away)}. Waiting until it answers; Ctrl-C ends this", error=True)
        was_away = away is not None
        time.sleep(SECONDS_BETWEEN)
        report, away = CopyReport(), None
        try:
            original.force_reload()
            waiting = {uid for uid, round_ in due.items() if round_ > number + 1}
            finished = [uid for uid, is_finished in runs_to_copy(original).items() if is_finished]
            new = [uid for uid in finished if uid not in done | waiting]
            add_copies(report, original, target, new, as_is=as_is)
        except ServerAwayError as exc:
            away = exc


def _may_succeed(exc: Exception) -> bool:
    """Whether a copy that failed with this error may succeed later."""
    return isinstance(exc, StoreFailedError | UnreadableAssetError)


def _done(report: CopyReport) -> set[str]:
    """The runs that are not tried again."""
    failed = (uid for uid, exc in report.failures.items() if not _may_succeed(exc))
    return {*report.copied, *report.present, *failed}


def _progress(report: CopyReport, total: int) -> str:
    there = len(report.copied) + len(report.present)
    return f"{there:,} of {total:,} copied; run it again to continue"


def _say(report: CopyReport, advice: str) -> None:
    for uid, exc in report.failures.items():
        say(f"failed: {uid}: {message_of(exc)}{advice if isinstance(exc, InvalidRunError) else ''}", error=True)
    for uid in report.unfinished:
        say(f"unfinished: {uid}: it has no stop document at the source{advice}", error=True)
    rest = {"failed": report.failures, "unfinished": report.unfinished}
    counts = "".join(f", {len(uids)} {what}" for what, uids in rest.items() if uids)
    say(f"{len(report.copied)} copied, {len(report.present)} there already{counts}")
