"""Datasets as named variables with dims."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy
import pandas
import xarray
from xarray.indexes import PandasIndex, PandasMultiIndex

from ..errors import InvalidTableError
from .attributes import encode_attributes
from .column_arrays import array_from_array
from .names import check_name, check_text, free_name
from .pandas_types import index_dtypes, index_values
from .refusals import reading
from .variables import Source, Variable


def source_from_dataset(dataset: xarray.Dataset) -> Source:
    if not dataset.data_vars:
        raise InvalidTableError("the Dataset has no data variables; give it at least one")
    multi: list[dict[str, Any]] = []
    without: list[str] = []
    other: list[str] = []
    tuples: set[Hashable] = set()
    for name in dataset.variables:
        check_name(name, "coordinate" if name in dataset.coords else "variable")
    for dim in dataset.dims:
        if not isinstance(dim, str):
            raise InvalidTableError(f"dim {dim!r} is not named by a str; rename it with dataset.rename(...)")
        check_text([dim], f"dim {dim!r}")
    for index, coords in dataset.xindexes.group_by_index():
        if isinstance(index, PandasMultiIndex):
            attrs = encode_attributes(dataset[index.dim].attrs, f"coordinate {index.dim!r}")
            levels = list(index.index.names)
            multi.append({"dim": index.dim, "levels": levels, "dtypes": index_dtypes(index.index), "attrs": attrs})
            tuples.add(index.dim)
        elif type(index) is not PandasIndex:
            listed = ", ".join(map(repr, coords))
            raise InvalidTableError(
                f"the coordinates {listed} have an index of type {type(index).__name__}, which cannot be "
                f"put back; drop it with dataset.drop_indexes([{listed}])"
            )
        else:
            other += [str(name) for name in coords if name not in dataset.dims]
    variables = []
    for name, variable in dataset.variables.items():
        if name in tuples:
            continue
        coordinate = name in dataset.coords
        if coordinate and name in dataset.dims and name not in dataset.xindexes and variable.ndim == 1:
            without.append(str(name))
        for dim in variable.dims:
            if variable.dims.count(dim) > 1:
                raise InvalidTableError(f"variable {name!r} has dim {dim!r} twice; rename one of them")
        with reading(str(name)):
            values = _variable_values(variable, dataset.xindexes.get(name), str(name))
        dims = tuple(str(dim) for dim in variable.dims)
        inner = range(len(dims), values.ndim)
        dims += tuple(free_name(f"{name}_{axis}", {*map(str, dataset.variables), *dims}) for axis in inner)
        variables.append(Variable(str(name), dims, values, dict(variable.attrs), coordinate))
    indexes = {"multi": multi, "without": without, "other": other}
    return Source("dataset", variables, None, dict(dataset.attrs), indexes)


def _variable_values(variable: xarray.Variable, index: Any, name: str) -> Any:
    """The values of a variable: as pandas holds them where numpy has no such dtype."""
    dtype = variable.dtype
    if index is None or (isinstance(dtype, numpy.dtype) and dtype.kind != "O"):
        return array_from_array(variable.data, name)
    held = index.index
    return index_values(held.get_level_values(name) if isinstance(held, pandas.MultiIndex) else held)
