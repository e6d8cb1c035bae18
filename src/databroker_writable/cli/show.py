"""``databroker-writable show``: one run."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import click

from ..results.drawn_values import Plottable
from ..results.header_search import NO_PROBES, complete_uid, headers, is_number, open_run
from ..results.plots import check_matplotlib, draw, plottable, save_figure
from ..results.remarks import remark_facts
from ..runs.attachments import has_attachments
from ..runs.run_display import ATTACHMENT_HEADER, attachment_rows, status_of
from ..tables.wording import counted
from .character_plot import text_plot
from .failing import CATALOG_HELP
from .first_events import Stream, read_streams, stream_in_words
from .parsing import CommandOnRuns, is_position, parse_picture
from .printing import json_text, say, shown, shown_time, table
from .targets import open_to_read

VALUE_WIDTH = 300


@click.command(
    cls=CommandOnRuns,
    help="Show the metadata, the streams and the first rows of a run.\n\n"
    f"{CATALOG_HELP} UID is the run's uid or its first characters, a scan_id, or -1 for the latest run.",
    epilog="Example: databroker-writable show results -1 --column mu",
)
@click.argument("catalog")
@click.argument("uid")
@click.option("--column", metavar="NAME", help="Plot this column with text characters. All of it is read.")
@click.option("--stream", "stream_name", metavar="NAME", help="The stream of the column, if several streams have it.")
@click.option(
    "--plot",
    metavar="FILE.png",
    callback=parse_picture,
    help="Draw the column, or the first that can be drawn, into a new file.",
)
@click.option("--x", metavar="NAME", help="Plot against this column or coordinate.")
@click.option(
    "--frame", type=int, metavar="N", help="The image of a stack, or the row of an image, from 0; -1 is the last."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: documents, columns and first rows.")
def show(
    catalog: str,
    uid: str,
    column: str | None,
    stream_name: str | None,
    plot: str | None,
    x: str | None,
    frame: int | None,
    as_json: bool,
) -> None:
    if column is None and plot is None and not (x is None and frame is None and stream_name is None):
        raise click.UsageError("--stream, --x and --frame are for plots; give --column or --plot, too")
    opened = open_to_read(catalog).catalog
    run = find_run(opened, catalog, uid)
    if plot is not None:
        check_matplotlib()
    is_drawn = column is not None or plot is not None
    content = plottable(run, column, stream=stream_name, x=x, frame=frame) if is_drawn else None
    lines = text_plot(content).splitlines() if content is not None and plot is None and not as_json else []
    streams = read_streams(run, (run.metadata["stop"] or {}).get("num_events") or {})
    if as_json:
        say(json_text(_record(run, streams)))
    else:
        _show(run, streams, remark_facts(opened, run.metadata["start"]["uid"]))
    if content is not None and plot is not None:
        say(f"wrote {_save(content, plot)}", error=as_json)
    if lines:
        say("\n" + "\n".join(shown(line, VALUE_WIDTH) for line in lines))


def _save(content: Plottable, path: str) -> str:
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained")
    draw(content, figure.subplots())
    return save_figure(figure, path)


def _show(run: Any, streams: Mapping[str, Stream], remarks: Sequence[tuple[str, str]]) -> None:
    start, stop = run.metadata["start"], run.metadata["stop"] or {}
    say(f"uid: {start['uid']}")
    say(f"time: {shown_time(start['time'])}")
    say(f"status: {shown(status_of(stop), VALUE_WIDTH)}")
    for name, text in remarks:
        say(f"{name}: {shown(text, VALUE_WIDTH)}")
    for key in start:
        if key not in ("uid", "time"):
            say(f"{shown(key, VALUE_WIDTH)}: {shown(start[key], VALUE_WIDTH)}")
    events = stop.get("num_events") or {}
    for name, stream in streams.items():
        if has_attachments(stream.data_keys):
            say("\nattachments, which export writes as files:")
            say(table(ATTACHMENT_HEADER, attachment_rows(stream.data_keys), indent="  "))
            continue
        say(f"\nstream {shown(name, VALUE_WIDTH)}: {_count(events.get(name))}")
        say(stream_in_words(run, name, stream))


def _record(run: Any, streams: Mapping[str, Stream]) -> dict[str, Any]:
    stop = run.metadata["stop"]
    events = (stop or {}).get("num_events") or {}
    return {
        "start": dict(run.metadata["start"]),
        "stop": stop and dict(stop),
        "streams": {
            name: {
                "events": events.get(name),
                "columns": {key: dict(data_key) for key, data_key in stream.data_keys.items()},
                "first_rows": [] if has_attachments(stream.data_keys) else stream.rows,
            }
            for name, stream in streams.items()
        },
    }


def find_run(catalog: Any, name: str, uid: str) -> Any:
    """Open the run that `find_uid` finds."""
    return open_run(catalog, find_uid(catalog, name, uid))


def find_uid(catalog: Any, name: str, uid: str) -> str:
    """The uid of a run by uid, partial uid, scan_id or negative number, which does not count probe runs."""
    if is_position(uid):
        newest = list(itertools.islice(headers(catalog, NO_PROBES), -int(uid)))
        if len(newest) < -int(uid):
            raise click.ClickException(f"{name} has no run {uid}: it only contains {counted(len(newest), 'run')}")
        return newest[-1].uid
    of_scan = next(headers(catalog, {"scan_id": int(uid)}), None) if is_number(uid) else None
    try:
        full = complete_uid(catalog, uid) if of_scan is None else of_scan.uid
    except ValueError as exc:
        raise click.ClickException(f"{name}: {exc}") from exc
    if full is None:
        raise click.ClickException(f"there is no run {uid!r} in {name}; databroker-writable ls {name} lists them")
    return full


def _count(events: int | None) -> str:
    if events is None:
        return "unknown number of Events"
    return counted(events, "Event")
