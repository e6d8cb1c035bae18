"""Classify values, and find what documents could not hold, for columns, metadata and attributes alike.

A value is classified by its type, and an array also by its dtype. This decides what may be stored where: see
`encode` for columns, `document_values` for metadata and Events, `layout` for attributes.
"""

from __future__ import annotations

import datetime
import enum
import functools
import inspect
import numbers
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy
import pandas
import xarray

from ..errors import InvalidTableError
from .wording import Location, located

SCALARS = frozenset({int, float, str, bool, type(None)})
"""The types of single values in JSON."""


class ValueType(enum.Enum):
    """The type of a value; messages show the value of the member."""

    NONE = "None"
    NA = "NA"
    NAT = "NaT"
    BOOL = "bool"
    INT = "int"
    FLOAT = "float"
    COMPLEX = "complex"
    TEXT = "str"
    BYTES = "bytes"
    DATETIME = "datetime"
    TIMEDELTA = "timedelta"
    LONGDOUBLE = "longdouble"
    STRUCTURED = "structured"
    STRING_DTYPE = "StringDType"
    OBJECTS = "objects"
    LIST = "list"
    DICT = "dict"
    ARRAY = "array"
    OTHER = "other"


MISSING = frozenset({ValueType.NONE, ValueType.NA, ValueType.NAT})
TIMES = frozenset({ValueType.DATETIME, ValueType.TIMEDELTA})
NUMBERS = frozenset({ValueType.BOOL, ValueType.INT, ValueType.FLOAT, ValueType.COMPLEX})
_ROWS = frozenset({ValueType.LIST, ValueType.ARRAY})
_KEPT_BY_TEXT = frozenset({*TIMES, *NUMBERS, ValueType.TEXT})

_TYPES: tuple[tuple[ValueType, Any], ...] = (
    (ValueType.NONE, type(None)),
    (ValueType.NA, type(pandas.NA)),
    (ValueType.NAT, type(pandas.NaT)),
    (ValueType.ARRAY, numpy.ndarray),
    (ValueType.BOOL, (bool, numpy.bool_)),
    (ValueType.TIMEDELTA, (datetime.timedelta, numpy.timedelta64)),  # before int: timedelta64 is a signedinteger
    (ValueType.DATETIME, (datetime.datetime, numpy.datetime64)),
    (ValueType.TEXT, str),
    (ValueType.BYTES, bytes),
    (ValueType.LONGDOUBLE, (numpy.longdouble, numpy.clongdouble)),
    (ValueType.INT, numbers.Integral),
    (ValueType.FLOAT, (float, numpy.floating)),
    (ValueType.COMPLEX, (complex, numpy.complexfloating)),
    (ValueType.STRUCTURED, numpy.void),
    (ValueType.LIST, (list, tuple)),
    (ValueType.DICT, Mapping),
)

_DTYPES = {
    "b": ValueType.BOOL,
    "i": ValueType.INT,
    "u": ValueType.INT,
    "f": ValueType.FLOAT,
    "c": ValueType.COMPLEX,
    "U": ValueType.TEXT,
    "S": ValueType.BYTES,
    "M": ValueType.DATETIME,
    "m": ValueType.TIMEDELTA,
    "V": ValueType.STRUCTURED,
    "T": ValueType.STRING_DTYPE,
    "O": ValueType.OBJECTS,
}


def _type_of(type_: type) -> ValueType:
    if issubclass(type_, _OF_XARRAY):
        return ValueType.OTHER
    return next((value_type for value_type, types in _TYPES if issubclass(type_, types)), ValueType.OTHER)


type_of: Callable[[type], ValueType] = functools.lru_cache(1000)(_type_of)
"""The type of the values of a Python type."""


def type_of_dtype(dtype: numpy.dtype[Any]) -> ValueType:
    """The type of the items of an array."""
    if dtype.char in "gG":
        return ValueType.LONGDOUBLE
    return _DTYPES.get(dtype.kind, ValueType.OTHER)


def type_name(type_: type) -> str:
    """The name of a type in messages."""
    value_type = type_of(type_)
    return type_.__name__ if value_type in (ValueType.OTHER, ValueType.LIST, ValueType.ARRAY) else value_type.value


def is_dict_like(value: Any) -> bool:
    """Whether a value holds nothing beside its items; Datasets also have coordinates and attributes."""
    return isinstance(value, Mapping) and not isinstance(value, _OF_XARRAY)


COLUMN = "<column>"


class Unstorable(NamedTuple):
    """What documents would lose of a value, for messages that begin with its name."""

    reason: str
    remedy: str  # for a value of metadata, and for an attribute
    column_remedy: str  # with `COLUMN` where the column's name belongs


