"""``databroker-writable copy``: runs from one catalog into another."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import click

from ..errors import InvalidRunError, ServerAwayError, StoreFailedError, UnreadableAssetError
from ..upkeep.copying import CopyReport, add_copies, finished_uids_to_copy, uids_to_copy
from .failing import CATALOG_HELP, message_of, saying_what_was_done
from .parsing import CommandWithRuns
from .printing import say
from .targets import find_uid, open_to_read, open_to_store, tiled_container

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
@click.argument("source")
@click.argument("destination")
@click.argument("uids", nargs=-1, metavar="[UID]...")
@click.option(
    "--as-is",
    is_flag=True,
    help="Also copy, unchanged, runs without a stop document, or with wrong counts or documents.",
)
@click.option(
    "--follow",
    is_flag=True,
    help="Continue with runs that are stored later, until Ctrl-C, and try again what a disk or a server made fail. "
    "Runs without a stop document wait until they have one, also with --as-is.",
)
@click.pass_context
def copy(ctx: click.Context, source: str, destination: str, uids: tuple[str, ...], as_is: bool, follow: bool) -> None:
    original = open_to_read(source)
    everything = uids_to_copy(original)
    full = [find_uid(original, source, uid) for uid in uids] if uids else everything
    is_tiled = destination.startswith(TILED)
    target = tiled_container(destination.removeprefix(TILED)) if is_tiled else open_to_store(destination)[0]
    report = CopyReport()
    if follow and as_is:
        # a run that is copied before its end is never completed
        unfinished = set(everything).difference(finished_uids_to_copy(original))
        report.unfinished += [uid for uid in full if uid in unfinished]
        full = [uid for uid in full if uid not in unfinished]
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
        done = {*everything}.difference(full, report.unfinished).union(_done(report))
        with saying_what_was_done(lambda: "run it again to continue"):
            _follow(original, target, done, _Retries(report), as_is, advice, away)
    ctx.exit(1 if report.failures else 3 if report.unfinished else 0)


def _follow(
    original: Any,
    target: Any,
    done: set[str],
    retries: _Retries,
    as_is: bool,
    advice: str,
    away: ServerAwayError | None,
) -> None:
    """Copy runs that are stored later, until an interrupt; wait for a server that is away."""
    was_said = False
    while True:
        if away is not None and not was_said:
            say(f"{message_of(away)}. Waiting until it answers; Ctrl-C ends this", error=True)
        was_said = away is not None
        time.sleep(SECONDS_BETWEEN)
        report, away = CopyReport(), None
        try:
            original.force_reload()
            new = retries.due(uid for uid in finished_uids_to_copy(original) if uid not in done)
            add_copies(report, original, target, new, as_is=as_is)
        except ServerAwayError as exc:
            away = exc
        failures = retries.new_failures(report)
        if report.copied or failures:
            _say(replace(report, failures=failures), advice)
        done.update(_done(report))


class _Retries:
    """The runs that a disk or a server made fail, each of which waits twice as long after each failure."""

    def __init__(self, report: CopyReport) -> None:
        self._waiting: dict[str, int] = {}  # the rounds until each is tried again
        self._pauses: dict[str, int] = {}
        self._said: dict[str, str] = {}
        self.new_failures(report)

    def due(self, uids: Iterable[str]) -> list[str]:
        """Those of some runs that do not wait, for the next round."""
        self._waiting = {uid: rounds - 1 for uid, rounds in self._waiting.items()}
        return [uid for uid in uids if self._waiting.get(uid, 0) <= 0]

    def new_failures(self, report: CopyReport) -> dict[str, Exception]:
        """Note the failures in a report, and give those that were not said before."""
        for uid, exc in report.failures.items():
            if _may_succeed(exc):
                self._pauses[uid] = min(2 * self._pauses.get(uid, 1), LONGEST_PAUSE)
                self._waiting[uid] = self._pauses[uid]
        failures = {uid: exc for uid, exc in report.failures.items() if self._said.get(uid) != str(exc)}
        self._said.update({uid: str(exc) for uid, exc in failures.items()})
        return failures


def _may_succeed(exc: Exception) -> bool:
    """Whether a copy may succeed later that failed so."""
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
