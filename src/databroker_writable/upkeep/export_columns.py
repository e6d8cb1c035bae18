"""What files hold of columns and attributes: those of HDF5 and netCDF, of CSV and of JSON, with warnings of changes."""

from __future__ import annotations

import datetime
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy
import pandas
import xarray

from ..errors import ExportError, warn_user
from ..runs.shown_text import json_line
from ..tables.columns import LINKS
from ..tables.exact_numbers import exceeds_float64, plain_numbers, series_of
from ..tables.indexed_tables import without_multi_indexes
from ..tables.wording import counted

_OF_THE_FORMAT = {
    *("_FillValue", "missing_value", "scale_factor", "add_offset", "dtype", "coordinates", "calendar"),
    *("_Unsigned", "_Encoding", "CLASS", "NAME", "_NCProperties"),
    *LINKS,
}
"""Attributes that xarray interprets and does not return, and those that h5netcdf refuses because HDF5 has them."""

_IN_JSON = (str, bool, int, float, type(None), datetime.datetime)
_NO_TYPE = ", because such files do not have its type"


def warn_of_change(columns: Sequence[str], change: str, why: str) -> None:
    """Warn that a file holds columns in another form, if there are any: which, how, and why or what keeps them."""
    if columns:
        several = len(columns) > 1
        warn_user(f"the column{'s' * several} {', '.join(columns)} {'are' if several else 'is'} {change}{why}")


def for_file(dataset: xarray.Dataset) -> xarray.Dataset:
    """Return a Dataset with only numbers, bools, text, times and complex numbers; warn about changes."""
    dataset = without_multi_indexes(dataset)
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
    if "units" in attrs and (variable.dtype.kind in "mM" or "since" in str(attrs["units"])):
        # the encoding of times is set there, and xarray reads whatever is since something as times
        attrs["original_units"] = attrs.pop("units")
    return xarray.Variable(variable.dims, _values(name, variable), attrs)


def _values(name: str, variable: xarray.Variable) -> Any:
    """The values in a type that the file can hold, with a warning if it is another one."""
    dtype = variable.dtype
    if isinstance(dtype, numpy.dtype) and dtype.kind in "biufcmMSU" and dtype.itemsize != 2 * (dtype.kind == "f"):
        return _without_nul(variable.data, name) if dtype.kind == "U" else variable.data
    if isinstance(dtype, numpy.dtype) and dtype.kind == "f":
        warn_of_change([f"{name!r} ({dtype})"], "written as float32", _NO_TYPE)
        return variable.data.astype("float32")
    values = series_of(variable)
    plain = _numbers(values)
    if plain is None:
        is_missing = values.isna()
        plain = values.astype(object).astype(str).where(~is_missing, "").to_numpy(dtype=object)
        is_text = not is_missing.any() and all(isinstance(value, str) for value in values)
    else:
        is_text = False
    if not is_text:
        written = "text" if plain.dtype.kind == "O" else str(plain.dtype)
        missing = f", {'empty' if written == 'text' else 'NaN'} where missing" if values.isna().any() else ""
        warn_of_change([f"{name!r} ({dtype})"], f"written as {written}{missing}", _NO_TYPE)
    if plain.dtype.kind == "O":
        plain = _without_nul(plain, name).astype(str)
    return plain.reshape(variable.shape)


def _without_nul(texts: numpy.ndarray, name: str) -> numpy.ndarray:
    if any("\0" in text for text in texts.ravel().tolist()):
        raise ExportError(
            f"the column {name!r} holds text with NUL, which such files cannot hold; choose the other columns by name, "
            "or export to .json"
        )
    return texts


def _numbers(values: pandas.Series) -> numpy.ndarray | None:
    """Numbers and bools that can be missing as numpy arrays, with NaN for missing values; None for other types."""
    if values.dtype == object and values.isna().any():
        values = _nullable(values)
    return None if values.isna().any() and exceeds_float64(values) else plain_numbers(values)


def _nullable(values: pandas.Series) -> pandas.Series:
    """Objects in one of pandas' own types, which can be missing; `convert_dtypes` would round large integers."""
    integers = _as_uint64(values)
    if integers is None:
        integers = _as_int64(values)
    return values.convert_dtypes() if integers is None else integers


def _as_uint64(values: pandas.Series) -> pandas.Series | None:
    """Objects that are integers, some beyond those of int64, which convert_dtypes would round; None for others."""
    present = [value for value in values if not pandas.isna(value)]
    are_integers = present and all(isinstance(value, int) and value >= 0 for value in present)
    return values.astype("UInt64") if are_integers and max(present) >= 2**63 else None