def unstorable(value: Any) -> Unstorable | None:
    """What no document can hold of a value: units, masks, fields or digits; None if nothing is lost."""
    if type(value) is numpy.ndarray:
        return unstorable_dtype(value.dtype)
    units = units_of(value)
    if units is not None:
        return Unstorable(
            f"carries units of its own ({units}), which would be lost",
            f"store the plain number and its units, e.g. {{'value': number, 'units': {units!r}}}",
            f"store plain numbers and the attribute 'units', e.g. xarray.Dataset({{{COLUMN}: ('row', numbers, "
            f"{{'units': {units!r}}})}})",
        )
    if is_masked(value):
        return _MASKED
    dtype = getattr(value, "dtype", None)
    return unstorable_dtype(dtype) if isinstance(dtype, numpy.dtype) else None


def unstorable_dtype(dtype: numpy.dtype[Any]) -> Unstorable | None:
    """Why no document can hold the items of an array; None if one can."""
    value_type = type_of_dtype(dtype)
    if value_type is ValueType.STRUCTURED and dtype.names is None:
        # of the package ml_dtypes, such as bfloat16, or bytes without a meaning
        way = "with .astype('float32')" if dtype.type is not numpy.void else "to numbers, with .view('uint8')"
        return Unstorable(
            f"holds values of dtype {dtype}, which cannot be stored exactly", *2 * [f"convert them, e.g. {way}"]
        )
    if value_type is ValueType.STRUCTURED:
        return Unstorable(
            f"holds structured or void values ({dtype}), which cannot be stored exactly",
            "make a dict of the fields, e.g. {field: value[field] for field in value.dtype.names}",
            "give each field a column of its own",
        )
    if value_type is ValueType.LONGDOUBLE:
        builtin, stored = ("complex", "complex128") if dtype.kind == "c" else ("float", "float64")
        return Unstorable(
            f"holds values of dtype {dtype}, which cannot be stored exactly",
            f"convert them, e.g. with {builtin}(value) or value.astype('{builtin}')",
            f"convert them, e.g. with .astype('{stored}')",
        )
    return None


def units_of(value: Any) -> str | None:
    """The units of a number or an array of another package, which numpy would silently drop."""
    type_ = type(value)
    if type_ in SCALARS or type_ is numpy.ndarray or type_of(type_) in _WITHOUT_UNITS or issubclass(type_, enum.Enum):
        return None
    if isinstance(value, numpy.generic | pandas.api.extensions.ExtensionArray | pandas.Index):
        return None
    if isinstance(value, LABELLED):
        said = value.attrs if isinstance(value, _OF_XARRAY) else {}
    else:
        said = {name: getattr(value, name, None) for name in ("units", "unit")}
    for attribute in ("units", "unit"):
        units = said.get(attribute)
        if units is not None and not inspect.isroutine(units):
            # pint writes symbols, like astropy, only on request
            return format(units, "~") if type(units).__module__.startswith("pint") else str(units)
    # a dask array only shows the type of its blocks
    return units_of(value._meta) if is_lazy(value) and hasattr(value, "_meta") else None


_OF_XARRAY = (xarray.DataArray, xarray.Dataset, xarray.DataTree)

LABELLED = (pandas.Series, pandas.DataFrame, numpy.recarray, numpy.void, *_OF_XARRAY)
"""Types whose labels and fields, such as `unit` or `stderr`, look like attributes."""

_WITHOUT_UNITS = frozenset({*MISSING, *TIMES, ValueType.TEXT, ValueType.BYTES, ValueType.LIST, ValueType.DICT})
"""Types whose `unit`, where they have one, is that of their own digits (pandas.Timestamp), or a name of the user's."""


def is_masked(value: Any) -> bool:
    """Whether some items of an array, or of the blocks of a dask array, may be masked."""
    if isinstance(value, numpy.ma.MaskedArray):
        return bool(numpy.ma.is_masked(value))
    return is_lazy(value) and isinstance(getattr(value, "_meta", None), numpy.ma.MaskedArray)


def is_array(values: Any) -> bool:
    """Whether values are a numpy or a dask array."""
    return isinstance(values, numpy.ndarray) or is_lazy(values)


def is_lazy(values: Any) -> bool:
    """Whether values are a dask array."""
    return hasattr(values, "dask")


def is_delayed(value: Any) -> bool:
    """Whether it is what dask.delayed gives: it seems to have every attribute."""
    return type(value).__module__ == "dask.delayed"


def loses_dims_in_lists(shape: Sequence[int | None]) -> bool:
    """Whether nested lists, as in JSON and BSON, would lose the last dims of a shape."""
    return 0 in shape[:-1]


