"""``databroker-writable note``: add a remark to a stored run, or list its remarks."""

from __future__ import annotations

import click

from ..runs.shown_text import aligned, shown, shown_time
from .failing import CATALOG_HELP
from .parsing import CommandOnRuns, parse_target
from .printing import say
from .targets import COMPLETED_AS_PATH, find_run, open_existing_to_store, open_to_read

COLUMNS = ("time", "user", "verdict", "tags", "text")
WIDTH = 60


@click.command(
    cls=CommandOnRuns,
    help="Add a remark to a stored run: TEXT, tags, or both. Without either, list the remarks on it.\n\n"
    f"{CATALOG_HELP} UID is the run's uid or its first characters, a scan_id, or -1 for the latest run.\n\n"
    "Remarks are kept next to the runs, with your user name and the time. They cannot be changed.",
    epilog='Example: databroker-writable note results 4f3a91c2 "beam dump at frame 40" --tag bad-frames',
)
@click.argument("catalog", type=COMPLETED_AS_PATH)
@click.argument("uid")
@click.argument("text", required=False)
@click.option(
    "--tag", "tags", multiple=True, metavar="TAG", help="A word by which the run can be found. May be repeated."
)
@click.option("--retract", is_flag=True, help="Mark the run as wrong; TEXT is the reason. It stays stored.")
@click.option("--restore", is_flag=True, help="Undo a retraction.")
@click.option(
    "--to",
    type=COMPLETED_AS_PATH,
    metavar="RESULTS",
    callback=parse_target,
    help="Keep the remark in this catalog, if the run's own is read-only.",
)
def note(
    catalog: str, uid: str, text: str | None, tags: tuple[str, ...], retract: bool, restore: bool, to: str | None
) -> None:
    if retract + restore + bool(tags) > 1:
        raise click.UsageError("--tag, --retract and --restore cannot be combined; give one of them")
    is_list = text is None and not (tags or retract or restore)
    text = text or ""
    if retract and not text.strip():
        raise click.ClickException(
            "a retraction needs a reason; say after the uid, as TEXT, what is wrong with the run"
        )
    otherwise = "" if to else ", or keep the remark in the catalog of your results, with --to RESULTS"
    kept = open_existing_to_store(to or catalog, otherwise)
    run = find_run(open_to_read(catalog) if to else kept, catalog, uid)
    if is_list:
        rows = [
            (
                shown_time(remark["time"]),
                shown(remark["user"], WIDTH),
                remark["verdict"] or "",
                shown(", ".join(remark["tags"]), WIDTH),
                shown(remark["text"], WIDTH),
            )
            for remark in kept.annotations(run)
        ]
        say(aligned(COLUMNS, rows) if rows else "no remarks")
        return
    if retract:
        remark = kept.retract(run, text)
    elif restore:
        remark = kept.restore(run, text)
    else:
        remark = kept.annotate(run, text, list(tags))
    say(f"{remark['verdict'] or 'noted on'} {remark['run']}")
