"""The layout: a JSON text in the descriptor's configuration, from which the original is rebuilt.

Attributes are kept exactly: strings, booleans, integers, finite floats, None and lists as JSON, members of enumerations
of text or integers as text or integers, and anything else as an object with the key "is".
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy

from ..errors import InvalidTableError
from .classifier import NUMBERS, TIMES, ValueType, check_text, type_of, type_of_dtype, unstorable
from .document_values import check_depth

SOURCE = "databroker-writable"
OBJECT = "table"
LAYOUT = "layout"
VERSION = 2
"""The newest layout that is read; 2 adds single values among rows, and names that are not text."""

_encode = json.JSONEncoder(allow_nan=False, check_circular=False).encode
_ARRAY_TYPES = frozenset({*NUMBERS, *TIMES, ValueType.TEXT})


def embed_layout(layout: dict[str, Any], configuration: dict[str, dict[str, Any]], now: float) -> None:
    """Add the layout to the configuration of the pseudo-object."""
    key = _layout_keys(configuration["data"])[-1]
    is_new = (
        not isinstance(entry["name"], str)
        or (not layout["one_event"] and not entry["dims"] and entry["in"] != "configuration")
        for entry in layout["variables"]
    )
    # the oldest version that reads it
    configuration["data"][key] = _encode({"version": VERSION if any(is_new) else 1, **layout})
    configuration["data_keys"][key] = {"source": SOURCE, "dtype": "string", "shape": []}
    configuration["timestamps"][key] = now


def find_layout(descriptor: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the layout that a descriptor carries, or None if it is not one of ours."""
    configuration = descriptor.get("configuration", {}).get(OBJECT, {})
    *present, _ = _layout_keys(configuration.get("data", {}))
    if not present:
        return None
    data_key = configuration.get("data_keys", {}).get(present[-1], {})
    text = configuration["data"][present[-1]]
    if data_key.get("source") != SOURCE or not isinstance(text, str) or not text.startswith('{"version": '):
        return None
    layout: dict[str, Any] = json.loads(text)
    for entry in layout.get("variables", ()):
        if isinstance(entry["name"], list):
            entry["name"] = _tuple_of(entry["name"])
    return layout


def _tuple_of(levels: list[Any]) -> tuple[Any, ...]:
    """A name of several levels, which JSON turns into a list."""
    return tuple(_tuple_of(level) if isinstance(level, list) else level for level in levels)


def _layout_keys(names: Iterable[str]) -> list[str]:
    """The used names `layout`, `layout_`, ..., shortest first, and the next one; the longest is that of the layout."""
    taken = sorted((name for name in names if name.rstrip("_") == LAYOUT), key=len)
    return [*taken, taken[-1] + "_" if taken else LAYOUT]


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


def encode_attribute(value: Any, where: str, depth: int = 0) -> Any:
    type_ = type(value)
    if value is None or type_ is bool or type_ is int or (type_ is float and math.isfinite(value)):
        return value
    value_type = type_of(type_)
    if value_type is ValueType.TEXT and type_ is not numpy.str_:
        text = str.__str__(value)
        check_text(text, where)
        return text
    if type_ is list or type_ is tuple:
        check_depth(depth, where, InvalidTableError)
        items = [encode_attribute(item, where, depth + 1) for item in value]
        return items if type_ is list else {"is": "tuple", "value": items}
    if type_ is dict:
        check_depth(depth, where, InvalidTableError)
        pairs = [[encode_attribute(item, where, depth + 1) for item in pair] for pair in value.items()]
        return {"is": "dict", "value": pairs}
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
        return {"is": "complex", "value": encode_attribute([value.real, value.imag], where)}
    raise InvalidTableError(
        f"{where} is of type {type_.__name__}, which cannot be stored exactly; "
        "make it a str, a number, a numpy array, or a list or dict of these"
    )


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
    values = encode_attribute(array.tolist(), where)
    return {"is": name, "dtype": dtype, "shape": list(numpy.shape(value)), "value": values}


def decode_attribute(value: Any) -> Any:
    if isinstance(value, list):
        return [decode_attribute(item) for item in value]
    if not isinstance(value, dict):
        return value
    form, inner = value["is"], decode_attribute(value["value"])
    if form == "float":
        return float(inner)
    if form == "complex":
        return complex(*inner)
    if form == "tuple":
        return tuple(inner)
    if form == "dict":
        return dict(inner)
    dtype = numpy.dtype(value["dtype"])
    if dtype.kind in "mM":
        array = numpy.asarray(inner, "int64").astype(dtype)
    elif dtype.kind == "c":
        array = complex_numbers(inner, value["shape"], dtype)
    else:
        array = numpy.asarray(inner, dtype)
    array = array.reshape(value["shape"])
    return array if form == "array" else array[()]


def complex_numbers(pairs: Any, shape: Sequence[int], dtype: Any = "complex128") -> numpy.ndarray[Any, Any]:
    """Complex numbers from their real and imaginary parts, which a sum with 1j times infinity or zero would change."""
    parts = numpy.asarray(pairs, "float64").reshape((*shape, 2))
    array = numpy.empty(tuple(shape), dtype)
    array.real, array.imag = parts[..., 0], parts[..., 1]
    return array
