"""Columns of tables, however they are given, as numpy, dask or pandas arrays."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import dask.array
import numpy
import pandas
import xarray

from ..errors import InvalidTableError
from .arrow_columns import column_from_arrow, is_arrow, is_arrow_dtype
from .classifier import is_lazy, type_of
from .list_columns import CONTAINERS, array_from_list
from .pandas_types import index_values, is_default_index
from .refusals import check_whole, reading
from .wording import short


def array_from_column(column: Any, name: str) -> Any:
    """Make an array of one column of a dict."""
    if isinstance(column, list | tuple | range):
        if type(column) not in (list, tuple):
            column = list(column)  # here, so that what it raises by itself is passed on as it is
        with reading(name):
            return array_from_list(column, name)
    with reading(name):
        values = array_from_array(_array(column, name), name)
        if values.ndim == 0:
            raise InvalidTableError(
                f"column {name!r} is a single value ({short(values)}), not a list or an array of at least one "
                f"dimension; put it in a list, or in the metadata"
            )
        return values


def _array(column: Any, name: str) -> Any:
    if isinstance(column, xarray.DataArray):
        raise InvalidTableError(
            f"column {name!r} is an xarray DataArray, with dims of its own; "
            "pass xarray.Dataset(table) to keep them, or its .data"
        )
    if isinstance(column, pandas.Series):
        if not is_default_index(column.index):
            raise InvalidTableError(
                f"column {name!r} is a pandas Series with an index of its own; "
                "pass pandas.DataFrame(table) to keep the index, or .array to drop it"
            )
        return column.array
    if isinstance(column, pandas.MultiIndex):
        raise InvalidTableError(
            f"column {name!r} is a pandas MultiIndex; make each level a column, e.g. of "
            f"table[{name!r}].get_level_values(0)"
        )
    if isinstance(column, pandas.Index):
        return index_values(column)
    if isinstance(column, numpy.ndarray | dask.array.Array | pandas.api.extensions.ExtensionArray):
        return column
    if is_arrow(column):
        return column_from_arrow(column, name)
    if hasattr(column, "__array__"):
        check_whole(column, name)
        return numpy.asarray(column)
    several = isinstance(column, Iterable) and not isinstance(column, str | bytes | Mapping)
    remedy = f"list(table[{name!r}])" if several else f"[{short(column)}]"
    raise InvalidTableError(
        f"column {name!r} is of type {type(column).__name__}; make it a list or an array, e.g. {remedy}"
    )


def array_from_array(values: Any, name: str) -> Any:
    """Take an array as it is, or stack one of objects that are arrays or lists of one shape."""
    if isinstance(values, pandas.arrays.NumpyExtensionArray):
        values = values.to_numpy()
    elif isinstance(values, pandas.api.extensions.ExtensionArray):
        return column_from_arrow(values, name) if is_arrow_dtype(values.dtype) else values
    elif is_lazy(values):
        _check_length(values, name)
    check_whole(values, name)
    is_objects = isinstance(values, numpy.ndarray) and values.dtype.kind == "O" and values.ndim == 1
    if is_objects and len(values) and type_of(type(values[0])) in CONTAINERS:
        return array_from_list(values.tolist(), name)
    return values


def _check_length(values: Any, name: str) -> None:
    if any(math.isnan(length) for length in values.shape):
        raise InvalidTableError(
            f"column {name!r} is a dask array of unknown length; find it out first: "
            f"table[{name!r}] = table[{name!r}].compute_chunk_sizes()"
        )
