"""``databroker-writable delete``: remove runs permanently, as an administrator."""

from __future__ import annotations

import contextlib
import os
import re
from typing import Any

import click

from ..errors import NotFoundError
from ..results.header_search import header_of
from ..results.impact import Result, results_made_from
from ..runs.document_parts import name_of
from ..runs.shown_text import aligned, shown, shown_size, shown_time
from .failing import CATALOG_HELP, warnings_as_messages
from .parsing import CommandOnRuns
from .printing import say
from .targets import COMPLETED_AS_PATH, open_existing_to_store, uid_of_scan

WIDTH = 36
MOST_ROWS = 20


@click.command(
    cls=CommandOnRuns,
    help="Delete runs permanently: their documents, assets and remarks. Shows what will be deleted and what was made "
    "from it, and asks for confirmation.\n\n"
    f"{CATALOG_HELP} Each UID is a run's uid or, without --yes, its first characters.\n\n"
    "If the command is interrupted, each run is either still there or gone; databroker-writable check then lists what "
    "is left, and the same command removes it. If a run is only wrong, mark it instead: databroker-writable note "
    "CATALOG UID REASON --retract.",
    epilog="Example: databroker-writable delete results 4f3a91c2 77ab01de",
)
@click.argument("catalog", type=COMPLETED_AS_PATH)
@click.argument("uids", metavar="UID...", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def delete(catalog: str, uids: tuple[str, ...], yes: bool) -> None:
    from ..upkeep.deleting import deletion_of

    if any(re.fullmatch(r"-\d+", uid) for uid in uids):
        raise click.UsageError(
            "delete takes uids, not -1: which run is the latest can change; see databroker-writable ls"
        )
    opened = open_existing_to_store(catalog)
    found = {}
    for uid in uids:
        of_scan = None if header_of(opened, uid) is not None else uid_of_scan(opened, uid)
        if of_scan is not None:
            # the other commands take it for a scan_id, which another run can have, too
            raise click.UsageError(
                f"delete takes uids, and {uid} is a scan_id, that of {of_scan}; give the uid of the run to delete"
            )
        found[uid] = deletion_of(opened, uid)
    for uid, deletion in found.items():
        if yes and uid != deletion.uid:
            # the same command again, when the run of this very uid is gone, must not delete another one
            raise click.UsageError(f"{uid} is only the beginning of {deletion.uid}; with --yes give complete uids")
    deletions = {deletion.uid: deletion for deletion in found.values()}
    say(aligned(("uid", "time", "name", "documents", "assets"), [_row(opened, item) for item in deletions.values()]))
    for path in sorted({path for deletion in deletions.values() for path in deletion.kept}):
        say(f"kept, because other runs use it or could: {path}")
    with warnings_as_messages():
        _say_results(opened, deletions)
    if not yes:
        click.confirm(
            f"Delete {'this run' if len(deletions) == 1 else f'these {len(deletions)} runs'} permanently?", abort=True
        )
    for uid, deletion in deletions.items():
        deletion.execute()
        say(f"deleted {uid}")


def _row(catalog: Any, deletion: Any) -> tuple[str, ...]:
    header = header_of(catalog, deletion.uid) if deletion.is_visible else None
    size = sum(os.path.getsize(path) for path in deletion.assets)
    return (
        deletion.uid,
        shown_time(header.time) if header else "unreadable" if deletion.is_visible else "deletion interrupted",
        "" if header is None else shown(name_of(header.start) or "", WIDTH),
        deletion.size,
        f"{shown_size(size)} in {len(deletion.assets)}" if deletion.assets else "none",
    )


def _say_results(catalog: Any, deletions: dict[str, Any]) -> None:
    """Print which other runs were made from those that are deleted."""
    results: dict[str, Result] = {}
    for uid, deletion in deletions.items():
        # otherwise its file is damaged, and no run names it
        with contextlib.suppress(NotFoundError):
            found = results_made_from(catalog, uid)[0] if deletion.is_visible else {}
            results |= {result: found[result] for result in found if result not in deletions}
    if not results:
        say("no other run was made from this")
        return
    if len(results) == 1:
        say("1 other run was made from this, and will lose its input:")
    else:
        say(f"{len(results)} other runs were made from this, and will lose the input:")
    rows = [
        (uid, result.catalog or "", shown(name_of(result.header.start) or "", WIDTH), result.header.status)
        for uid, result in results.items()
    ]
    say(aligned(("uid", "catalog", "name", "status"), rows[:MOST_ROWS], indent="  "))
    if len(rows) > MOST_ROWS:
        say(f"  and {len(rows) - MOST_ROWS} more; databroker-writable lineage CATALOG UID --downstream shows them")
