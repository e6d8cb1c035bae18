"""A Dataset from decoded variables and the layout's record of their indexes."""

from __future__ import annotations

from typing import Any

import numpy
import pandas
import xarray
from xarray.indexes import PandasIndex, PandasMultiIndex

from .attributes import decode_attributes


def rebuild(layout: dict[str, Any], values: dict[str, Any]) -> xarray.Dataset:
    """Make the Dataset of a layout from the decoded values of its variables, by name."""
    indexes = layout["indexes"]
    grouped = [group["levels"] for group in indexes.get("multi", ())]
    frame = indexes.get("frame")
    if frame is not None:
        grouped.append(frame["levels"])
    in_index = {name for names in grouped for name in names}
    without = indexes.get("without", ())
    data_vars: dict[str, xarray.Variable] = {}
    coords: dict[str, xarray.Variable] = {}
    plain: dict[str, xarray.Variable] = {}
    attrs = {}
    for entry in layout["variables"]:
        name = entry["name"]
        attrs[name] = decode_attributes(entry["attrs"])
        if name in in_index:
            continue
        place = data_vars if not entry["coordinate"] else plain if name in without else coords
        is_index = entry["coordinate"] and entry["dims"] == [name] and name not in without
        place[name] = _variable(entry["dims"], values[name], is_index=is_index)
    dataset = xarray.Dataset(data_vars, coords)
    if plain:
        dataset = dataset.assign_coords(xarray.Coordinates(plain, indexes={}))
    for group in indexes.get("multi", ()):
        dataset = dataset.assign_coords(_multi_coords(group, values))
        attrs[group["dim"]] = decode_attributes(group["attrs"])
    for name in indexes.get("other", ()):
        dataset = dataset.set_xindex(name)
    if frame is not None:
        dataset = dataset.assign_coords(_frame_coords(dataset, frame, values))
    for name, pairs in attrs.items():
        dataset[name].attrs = pairs
    dataset.attrs = decode_attributes(layout["attrs"])
    if frame is not None:
        _name_index(dataset, frame["dim"], frame["names"])
    return dataset


def _variable(dims: list[str], values: Any, *, is_index: bool) -> xarray.Variable:
    """Make a variable of decoded values.

    xarray wraps most pandas arrays, but no datetimes with a zone: those are Timestamps, except in an index.
    """
    if is_index:
        held = values if isinstance(values, numpy.ndarray) else pandas.Index(values)
        return xarray.Variable(dims, held)
    if isinstance(values, pandas.arrays.DatetimeArray):
        values = numpy.asarray(values.astype(object))
    variable = xarray.Variable(dims, values)
    if isinstance(values, numpy.ndarray) and values.dtype == variable.dtype == object:
        # xarray (2026.9, as_compatible_data) passes objects through a pandas Series, and with pandas 3
        # that makes NaN of None among strings.
        variable.data[...] = values
    return variable


def _multi_coords(group: dict[str, Any], values: dict[str, Any]) -> xarray.Coordinates:
    pairs = zip(group["levels"], group["dtypes"], strict=True)
    arrays = [pandas.Index(values[level], dtype=dtype) for level, dtype in pairs]
    index = PandasMultiIndex(pandas.MultiIndex.from_arrays(arrays, names=group["levels"]), group["dim"])
    for level in group["levels"]:
        if isinstance(values[level], numpy.ndarray) and values[level].dtype.kind == "U":
            # pandas has no strings of fixed width, xarray remembers them beside the index.
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


def _name_index(dataset: xarray.Dataset, dim: str, names: list[str | None]) -> None:
    """Give the pandas index its own names back, where xarray (2026.9) has put those of dims."""
    index: Any = dataset.xindexes[dim]
    index.index = index.index.set_names(names)


def _index(values: Any, frame: dict[str, Any]) -> pandas.Index:
    index = pandas.Index(values, dtype=frame["dtypes"][0])
    freq = frame.get("freq")
    if freq is None:
        return index
    try:
        return type(index)(index, freq=freq)
    except ValueError:
        # Tables that were added one after the other need not go on at the first one's frequency.
        return index
