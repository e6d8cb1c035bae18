"""The data of a stream for plots and exports: its columns, which of them can be plotted, and against which axis."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy
import pandas
import xarray

from ..errors import ExportError
from ..runs.attachments import STREAM as ATTACHMENTS
from ..runs.attachments import has_attachments
from ..runs.document_parts import NAMES, PRIMARY
from ..tables.argument_checks import is_one_of
from ..tables.exact_numbers import plain_numbers, series_of
from ..tables.tiled_columns import descriptor_of, is_remote
from ..tables.wording import short

MEASURED, TIMES = "biufc", "mM"
"""Kinds of numpy dtypes that can be plotted."""

ZONE = "time_zone"
"""The attribute of times as clocks in a time zone show them."""


def is_plottable(array: Any) -> bool:
    """Whether a column or a coordinate holds numbers, bools or times."""
    return getattr(array.dtype, "kind", "") in MEASURED + TIMES and array.dtype.names is None


class StreamData(NamedTuple):
    """The columns of a stream, and the documents that say how they are plotted."""

    dataset: xarray.Dataset
    start: Mapping[str, Any]
    stream: str
    descriptor: Mapping[str, Any]

    def axis_along(self, dim: Hashable) -> str | None:
        """The column or coordinate for the axis along a dimension; None counts the values.

        The plan's own hint comes first, then the coordinate.
        """
        dataset = self.dataset
        for pair in _given(_given(self.start, "hints", Mapping), "dimensions", Sequence):
            match pair:
                case [[str(field)], self.stream] if field in dataset:
                    hinted = dataset.variables[field]
                    if hinted.dims == (dim,) and is_plottable(hinted):
                        return field
        return str(dim) if dim in dataset.coords and is_plottable(dataset.variables[dim]) else None

    def plottable_columns(self) -> list[str]:
        """The columns that can be plotted, with the devices' hints first, and single values last."""
        dataset = self.dataset
        axes = {self.axis_along(dim) for dim in dataset.dims}
        arrays = {str(name): dataset.variables[name] for name in dataset.data_vars if name not in axes}
        hints = _given(self.descriptor, "hints", Mapping)
        hinted = {
            str(field) for device in hints for field in _given(_given(hints, device, Mapping), "fields", Sequence)
        }
        names = [name for name, array in arrays.items() if is_plottable(array)]
        return sorted(names, key=lambda name: (arrays[name].ndim == 0, name not in hinted))


def _given(document: Mapping[str, Any], key: str, kind: type) -> Any:
    """What other programs give there, if it is of the right kind; otherwise nothing."""
    value = document.get(key)
    return value if isinstance(value, kind) else {}


def drawable(dataset: xarray.Dataset) -> xarray.Dataset:
    """The Dataset with numbers for nullable numbers and bools, NaN where they are missing, and times without zones."""
    converted = {}
    for name, variable in dataset.variables.items():
        numbers = _drawable(variable)
        if numbers is not None:
            zone = getattr(numbers, "tz", None)
            if zone is not None:
                numbers = numbers.tz_localize(None)
            attrs = variable.attrs if zone is None else {**variable.attrs, ZONE: str(zone)}
            converted[name] = (variable.dims, numpy.asarray(numbers).reshape(variable.shape), attrs)
    if not converted:
        return dataset
    return dataset.drop_indexes([name for name in dataset.xindexes if name in dataset.coords]).assign(converted)


def _drawable(variable: xarray.Variable) -> Any:
    """Numbers, or an index of times; None for what is drawn as it is, or not at all."""
    if isinstance(variable.dtype, numpy.dtype) and variable.dtype.kind != "O":
        return None
    values = series_of(variable)
    if values.dtype == object:
        present = values.dropna()
        if len(present) and all(isinstance(value, complex) for value in present):
            return values.where(values.notna(), numpy.nan).to_numpy(complex)
        values = values.convert_dtypes()
    return pandas.DatetimeIndex(values) if isinstance(values.dtype, pandas.DatetimeTZDtype) else plain_numbers(values)


def streams_of(run: Any, stream: str | None) -> list[str]:
    """The streams of a run without its attachments, ``primary`` first, or only the requested one."""
    streams = sorted(run, key=lambda name: name != PRIMARY)
    if stream is not None:
        if not is_one_of(stream, set(streams)):
            raise ExportError(f"there is no stream {short(stream)}; the run has {', '.join(streams) or 'none'}")
        return [stream]
    return [
        name for name in streams if name != ATTACHMENTS or not has_attachments(first_descriptor(run, name)["data_keys"])
    ]


def first_descriptor(run: Any, stream: str) -> Mapping[str, Any]:
    """The first descriptor of a stream of a run of databroker, bluesky-live or Tiled."""
    if is_remote(run):
        return descriptor_of(run[stream])
    if hasattr(run[stream], "metadata"):
        return run[stream].metadata["descriptors"][0]
    documents = run.documents(fill="no")
    return next(doc for name, doc in documents if name == "descriptor" and doc.get("name") == stream)


def title_of(start: Mapping[str, Any]) -> str:
    """A short description of a run."""
    return words_in_title(start) or f"run {start['uid']}"


def words_in_title(start: Mapping[str, Any]) -> str:
    """What a run is called in its start document, by its names and its sample; may be empty."""
    return " ".join(start[key] for key in (*NAMES, "sample") if isinstance(start.get(key), str))
