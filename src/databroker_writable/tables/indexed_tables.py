"""Convert DataFrames and Datasets, whose rows have indexes, to named variables with dims."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy
import pandas
import xarray
from xarray.indexes import PandasIndex, PandasMultiIndex

from ..errors import InvalidTableError
from .classifier import check_text
from .column_parts import PaddedRows, check_units_agree, parts_of_columns
from .columns import (
    Source,
    Variable,
    array_from_array,
    index_values,
    inner_dims,
    is_default_index,
    reading,
)
from .decode import variable_of
from .encode import dtype_name
from .layout import encode_attributes
from .names import data_keys_of, free_name, plain_names


def source_from_frame(frame: pandas.DataFrame, padded: Mapping[Any, PaddedRows]) -> Source:
    labels = plain_names(frame.columns, "column")
    if not labels:
        raise InvalidTableError("the DataFrame has no columns; give it at least one")
    names: set[Any] = set(labels)
    if len(names) < len(labels):
        twice = sorted(map(str, set(frame.columns[frame.columns.duplicated()])))
        raise InvalidTableError(f"the DataFrame has columns of the same name ({', '.join(twice)}); rename them")
    index: Any = frame.index
    for name in index.names:
        if name is not None:
            if not isinstance(name, str):
                raise InvalidTableError(
                    f"the name of index {name!r} is of type {type(name).__name__}; rename it, df.rename_axis('index')"
                )
            if plain_names([name], "index")[0] in names:
                raise InvalidTableError(
                    f"the index and a column are both named {name!r}; rename one, e.g. df.rename_axis('index')"
                )
    multi = isinstance(index, pandas.MultiIndex)
    dim = free_name("row", names | set(index.names)) if multi or index.name is None else index.name
    given = (
        # pandas keeps the numbers of an array with units in .array
        (name, column.values if isinstance(column.dtype, numpy.dtype) else column.array)
        for name, (_, column) in zip(labels, frame.items(), strict=True)
    )
    parts = {part.name: part for listed in parts_of_columns(given, names, padded).values() for part in listed}
    names.update(parts)
    keys = data_keys_of([*parts, *filter(None, index.names)])
    taken = names | {dim}
    variables = []
    for name, part in parts.items():
        with reading(name):
            values = array_from_array(part.values, name)
        dims = (dim, *inner_dims(keys[name], 1, values, taken))
        variables.append(Variable(name, dims, values, keys[name], part.attrs))
    record: dict[str, Any] = {"dim": dim, "names": list(index.names), "levels": [], "multi": multi}
    if not is_default_index(index):
        levels = _index_levels(index, dim, taken, keys)
        record["levels"] = [level.name for level in levels]
        record["dtypes"] = _index_dtypes(index)
        freq = _frequency(index)
        if freq is not None:
            record["freq"] = freq
        variables = levels + variables
    return Source("frame", variables, dim, dict(frame.attrs), {"frame": record})


def _index_dtypes(index: Any) -> list[str]:
    return [dtype_name(index.get_level_values(number).dtype) for number in range(index.nlevels)]


def _frequency(index: Any) -> str | None:
    """The name of an index's frequency, from which pandas makes the same one again."""
    freq = getattr(index, "freq", None)
    if freq is None or isinstance(index, pandas.PeriodIndex):
        return None
    try:
        known = pandas.tseries.frequencies.to_offset(freq.freqstr) == freq
    except ValueError:
        known = False
    if not known:
        raise InvalidTableError(
            f"the index has the frequency {freq!r}, which cannot be restored from its name {freq.freqstr!r}; "
            "drop it with df.index.freq = None"
        )
    return str(freq.freqstr)


def _index_levels(index: Any, dim: str, taken: set[Any], keys: dict[Any, str]) -> list[Variable]:
    """The levels of a pandas index, as coordinates along `dim`."""
    if not isinstance(index, pandas.MultiIndex):
        key = keys[index.name] if index.name is not None else free_name("index", taken)
        return [Variable(dim, (dim,), index_values(index), key, coordinate=True)]
    levels: list[Variable] = []
    named = {name for name in index.names if name is not None}
    for number, name in enumerate(index.names):
        used = {level.name for level in levels}
        if name is None:
            name = free_name(f"level_{number}", used | named | taken)
        elif name in used:
            raise InvalidTableError(f"two levels of the index are named {name!r}; rename one")
        values = index_values(index.get_level_values(number))
        levels.append(Variable(name, (dim,), values, keys.get(name, name), coordinate=True))
    return levels


