"""Convert users' tables to one of three forms: a dict of columns, a DataFrame or a Dataset."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import dask.array
import numpy
import pandas
import xarray

from ..errors import InvalidTableError
from .arrow_columns import columns_from_arrow
from .classifier import SCALARS, is_delayed, is_masked, not_computed, units_of
from .column_parts import is_uncertain
from .columns import (
    array_from_column,
    attributes_of,
    column_and_attributes,
    is_default_index,
    is_one_value,
    reading,
    text_of_bytes,
)
from .list_columns import object_array
from .wording import short

ACCEPTED = (
    "a dict of columns, a list of dicts, a pandas DataFrame or Series, an xarray Dataset or DataArray, "
    "or a table of polars, pyarrow or astropy"
)

_READERS = {
    ".csv": "pandas.read_csv",
    ".xlsx": "pandas.read_excel",
    ".parquet": "pandas.read_parquet",
    **dict.fromkeys((".nc", ".nc4"), "xarray.load_dataset"),
}
"""The function that reads a table from a file, by suffix."""


_WITHOUT_ATTRIBUTES = frozenset({*SCALARS, list, tuple, numpy.ndarray})
_WITH_DIMS = (xarray.DataArray, xarray.Variable)


@dataclass
class KnownForm:
    """A table in one of these forms, with what it says in addition to its columns."""

    table: Mapping[Any, Any] | pandas.DataFrame | xarray.Dataset
    column_attrs: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    attrs: dict[str, Any] = field(default_factory=dict[str, Any])
    first: str = ""  # the code that gives the user's table columns which can be replaced

    def remedy(self, message: str) -> str:
        """The message for which remedies, which replace columns as those of a dict, are valid for this table."""
        if _REPLACED.search(message) is None:
            return message
        if isinstance(self.table, xarray.Dataset):
            message = _REPLACED.sub(r"\1 = \1.dims, ", _ITEMS.sub(r"\1.values", message))
        return f"{message}, after {self.first}" if self.first else message


_COLUMN = r"table\[(?:'[^']*'|\([^)]*\))\]"
_REPLACED = re.compile(rf"({_COLUMN}) = (?=\[|pandas\.)")
_ITEMS = re.compile(rf"((?<=for v in ){_COLUMN}|(?<=pandas\.to_datetime\(){_COLUMN})")


def is_records(value: Any) -> bool:
    """Whether it is a list of dicts, one for each row; dicts of lists may be tables, one for each run."""
    if not isinstance(value, list | tuple) or not all(isinstance(item, Mapping) for item in value):
        return False
    return any(is_one_value(item) or is_uncertain(item) for row in value for item in row.values())


def is_of_known_form(table: Any) -> bool:
    """Whether `known_form` can convert it."""
    return not isinstance(table, type) and any(fits(table) for fits, _ in _FORMS)


def known_form(table: Any) -> KnownForm:
    """Convert a table to one of these forms, without loss; refuse anything that is not a table."""
    if not isinstance(table, type):
        for fits, convert in _FORMS:
            if fits(table):
                return convert(table)
    refuse_unmade(table)
    raise InvalidTableError(f"a table must be {ACCEPTED}, not {_what_it_is_instead(table)}")


def refuse_unmade(given: Any) -> None:
    """Refuse a class that was given in place of one of its objects, and what dask has not computed yet."""
    if isinstance(given, type):
        raise InvalidTableError(
            f"{given.__name__} is a class, and not a run or a table; give one of its objects, e.g. "
            f"{given.__name__}(...)"
        )
    if is_delayed(given):
        raise InvalidTableError(
            f"{short(given)} is neither a run nor a table until it is computed; compute it first, with .compute()"
        )


def path_of(value: Any) -> str | None:
    """Return the path if a value is a path or an open file; text may also be something else."""
    if isinstance(value, io.IOBase):
        value = getattr(value, "name", "")
    return os.fspath(value) if isinstance(value, str | os.PathLike) else None


def way_to_read(path: str) -> str | None:
    """How to read a file as a table; None if the text does not look like a path."""
    reader = _READERS.get(os.path.splitext(path)[1].lower())
    if reader is None and not os.path.isfile(path):
        return None
    example = "" if reader is None else f", as in {reader}({path!r})"
    return f"read the file first{example}, or use databroker-writable store"


def way_to_give_columns(value: Any) -> str:
    """How to give the columns of an object, such as a result of lmfit or a group of larch; empty if it has none."""
    if isinstance(getattr(value, "params", None), Mapping):
        return "for the result of a fit give {**result.params, 'x': x}, its parameters with what belongs to them"
    held = getattr(value, "__dict__", {})
    columns = [name for name, item in held.items() if isinstance(item, numpy.ndarray | list) and name[:1] != "_"]
    return f"give a dict of its columns, e.g. {{{columns[0]!r}: table.{columns[0]}}}" if columns else ""


def _named(table: Any, example: str) -> Any:
    if table.name is None:
        raise InvalidTableError(
            f"the {type(table).__name__} has no name for its column; name it, e.g. {example}.rename('y')"
        )
    return table


def _of_columns(table: Mapping[Any, Any]) -> KnownForm:
    """A dict of columns; of Series as a DataFrame, and of DataArrays as a Dataset, to keep indexes and dims."""
    if type(table) is dict and _WITHOUT_ATTRIBUTES.issuperset(map(type, table.values())):
        return KnownForm(table)
    try:
        names, attrs = list(table), attributes_of(table)
    except Exception as error:
        # such as a group of a file that is closed
        raise InvalidTableError(f"the table cannot be read: {short(error, 200)}; make it a dict of columns") from error
    given = {}
    for name in names:
        with reading(name):
            given[name] = table[name]  # not items(), which in h5py has None for a link to what is not there
        if is_delayed(given[name]):
            raise not_computed(name, f"table[{name!r}].compute()")
    if any(isinstance(column, _WITH_DIMS) for column in given.values()):
        return KnownForm(_dataset_of(given), attrs=attrs, first="table = xarray.Dataset(table)")
    columns, said = {}, {}
    for name, column in given.items():
        columns[name], said[name] = column_and_attributes(column, name)
    indexed = [c for c in columns.values() if isinstance(c, pandas.Series) and not is_default_index(c.index)]
    return KnownForm(_frame_of(columns, indexed) if indexed else columns, said, attrs)


def _dataset_of(table: Mapping[Any, Any]) -> xarray.Dataset:
    arrays = {name: column for name, column in table.items() if isinstance(column, _WITH_DIMS)}
    first = type(next(iter(arrays.values()))).__name__
    for name, column in table.items():
        if name not in arrays and not is_one_value(column):
            raise InvalidTableError(
                f"column {name!r} has no dims, but {next(iter(arrays))!r} is an xarray {first}, which has its own; "
                "name those of each in an xarray Dataset"
            )
    try:
        xarray.align(*(array for array in arrays.values() if isinstance(array, xarray.DataArray)), join="exact")
        return xarray.Dataset(dict(table))
    except ValueError as error:
        raise InvalidTableError(
            f"the DataArrays do not fit together: {short(error, 200)}; align them, e.g. xarray.align(a, b)"
        ) from error
    except Exception as error:
        # such as coordinates in a file that is gone
        raise InvalidTableError(f"the DataArrays cannot be read: {short(error, 200)}; load them first") from error


def _frame_of(table: Mapping[Any, Any], indexed: list[pandas.Series]) -> pandas.DataFrame:
    index = indexed[0].index
    columns = {}
    for name, column in table.items():
        is_series = isinstance(column, pandas.Series)
        if is_series and not column.index.equals(index):
            raise InvalidTableError(
                f"column {name!r} is a pandas Series with another index than the others; "
                "pass pandas.DataFrame(table) to align them, or .array to drop it"
            )
        is_uncertain_one = is_uncertain(column)
        is_whole = is_series or is_uncertain_one or is_one_value(column)
        values = column if is_whole else array_from_column(column, name)
        if is_uncertain_one:
            values = object_array([values] * len(index))
        columns[name] = _with_none_for_masked(values, len(index)) if is_masked(values) else values
    try:
        # with its dtype, or pandas 3 turns None among strings into NaN
        arrays = {n: pandas.Series(c, index, c.dtype) if hasattr(c, "dtype") else c for n, c in columns.items()}
        return pandas.DataFrame(arrays, index=index)
    except ValueError as error:
        raise InvalidTableError(
            f"the columns do not fit to a pandas Series with its own index: {short(error, 200)}; "
            "pass the .array of each Series to drop it"
        ) from error


def _with_none_for_masked(values: Any, length: int) -> Any:
    """Masked values as None where pandas has no missing ones: it refuses integers, and makes True of bools."""
    if not isinstance(values, numpy.ma.MaskedArray) or values.dtype.kind not in "biuUO":
        return values
    objects = values.data.astype(object)
    objects[values.mask] = None
    return objects if objects.ndim else objects.reshape(1).repeat(length)


def _columns_of_records(rows: Any) -> dict[Any, list[Any]]:
    """The columns of a list of dicts; keys that a row does not have are None."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _of_astropy(table: Any) -> KnownForm:
    """The columns of an astropy Table or QTable, or of one of its rows, with units, descriptions and meta."""
    if hasattr(table, "table"):
        table = table.table[[table.index]]  # a Row, whose values have no units
    columns, attrs = {}, {}
    for name in table.colnames:
        column = table[name]
        columns[name] = (
            _text_of(column, name) if getattr(column, "dtype", None) and column.dtype.kind == "S" else column
        )
        description = column.info.description
        attrs[name] = {"description": description} if description else {}
    return KnownForm(columns, attrs, dict(table.meta))


