"""Attributes as plain JSON values, exactly, and back.

Strings, booleans, integers, finite floats, None and lists are themselves, members of enumerations of text or
integers are these; anything else is an object with the key "is".
"""

from __future__ import annotations

import math
from typing import Any

import numpy

from ..errors import InvalidTableError
from .classifier import NUMBERS, TIMES, ValueType, type_of, type_of_dtype, unstorable
from .names import check_text


def encode_attributes(attributes: dict[str, Any], owner: str) -> list[Any]:
    """Encode the attributes of `owner` as pairs of name and value."""
    pairs = []
    for key, value in attributes.items():
        if not isinstance(key, str):
            raise InvalidTableError(f"attribute {key!r} of {owner} is not named by a str; rename it")
        pairs.append([key, encode_attribute(value, f"attribute {key!r} of {owner}")])
    return pairs


def decode_attributes(pairs: list[Any]) -> dict[str, Any]:
    return {key: decode_attribute(value) for key, value in pairs}


def encode_attribute(value: Any, where: str) -> Any:
    type_ = type(value)
    if value is None or type_ is bool or type_ is int or (type_ is float and math.isfinite(value)):
        return value
    value_type = type_of(type_)
    if value_type is ValueType.TEXT and type_ is not numpy.str_:
        text = str.__str__(value)
        check_text([text], where)
        return text
    if type_ is list:
        return [encode_attribute(item, where) for item in value]
    if type_ is tuple:
        return {"is": "tuple", "value": [encode_attribute(item, where) for item in value]}
    if type_ is dict:
        return {
            "is": "dict",
            "value": [[encode_attribute(k, where), encode_attribute(v, where)] for k, v in value.items()],
        }
    lost = unstorable(value)
    if lost is not None:
        raise InvalidTableError(f"{where} {lost.reason}; {lost.remedy}")
    if isinstance(value, numpy.generic | numpy.ndarray):
        return _encode_array(value, where)
    if value_type is ValueType.FLOAT:
        number = float(value)
        return number if math.isfinite(number) else {"is": "float", "value": repr(number)}
    if value_type is ValueType.INT:
        return int(value)
    if value_type is ValueType.COMPLEX:
        return {
            "is": "complex",
            "value": [encode_attribute(part, where) for part in (value.real, value.imag)],
        }
    raise InvalidTableError(
        f"{where} is of type {type_.__name__}, which cannot be stored exactly; "
        "make it a str, a number, a numpy array, or a list or dict of these"
    )


_ARRAY_TYPES = frozenset({*NUMBERS, *TIMES, ValueType.TEXT})


def _encode_array(value: Any, where: str) -> dict[str, Any]:
    array = numpy.asarray(value)
    name = "array" if isinstance(value, numpy.ndarray) else "scalar"
    if type_of_dtype(array.dtype) not in _ARRAY_TYPES:
        raise InvalidTableError(
            f"{where} is a numpy {name} of dtype {array.dtype}, which cannot be stored exactly; "
            "convert it, e.g. with .astype(float), .astype(str) or .tolist()"
        )
    dtype = array.dtype.str
    if array.dtype.kind in "mM":
        array = array.astype("int64")
    elif array.dtype.kind == "c":
        array = numpy.stack([array.real, array.imag], axis=-1)
    return {
        "is": name,
        "dtype": dtype,
        "shape": list(numpy.shape(value)),
        "value": encode_attribute(array.tolist(), where),
    }


def decode_attribute(value: Any) -> Any:
    if isinstance(value, list):
        return [decode_attribute(item) for item in value]
    if not isinstance(value, dict):
        return value
    kind, inner = value["is"], value["value"]
    if kind == "float":
        return float(inner)
    if kind == "complex":
        return complex(*decode_attribute(inner))
    if kind == "tuple":
        return tuple(decode_attribute(inner))
    if kind == "dict":
        return {decode_attribute(k): decode_attribute(v) for k, v in inner}
    return _decode_array(value)


def _decode_array(value: dict[str, Any]) -> Any:
    dtype = numpy.dtype(value["dtype"])
    plain = decode_attribute(value["value"])
    if dtype.kind in "mM":
        array = numpy.asarray(plain, "int64").astype(dtype)
    elif dtype.kind == "c":
        parts = numpy.asarray(plain, "float64")
        array = numpy.empty(parts.shape[:-1], dtype)
        array.real, array.imag = parts[..., 0], parts[..., 1]
    else:
        array = numpy.asarray(plain, dtype)
    array = array.reshape(value["shape"])
    return array if value["is"] == "array" else array[()]
