"""Missing values, for readers that cast a column to the dtype of its data key, as databroker 2 and Tiled do."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy

from ..errors import warn_user
from .encoded import Encoded
from .layout import find_layout
from .nesting import flatten

if TYPE_CHECKING:
    from .stream_table import StreamSchema, StreamTable

NULL_TEXT = "None"
"""What a null becomes that is cast to text."""


def has_nulls(encoded: Encoded) -> bool:
    """Whether a column has missing values; only lists hold them."""
    return isinstance(encoded.values, list) and None in _flat(encoded)


def null_safe(encoded: Encoded) -> Encoded:
    """Declare a column that has nulls by a dtype that can hold one: NaN in float64, or text of four characters."""
    stored = numpy.dtype(encoded.dtype_numpy)
    if stored.kind in "biu":
        return dataclasses.replace(encoded, dtype="number", dtype_numpy="<f8")
    if stored.kind == "U":
        return dataclasses.replace(encoded, dtype_numpy=f"<U{max(len(NULL_TEXT), stored.itemsize // 4)}")
    return encoded


def null_marks(encoded: Encoded) -> Encoded | None:
    """Say of each value whether it is null, where a cast makes nulls look like values that the column has, too."""
    flat = _flat(encoded)
    # what is masked in floats comes back as NaN
    if encoded.encoding["is"] == "masked" or not any(value == NULL_TEXT or value != value for value in flat):
        return None
    marks = numpy.array([value is None for value in flat]).reshape(encoded.shape)
    return Encoded(marks, encoded.shape, "boolean", marks.dtype.str, {})


def fitted(table: StreamTable, first: StreamSchema, stream: str) -> StreamTable:
    """Give a later table, of the same columns, the dtypes and marks of nulls that its stream began with."""
    schema = fitted_schema(table.schema, first, stream)
    if schema is table.schema:
        return table
    data = {
        key: table.data[key] if key in table.data else numpy.zeros((table.length, *data_key["shape"]), bool)
        for key, data_key in schema.data_keys.items()
    }
    return dataclasses.replace(table, data=data, schema=schema)


def fitted_schema(later: StreamSchema, first: StreamSchema, stream: str) -> StreamSchema:
    """Give the schema of a later table the dtypes and marks of nulls of the first, and warn where these do not do."""
    if later.data_keys == first.data_keys:
        return later
    before, after = _variables(first), _variables(later)
    data_keys = dict(later.data_keys)
    for name, entry in after.items():
        old, key = before.get(name, {}), entry.get("key")
        if old.get("key") != key or key not in data_keys or key not in first.data_keys:
            continue
        if _value_dtype(old, first) == _value_dtype(entry, later):
            declared = {part: first.data_keys[key][part] for part in ("dtype", "dtype_numpy")}
            data_keys[key] = {**data_keys[key], **declared}
        mark, needed = old.get("missing"), entry.get("missing")
        if mark is not None:
            data_keys[mark] = first.data_keys[mark]
        elif needed is not None:
            del data_keys[needed]
        if ("nulls" in entry and "nulls" not in old) or (needed is not None and mark is None):
            warn_user(
                f"column {name!r} of stream {stream!r} has missing values that its first table did not announce: "
                "databroker 1 reads them, databroker 2 and Tiled cannot tell them from values; "
                "store the tables in one piece, or begin another stream"
            )
    return dataclasses.replace(later, data_keys=data_keys)


def _flat(encoded: Encoded) -> list[Any]:
    return encoded.values if len(encoded.shape) == 1 else flatten(encoded.values, len(encoded.shape))


def _variables(schema: StreamSchema) -> dict[str, dict[str, Any]]:
    layout = find_layout({"configuration": schema.configuration})
    return {} if layout is None else {entry["name"]: entry for entry in layout["variables"]}


def _value_dtype(entry: dict[str, Any], schema: StreamSchema) -> str:
    """The dtype of the values that are there; strings may be of any length."""
    dtype: str = entry.get("nulls") or schema.data_keys[entry["key"]]["dtype_numpy"]
    return dtype[:2] if dtype[1:2] == "U" else dtype