def _text_of(column: Any, name: str) -> Any:
    """The text of a column of bytes, as astropy holds that of FITS files; itself if it is not UTF-8."""
    text = text_of_bytes(numpy.asarray(column), name)
    return numpy.ma.masked_array(text, column.mask) if hasattr(column, "mask") else text


def _of_netcdf4(file: Any) -> KnownForm:
    """The variables of a file of netCDF4, or of a group in it."""
    if file.groups:
        name = next(iter(file.groups))
        raise InvalidTableError(
            f"the group {file.name!r} of netCDF4 has the group {name!r} in it; store each group as a stream, with "
            f"catalog.run_builder() and builder.add_stream({name!r}, data=...), or a dict of columns"
        )
    known = _of_columns(file.variables)
    known.attrs = {name: file.getncattr(name) for name in file.ncattrs()}
    return known


def _of_tree(tree: Any) -> KnownForm:
    """The Dataset at the root of a DataTree that has no other nodes."""
    if tree.children:
        name = next(iter(tree.children))
        raise InvalidTableError(
            f"the DataTree has the node {name!r} below its root; store the Dataset of each node as a stream, "
            f"with catalog.run_builder() and builder.add_stream({name!r}, data=tree[{name!r}].to_dataset())"
        )
    return KnownForm(tree.to_dataset(), first="table = table.to_dataset()")


