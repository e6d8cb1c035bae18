"""Convert the columns of any table to named variables: numpy, dask or pandas arrays with dims and attributes."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import dask.array
import numpy
import pandas

from ..errors import InvalidTableError, StoreError
from .arrow_columns import column_from_arrow, is_arrow, is_arrow_dtype
from .classifier import MISSING, NUMBERS, TIMES, ValueType, check_column, is_lazy, not_computed, type_of, unsupported
from .column_parts import PaddedRows, parts_of_columns
from .list_columns import AS_TIMES, CONTAINERS, array_from_list, in_shape
from .names import data_keys_of, free_name, plain_names
from .wording import remedy_for, short

_SINGLE = frozenset({*MISSING, *TIMES, *NUMBERS, ValueType.TEXT})
"""A single value, or an item of a column."""

_SEQUENCES = (list, tuple, range)

LINKS = frozenset({"REFERENCE_LIST", "DIMENSION_LIST", "_Netcdf4Dimid", "_Netcdf4Coordinates", "_nc3_strict"})
"""Attributes with which HDF5 and netCDF-4 link the datasets of a file."""

_APPLIED = {"mask": ("_FillValue", "missing_value"), "scale": ("scale_factor", "add_offset")}
"""Attributes of netCDF4's variables that it applies to the values it gives."""


@dataclass
class Variable:
    """One column, with the user's name."""

    name: Any  # text, a number or a tuple of them
    dims: tuple[str, ...]
    values: Any  # numpy, dask or pandas array
    key: str  # the name wanted in the documents
    attrs: dict[str, Any] = field(default_factory=dict[str, Any])
    coordinate: bool = False
    is_list: bool = False  # whether it was given as a list


@dataclass
class Source:
    """A table or Dataset, in one common form."""

    form: str  # "mapping", "frame" or "dataset"
    variables: list[Variable]
    dim: str | None  # the one leading dim of a table; None for a Dataset, and for columns of different lengths
    attrs: dict[str, Any] = field(default_factory=dict[str, Any])
    indexes: dict[str, Any] = field(default_factory=dict[str, Any])  # JSON-able: how to restore the indexes


def source_from_mapping(table: Mapping[Any, Any], padded: Mapping[Any, PaddedRows]) -> Source:
    if not table:
        raise InvalidTableError("the table has no columns; give it at least one, e.g. {'x': [1, 2, 3]}")
    names = plain_names(table, "column")
    given = [
        # sequences as lists, whose own exceptions pass through unchanged
        (name, list(column) if isinstance(column, _SEQUENCES) and type(column) not in (list, tuple) else column)
        for name, column in zip(names, table.values(), strict=True)
    ]
    parts = {part.name: part for listed in parts_of_columns(given, names, padded).values() for part in listed}
    keys = data_keys_of(parts)
    columns = {name: array_from_column(part.values, name) for name, part in parts.items()}
    dims = _leading_dims(columns, keys)
    variables = [
        Variable(
            name,
            (*dims[name], *inner_dims(keys[name], 1, values, columns)),
            values,
            keys[name],
            parts[name].attrs,
            is_list=isinstance(parts[name].values, list | tuple),
        )
        for name, values in columns.items()
    ]
    several = {dims[name] for name in columns if dims[name]}
    return Source("mapping", variables, several.pop()[0] if len(several) == 1 else None)


def _leading_dims(columns: Mapping[Any, Any], keys: Mapping[Any, str]) -> dict[Any, tuple[str, ...]]:
    """Name the leading dims of columns: one for each length, and none for single values."""
    by_length: dict[int, str] = {}
    dims: dict[Any, tuple[str, ...]] = {}
    for name, values in columns.items():
        length = len(values) if values.ndim else None
        if length is not None and length not in by_length:
            by_length[length] = free_name(f"{keys[name]}_0" if by_length else "row", {*columns, *by_length.values()})
        dims[name] = () if length is None else (by_length[length],)
    return dims


def inner_dims(name: str, first: int, values: Any, taken: Collection[Any]) -> tuple[str, ...]:
    """Names for the axes of a column without names, from the `first` on."""
    return tuple(free_name(f"{name}_{axis}", taken) for axis in range(first, values.ndim))


def is_one_value(column: Any) -> bool:
    """Whether a column is a single value of Python or numpy, or a single quantity."""
    if hasattr(column, "ndim"):
        return bool(column.ndim == 0)
    return type_of(type(column)) in _SINGLE


