"""``databroker-writable show``: one run."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import click
import numpy
import pandas
import xarray

from ..results.drawing import Plottable, check_matplotlib, draw, save_figure
from ..results.plots import plottable
from ..results.remarks import remark_facts, status_beside
from ..runs.attachments import has_attachments
from ..runs.run_display import ATTACHMENT_HEADER, CELL_WIDTH, COLUMN_HEADER, attachment_rows, column_rows, status_of
from ..runs.shown_text import aligned, shown, shown_time
from ..runs.upstream import loaded_descriptors
from ..tables import dataset_of_event, find_layout
from ..tables.classifier import is_lazy
from ..tables.exact_numbers import series_of
from ..tables.stream_reading import counts_by_stream, partitions
from ..tables.wording import counted
from .character_plot import text_plot
from .failing import CATALOG_HELP, message_of
from .parsing import CommandOnRuns, parse_picture
from .printing import json_text, say
from .targets import COMPLETED_AS_PATH, find_run, open_to_read

VALUE_WIDTH = 300
FIRST_ROWS = 5
FIRST_COLUMNS = 8
FIRST_VALUES = 3

DIGITS = 6

_OF_DOCUMENTS = (str, int, list, tuple, Mapping, type(None))

Values = dict[Hashable, xarray.Variable]


@click.command(
    cls=CommandOnRuns,
    help="Show the metadata, the streams and the first rows of a run.\n\n"
    f"{CATALOG_HELP} UID is the run's uid or its first characters, a scan_id, or -1 for the latest run.",
    epilog="Example: databroker-writable show results -1 --column mu",
)
@click.argument("catalog", type=COMPLETED_AS_PATH)
@click.argument("uid")
@click.option("--column", metavar="NAME", help="Plot this column with text characters. All of it is read.")
@click.option("--stream", "stream_name", metavar="NAME", help="The stream of the column, if several streams have it.")
@click.option(
    "--plot",
    metavar="FILE.png",
    type=COMPLETED_AS_PATH,
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
    opened = open_to_read(catalog)
    run = find_run(opened, catalog, uid)
    if plot is not None:
        check_matplotlib()
    is_drawn = column is not None or plot is not None
    content = plottable(run, column, stream=stream_name, x=x, frame=frame) if is_drawn else None
    lines = text_plot(content).splitlines() if content is not None and plot is None and not as_json else []
    streams = _read_streams(run, counts_by_stream(run.metadata["stop"]))
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
    say(f"status: {shown(status_beside(remarks, status_of(stop)), VALUE_WIDTH)}")
    for name, text in remarks:
        say(f"{name}: {shown(text, VALUE_WIDTH)}")
    for key in start:
        if key not in ("uid", "time"):
            say(f"{shown(key, VALUE_WIDTH)}: {shown(start[key], VALUE_WIDTH)}")
    events = counts_by_stream(stop)
    for name, stream in streams.items():
        if has_attachments(stream.data_keys):
            say("\nattachments, which export writes as files:")
            say(aligned(ATTACHMENT_HEADER, attachment_rows(stream.data_keys), indent="  "))
            continue
        count = events.get(name)
        rows = "unknown number of Events" if count is None else counted(count, "Event")
        say(f"\nstream {shown(name, VALUE_WIDTH)}: {rows}")
        say(_stream_in_words(run, name, stream))


def _record(run: Any, streams: Mapping[str, Stream]) -> dict[str, Any]:
    stop = run.metadata["stop"]
    events = counts_by_stream(stop)
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


@dataclass
class Stream:
    """The first descriptor of a stream, which has its columns, and a page for each of its first Events."""

    descriptor: dict[str, Any]
    pages: list[dict[str, Any]] = field(default_factory=list)

    @property
    def data_keys(self) -> Mapping[str, Mapping[str, Any]]:
        return self.descriptor["data_keys"]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The values of the first Events."""
        return [{key: values[0] for key, values in page["data"].items()} for page in self.pages]

    @property
    def in_files(self) -> set[str]:
        """The columns that are stored as assets."""
        return {key for key, data_key in self.data_keys.items() if "external" in data_key}


def _read_streams(run: Any, events: Mapping[str, int]) -> dict[str, Stream]:
    """The streams in the order in which they began; databroker gives those of the same time in any order."""
    begun = list(events)
    names = sorted(run, key=lambda name: begun.index(name) if name in events else len(begun))
    return {name: _read_stream(run, name) for name in names}


