"""Convert columns and attributes of a Dataset to what HDF5 and netCDF can hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy
import pandas
import xarray

from ..errors import ExportError, warn_user
from ..runs.shown_text import json_line
from ..tables.classifier import exceeds_float64

_OF_THE_FORMAT = {"_FillValue", "missing_value", "scale_factor", "add_offset", "dtype", "coordinates", "calendar"}
"""Attributes that xarray interprets and does not return."""

_NO_TYPE = ", because such files do not have its type"


def warn_of_change(columns: Sequence[str], change: str, why: str) -> None:
    """Warn that a file holds columns in another form, if there are any: which, how, and why or what keeps them."""
    if columns:
        several = len(columns) > 1
        warn_user(f"the column{'s' * several} {', '.join(columns)} {'are' if several else 'is'} {change}{why}")


def for_file(dataset: xarray.Dataset) -> xarray.Dataset:
    """Return a Dataset with only numbers, bools, text, times and complex numbers; warn about changes."""
    levels = [name for name, index in dataset.indexes.items() if isinstance(index, pandas.MultiIndex)]
    dataset = dataset.reset_index([name for name in levels if name in dataset.dims])
    renamed = {name: str(name).replace("/", "_") for name in (*dataset.variables, *dataset.dims) if "/" in str(name)}
    for name, new in renamed.items():
        if new in dataset.variables or list(renamed.values()).count(new) > 1:
            raise ExportError(
                f"the column {name!r} would be named {new!r}, like another column; choose the other columns by name"
            )
        warn_of_change([repr(name)], f"written as {new!r}", ", because a slash has a meaning in such files")
    if renamed:
        dataset = dataset.rename(renamed)
    changed = {name: _variable(str(name), variable) for name, variable in dataset.variables.items()}
    coordinates = {name: changed[name] for name in dataset.coords}
    columns = {name: changed[name] for name in dataset.data_vars}
    return xarray.Dataset(columns, coordinates, _attributes(dataset.attrs))


def _variable(name: str, variable: xarray.Variable) -> xarray.Variable:
    attrs = _attributes(variable.attrs)
    if variable.dtype.kind in "mM" and "units" in attrs:
        # the encoding of times is set there
        attrs["original_units"] = attrs.pop("units")
    return xarray.Variable(variable.dims, _values(name, variable), attrs)


def _values(name: str, variable: xarray.Variable) -> Any:
    """The values in a type that the file can hold, with a warning if it is another one."""
    dtype = variable.dtype
    if isinstance(dtype, numpy.dtype) and dtype.kind in "biufcmMSU" and dtype.itemsize != 2 * (dtype.kind == "f"):
        return variable.data
    if isinstance(dtype, numpy.dtype) and dtype.kind == "f":
        warn_of_change([f"{name!r} ({dtype})"], "written as float32", _NO_TYPE)
        return variable.data.astype("float32")
    data = variable.data
    values = pandas.Series(numpy.ravel(data) if isinstance(dtype, numpy.dtype) else getattr(data, "array", data))
    plain = _numbers(values)
    if plain is None:
        is_missing = values.isna()
        plain = values.astype(object).astype(str).where(~is_missing, "").to_numpy(dtype=object)
        is_text = not is_missing.any() and all(isinstance(value, str) for value in values)
    else:
        is_text = False
    if not is_text:
        written = "text" if plain.dtype.kind == "O" else str(plain.dtype)
        missing = ", empty where missing" if written == "text" and values.isna().any() else ""
        warn_of_change([f"{name!r} ({dtype})"], f"written as {written}{missing}", _NO_TYPE)
    return plain.astype(str).reshape(variable.shape) if plain.dtype.kind == "O" else plain.reshape(variable.shape)


def _numbers(values: pandas.Series) -> numpy.ndarray | None:
    """Nullable numbers and bools as numpy arrays, with NaN for missing values; None for other types."""
    dtype = values.dtype
    if isinstance(dtype, numpy.dtype) or not pandas.api.types.is_numeric_dtype(dtype):
        return None
    if not values.isna().any():
        return values.to_numpy(dtype=getattr(dtype, "numpy_dtype", None))
    if exceeds_float64(values):
        return None
    return values.to_numpy(dtype="float64", na_value=numpy.nan)


def _attributes(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        f"original_{name}" if name in _OF_THE_FORMAT else str(name): attribute(value) for name, value in attrs.items()
    }


def attribute(value: Any) -> Any:
    """The value of an attribute; as JSON text if HDF5 and netCDF cannot hold it."""
    if isinstance(value, str):
        return value if "\0" not in value else json_line(value)
    if isinstance(value, list | tuple | numpy.ndarray) and len(numpy.shape(value)):
        if isinstance(value, list | tuple) and len(value) and all(isinstance(item, str) for item in value):
            return list(value)
        if _is_flat(value) and numpy.asarray(value).dtype.kind in "iuf":
            return numpy.asarray(value)
        return json_line(value)
    is_number = isinstance(value, int | float | numpy.integer | numpy.floating) and not isinstance(value, bool)
    return value if is_number and numpy.asarray(value).dtype.kind in "iuf" else json_line(value)


def _is_flat(value: Any) -> bool:
    return (isinstance(value, numpy.ndarray) and value.ndim == 1) or not any(numpy.shape(item) for item in value)