class reading:
    """Turn other packages' exceptions while a column is read into an error that names the column."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, type_: Any, error: BaseException | None, traceback: TracebackType | None) -> None:
        if isinstance(error, Exception) and not isinstance(error, StoreError | MemoryError):
            raise unreadable(self._name, error) from error


def unreadable(name: str, error: Exception) -> InvalidTableError:
    said = error if isinstance(error, OSError) else short(error, 200)  # which names no file
    return InvalidTableError(f"column {name!r} cannot be read: {said}; make it a list or a numpy array")


def array_from_column(column: Any, name: Any) -> Any:
    """Make an array of one column of a dict, without dims for a single value."""
    with reading(name):
        if isinstance(column, list | tuple):
            return array_from_list(column, name)
        if type_of(type(column)) not in _SINGLE:
            return array_from_array(_array(column, name), name)
        values = array_from_list([column], name)
        if not isinstance(values, numpy.ndarray):
            way = f"put it in a list, table[{name!r}] = [value]"
            raise unsupported(name, "a single datetime with a time zone", way)
        return values.reshape(())


_OF_TABLES = ("columns", "variables", "array_keys", "visititems")
"""Attributes of the types of tables: of DataFrames, Datasets, and groups of netCDF4, zarr and h5py."""


def _array(column: Any, name: str) -> Any:
    if isinstance(column, pandas.MultiIndex):
        raise InvalidTableError(
            f"column {name!r} is a pandas MultiIndex; make each level a column, e.g. of "
            f"table[{name!r}].get_level_values(0)"
        )
    if isinstance(column, pandas.Series | pandas.Index):
        return column.array
    if isinstance(column, numpy.ndarray | dask.array.Array | pandas.api.extensions.ExtensionArray):
        return column
    if is_lazy(column) and hasattr(column, "compute"):
        raise not_computed(name, f"table[{name!r}].compute()")
    if any(hasattr(type(column), name) for name in _OF_TABLES):
        raise InvalidTableError(
            f"column {name!r} is itself a table ({type(column).__name__}); give its columns, or store it as a stream "
            f"of its own, with catalog.run_builder() and builder.add_stream({name!r}, data=...)"
        )
    if is_arrow(column):
        return column_from_arrow(column, name)
    if isinstance(column, Mapping):
        raise InvalidTableError(
            f"column {name!r} is a dict; give each of its values a column of its own, or pass it as "
            f"parameters=table[{name!r}]"
        )
    if hasattr(column, "__array__"):
        check_column(column, name)
        return numpy.asarray(column)
    if isinstance(column, bytes) or not isinstance(column, Iterable):
        raise unsupported(name, f"a single value of type {type(column).__name__}", remedy_for(column))
    ways = (method for method in (AS_TIMES, "toarray()", "todense()") if hasattr(column, method.rstrip("()")))
    way = next((f"table[{name!r}].{method}" for method in ways), f"list(table[{name!r}])")
    raise InvalidTableError(
        f"column {name!r} is of type {type(column).__name__}; make it a list or an array, e.g. {way}"
    )


def array_from_array(values: Any, name: str) -> Any:
    """Return an array unchanged, or stack an object array of arrays or lists of one shape."""
    if isinstance(values, pandas.arrays.NumpyExtensionArray):
        values = values.to_numpy()
    elif isinstance(values, pandas.api.extensions.ExtensionArray) and values.ndim > 1:
        # as xarray joins columns of pandas' types along a new dim; pandas itself has only one axis of them
        values = numpy.asarray(values.ravel().astype(object)).reshape(values.shape)
    elif isinstance(values, pandas.api.extensions.ExtensionArray):
        return column_from_arrow(values, name) if is_arrow_dtype(values.dtype) else values
    elif is_lazy(values) and any(math.isnan(length) for length in values.shape):
        raise InvalidTableError(
            f"column {name!r} is a dask array of unknown length; compute it first: "
            f"table[{name!r}] = table[{name!r}].compute_chunk_sizes()"
        )
    check_column(values, name)
    is_objects = isinstance(values, numpy.ndarray) and values.dtype.kind == "O" and values.ndim == 1
    if is_objects and len(values) and type_of(type(values[0])) in CONTAINERS:
        return array_from_list(values.tolist(), name)
    return values


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


def is_default_index(index: Any) -> bool:
    return isinstance(index, pandas.RangeIndex) and index.start == 0 and index.step == 1 and index.name is None


def index_values(index: pandas.Index) -> Any:
    """The values of an index as an array for `encode`, with its dtype."""
    values = index.array
    return values.to_numpy() if isinstance(values, pandas.arrays.NumpyExtensionArray) else values
