"""Python values of one kind as arrays, exactly.

numpy.asarray alone is not enough: it makes strings of `[1, "a"]` and integers of `[True, 2]`.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from itertools import chain
from typing import Any

import dask.array
import numpy
import pandas

from ..errors import InvalidTableError
from .names import check_text

CONTAINERS = (list, tuple, range, numpy.ndarray)
MAX_AXES = 32
"""The most that numpy 1 and HDF5 have."""

MISSING = ("None", "NA", "NaT")


def kind_of(type_: type) -> str:
    """Name the kind of values of a type: "bool", "int", "float", ..., or the type's own name."""
    for kind, types in (
        ("None", type(None)),
        ("NA", type(pandas.NA)),
        ("NaT", type(pandas.NaT)),
        ("bool", (bool, numpy.bool_)),
        ("timedelta", (datetime.timedelta, numpy.timedelta64)),  # before int: timedelta64 is a signedinteger
        ("datetime", (datetime.datetime, numpy.datetime64)),
        ("int", (int, numpy.integer)),
        ("longdouble", (numpy.longdouble, numpy.clongdouble)),
        ("float", (float, numpy.floating)),
        ("complex", (complex, numpy.complexfloating)),
        ("str", str),
    ):
        if issubclass(type_, types):
            return str(kind)
    return type_.__name__


def kinds_in(values: Iterable[Any]) -> set[str]:
    return {kind_of(type_) for type_ in set(map(type, values))}


def mixed(name: str, kinds: Iterable[str]) -> InvalidTableError:
    return InvalidTableError(
        f"column {name!r} holds mixed types ({', '.join(sorted(kinds))}); make it one type, "
        f"e.g. table[{name!r}] = [str(v) for v in table[{name!r}]]"
    )


def unsupported(name: str, what: str, remedy: str) -> InvalidTableError:
    return InvalidTableError(f"column {name!r} holds {what}, which cannot be stored exactly; {remedy}")


def check_units(values: Any, name: str) -> None:
    """Refuse an array of another package that has units: numpy would drop them without a word."""
    if type(values) is numpy.ndarray or isinstance(values, pandas.api.extensions.ExtensionArray | pandas.Index):
        return
    units = [found for part in ("units", "unit") if (found := getattr(values, part, None)) is not None]
    if units:
        raise InvalidTableError(
            f"column {name!r} carries units of its own ({units[0]}), which would be lost; store plain numbers and "
            f"the attribute 'units', e.g. xarray.Dataset({{{name!r}: ('row', numbers, {{'units': '{units[0]}'}})}})"
        )


def array_from_list(values: list | tuple | range, name: str, *, depth: int = 1) -> Any:
    """Make one array of a column given as a list.

    Returns a numpy array; a pandas array for datetimes with a zone; an object array where values are missing.
    """
    if isinstance(values, range):
        return numpy.asarray(values)
    if not values:
        return numpy.asarray([], dtype="float64")
    types = set(map(type, values))
    if all(issubclass(type_, CONTAINERS) for type_ in types):
        return _stack(values, name, depth)
    kinds = {kind_of(type_) for type_ in types}
    if any(issubclass(type_, CONTAINERS) for type_ in types):
        raise mixed(name, kinds)
    missing = {kind for kind in kinds if kind in MISSING}
    real = kinds - missing
    if holds_datetimes(values):
        return _from_datetimes(values, real, name)
    if not missing and real <= {"int", "float"}:
        return _from_numbers(values, real, name)
    if not missing and real in ({"bool"}, {"complex"}):
        return numpy.asarray(values)
    if not missing and real == {"str"}:
        array = numpy.asarray(values)
        if array.tolist() == list(values):
            return array
        # numpy strips NULs at the end of a string: such a column stays one of Python strings.
    return object_array(values)


def object_array(values: Iterable[Any]) -> numpy.ndarray:
    values = list(values)
    array = numpy.empty(len(values), dtype=object)
    array[:] = values
    return array


def nest(flat: list, shape: tuple[int, ...]) -> Any:
    """Reshape a flat list of values to nested lists."""
    if len(shape) == 1:
        return flat
    return object_array(flat).reshape(shape).tolist()


def flatten(nested: Any, ndim: int) -> list:
    """Flatten nested lists of `ndim` levels."""
    if ndim == 0:
        return [nested]
    if isinstance(nested, dask.array.Array):
        nested = nested.compute()
    if isinstance(nested, numpy.ndarray):
        return nested.ravel().tolist()
    for _ in range(ndim - 1):
        nested = chain.from_iterable(nested)
    # Events of a page that was packed again hold numpy's scalars.
    return [value.item() if isinstance(value, numpy.generic) else value for value in nested]


def _stack(values: Any, name: str, depth: int) -> numpy.ndarray:
    """Stack a column of lists or arrays of one shape."""
    for value in values:
        check_units(value, name)
    if all(isinstance(value, numpy.ndarray) for value in values):
        shapes = {value.shape for value in values}
        dtypes = {value.dtype for value in values}
        if len(shapes) == 1 and len(dtypes) == 1:
            stack = numpy.ma.stack if any(map(numpy.ma.isMaskedArray, values)) else numpy.stack
            return stack(values)
    if depth >= MAX_AXES:
        raise InvalidTableError(f"column {name!r} is nested deeper than {MAX_AXES} levels; flatten it")
    lengths = {len(value) if not isinstance(value, numpy.ndarray) or value.ndim else 0 for value in values}
    if len(lengths) > 1:
        raise InvalidTableError(
            f"column {name!r} holds lists or arrays of different lengths ({_some(lengths)}); "
            "make them of one length, e.g. by padding with NaN"
        )
    (length,) = lengths
    flat = array_from_list(list(chain.from_iterable(values)), name, depth=depth + 1)
    return in_shape(flat, (len(values), length, *flat.shape[1:]), name)


