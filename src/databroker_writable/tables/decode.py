"""Restore columns and Datasets from the values in documents: the inverse of `encode`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dask.array
import numpy
import pandas
import xarray
from xarray.indexes import PandasIndex, PandasMultiIndex

from .encoded_column import MARKERS, flatten
from .layout import decode_attribute, decode_attributes
from .list_columns import object_array
from .time_columns import decode_times


def decode(encoding: dict[str, Any], values: Any, shape: tuple[int, ...], exact: Any = None) -> Any:
    """Restore a column from the arrays or nested lists of documents; `exact` has the integers of datetimes."""
    form = encoding["is"]
    if form == "numpy":
        return _numeric(values, shape, encoding["dtype"])
    if form == "masked":
        return _masked(values, shape, encoding["dtype"])
    if form in ("datetime", "timedelta"):
        return decode_times(encoding, values, shape, exact)
    if form == "interval":
        bounds = decode(encoding["bounds"], values, shape, exact)
        if bounds.ndim == 2:
            left, right = (numpy.ascontiguousarray(bounds[..., side]) for side in (0, 1))
        else:
            left, right = bounds[::2], bounds[1::2]
        closed = encoding["closed"]
        try:
            return pandas.arrays.IntervalArray.from_arrays(left, right, closed=closed)
        except ValueError:
            # pandas 2 has no missing ones among integers
            pairs = zip(left, right, strict=True)
            return object_array(numpy.nan if a is pandas.NA else pandas.Interval(a, b, closed) for a, b in pairs)
    if form in ("object", "string"):
        marker = MARKERS[encoding["missing"]]
        flat = [marker if value is None else value for value in flatten(values, len(shape))]
        return object_array(flat).reshape(shape)
    flat = flatten(values, len(shape))
    if form == "extension":
        return _extension(flat, encoding["dtype"])
    if form == "period":
        return pandas.array(flat, dtype=encoding["dtype"])
    if form == "category":
        return _category(flat, encoding)
    raise ValueError(f"unknown encoding {form!r}")


def _numeric(values: Any, shape: tuple[int, ...], dtype: str) -> Any:
    wanted = numpy.dtype(dtype)
    if isinstance(values, dask.array.Array):
        return values if values.dtype == wanted else values.astype(wanted)
    if wanted.kind == "U":
        # A later table of the stream may hold longer strings than the first.
        array = numpy.asarray(values, dtype=str)
        width = max(array.dtype.itemsize, wanted.itemsize) // 4
        return array.astype(f"{wanted.str[0]}U{width}").reshape(shape)
    return numpy.asarray(values, dtype=wanted).reshape(shape)


def _masked(values: Any, shape: tuple[int, ...], dtype: str) -> Any:
    if isinstance(values, numpy.ndarray) and values.dtype.kind != "O":
        return _numeric(values, shape, dtype)
    flat = flatten(values, len(shape))
    if None not in flat or numpy.dtype(dtype).kind in "fc":
        flat = [numpy.nan if value is None else value for value in flat]
        return _numeric(flat, shape, dtype)
    return object_array(flat).reshape(shape)


def _extension(flat: list[Any], name: str) -> Any:
    dtype: Any = pandas.api.types.pandas_dtype(name)
    if isinstance(dtype, pandas.ArrowDtype):
        import pyarrow  # only Arrow columns need it

        return dtype.construct_array_type()(pyarrow.array(flat, dtype.pyarrow_dtype))
    # Not pandas.array, which treats NaN as a missing value.
    absent = numpy.asarray([value is None for value in flat], dtype=bool)
    filled: list[Any] = [0 if value is None else value for value in flat]
    return dtype.construct_array_type()(numpy.asarray(filled, dtype=dtype.numpy_dtype), absent)


def _category(flat: list[Any], encoding: dict[str, Any]) -> Any:
    stored = encoding["categories"]
    values = decode_attribute(stored["values"])
    exact = decode_attribute(stored["exact"]) if "exact" in stored else None
    shape = (len(values), 2) if stored["encoding"]["is"] == "interval" else (len(values),)
    categories = pandas.Index(decode(stored["encoding"], values, shape, exact), dtype=encoding["dtype"])
    codes = {label: code for code, label in enumerate(encoding.get("labels") or values)}
    in_order = [-1 if value is None else codes[value] for value in flat]
    return pandas.Categorical.from_codes(in_order, categories, ordered=encoding["ordered"])


def rebuild(layout: dict[str, Any], values: dict[str, Any]) -> xarray.Dataset:
    """Make the Dataset of a layout from the decoded values of its variables, by name."""
    indexes = layout["indexes"]
    multi, without, frame = indexes.get("multi", ()), indexes.get("without", ()), indexes.get("frame")
    in_index = {name for group in (*multi, *filter(None, [frame])) for name in group["levels"]}
    data_vars: dict[str, xarray.Variable] = {}
    coords: dict[str, xarray.Variable] = {}
    unindexed: dict[str, xarray.Variable] = {}
    attrs = {}
    for entry in layout["variables"]:
        name = entry["name"]
        attrs[name] = decode_attributes(entry["attrs"])
        if name in in_index:
            continue
        variables = data_vars if not entry["coordinate"] else unindexed if name in without else coords
        held = values[name]
        if variables is coords and entry["dims"] == [name]:  # of an index
            held = held if isinstance(held, numpy.ndarray) else pandas.Index(held)
            variables[name] = xarray.Variable(entry["dims"], held)
        else:
            variables[name] = variable_of(entry["dims"], held)
    dataset = xarray.Dataset(data_vars, coords)
    if unindexed:
        dataset = dataset.assign_coords(xarray.Coordinates(unindexed, indexes={}))
    for group in multi:
        dataset = dataset.assign_coords(_multi_coords(group, values))
        attrs[group["dim"]] = decode_attributes(group["attrs"])
    for name in indexes.get("other", ()):
        dataset = dataset.set_xindex(name)
    if frame is not None:
        dataset = dataset.assign_coords(_frame_coords(dataset, frame, values))
    for name, pairs in attrs.items():
        # not dataset[name], which costs O(columns)
        dataset.variables[name].attrs = pairs
    dataset.attrs = decode_attributes(layout["attrs"])
    if frame is not None and not frame["multi"]:
        # xarray (2026.9) has replaced the name of the index by that of its dim
        index: Any = dataset.xindexes[frame["dim"]]
        index.index = index.index.set_names(frame["names"])
    return dataset


def variable_of(dims: list[str], values: Any, attrs: Mapping[Any, Any] | None = None) -> xarray.Variable:
    """Make a variable of decoded values; xarray wraps most pandas arrays, but not datetimes with a zone."""
    if isinstance(values, pandas.arrays.DatetimeArray):
        values = numpy.asarray(values.astype(object))
    # xarray (2026.9, as_compatible_data) otherwise passes objects through a pandas Series, which is slow for datetimes
    # with a zone, and with pandas 3 turns None among strings into NaN.
    is_objects = isinstance(values, numpy.ndarray) and values.dtype == object
    return xarray.Variable(dims, values, attrs, fastpath=is_objects)


class _MadeName(str):
    """The name of a level that has none in pandas, as it must have in xarray."""


class _FrameMultiIndex(PandasMultiIndex):
    """The MultiIndex of a frame, some of whose levels have no names."""

    def to_pandas_index(self) -> pandas.Index:
        index = super().to_pandas_index()
        return index.set_names([None if isinstance(name, _MadeName) else name for name in index.names])


def _multi_coords(group: dict[str, Any], values: dict[str, Any]) -> xarray.Coordinates:
    pairs = zip(group["levels"], group["dtypes"], strict=True)
    arrays = [pandas.Index(values[level], dtype=dtype) for level, dtype in pairs]
    given = group.get("names", group["levels"])
    names = [_MadeName(level) if name is None else name for level, name in zip(group["levels"], given, strict=True)]
    kind = _FrameMultiIndex if None in given else PandasMultiIndex
    index = kind(pandas.MultiIndex.from_arrays(arrays, names=names), group["dim"])
    for level in group["levels"]:
        if isinstance(values[level], numpy.ndarray) and values[level].dtype.kind == "U":
            # pandas has no strings of fixed width, but xarray remembers the width.
            index.level_coords_dtype[level] = values[level].dtype
    variables = index.create_variables()
    return xarray.Coordinates(variables, indexes=dict.fromkeys(variables, index))


def _frame_coords(dataset: xarray.Dataset, frame: dict[str, Any], values: dict[str, Any]) -> xarray.Coordinates:
    dim, levels = frame["dim"], frame["levels"]
    if frame["multi"]:
        return _multi_coords(frame, values)
    index = _index(values[levels[0]], frame) if levels else pandas.RangeIndex(dataset.sizes[dim])
    pandas_index = PandasIndex(index, dim)
    return xarray.Coordinates(pandas_index.create_variables(), indexes={dim: pandas_index})


def _index(values: Any, frame: dict[str, Any]) -> pandas.Index:
    index = pandas.Index(values, dtype=frame["dtypes"][0])
    freq = frame.get("freq")
    if freq is None:
        return index
    try:
        return type(index)(index, freq=freq)
    except ValueError:
        # Later tables of a stream may not continue the frequency of the first.
        return index
