"""Whatever is accepted as a table, in one form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dask.array
import numpy
import pandas
import xarray

from ..errors import InvalidTableError
from .arrow_columns import columns_from_arrow
from .column_arrays import array_from_column
from .dataset_sources import source_from_dataset
from .frame_sources import source_from_frame
from .names import check_name, free_name
from .variables import Source, Variable

ACCEPTED = "a dict of lists or arrays, a pandas DataFrame or an xarray Dataset"


def read_source(table: Any) -> Source:
    if type(table) is dict:
        return _source_from_mapping(table, {})
    if isinstance(table, xarray.Dataset):
        return source_from_dataset(table)
    if isinstance(table, pandas.DataFrame):
        return source_from_frame(table)
    if isinstance(table, Mapping):
        return _source_from_mapping(table, {})
    if hasattr(table, "__arrow_c_stream__") and hasattr(table, "columns"):
        columns, attributes, attrs = columns_from_arrow(table)
        source = _source_from_mapping(columns, attributes)
        source.attrs.update(attrs)
        return source
    raise _no_table(table)


def _no_table(table: Any) -> InvalidTableError:
    given = f"{type(table).__module__}.{type(table).__qualname__}".removeprefix("builtins.")
    if isinstance(table, xarray.DataArray):
        given += "; make a Dataset of it with .to_dataset(name=...)"
    elif isinstance(table, pandas.Series):
        given += "; make a DataFrame of it with .to_frame()"
    elif isinstance(table, numpy.ndarray | dask.array.Array | list | tuple):
        given += "; name it, e.g. {'x': values}"
    elif hasattr(table, "collect"):
        given += "; collect it first, with .collect()"
    elif hasattr(table, "to_pandas"):
        given += "; convert it with .to_pandas()"
    elif hasattr(table, "compute"):
        given += "; compute it first, with .compute()"
    return InvalidTableError(f"a table is {ACCEPTED}, not {'None' if table is None else given}")


def _source_from_mapping(table: Mapping[str, Any], attributes: Mapping[str, dict[str, str]]) -> Source:
    if not table:
        raise InvalidTableError("the table has no columns; give it at least one, e.g. {'x': [1, 2, 3]}")
    columns = {}
    lists = set()
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
    variables = []
    for name, values in columns.items():
        inner = tuple(free_name(f"{name}_{axis}", columns) for axis in range(1, values.ndim))
        attrs = dict(attributes.get(name, {}))
        variables.append(Variable(name, (dim, *inner), values, attrs, is_list=name in lists))
    return Source("mapping", variables, dim)
