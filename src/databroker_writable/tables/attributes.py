"""Attributes as plain JSON values, exactly, and back.

Strings, booleans, integers, finite floats, None and lists stand for themselves; anything else is an
object with the key "is".
"""

from __future__ import annotations

import math
from typing import Any

import numpy

from ..errors import InvalidTableError
from .names import check_text


def encode_attributes(attributes: dict, owner: str) -> list:
    """Encode the attributes of `owner` as pairs of name and value."""
    pairs = []
    for key, value in attributes.items():
        if not isinstance(key, str):
            raise InvalidTableError(f"attribute {key!r} of {owner} is not named by a str; rename it")
        pairs.append([key, encode_attribute(value, f"attribute {key!r} of {owner}")])
    return pairs


def decode_attributes(pairs: list) -> dict:
    return {key: decode_attribute(value) for key, value in pairs}


def encode_attribute(value: Any, where: str) -> Any:
    kind = type(value)
    if value is None or kind in (bool, int):
        return value
    if kind is str:
        check_text([value], where)
        return value
    if kind is float:
        return value if math.isfinite(value) else {"is": "float", "value": repr(value)}
    if kind is complex:
        return {
            "is": "complex",
            "value": [encode_attribute(part, where) for part in (value.real, value.imag)],
        }
    if kind is list:
        return [encode_attribute(item, where) for item in value]
    if kind is tuple:
        return {"is": "tuple", "value": [encode_attribute(item, where) for item in value]}
    if kind is dict:
        return {
            "is": "dict",
            "value": [[encode_attribute(k, where), encode_attribute(v, where)] for k, v in value.items()],
        }
    if isinstance(value, numpy.generic | numpy.ndarray):
        return _encode_array(value, where)
    raise InvalidTableError(
        f"{where} is of type {kind.__name__}, which cannot be stored exactly; "
        "make it a str, a number, a numpy array, or a list or dict of these"
    )


def _encode_array(value: Any, where: str) -> dict:
    array = numpy.asarray(value)
    name = "array" if isinstance(value, numpy.ndarray) else "scalar"
    if array.dtype.kind not in "biufcUmM" or array.dtype.char in "gG":
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


def _decode_array(value: dict) -> Any:
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