def _as_int64(values: pandas.Series) -> pandas.Series | None:
    """Objects that are integers of int64, of which some can be missing; None for others."""
    present = [value for value in values if not pandas.isna(value)]
    if not present or not all(type(value) is int and abs(value) < 2**63 for value in present):
        return None
    exact = [None if pandas.isna(value) else value for value in values]
    return pandas.Series(pandas.array(exact, dtype="Int64"), index=values.index)


def _attributes(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        f"original_{name}" if name in _OF_THE_FORMAT else str(name): attribute(value) for name, value in attrs.items()
    }


def attribute(value: Any) -> Any:
    """The value of an attribute; as JSON text if HDF5 and netCDF cannot hold it."""
    if isinstance(value, str):
        # as Python's text, because h5py does not write numpy's
        return str.__str__(value) if "\0" not in value else json_line(value)
    if isinstance(value, list | tuple | numpy.ndarray) and len(numpy.shape(value)):
        if isinstance(value, list | tuple) and len(value) and all(isinstance(item, str) for item in value):
            return list(map(str.__str__, value))
        if _is_flat(value) and numpy.asarray(value).dtype.kind in "iuf":
            return numpy.asarray(value)
        return json_line(value)
    is_number = isinstance(value, int | float | numpy.integer | numpy.floating) and not isinstance(value, bool)
    return value if is_number and numpy.asarray(value).dtype.kind in "iuf" else json_line(value)


def _is_flat(value: Any) -> bool:
    return (isinstance(value, numpy.ndarray) and value.ndim == 1) or not any(numpy.shape(item) for item in value)


def for_parquet(frame: pandas.DataFrame) -> pandas.DataFrame:
    """Return a frame in types that pyarrow (26.0) writes with their values; warn of categories that become columns."""
    frame = frame.copy(deep=False)
    for name in frame:
        frame[name] = _for_arrow(name, frame[name])
    index: Any = frame.index
    levels = [
        pandas.Index(_for_arrow(index.names[number] or "index", index.get_level_values(number).to_series()))
        for number in range(index.nlevels)
    ]
    if any(level.dtype != index.get_level_values(number).dtype for number, level in enumerate(levels)):
        is_multi = index.nlevels > 1
        frame.index = pandas.MultiIndex.from_arrays(levels, names=index.names) if is_multi else levels[0]
        frame.index.names = index.names
    return frame


def _for_arrow(name: Any, column: pandas.Series) -> pandas.Series:
    dtype: Any = column.dtype
    if isinstance(dtype, pandas.CategoricalDtype):
        plain = dtype.categories.dtype
        if isinstance(plain, pandas.IntervalDtype | pandas.PeriodDtype) or plain.kind in "mMiufb":
            values = _of_categories(column, plain)
            warn_of_change([repr(name)], f"written as {values.dtype}", ", because Parquet has no such categories")
            return values
    elif isinstance(dtype, numpy.dtype) and dtype.kind == "O":
        integers = _as_uint64(column)
        if integers is None and column.isna().any():
            # pandas would read them as floats
            missing = _as_int64(column)
            integers = missing if missing is not None and exceeds_float64(missing) else None
        return column if integers is None else integers
    elif isinstance(dtype, numpy.dtype) and not dtype.isnative:
        return column.astype(dtype.newbyteorder("="))
    return column


def _of_categories(column: pandas.Series, dtype: Any) -> pandas.Series:
    """The values of a column of categories in their own type, or in pandas' own one that can be missing."""
    if not column.isna().any():
        return column.astype(dtype)
    if isinstance(dtype, pandas.IntervalDtype):
        spans = pandas.IntervalIndex(column.cat.categories)
        are_exact = not any(exceeds_float64(bounds.to_series()) for bounds in (spans.left, spans.right))
        is_whole = dtype.subtype.kind in "iu"  # pandas has no missing ones of these
        return column.astype(pandas.IntervalDtype("float64", dtype.closed) if is_whole and are_exact else dtype)
    if dtype.kind not in "iub":
        return column.astype(dtype)
    # not astype, which rounds large integers
    return _nullable(column.astype(object))


def warn_of_csv(frame: pandas.DataFrame, text: str) -> None:
    """Warn of columns that `pandas.read_csv` does not read as they are, such as text like '007', 'NA' or ''."""
    doubtful = [number for number in range(frame.shape[1]) if _may_be_changed(frame.dtypes.iloc[number])]
    if not doubtful:
        return
    read = pandas.read_csv(io.StringIO(text), comment="#", low_memory=False).iloc[:, -frame.shape[1] :]
    changed: dict[str, str] = {}
    for number in doubtful:
        before, after = (table.iloc[:, number].astype(object).to_numpy() for table in (frame, read))
        example = _differing(before, after)
        if example is not None:
            changed[repr(frame.columns[number])] = example
    examples = " and ".join(dict.fromkeys(list(changed.values())[:3]))
    warn_of_change(
        list(changed), "read from CSV with other values", f", such as {examples}; .json and .parquet keep each value"
    )