_MASKED = Unstorable(
    "is a masked array, whose mask would be lost",
    "fill it, e.g. with value.filled(0), or make it a list with None, value.tolist()",
    f"fill it, e.g. with dask.array.ma.filled(table[{COLUMN}], 0), or compute it first: table[{COLUMN}].compute()",
)


def mixed(name: str, types: Iterable[type]) -> InvalidTableError:
    """Refuse a column of several types, with or without missing values."""
    types = list(types)
    held = without_missing(types)
    remedy = "give the values of each type a column of their own"
    kinds = {*map(type_of, held)}
    if numpy.ma.core.MaskedConstant in types:
        remedy = "write None where a value is masked, or give numpy.ma.array(values), which has a mask"
    elif not kinds.isdisjoint(_ROWS) and kinds <= {*_ROWS, ValueType.FLOAT}:
        remedy = (
            f"write an empty list where one is missing, e.g. table[{name!r}] = "
            f"[[] if pandas.api.types.is_scalar(v) and pandas.isna(v) else v for v in table[{name!r}]]"
        )
    elif ValueType.COMPLEX in kinds and kinds <= NUMBERS:
        remedy = f"make it one type, e.g. {way_to('complex', name, types)}"
    elif are_days(held):
        remedy = f"make it one type, e.g. {way_to_datetimes(name)}"
    elif kinds <= _KEPT_BY_TEXT:
        remedy = f"make it one type, e.g. {way_to('str', name, types)}"
    names = sorted({*map(type_name, held if len(held) > 1 else types)})
    return InvalidTableError(f"column {name!r} holds mixed types ({', '.join(names)}); {remedy}")


def without_missing(types: Iterable[type]) -> list[type]:
    """The types of values that are not missing."""
    return [type_ for type_ in types if type_of(type_) not in MISSING]


def way_to(builtin: str, name: str, types: Iterable[type]) -> str:
    """The code that converts the values of a column to one of Python's types, except missing ones."""
    absent = "" if MISSING.isdisjoint(map(type_of, types)) else "None if pandas.isna(v) else "
    return f"table[{name!r}] = [{absent}{builtin}(v) for v in table[{name!r}]]"


def are_days(types: Iterable[type]) -> bool:
    """Whether values of these types are days or datetimes, which pandas converts to datetimes."""
    return all(issubclass(type_, datetime.date) for type_ in types)


def way_to_datetimes(name: str) -> str:
    """The code that converts the days in a column to datetimes; missing values stay missing."""
    return f"table[{name!r}] = pandas.to_datetime(table[{name!r}])"


def unsupported(name: str, what: str, remedy: str) -> InvalidTableError:
    return InvalidTableError(f"column {name!r} holds {what}, which cannot be stored exactly; {remedy}")


def not_computed(name: Any, way: str) -> InvalidTableError:
    """Refuse a column that dask has not computed yet."""
    return InvalidTableError(f"column {name!r} is not computed yet; compute it first: table[{name!r}] = {way}")


def check_column(values: Any, name: str) -> None:
    """Refuse a column if units, fields, digits, or the mask of a lazy column would be lost."""
    lost = unstorable(values)
    if lost is _MASKED and isinstance(values, numpy.ma.MaskedArray):
        lost = unstorable_dtype(values.dtype)
    refuse_column(lost, name)


def refuse_column(lost: Unstorable | None, name: str) -> None:
    """Raise the error for what `unstorable` says of a column."""
    if lost is not None:
        raise InvalidTableError(f"column {name!r} {lost.reason}; {lost.column_remedy.replace(COLUMN, repr(name))}")


def check_column_dtype(dtype: numpy.dtype[Any], name: str) -> None:
    """Refuse dtypes that are allowed only in metadata or objects."""
    if type_of_dtype(dtype) in _REFUSED:
        what, remedy = _REFUSED[type_of_dtype(dtype)]
        raise unsupported(name, what.format(dtype), remedy)


_REFUSED = {
    ValueType.BYTES: ("bytes ({})", "decode them, e.g. numpy.char.decode(values, 'utf-8')"),
    ValueType.STRING_DTYPE: ("strings of numpy's StringDType", "convert them with .astype(object)"),
    ValueType.OTHER: ("values of dtype {}", "convert them to numbers or strings"),
}


def check_text(text: str, where: Location, error: type[Exception] = InvalidTableError) -> None:
    """Refuse text that has no UTF-8 form: msgpack and BSON cannot write it."""
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise error(
            f"{located(where)} holds a lone surrogate ({text[exc.start]!r}), which is not valid Unicode; "
            "replace it, e.g. text.encode('utf-8', 'replace').decode()"
        ) from None
