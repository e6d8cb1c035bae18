"""Columns of tables, however they are given, as named variables: numpy, dask or pandas arrays with dims."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import dask.array
import numpy
import pandas
import xarray

from ..errors import InvalidTableError, StoreError
from .arrow_columns import column_from_arrow, is_arrow, is_arrow_dtype
from .classifier import check_column, check_text, is_lazy, type_of
from .list_columns import CONTAINERS, array_from_list
from .wording import short

LONGEST_NAME = 1000


@dataclass
class Variable:
    """One column, with the name that the user gave it."""

    name: str
    dims: tuple[str, ...]
    values: Any  # numpy, dask or pandas array
    attrs: dict[str, Any] = field(default_factory=dict[str, Any])
    coordinate: bool = False
    key: str | None = None  # the name wanted in the documents, if not `name`
    is_list: bool = False  # whether it was given as a list


@dataclass
class Source:
    """A table or Dataset, in one common form."""

    form: str  # "mapping", "frame" or "dataset"
    variables: list[Variable]
    dim: str | None  # the one leading dim of a table; None for a Dataset
    attrs: dict[str, Any] = field(default_factory=dict[str, Any])
    indexes: dict[str, Any] = field(default_factory=dict[str, Any])  # JSON-able: how to put the indexes back


def source_from_mapping(table: Mapping[str, Any]) -> Source:
    if not table:
        raise InvalidTableError("the table has no columns; give it at least one, e.g. {'x': [1, 2, 3]}")
    columns, lists = {}, set()
    for label, column in table.items():
        check_name(label, "column")
        name = str.__str__(label)
        columns[name] = array_from_column(column, name)
        if isinstance(column, list | tuple):
            lists.add(name)
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name!r}: {length}" for name, length in lengths.items())
        raise InvalidTableError(
            f"the columns have different lengths ({listed}); make them equal, "
            "or name the dims in an xarray Dataset and store it with one_event=True"
        )
    dim = free_name("row", columns)
    variables = [
        Variable(name, (dim, *inner_dims(name, 1, values, columns)), values, is_list=name in lists)
        for name, values in columns.items()
    ]
    return Source("mapping", variables, dim)


def inner_dims(name: str, first: int, values: Any, taken: Collection[str]) -> tuple[str, ...]:
    """Names for the axes of a column from the `first` on, which the user did not name."""
    return tuple(free_name(f"{name}_{axis}", taken) for axis in range(first, values.ndim))


def check_name(name: Any, what: str) -> None:
    """Refuse a name that cannot be a data key; `what` says whose it is ("column", "coordinate")."""
    if type(name) is str and name.isidentifier() and len(name) <= LONGEST_NAME:
        return
    if not isinstance(name, str):
        raise InvalidTableError(
            f"the name of {what} {name!r} is of type {type(name).__name__}; "
            f"make it a str, e.g. table.rename(columns=str) or {{str(k): v for k, v in table.items()}}"
        )
    if len(name) > LONGEST_NAME:
        raise InvalidTableError(
            f"the name of {what} {name[:40]!r}... has {len(name)} characters, {LONGEST_NAME} is the most; shorten it"
        )
    if not name:
        raise InvalidTableError(f"a {what} has the empty string as its name; give it a name")
    for bad in "./":
        if bad in name:
            raise InvalidTableError(
                f"the name of {what} {name!r} holds {bad!r}, which documents do not allow in keys; "
                f"rename it, e.g. to {name.replace(bad, '_')!r}"
            )
    if name.startswith("$"):
        raise InvalidTableError(f"the name of {what} {name!r} starts with '$', which MongoDB reserves; rename it")
    if any(ord(char) < 32 or ord(char) == 127 for char in name):
        raise InvalidTableError(f"the name of {what} {name!r} holds a control character; rename it")
    check_text(name, f"the name of {what} {name!r}")


def free_name(wanted: str, taken: Collection[str]) -> str:
    """Return `wanted`, with as many underscores appended as it takes to be free."""
    while wanted in taken:
        wanted += "_"
    return wanted


class reading:
    """Turn what other packages raise while a column is read into an error that names the column."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, type_: Any, error: BaseException | None, traceback: TracebackType | None) -> None:
        if isinstance(error, Exception) and not isinstance(error, StoreError | MemoryError):
            raise unreadable(self._name, error) from error


def unreadable(name: str, error: Exception) -> InvalidTableError:
    return InvalidTableError(f"column {name!r} cannot be read: {short(error, 200)}; make it a list or a numpy array")


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
    if isinstance(column, pandas.Series) and not is_default_index(column.index):
        raise InvalidTableError(
            f"column {name!r} is a pandas Series with an index of its own; "
            "pass pandas.DataFrame(table) to keep the index, or .array to drop it"
        )
    if isinstance(column, pandas.MultiIndex):
        raise InvalidTableError(
            f"column {name!r} is a pandas MultiIndex; make each level a column, e.g. of "
            f"table[{name!r}].get_level_values(0)"
        )
    if isinstance(column, pandas.Series | pandas.Index):
        return column.array
    if isinstance(column, numpy.ndarray | dask.array.Array | pandas.api.extensions.ExtensionArray):
        return column
    if is_arrow(column):
        return column_from_arrow(column, name)
    if hasattr(column, "__array__"):
        check_column(column, name)
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
    elif is_lazy(values) and any(math.isnan(length) for length in values.shape):
        raise InvalidTableError(
            f"column {name!r} is a dask array of unknown length; find it out first: "
            f"table[{name!r}] = table[{name!r}].compute_chunk_sizes()"
        )
    check_column(values, name)
    is_objects = isinstance(values, numpy.ndarray) and values.dtype.kind == "O" and values.ndim == 1
    if is_objects and len(values) and type_of(type(values[0])) in CONTAINERS:
        return array_from_list(values.tolist(), name)
    return values


def is_default_index(index: Any) -> bool:
    return isinstance(index, pandas.RangeIndex) and index.start == 0 and index.step == 1 and index.name is None


def index_values(index: pandas.Index) -> Any:
    """The values of an index as an array that `encode` takes, without loss of dtype."""
    values = index.array
    return values.to_numpy() if isinstance(values, pandas.arrays.NumpyExtensionArray) else values
