"""Read columns that bring attributes: of h5py, h5netcdf, netCDF4 and zarr, and of pandas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy
import pandas

from .classifier import unsupported
from .columns import reading
from .list_columns import array_from_list, in_shape

LINKS = frozenset({"REFERENCE_LIST", "DIMENSION_LIST", "_Netcdf4Dimid", "_Netcdf4Coordinates", "_nc3_strict"})
"""Attributes with which HDF5 and netCDF-4 link the datasets of a file."""

_APPLIED = {"mask": ("_FillValue", "missing_value"), "scale": ("scale_factor", "add_offset")}
"""Attributes of netCDF4's variables that it applies to the values it gives."""


def column_and_attributes(column: Any, name: Any) -> tuple[Any, dict[str, Any]]:
    """Return a column and its attributes; if numpy's reading of a file would lose masks or text, as it is read."""
    with reading(name):
        if hasattr(type(column), "getncattr"):
            return _of_netcdf4(column)
        attrs = attributes_of(column)
        if isinstance(column, pandas.Series) or not hasattr(column, "attrs") or not hasattr(column, "dtype"):
            return column, attrs
        if column.shape is None:
            raise unsupported(name, "no values (an HDF5 dataset without a shape)", "leave the column out")
        if getattr(column.dtype, "kind", "O") in "SO":
            return text_of_bytes(numpy.asarray(column), name), attrs
        return column, attrs


def attributes_of(owner: Any) -> dict[str, Any]:
    """The attributes of a column or of a group of columns, with text for the bytes that HDF5 has for text."""
    attrs = getattr(owner, "attrs", None)
    if not isinstance(attrs, Mapping) or isinstance(attrs, dict):
        return dict(attrs) if isinstance(attrs, dict) else {}
    is_scale = attrs.get("CLASS") == b"DIMENSION_SCALE"
    links = {*LINKS, "CLASS", "NAME"} if is_scale else LINKS
    return {name: _attribute(value) for name, value in attrs.items() if name not in links}


def text_of_bytes(values: numpy.ndarray, name: str) -> Any:
    """Bytes as the text that they are in UTF-8; other values unchanged."""
    flat = values.ravel().tolist()
    if not all(isinstance(value, bytes) for value in flat):
        return values
    try:
        texts = [value.decode() for value in flat]
    except UnicodeDecodeError:
        return values
    return in_shape(array_from_list(texts, name), values.shape, name) if texts else values.astype(str)


def _attribute(value: Any) -> Any:
    """An attribute of HDF5, in which one text may be an array, and empty text and empty arrays have no shape."""
    if getattr(value, "shape", ()) is None:
        return "" if value.dtype.kind in "SO" else None
    if not isinstance(value, bytes | numpy.ndarray):
        return value
    array = text_of_bytes(numpy.asarray(value), "")
    if not array.size or not all(isinstance(text, str) for text in array.ravel().tolist()):
        return value
    return array.item() if array.size == 1 and array.ndim < 2 else array.tolist()


def _of_netcdf4(variable: Any) -> tuple[Any, dict[str, Any]]:
    applied = {name for switch, names in _APPLIED.items() if getattr(variable, switch, False) for name in names}
    attrs = {name: variable.getncattr(name) for name in variable.ncattrs() if name not in applied}
    values = variable[...]
    return (values if numpy.ma.is_masked(values) else numpy.asarray(values)), attrs