def _read_stream(run: Any, name: str, fill: str = "no") -> Stream:
    """The first descriptor and Events of a stream; by default without the data in files."""
    stream = Stream(loaded_descriptors(run[name])[0])
    for kind, doc in partitions(run[name], fill):
        for i in range(min(len(doc["seq_num"]), FIRST_ROWS - len(stream.pages)) if kind == "event_page" else 0):
            data = {key: values[i : i + 1] for key, values in doc["data"].items()}
            stream.pages.append({"seq_num": doc["seq_num"][i : i + 1], "time": doc["time"][i : i + 1], "data": data})
        if len(stream.pages) == FIRST_ROWS:
            break
    return stream


def _stream_in_words(run: Any, name: str, stream: Stream) -> str:
    """The columns and first rows of a stream: a table as it was stored, other data as in the documents."""
    try:
        events, coordinates = _first_values(run, name, stream)
        cells = [{key: _cell(value) for key, value in event.items()} for event in events]
        note = ""
    except Exception as exc:
        # if an asset file or a layout is damaged, the documents are still shown
        events, coordinates = [], set()
        note = f"\n  it cannot be read as it was stored: {shown(message_of(exc), VALUE_WIDTH)}"
    if events:
        columns = aligned((*COLUMN_HEADER, ""), _columns(events[0], coordinates), indent="  ")
    else:
        columns = aligned(COLUMN_HEADER, column_rows(stream.data_keys), indent="  ")
        cells = [
            {key: "in a file" if key in stream.in_files else _shown(row[key]) for key in row} for row in stream.rows
        ]
    return columns + _first_rows(cells) + note


def _first_rows(cells: list[dict[Hashable, str]]) -> str:
    if not cells:
        return ""
    names = list(cells[0])[:FIRST_COLUMNS]
    left_out = len(cells[0]) - len(names)
    header = [shown(str(name), CELL_WIDTH) for name in names]
    text = aligned(header, [[row[name] for name in names] for row in cells], indent="  ")
    return f"\n\n{text}" + (f"\n  and {left_out} more columns" if left_out else "")


def _first_values(run: Any, name: str, stream: Stream) -> tuple[list[Values], set[Hashable]]:
    """The values of the first Events, as `to_dataset` gives them, and the coordinates; empty if there is no table."""
    layout = find_layout(stream.descriptor)
    if layout is None:
        return [], set()
    names = [entry["name"] for entry in layout["variables"]]
    filled = _read_stream(run, name, "delayed") if stream.in_files else stream
    datasets = list(filter(None, (dataset_of_event(page, stream.descriptor, name) for page in filled.pages)))
    # not dataset[key], which costs O(columns)
    tables = [{key: dataset.variables[key] for key in names if key in dataset.variables} for dataset in datasets]
    return tables, {name for dataset in datasets for name in dataset.coords}


def _columns(event: Values, coordinates: set[Hashable]) -> list[tuple[str, ...]]:
    """A row for each column and coordinate, under `COLUMN_HEADER`."""
    return [
        (
            shown(str(name), CELL_WIDTH),
            values.dtype.name if values.dtype.kind in "biufcmM" else "string",
            " x ".join(map(str, values.shape)) or "scalar",
            shown(values.attrs.get("units") or "", CELL_WIDTH),
            "coordinate" if name in coordinates else "",
        )
        for name, values in event.items()
    ]


def _cell(values: xarray.Variable) -> str:
    """A value, or the ends of an array, or the first values of an asset."""
    if is_lazy(values.data):
        first = numpy.asarray(values.data[(0,) * (values.ndim - 1)][:FIRST_VALUES])
        return f"{' '.join(_shown(value) for value in first)} … (in a file)"
    plain = values.values if values.ndim else values.values[()]
    if not isinstance(values.dtype, numpy.dtype) or values.dtype.kind == "O":
        objects = series_of(values).astype(object) if values.ndim else pandas.Series([plain], dtype=object)
        plain = objects.where(objects.notna(), None).to_numpy().reshape(values.shape)[()]
    return _shown(plain)


def _shown(value: Any) -> str:
    """A value for a table: numbers shortened, arrays with their first and last values."""
    if isinstance(value, numpy.ndarray | list | tuple):
        array = numpy.asarray(value)
        texts = [numpy.array2string(array, precision=digits, threshold=4, edgeitems=2) for digits in (DIGITS, 4, 2)]
        return shown(next((text for text in texts if len(text) <= CELL_WIDTH), texts[-1]), CELL_WIDTH)
    if isinstance(value, numpy.datetime64):
        return "NaT" if numpy.isnat(value) else numpy.datetime_as_string(value, unit="auto").replace("T", " ")
    if isinstance(value, numpy.timedelta64):
        return str(pandas.Timedelta(value))
    if isinstance(value, numpy.generic):
        value = value.item()
    if isinstance(value, float):
        return f"{value:.{DIGITS}g}"
    return shown(value if isinstance(value, _OF_DOCUMENTS) else str(value), CELL_WIDTH)
