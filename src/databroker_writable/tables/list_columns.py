"""Convert columns that are lists or arrays of Python objects to arrays of one type, exactly.

numpy.asarray is not enough: it turns `[1, "a"]` into strings and `[True, 2]` into integers.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import os
import uuid
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any

import numpy
import pandas

from ..errors import InvalidTableError
from .classifier import (
    MISSING,
    TIMES,
    ValueType,
    are_days,
    check_column,
    check_text,
    mixed,
    type_name,
    type_of,
    unsupported,
    way_to,
    way_to_datetimes,
    without_missing,
)
from .time_columns import times_from_list

CONTAINERS = frozenset({ValueType.LIST, ValueType.ARRAY})
AS_TIMES = "datetime64"
"""The attribute with which objects of other packages, such as astropy's Time, give themselves as numpy's times."""

MAX_AXES = 32
"""The most that numpy 1 and HDF5 have."""

_NUMBERS = frozenset({ValueType.INT, ValueType.FLOAT})
_OBJECTS = frozenset({ValueType.TEXT, ValueType.INT, ValueType.FLOAT, ValueType.BOOL, ValueType.COMPLEX})
"""The types of values that a column can mix with None."""

_BUILTIN: dict[ValueType, Callable[[Any], Any]] = {
    ValueType.TEXT: str.__str__,
    ValueType.INT: int,
    ValueType.FLOAT: float,
    ValueType.COMPLEX: complex,
}


def array_from_list(values: Sequence[Any], name: str, *, depth: int = 1) -> Any:
    """Make an array of a list: numpy's, or pandas' for datetimes with a zone; missing values are kept."""
    if not values:
        return numpy.asarray([], dtype="float64")
    types = set(map(type, values))
    if types == {float} or types == {bool}:
        return numpy.asarray(values)
    if types == {int}:
        return _numbers(values, {ValueType.INT}, name)
    value_types = set(map(type_of, types))
    if value_types <= CONTAINERS:
        return _stacked(values, name, depth)
    if not value_types.isdisjoint(CONTAINERS):
        raise mixed(name, types)
    real = value_types - MISSING
    if real and real <= TIMES:
        if len(real) > 1:
            raise mixed(name, types)
        return times_from_list(values, real.pop(), name)
    values = with_builtin_types(values, types, name)
    if real == value_types:
        if real <= _NUMBERS:
            return _numbers(values, real, name)
        if real in ({ValueType.BOOL}, {ValueType.COMPLEX}):
            return numpy.asarray(values)
        if real == {ValueType.TEXT}:
            array = numpy.asarray(values)
            if array.tolist() == list(values):
                return array
            # numpy strips NULs at the end of strings, so such a column keeps Python strings.
    return object_array(values)


def holds_times(values: Iterable[Any]) -> bool:
    """Whether objects are datetimes or timedeltas, some of them perhaps missing."""
    real = {type_of(type_) for type_ in set(map(type, values))} - MISSING
    return bool(real) and real <= TIMES


def with_builtin_types(values: Sequence[Any], types: set[type], name: str) -> Sequence[Any]:
    """Values of subclasses of Python's types, such as enumerations, as values of Python's types."""
    derived = {
        type_: _BUILTIN[type_of(type_)]
        for type_ in types
        if type_.__module__ != "builtins" and not issubclass(type_, numpy.number) and type_of(type_) in _BUILTIN
    }
    if not derived:
        return values
    for value in values:
        if type(value) in derived:
            check_column(value, name)
    return [derived[type(value)](value) if type(value) in derived else value for value in values]


def object_column(flat: list[Any], name: str) -> tuple[list[Any], ValueType | None, str]:
    """Return the values of an object column with None for missing ones, their type, and the marker of missing ones."""
    types = set(map(type, flat))
    flat, real, marker = _without_markers(with_builtin_types(flat, types, name), types, name)
    if real == _NUMBERS:
        _numbers([value for value in flat if value is not None], real, name)
        flat = [None if value is None else float(value) for value in flat]
        real = {ValueType.FLOAT}
    if len(real) > 1:
        raise mixed(name, types)
    value_type = real.pop() if real else None
    if value_type is not None and value_type not in _OBJECTS:
        raise _unsupported_objects(flat, types, name)
    if value_type is ValueType.TEXT:
        check_text("".join(filter(None, flat)), f"column {name!r}")
    if any(issubclass(type_, numpy.generic) for type_ in types):
        flat = [value.item() if isinstance(value, numpy.generic) else value for value in flat]
    return flat, value_type, marker


def _without_markers(values: Sequence[Any], types: set[type], name: str) -> tuple[list[Any], set[ValueType], str]:
    """Return values with None for missing ones, the types of the others, and the marker of missing ones."""
    value_types = set(map(type_of, types))
    missing, real = {value_type.value for value_type in value_types & MISSING}, value_types - MISSING
    if ValueType.FLOAT in real and len(real) == 2 and real & {ValueType.TEXT, ValueType.BOOL}:
        # pandas marks missing strings and booleans with NaN.
        if any(value == value for value in values if isinstance(value, float | numpy.floating)):
            raise mixed(name, types)
        real.discard(ValueType.FLOAT)
        missing.add("NaN")
        values = [None if value != value else value for value in values]
    if len(missing) > 1:
        raise InvalidTableError(
            f"column {name!r} marks missing values in different ways ({', '.join(sorted(missing))}); "
            f"use one, e.g. table[{name!r}] = table[{name!r}].where(table[{name!r}].notna(), None)"
        )
    marker = missing.pop() if missing else "None"
    if marker in ("NA", "NaT"):
        values = [None if value is pandas.NA or value is pandas.NaT else value for value in values]
    return list(values), real, marker


def object_array(values: Iterable[Any]) -> numpy.ndarray:
    """Make a flat object array of any objects."""
    # not numpy.asarray, which asks objects for arrays of their own
    return numpy.fromiter(values, dtype=object)


_KEPT_AS_TEXT = (
    decimal.Decimal,
    fractions.Fraction,
    uuid.UUID,
    os.PathLike,
    datetime.time,
    datetime.timedelta,
    enum.Enum,
    type,
)
"""Types whose text contains everything."""


def _unsupported_objects(flat: list[Any], types: set[type], name: str) -> InvalidTableError:
    """What a column holds that cannot be stored, and how it can be stored without loss."""
    for value in flat:
        check_column(value, name)
    held = without_missing(types)
    if len(held) < len(types) and not CONTAINERS.isdisjoint(map(type_of, held)):
        return mixed(name, types)
    way = "store their numbers or text, each as a column; figures and files are stored by attachments={'NAME': figure}"
    if all(hasattr(value, AS_TIMES) for value in flat):
        way = f"convert them, e.g. table[{name!r}] = [v.{AS_TIMES} for v in table[{name!r}]]"
    elif any(hasattr(type_, "__array__") for type_ in held):
        way = f"convert them, e.g. table[{name!r}] = [numpy.asarray(v) for v in table[{name!r}]]"
    elif all(issubclass(type_, bytes | bytearray | memoryview) for type_ in held):
        way = (
            f"store text as table[{name!r}] = [bytes(v).decode() for v in table[{name!r}]], other bytes as numbers, "
            "[list(v) for v in ...], and the content of a file by attachments={'NAME': content}"
        )
    elif are_days(held):
        way = f"convert them, e.g. {way_to_datetimes(name)}"
    elif all(issubclass(type_, _KEPT_AS_TEXT) for type_ in held):
        way = f"convert them, e.g. {way_to('str', name, types)}"
    return unsupported(name, f"values of type {', '.join(sorted(map(type_name, held)))}", way)


def in_shape(values: Any, shape: tuple[int, ...], name: str) -> Any:
    """Reshape the result of `array_from_list`; pandas arrays have one axis."""
    if len(shape) == 1:
        return values
    if not isinstance(values, numpy.ndarray):
        raise unsupported(name, "nested datetimes with a time zone", "convert them to UTC without a zone")
    return values.reshape(shape)


def _stacked(values: Sequence[Any], name: str, depth: int) -> Any:
    """Stack a column of lists or arrays of one shape."""
    for value in values:
        if isinstance(value, numpy.ndarray):
            check_column(value, name)
    if all(isinstance(value, numpy.ndarray) for value in values):
        shapes = {value.shape for value in values}
        if len(shapes) == 1 and len({value.dtype for value in values}) == 1:
            stack = numpy.ma.stack if any(map(numpy.ma.isMaskedArray, values)) else numpy.stack
            array = stack(values)
            is_nested = array.dtype == object and any(type_of(type(item)) in CONTAINERS for item in array.flat)
            if not is_nested:
                return array
        if shapes == {()}:
            return array_from_list([value[()] for value in values], name, depth=depth)
    if depth >= MAX_AXES:
        raise InvalidTableError(f"column {name!r} is nested deeper than {MAX_AXES} levels; flatten it")
    lengths = {len(value) if not isinstance(value, numpy.ndarray) or value.ndim else 0 for value in values}
    if len(lengths) > 1:
        listed = ", ".join(map(str, sorted(lengths)[:4])) + (", ..." if len(lengths) > 4 else "")
        has_axes = any(isinstance(value, numpy.ndarray) and value.ndim > 1 for value in values)
        way = "with numpy.pad, or give each a column of its own" if has_axes else "by padding with None"
        raise InvalidTableError(
            f"column {name!r} holds lists or arrays of different lengths ({listed}); "
            f"make them of one length, e.g. {way}"
        )
    (length,) = lengths
    flat = array_from_list(list(chain.from_iterable(values)), name, depth=depth + 1)
    return in_shape(flat, (len(values), length, *flat.shape[1:]), name)


def _numbers(values: Sequence[Any], types: set[ValueType], name: str) -> numpy.ndarray:
    array = numpy.asarray(values)
    if types == {ValueType.FLOAT}:
        return array
    if types == {ValueType.INT}:
        if array.dtype.kind not in "iu":
            # numpy chooses float64 for its own signed and unsigned integers together
            array = numpy.asarray(list(map(int, values)))
        if array.dtype.kind not in "iu" and min(values) >= 0 and max(values) < 2**64:
            # numpy chooses float64 for integers on both sides of 2**63.
            array = numpy.asarray(values, dtype="uint64")
        if array.dtype.kind not in "iu":
            raise unsupported(
                name,
                "integers beyond 64 bits",
                "store them as floats or strings, e.g. [str(v) for v in values]",
            )
        return array
    values = [value.item() if isinstance(value, numpy.generic) else value for value in values]
    stored = array.tolist()
    if array.dtype.kind != "f" or not all(a == b or b != b for a, b in zip(stored, values, strict=True)):
        raise unsupported(
            name, "integers among floats, beyond what float64 holds", "make them all integers or all floats"
        )
    return array
