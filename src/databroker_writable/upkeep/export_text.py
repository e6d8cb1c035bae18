"""What CSV and JSON do not hold of columns, with warnings."""

from __future__ import annotations

import datetime
import io
import math
from collections.abc import Mapping
from typing import Any

import numpy
import pandas
import xarray

from .export_columns import warn_of_change

_IN_JSON = (str, bool, int, float, type(None), datetime.datetime)


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
        return f"{len(before)} rows as {len(after)}"
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


def json_variables(variables: Mapping[Any, xarray.DataArray]) -> dict[str, dict[str, Any]]:
    """Variables for JSON in the form that `xarray.Dataset.from_dict` reads."""
    return {
        str(name): {"dims": list(array.dims), "attrs": array.attrs, "dtype": str(array.dtype), "data": _values(array)}
        for name, array in variables.items()
    }


def warn_of_json(variables: Mapping[Any, xarray.DataArray]) -> None:
    """Warn of infinities, which JSON does not have, and of numbers that become text."""
    arrays = {repr(name): array for name, array in variables.items()}
    infinite = [name for name, array in arrays.items() if _is_infinite(array.attrs) or _has_infinities(array)]
    warn_of_change(infinite, "written with null for infinities, as for NaN", "; .nc keeps them")
    numbers = [name for name, array in arrays.items() if array.dtype.kind in "cm"]
    warn_of_change(numbers, "written as text", ", because JSON has no such numbers; .nc keeps them")
    others = [name for name, array in arrays.items() if _has_other_objects(array)]
    warn_of_change(others, "written as text", ", because JSON does not have this type; .parquet keeps it")


def _values(array: xarray.DataArray) -> Any:
    """The values, with None for missing ones of pandas' types."""
    dtype: Any = array.dtype
    if isinstance(dtype, numpy.dtype) and dtype.kind != "O":
        values = numpy.asarray(array.values)
        return values.astype(str) if dtype.kind == "c" else values
    objects = _objects(array)
    objects[pandas.isna(objects)] = None
    return objects.reshape(array.shape).tolist()


def _objects(array: xarray.DataArray) -> numpy.ndarray:
    data = array.variable.data
    values = numpy.ravel(data) if isinstance(array.dtype, numpy.dtype) else getattr(data, "array", data)
    return pandas.Series(values).astype(object).to_numpy(copy=True)


def _has_infinities(array: xarray.DataArray) -> bool:
    dtype: Any = array.dtype
    if isinstance(dtype, numpy.dtype) and dtype.kind == "f":
        return bool(numpy.isinf(array.values).any())
    return dtype.kind in "fO" and any(map(_is_infinite, _objects(array)))


def _has_other_objects(array: xarray.DataArray) -> bool:
    if isinstance(array.dtype, numpy.dtype) and array.dtype.kind != "O":
        return False
    return any(not isinstance(value, _IN_JSON) and not pandas.isna(value) for value in _plain(_objects(array)))


def _plain(values: numpy.ndarray) -> list[Any]:
    return [value.item() if isinstance(value, numpy.generic) else value for value in values]


def _is_infinite(value: Any) -> bool:
    """Whether a value, or one in it, is an infinity."""
    if isinstance(value, Mapping):
        return any(map(_is_infinite, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_is_infinite, value))
    if isinstance(value, numpy.ndarray):
        return value.dtype.kind == "f" and bool(numpy.isinf(value).any())
    return isinstance(value, float | numpy.floating) and math.isinf(value)