def in_shape(values: Any, shape: tuple[int, ...], name: str) -> Any:
    """Reshape what `array_from_list` gives; pandas' arrays have one axis."""
    if len(shape) == 1:
        return values
    if not isinstance(values, numpy.ndarray):
        raise unsupported(name, "nested datetimes with a time zone", "convert them to UTC without a zone")
    return values.reshape(shape)


def _some(values: Iterable[Any]) -> str:
    ordered = sorted(values)
    return ", ".join(map(str, ordered[:4])) + (", ..." if len(ordered) > 4 else "")


def _from_numbers(values: Any, kinds: set[str], name: str) -> numpy.ndarray:
    array = numpy.asarray(values)
    if kinds == {"float"}:
        return array
    if kinds == {"int"}:
        if array.dtype.kind not in "iu" and min(values) >= 0 and max(values) < 2**64:
            # numpy finds float64 for integers on both sides of 2**63.
            array = numpy.asarray(values, dtype="uint64")
        if array.dtype.kind not in "iu":
            raise unsupported(
                name,
                "integers beyond 64 bits",
                "store them as floats or strings, e.g. [str(v) for v in values]",
            )
        return array
    if array.dtype.kind != "f" or array.tolist() != [
        value.item() if isinstance(value, numpy.generic) else value for value in values
    ]:
        # Equal lists do not suffice where NaN is present: it differs from itself.
        exact = all(value != value or float(value) == value for value in values)
        if array.dtype.kind != "f" or not exact:
            raise unsupported(
                name, "integers among floats, beyond what float64 holds", "make them all integers or all floats"
            )
    return array


def check_resolution(dtypes: Iterable[numpy.dtype], name: str) -> None:
    """Refuse datetimes and timedeltas that are finer than nanoseconds."""
    for dtype in dtypes:
        if dtype.kind in "mM" and numpy.datetime_data(dtype)[0] in ("ps", "fs", "as"):
            raise unsupported(name, f"{dtype}", f"convert it, e.g. with .astype('{dtype.kind}8[ns]')")


def _from_datetimes(values: Any, kinds: set[str], name: str) -> Any:
    """Make datetime64 or timedelta64 of datetime objects, without loss of resolution or zone."""
    if len(kinds) > 1:
        raise mixed(name, kinds)
    check_resolution({value.dtype for value in values if isinstance(value, numpy.generic)}, name)
    remedy = f"make them of one kind, e.g. with pandas.to_{'datetime' if 'datetime' in kinds else 'timedelta'}"
    try:
        array = pandas.Series(list(values)).array
    except (ValueError, TypeError, OverflowError) as error:
        raise unsupported(name, f"datetimes that pandas refuses ({error})", remedy) from error
    if not isinstance(array, pandas.arrays.DatetimeArray | pandas.arrays.TimedeltaArray):
        what = (
            "datetimes of different time zones or kinds"
            if kinds == {"datetime"}
            else "timedeltas that pandas cannot hold"
        )
        raise unsupported(name, what, remedy)
    for given, kept in zip(values, array, strict=True):
        if not (pandas.isna(given) and pandas.isna(kept)) and given != kept:
            raise unsupported(name, f"{given!r}, which pandas reads as {kept!r}", remedy)
    return array if getattr(array.dtype, "tz", None) is not None else array.to_numpy()


def holds_datetimes(values: Iterable[Any]) -> bool:
    """Whether objects are datetimes or timedeltas, some of them perhaps missing."""
    real = kinds_in(values).difference(MISSING)
    return bool(real) and real <= {"datetime", "timedelta"}


def object_column(flat: list, name: str) -> tuple[list, str, str]:
    """Classify the values of a column of Python objects.

    Returns the flat list of values, missing ones as None; their kind ("str", "int", "float", "bool",
    "complex", or "missing" if there is no other value); what stood for the missing ones.
    """
    kinds = kinds_in(flat)
    missing = {kind for kind in kinds if kind in MISSING}
    real = kinds - missing
    if "float" in real and real <= {"float", "str", "bool"} and len(real) == 2:
        # pandas marks missing strings and booleans with NaN.
        if any(value == value for value in flat if isinstance(value, float | numpy.floating)):
            raise mixed(name, kinds)
        real.discard("float")
        missing.add("NaN")
        flat = [None if value != value else value for value in flat]
    if len(missing) > 1:
        raise InvalidTableError(
            f"column {name!r} marks missing values in different ways ({', '.join(sorted(missing))}); "
            f"use one, e.g. table[{name!r}] = table[{name!r}].where(table[{name!r}].notna(), None)"
        )
    marker = missing.pop() if missing else "None"
    if marker in ("NA", "NaT"):
        flat = [None if value is pandas.NA or value is pandas.NaT else value for value in flat]
    if real == {"int", "float"}:
        _from_numbers([value for value in flat if value is not None], real, name)
        flat = [None if value is None else float(value) for value in flat]
        real = {"float"}
    if len(real) > 1:
        raise mixed(name, real)
    kind = real.pop() if real else "missing"
    if kind not in ("str", "int", "float", "bool", "complex", "missing"):
        remedy = f"convert them, e.g. table[{name!r}] = [str(v) for v in table[{name!r}]]"
        raise unsupported(name, f"values of type {kind}", remedy)
    if kind == "str":
        check_text([value for value in flat if value is not None], f"column {name!r}")
    return [value.item() if isinstance(value, numpy.generic) else value for value in flat], kind, marker