def _may_be_changed(dtype: Any) -> bool:
    """Whether columns of a type may have text, or numbers that floats do not hold."""
    if isinstance(dtype, numpy.dtype):
        return dtype.kind in "OU"
    return not isinstance(dtype, pandas.PeriodDtype | pandas.IntervalDtype | pandas.DatetimeTZDtype)


def _differing(before: numpy.ndarray, after: numpy.ndarray) -> str | None:
    """The first value that is read as another one, in words."""
    if len(before) != len(after):
        return f"{counted(len(before), 'row')} as {len(after)}"
    missing = zip(pandas.isna(before).tolist(), pandas.isna(after).tolist(), strict=True)
    for value, found, (was_missing, is_missing) in zip(before, after, missing, strict=True):
        if was_missing != is_missing or not (was_missing or _is_same(value, found)):
            return f"{value!r} as {'a missing one' if is_missing else repr(found)}"
    return None


def _is_same(before: Any, after: Any) -> bool:
    if isinstance(before, str | int):  # pandas may read '1' as 1, and a large integer as a float
        return isinstance(before, str) == isinstance(after, str) and bool(before == after)
    # digits, or what is read as its text
    return not isinstance(before, float) or math.isclose(before, after, rel_tol=1e-12)


def for_json_file(dataset: xarray.Dataset) -> dict[str, Any]:
    """A Dataset in the form that `xarray.Dataset.from_dict` reads; warn of infinities, and of what becomes text."""
    dataset = without_multi_indexes(dataset)
    arrays = {repr(name): dataset.variables[name] for name in dataset.variables}
    infinite = [name for name, array in arrays.items() if _has_infinities(array)]
    warn_of_change(infinite, "written with null for infinities, as for NaN", "; .nc keeps them")
    numbers = [name for name, array in arrays.items() if array.dtype.kind in "cm"]
    warn_of_change(numbers, "written as text", ", because JSON has no such numbers; .nc keeps them")
    others = [name for name, array in arrays.items() if _has_other_objects(array)]
    warn_of_change(others, "written as text", ", because JSON does not have this type; .parquet keeps it")
    flattened = [name for name, array in arrays.items() if 0 in array.shape[:-1]]
    warn_of_change(flattened, "written without its dimensions, of which one is empty", "; .nc keeps them")
    record: dict[str, Any] = {"coords": {}, "attrs": dataset.attrs, "dims": dict(dataset.sizes), "data_vars": {}}
    for name, array in dataset.variables.items():
        said = {"dims": list(array.dims), "attrs": array.attrs, "dtype": str(array.dtype)}
        record["coords" if name in dataset.coords else "data_vars"][str(name)] = {**said, "data": _in_json(array)}
    return record


def _in_json(array: xarray.Variable) -> Any:
    """The values, with None for missing ones of pandas' types."""
    dtype: Any = array.dtype
    if isinstance(dtype, numpy.dtype) and dtype.kind != "O":
        values = numpy.asarray(array.values)
        return values.astype(str) if dtype.kind == "c" else values
    objects = _objects(array)
    objects[pandas.isna(objects)] = None
    return objects.reshape(array.shape).tolist()


def _objects(variable: xarray.Variable) -> numpy.ndarray:
    return series_of(variable).astype(object).to_numpy(copy=True)


def _has_infinities(array: xarray.Variable) -> bool:
    dtype: Any = array.dtype
    values: Any = array.values if isinstance(dtype, numpy.dtype) and dtype.kind == "f" else None
    if values is None and dtype.kind in "fO":
        values = list(_objects(array))
    return _is_infinite([array.attrs, values])


def _has_other_objects(array: xarray.Variable) -> bool:
    if isinstance(array.dtype, numpy.dtype) and array.dtype.kind != "O":
        return False
    plain = (value.item() if isinstance(value, numpy.generic) else value for value in _objects(array))
    return any(not isinstance(value, _IN_JSON) and not pandas.isna(value) for value in plain)


def _is_infinite(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_is_infinite, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_is_infinite, value))
    if isinstance(value, numpy.ndarray):
        return value.dtype.kind == "f" and bool(numpy.isinf(value).any())
    return isinstance(value, float | numpy.floating) and math.isinf(value)
