"""Convert values for documents: JSON-like, and in Events also numpy arrays.

The `Limits` of each backend say how it differs from None, bool, int, float, str, lists and dicts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy

from .backend_limits import ANY_BACKEND, INT64, NUMBERS_OR_NONE, Limits
from .classifier import (
    NUMBERS,
    SCALARS,
    TIMES,
    ValueType,
    check_text,
    is_array,
    is_dict_like,
    is_lazy,
    type_of,
    type_of_dtype,
    unstorable,
)
from .wording import Location, cut, located, remedy_for, short

_ALWAYS_HELD = NUMBERS_OR_NONE - {int}

_KEPT_BY_NUMPY = "biufcSU"
"""The kinds of dtypes that msgpack-numpy writes and reads without a pickle."""

MAX_DEPTH = 64
"""Deepest nesting of metadata: MongoDB allows 100 levels, and documents need some themselves."""


def document_value(
    value: Any, where: Location, error: type[Exception], *, limits: Limits = ANY_BACKEND, depth: int = 0
) -> Any:
    """Copy a value of metadata for documents, or raise `error` that names what cannot be held.

    Numpy scalars and arrays become numbers and nested lists, unless the limits say that they are passed on. Tuples
    become lists, mappings become dicts, and the members of enumerations of text or integers become text or integers.
    """
    type_ = type(value)
    # a list is no Mapping, which takes long to find out
    if type_ is dict or (type_ is not list and is_dict_like(value)):
        check_depth(depth, where, error)
        result = {}
        for key, item in value.items():
            if type(key) is not str or not key.isascii() or limits.mongo_keys or "\0" in key:
                check_key(key, where, error, limits)
                key = str.__str__(key)
            if not _is_simple(item):  # most are, and a call for each of them takes long
                item = document_value(item, (where, key), error, limits=limits, depth=depth + 1)
            result[key] = item
        return result
    if type_ is list or isinstance(value, list | tuple):
        check_depth(depth, where, error)
        return [
            item if _is_simple(item) else document_value(item, (where, i), error, limits=limits, depth=depth + 1)
            for i, item in enumerate(value)
        ]
    if _is_simple(value):
        return value
    value_type = type_of(type_)
    if value_type is ValueType.ARRAY and unstorable(value) is None and type_of_dtype(value.dtype) not in TIMES:
        plain = document_value(value.tolist(), where, error, limits=limits, depth=depth)
        return numpy.array(value) if limits.numpy_metadata and value.dtype.kind in _KEPT_BY_NUMPY else plain
    leaf = _held_leaf(value, value_type, located(where), error, limits)
    # numpy's own float, str and bytes are Python's, as which msgpack writes them
    is_kept = limits.numpy_metadata and isinstance(value, numpy.generic) and not isinstance(value, float | str | bytes)
    return value if is_kept else leaf


def _held_leaf(value: Any, value_type: ValueType, where: str, error: type[Exception], limits: Limits) -> Any:
    """A single value that is not of a plain type."""
    if value_type is ValueType.TEXT:
        # not str(value), which for an enumeration of text is its name
        text = str.__str__(value)
        check_text(text, where, error)
        return text
    lost = unstorable(value)
    if lost is not None:
        raise error(f"{where} {lost.reason}; {lost.remedy}")
    if value_type is ValueType.BOOL:
        return bool(value)
    if value_type is ValueType.INT:
        number = int(value)
        _check_int(number, where, error, limits)
        return number
    if value_type is ValueType.FLOAT:
        return float(value)
    if value_type in (ValueType.BYTES, ValueType.COMPLEX):
        if not (limits.binary if value_type is ValueType.BYTES else limits.complex_numbers):
            raise error(
                f"{where} holds {value!r}, of type {type(value).__name__}, "
                f"which {limits.backend} cannot hold; store it as text or as numbers"
            )
        return value if isinstance(value, bytes) else complex(value)
    if value_type is ValueType.ARRAY:
        raise error(
            f"{where} is an array of dtype {value.dtype}, which no backend can hold; "
            "store its text, value.astype(str).tolist()"
        )
    raise error(
        f"{where} holds {short(value)}, of type {type(value).__name__}, which no backend can hold; {remedy_for(value)}"
    )


def _is_simple(value: Any) -> bool:
    """Whether every backend holds the value unchanged."""
    type_: type[Any] = type(value)
    if type_ is str:
        return bool(value.isascii())
    if type_ is int:
        return bool(INT64[0] <= value <= INT64[1])
    return type_ in _ALWAYS_HELD


def check_key(key: Any, where: Location, error: type[Exception], limits: Limits) -> None:
    """Refuse a key that is not text or that the backend refuses."""
    if not isinstance(key, str):
        raise error(f"{located(where)} has the key {short(key)}, of type {type(key).__name__}; make it a string")
    if not key.isascii():
        check_text(key, f"a key of {located(where)}", error)
    if limits.mongo_keys and (key.startswith("$") or "\0" in key or "." in key):
        other = key.lstrip("$").replace("\0", "").replace(".", "_")
        raise error(
            f"{located(where)} has the key {key!r}, which {limits.backend} refuses; remove '$', '.' and NUL, as in "
            f"{other!r}"
        )
    if "\0" in key and not limits.nul_in_keys:
        raise error(
            f"{located(where)} has the key {key!r}, which {limits.backend} refuses; remove NUL, as in "
            f"{key.replace(chr(0), '')!r}"
        )


def check_metadata_keys(metadata: Any, where: Location, error: type[Exception]) -> None:
    """Refuse keys, at any depth, that event-model refuses in start documents."""
    if isinstance(metadata, list):
        for i, item in enumerate(metadata):
            check_metadata_keys(item, (where, i), error)
    if not isinstance(metadata, dict):
        return
    for key, item in metadata.items():
        if not key:
            raise error(f"{located(where)} has an empty key; give it a name")
        for character in "./":
            if character in key:
                raise error(
                    f"{located(where)} has the key {key!r}, which contains {character!r}; "
                    f"event-model refuses it, use for example {key.replace(character, '_')!r}"
                )
        check_metadata_keys(item, (where, key), error)


def check_event_values(values: Any, where: Location, error: type[Exception], limits: Limits, *, depth: int = 0) -> None:
    """Refuse values of one column, or an array, that the backend cannot hold; only a whole column may be lazy.

    Vectorised: the cost of a numeric array does not depend on the number of its values.
    """
    if not isinstance(values, list | tuple):
        if isinstance(values, dict):
            check_depth(depth, where, error)
            for key, item in values.items():
                check_key(key, where, error, limits)
                check_event_values(item, (where, key), error, limits, depth=depth + 1)
        elif is_array(values):
            if is_lazy(values) and (depth or values.dtype.kind == "U"):
                raise error(f"{located(where)} is a dask array; compute it, e.g. with its compute(), and then store it")
            _check_array(values, where, error, limits)
        elif not _is_simple(values):
            _held_leaf(values, type_of(type(values)), located(where), error, limits)
        return
    types = set(map(type, values))
    if types <= _ALWAYS_HELD:
        return
    if types <= NUMBERS_OR_NONE:
        integers = values if types == {int} else [v for v in values if type(v) is int]
        for extreme in (min(integers), max(integers)):
            _check_int(extreme, where, error, limits)
    elif types <= {str, type(None)}:
        text = "".join(filter(None, values))
        if not text.isascii():
            check_text(text, where, error)
    else:
        check_depth(depth, where, error)
        for i, value in enumerate(values):
            check_event_values(value, (where, i), error, limits, depth=depth + 1)


def to_builtin(value: Any) -> Any:
    """Replace numpy arrays and scalars by Python values, which JSON and BSON need."""
    if isinstance(value, numpy.ndarray | numpy.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return {key: to_builtin(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        if SCALARS.issuperset(map(type, value)):
            return value
        return [to_builtin(item) for item in value]
    return value


def private_copy(value: Any) -> Any:
    """Copy the arrays, lists and dicts of a value, which may be filled again, unless nested too deeply."""
    return _copied(value, 0, {})


def _copied(value: Any, depth: int, copies: dict[int, Any]) -> Any:
    if type(value) in SCALARS or depth > MAX_DEPTH:
        return value
    # each once: the columns of an event page share their timestamps
    number = id(value)
    if number not in copies:
        if isinstance(value, numpy.ndarray):
            copy: Any = value.copy()
        elif isinstance(value, list | tuple):
            copy = list(value) if are_single(value) else [_copied(item, depth + 1, copies) for item in value]
        elif isinstance(value, Mapping):
            is_flat = are_single(value.values())
            copy = dict(value) if is_flat else {k: _copied(item, depth + 1, copies) for k, item in value.items()}
        else:
            return value
        copies[number] = copy
    return copies[number]


def are_single(values: Iterable[Any]) -> bool:
    """Whether all are numbers, text or None, which never change."""
    return all(type_ in SCALARS or type_of(type_) in NUMBERS for type_ in set(map(type, values)))


def _check_array(values: Any, where: Location, error: type[Exception], limits: Limits) -> None:
    lost = unstorable(values)
    if lost is not None:
        raise error(f"{located(where)} {lost.reason}; {lost.remedy}")
    value_type, dtype = type_of_dtype(values.dtype), values.dtype
    if value_type in (ValueType.BOOL, ValueType.FLOAT):
        return
    if value_type is ValueType.INT:
        if dtype.kind == "u" and dtype.itemsize == 8 and values.size and isinstance(values, numpy.ndarray):
            _check_int(int(values.max()), where, error, limits)
    elif value_type is ValueType.TEXT:
        check_event_values(values.ravel().tolist(), where, error, limits)
    elif value_type is not ValueType.COMPLEX:
        raise error(
            f"{located(where)} is an array of dtype {dtype}, which no backend can hold; "
            "convert it to numbers, booleans or strings"
        )
    elif not limits.complex_numbers:
        raise error(
            f"{located(where)} holds complex numbers, which {limits.backend} cannot hold; "
            "store the real and the imaginary part as two columns"
        )


def _check_int(value: int, where: Location, error: type[Exception], limits: Limits) -> None:
    low, high = limits.integers
    if not low <= value <= high:
        raise error(
            f"{located(where)} holds the integer {short(value)}, beyond the {low} to {high} "
            f"that {limits.backend} can hold; store it as a float or as text"
        )


def check_depth(depth: int, where: Location, error: type[Exception]) -> None:
    """Refuse values that are nested deeply, or in themselves."""
    if depth >= MAX_DEPTH:
        raise error(f"{cut(located(where), 80)} is nested deeper than {MAX_DEPTH} levels; flatten it")