def _has_fields(table: Any) -> bool:
    return bool(getattr(getattr(table, "dtype", None), "names", None))


_TO_FRAME = "table = pandas.DataFrame(table)"
_FORMS: tuple[tuple[Callable[[Any], bool], Callable[[Any], KnownForm]], ...] = (
    (lambda table: isinstance(table, xarray.Dataset | pandas.DataFrame), KnownForm),
    (lambda table: isinstance(table, xarray.DataTree), _of_tree),
    # groups of zarr are no mappings, as those of h5py are
    (lambda table: isinstance(table, Mapping) or hasattr(type(table), "array_keys"), _of_columns),
    (lambda table: hasattr(type(table), "ncattrs") and hasattr(type(table), "variables"), _of_netcdf4),
    (is_records, lambda table: KnownForm(_columns_of_records(table), first=_TO_FRAME)),
    (
        lambda table: isinstance(table, pandas.Series),
        lambda table: KnownForm(_named(table, "series").to_frame(), first="table = table.to_frame()"),
    ),
    (
        lambda table: isinstance(table, xarray.DataArray),
        lambda table: KnownForm(_named(table, "array").to_dataset(), first="table = table.to_dataset()"),
    ),
    (
        lambda table: isinstance(table, numpy.ndarray) and _has_fields(table) and table.ndim == 1,
        lambda table: KnownForm({name: table[name] for name in table.dtype.names}, first=_TO_FRAME),
    ),
    (
        lambda table: hasattr(table, "__arrow_c_stream__") and hasattr(table, "columns"),
        lambda table: KnownForm(*columns_from_arrow(table)),
    ),
    (lambda table: hasattr(table, "colnames") and hasattr(table, "meta") and not is_delayed(table), _of_astropy),
)
"""What is taken as a table, and how it is converted."""


def _what_it_is_instead(table: Any) -> str:
    if table is None:
        return "None"
    name = f"{type(table).__module__}.{type(table).__qualname__}".removeprefix("builtins.")
    path = path_of(table)
    if path is not None:
        return "; ".join(filter(None, (f"{name} {short(table)}", way_to_read(path))))
    if _has_fields(table) and not isinstance(table, numpy.ndarray):
        return f"{name}; read it first, with numpy.asarray(table)"
    is_nameless = isinstance(table, numpy.ndarray | dask.array.Array | xarray.Variable | list | tuple)
    is_nameless |= hasattr(type(table), "__array__") and hasattr(table, "dtype")
    if is_nameless or units_of(table) is not None:
        return f"{name}; name it, e.g. {{'x': values}}"
    if hasattr(table, "collect"):
        return f"{name}; collect it first, with .collect()"
    if hasattr(table, "to_pandas"):
        return f"{name}; convert it with .to_pandas()"
    if hasattr(table, "compute"):
        return f"{name}; compute it first, with .compute()"
    return "; ".join(filter(None, (name, way_to_give_columns(table))))
