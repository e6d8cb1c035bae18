"""Tables of any accepted kind as named variables with dims."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import dask.array
import numpy
import pandas
import xarray
from xarray.indexes import PandasIndex, PandasMultiIndex

from ..errors import InvalidTableError
from .attributes import encode_attributes
from .encode import dtype_name, index_values
from .kinds import CONTAINERS, array_from_list, check_units
from .names import check_name, check_text, free_name
from .wording import short

ACCEPTED = "a dict of lists or arrays, a pandas DataFrame or an xarray Dataset"


@dataclass
class Variable:
    """One column, with the name that the user gave it."""

    name: str
    dims: tuple[str, ...]
    values: Any  # numpy, dask or pandas array
    attrs: dict = field(default_factory=dict)
    coordinate: bool = False
    key: str | None = None  # the name wanted in the documents, if not `name`
    is_list: bool = False  # whether it was given as a list


@dataclass
class Source:
    """A table or Dataset, in one common form."""

    kind: str  # "mapping", "frame" or "dataset"
    variables: list[Variable]
    dim: str | None  # the one leading dim of a table; None for a Dataset
    attrs: dict = field(default_factory=dict)
    indexes: dict = field(default_factory=dict)  # JSON-able: how to put the indexes back


def read_source(table: Any) -> Source:
    if isinstance(table, xarray.Dataset):
        return _from_dataset(table)
    if isinstance(table, pandas.DataFrame):
        return _from_frame(table)
    if isinstance(table, Mapping):
        return _from_mapping(table)
    given = f"{type(table).__module__}.{type(table).__qualname__}".removeprefix("builtins.")
    if isinstance(table, xarray.DataArray):
        given += "; make a Dataset of it with .to_dataset(name=...)"
    elif isinstance(table, pandas.Series):
        given += "; make a DataFrame of it with .to_frame()"
    elif isinstance(table, numpy.ndarray | dask.array.Array | list | tuple):
        given += "; name it, e.g. {'x': values}"
    elif hasattr(table, "to_pandas"):
        given += "; convert it with .to_pandas()"
    elif hasattr(table, "compute"):
        given += "; compute it first, with .compute()"
    raise InvalidTableError(f"a table is {ACCEPTED}, not {'None' if table is None else given}")


def _from_mapping(table: Mapping) -> Source:
    if not table:
        raise InvalidTableError("the table has no columns; give it at least one, e.g. {'x': [1, 2, 3]}")
    columns = {}
    for name, given in table.items():
        check_name(name, "column")
        columns[name] = _column(given, name)
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
        inner = tuple(free_name(f"{name}_{axis}", columns) for axis in range(1, numpy.ndim(values)))
        variables.append(Variable(name, (dim, *inner), values, is_list=isinstance(table[name], list | tuple)))
    return Source("mapping", variables, dim)


def _column(given: Any, name: str) -> Any:
    """Make an array of one column of a dict."""
    if isinstance(given, xarray.DataArray):
        raise InvalidTableError(
            f"column {name!r} is an xarray DataArray, with dims of its own; "
            "pass xarray.Dataset(table) to keep them, or its .data"
        )
    if isinstance(given, pandas.Series):
        if not _is_default(given.index):
            raise InvalidTableError(
                f"column {name!r} is a pandas Series with an index of its own; "
                "pass pandas.DataFrame(table) to keep the index, or .array to drop it"
            )
        given = given.array
    if isinstance(given, pandas.Index):
        given = index_values(given)
    values: Any
    if isinstance(given, pandas.api.extensions.ExtensionArray | dask.array.Array):
        values = given
    elif isinstance(given, list | tuple | range):
        return array_from_list(given, name)
    elif hasattr(given, "__array__"):
        check_units(given, name)
        values = given if isinstance(given, numpy.ndarray) else numpy.asarray(given)
    else:
        several = isinstance(given, Iterable) and not isinstance(given, str | bytes | Mapping)
        remedy = f"list(table[{name!r}])" if several else f"[{short(given)}]"
        raise InvalidTableError(
            f"column {name!r} is of type {type(given).__name__}; make it a list or an array, e.g. {remedy}"
        )
    if numpy.ndim(values) == 0:
        raise InvalidTableError(
            f"column {name!r} is a single value ({short(given)}), not a list or an array of at least one "
            f"dimension; put it in a list, or in the metadata"
        )
    return unpacked(values, name)


def unpacked(values: Any, name: str) -> Any:
    """Take an array as it is, or stack one of objects that are arrays or lists of one shape."""
    if isinstance(values, pandas.arrays.NumpyExtensionArray):
        values = values.to_numpy()
    check_units(values, name)
    is_objects = isinstance(values, numpy.ndarray) and values.dtype.kind == "O" and values.ndim == 1
    if is_objects and len(values) and isinstance(values[0], CONTAINERS):
        return array_from_list(values.tolist(), name)
    return values


def _is_default(index: Any) -> bool:
    return isinstance(index, pandas.RangeIndex) and index.start == 0 and index.step == 1 and index.name is None


def _from_frame(frame: pandas.DataFrame) -> Source:
    if isinstance(frame.columns, pandas.MultiIndex):
        raise InvalidTableError(
            "the DataFrame has MultiIndex columns; join their levels, "
            "e.g. df.columns = ['_'.join(map(str, c)) for c in df.columns]"
        )
    if not len(frame.columns):
        raise InvalidTableError("the DataFrame has no columns; give it at least one")
    for name in frame.columns:
        check_name(name, "column")
    if not frame.columns.is_unique:
        twice = sorted(set(frame.columns[frame.columns.duplicated()]))
        raise InvalidTableError(f"the DataFrame has columns of the same name ({', '.join(twice)}); rename them")
    names = set(frame.columns)
    index: Any = frame.index
    for name in index.names:
        if name is not None:
            check_name(name, "index")
            if name in names:
                raise InvalidTableError(
                    f"the index and a column are both named {name!r}; rename one, e.g. df.rename_axis('index')"
                )
    single = not isinstance(index, pandas.MultiIndex)
    dim = index.name if single and index.name is not None else free_name("row", names | set(index.names))
    variables = []
    for position, name in enumerate(map(str, frame.columns)):
        column = frame.iloc[:, position]
        if isinstance(column.dtype, numpy.dtype):
            check_units(column.values, name)
        values = unpacked(column.array, name)
        inner = tuple(free_name(f"{name}_{axis}", names | {dim}) for axis in range(1, numpy.ndim(values)))
        variables.append(Variable(name, (dim, *inner), values))
    record: dict[str, Any] = {"dim": dim, "names": list(index.names), "levels": [], "multi": not single}
    if not _is_default(index):
        levels = _index_levels(index, dim, names)
        record["levels"] = [level.name for level in levels]
        record["dtypes"] = _dtypes(index)
        freq = _frequency(index)
        if freq is not None:
            record["freq"] = freq
        variables = levels + variables
    return Source("frame", variables, dim, dict(frame.attrs), {"frame": record})


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
            f"the index has the frequency {freq!r}, which its name {freq.freqstr!r} does not give back; "
            "drop it with df.index.freq = None"
        )
    return freq.freqstr


def _dtypes(index: Any) -> list[str]:
    return [dtype_name(index.get_level_values(number).dtype) for number in range(index.nlevels)]


def _index_levels(index: Any, dim: str, names: set[str]) -> list[Variable]:
    """The levels of a pandas index, as coordinates along `dim`."""
    if not isinstance(index, pandas.MultiIndex):
        key = index.name if index.name is not None else free_name("index", names | {dim})
        return [Variable(dim, (dim,), index_values(index), coordinate=True, key=key)]
    levels: list[Variable] = []
    taken = names | {dim}
    name: Any
    for number, name in enumerate(index.names):
        wanted = name if name is not None else f"level_{number}"
        if name is not None and name in {level.name for level in levels}:
            raise InvalidTableError(f"two levels of the index are named {name!r}; rename one")
        name = name if name is not None else free_name(wanted, {*taken, *map(str, index.names)})
        taken = taken | {name}
        values = index_values(index.get_level_values(number))
        levels.append(Variable(name, (dim,), values, coordinate=True))
    return levels


def _from_dataset(dataset: xarray.Dataset) -> Source:
    if not dataset.data_vars:
        raise InvalidTableError("the Dataset has no data variables; give it at least one")
    multi: list[dict] = []
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
            multi.append({"dim": index.dim, "levels": levels, "dtypes": _dtypes(index.index), "attrs": attrs})
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
        return unpacked(variable.data, name)
    held = index.index
    return index_values(held.get_level_values(name) if isinstance(held, pandas.MultiIndex) else held)
