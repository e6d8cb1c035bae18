"""The columns of a stream and its first Events, as ``show`` prints them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy
import xarray

from ..runs.run_display import CELL_WIDTH, COLUMN_HEADER, column_rows
from ..tables import dataset_of_event, find_layout
from ..tables.classifier import is_lazy
from .failing import message_of
from .printing import shown, shown_cell, table

FIRST_ROWS = 5
FIRST_COLUMNS = 8
FIRST_VALUES = 3
NOTE_WIDTH = 300

Values = dict[Hashable, xarray.DataArray]


@dataclass
class Stream:
    """The first descriptor of a stream, which has its columns, and a page for each of its first Events."""

    descriptor: dict[str, Any]
    pages: list[dict[str, Any]] = field(default_factory=list)

    @property
    def data_keys(self) -> Mapping[str, Mapping[str, Any]]:
        """The columns."""
        return self.descriptor["data_keys"]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The values of the first Events."""
        return [{key: values[0] for key, values in page["data"].items()} for page in self.pages]

    @property
    def in_files(self) -> set[str]:
        """The columns that are stored as assets."""
        return {key for key, data_key in self.data_keys.items() if "external" in data_key}


def read_streams(run: Any, events: Mapping[str, int], *, fill: str = "no") -> dict[str, Stream]:
    """Read the descriptors and first Events; by default without the data in files."""
    streams: dict[str, Stream] = {}
    by_descriptor: dict[str, Stream] = {}
    for name, doc in run.documents(fill=fill, strict_order=False):
        if name == "descriptor":
            stream = streams.setdefault(doc.get("name", ""), Stream(doc))
            by_descriptor[doc["uid"]] = stream
        elif name == "event_page":
            pages = by_descriptor[doc["descriptor"]].pages
            for i in range(min(len(doc["seq_num"]), FIRST_ROWS - len(pages))):
                data = {key: values[i : i + 1] for key, values in doc["data"].items()}
                pages.append({"seq_num": doc["seq_num"][i : i + 1], "time": doc["time"][i : i + 1], "data": data})
        if events and all(
            name in streams and len(streams[name].pages) >= min(count, FIRST_ROWS) for name, count in events.items()
        ):
            break
    # in the order of their descriptors: databroker gives streams of the same time in any order
    begun = list(events)
    return dict(sorted(streams.items(), key=lambda named: begun.index(named[0]) if named[0] in events else len(begun)))


def stream_in_words(run: Any, name: str, stream: Stream) -> str:
    """The columns and first rows of a stream: a table as it was stored, other data as in the documents."""
    try:
        events = _first_values(run, name, stream)
        cells = [{key: _cell(value) for key, value in event.items()} for event in events]
        note = ""
    except Exception as exc:
        # if an asset file or a layout is damaged, the documents are still shown
        events, note = [], f"\n  it cannot be read as it was stored: {shown(message_of(exc), NOTE_WIDTH)}"
    if events:
        columns = table((*COLUMN_HEADER, ""), _columns(events[0]), indent="  ")
    else:
        columns = table(COLUMN_HEADER, column_rows(stream.data_keys), indent="  ")
        cells = [
            {key: "in a file" if key in stream.in_files else shown_cell(row[key], CELL_WIDTH) for key in row}
            for row in stream.rows
        ]
    return columns + _first_rows(cells) + note


def _first_rows(cells: list[dict[Hashable, str]]) -> str:
    if not cells:
        return ""
    names = list(cells[0])[:FIRST_COLUMNS]
    left_out = len(cells[0]) - len(names)
    header = [shown(str(name), CELL_WIDTH) for name in names]
    text = table(header, [[row[name] for name in names] for row in cells], indent="  ")
    return f"\n\n{text}" + (f"\n  and {left_out} more columns" if left_out else "")


def _first_values(run: Any, name: str, stream: Stream) -> list[Values]:
    """The values and coordinates of the first Events, as `to_dataset` gives them; empty if the data were no table."""
    layout = find_layout(stream.descriptor)
    if layout is None:
        return []
    names = [entry["name"] for entry in layout["variables"]]
    filled = read_streams(run, {name: FIRST_ROWS}, fill="delayed")[name] if stream.in_files else stream
    datasets = [dataset_of_event(page, stream.descriptor, name) for page in filled.pages]
    return [{key: dataset[key] for key in names if key in dataset.variables} for dataset in datasets if dataset]


def _columns(event: Values) -> list[tuple[str, ...]]:
    """A row for each column and coordinate, under `COLUMN_HEADER`."""
    return [
        (
            shown(str(name), CELL_WIDTH),
            values.dtype.name if values.dtype.kind in "biufcmM" else "string",
            " x ".join(map(str, values.shape)) or "scalar",
            shown(values.attrs.get("units") or "", CELL_WIDTH),
            "coordinate" if name in values.coords else "",
        )
        for name, values in event.items()
    ]


def _cell(values: xarray.DataArray) -> str:
    """A value, or the ends of an array, or the first values of an asset."""
    if is_lazy(values.data):
        first = numpy.asarray(values.data[(0,) * (values.ndim - 1)][:FIRST_VALUES])
        return f"{' '.join(shown_cell(value, CELL_WIDTH) for value in first)} … (in a file)"
    return shown_cell(values.values if values.ndim else values.values[()], CELL_WIDTH)