def source_from_dataset(dataset: xarray.Dataset, padded: Mapping[Any, PaddedRows]) -> Source:
    if not dataset.data_vars:
        raise InvalidTableError("the Dataset has no data variables; give it at least one")
    names = plain_names(dataset.variables, "variable")
    for dim in dataset.dims:
        if not isinstance(dim, str):
            raise InvalidTableError(f"dim {dim!r} is not named by a str; rename it with dataset.rename(...)")
        check_text(dim, f"dim {dim!r}")
    multi, other = _indexes_of(dataset)
    # each time they are asked for, xarray makes them anew
    coordinates, dim_names, xindexes = set(dataset.coords), set(dataset.dims), dict(dataset.xindexes)
    taken = {*map(str, dataset.variables), *dim_names}
    without: list[str] = []
    variables: list[Variable] = []
    tuples = {group["dim"] for group in multi}
    labelled = zip(names, dataset.variables.values(), strict=True)
    stored = {name: variable for name, variable in labelled if name not in tuples}
    given = ((name, _variable_values(variable, xindexes.get(name), name)) for name, variable in stored.items())
    parts = parts_of_columns(given, names, padded)
    keys = data_keys_of([*names, *(part.name for listed in parts.values() for part in listed)])
    for name, variable in stored.items():
        coordinate = name in coordinates
        if coordinate and name in dim_names and name not in xindexes and variable.ndim == 1:
            without.append(str(name))
        for dim in variable.dims:
            if variable.dims.count(dim) > 1:
                raise InvalidTableError(f"variable {name!r} has dim {dim!r} twice; rename one of them")
        for part in parts[name]:
            with reading(part.name):
                values = array_from_array(part.values, part.name)
            dims = tuple(str(dim) for dim in variable.dims)
            dims += inner_dims(keys[part.name], len(dims), values, taken)
            said = {**part.attrs, **variable.attrs}
            if "units" in part.attrs:
                check_units_agree(name, part.attrs["units"], said["units"], "its attribute units")
            variables.append(Variable(part.name, dims, values, keys[part.name], said, coordinate))
    indexes = {"multi": multi, "without": without, "other": other}
    return Source("dataset", variables, None, dict(dataset.attrs), indexes)


def _indexes_of(dataset: xarray.Dataset) -> tuple[list[dict[str, Any]], list[str]]:
    """What restores each MultiIndex, and the coordinates whose index is not of the dim of the same name."""
    multi: list[dict[str, Any]] = []
    other: list[str] = []
    for index, coords in dataset.xindexes.group_by_index():
        if isinstance(index, PandasMultiIndex):
            attrs = encode_attributes(dataset[index.dim].attrs, f"coordinate {index.dim!r}")
            levels = list(index.index.names)
            multi.append({"dim": index.dim, "levels": levels, "dtypes": _index_dtypes(index.index), "attrs": attrs})
        elif type(index) is not PandasIndex:
            listed = ", ".join(map(repr, coords))
            raise InvalidTableError(
                f"the coordinates {listed} have an index of type {type(index).__name__}, which cannot be "
                f"restored; drop it with dataset.drop_indexes([{listed}])"
            )
        else:
            other += [str(name) for name in coords if name not in dataset.dims]
    return multi, other


def _variable_values(variable: xarray.Variable, index: Any, name: Any) -> Any:
    """The values of a variable; the pandas array if numpy has no such dtype."""
    dtype = variable.dtype
    if index is None or (isinstance(dtype, numpy.dtype) and dtype.kind not in {"O", "T"}):
        with reading(name):
            return variable.data
    pandas_index = index.index
    is_multi = isinstance(pandas_index, pandas.MultiIndex)
    return index_values(pandas_index.get_level_values(name) if is_multi else pandas_index)


def without_multi_indexes(dataset: xarray.Dataset) -> xarray.Dataset:
    """The Dataset with the levels of each MultiIndex as coordinates, and without the tuples of them."""
    for index, coordinates in dataset.xindexes.group_by_index():
        if isinstance(index, PandasMultiIndex):
            levels = {}
            for number, name in enumerate(index.index.names):
                # from pandas, because xarray (2026.9) gives datetimes of levels in UTC, and without the zone
                values = index_values(index.index.get_level_values(number))
                levels[str(name)] = variable_of([str(index.dim)], values, coordinates[name].attrs)
            dataset = dataset.drop_vars(list(coordinates)).assign_coords(xarray.Coordinates(levels, indexes={}))
    return dataset
