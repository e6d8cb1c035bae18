"""How missing values are stored, and given back: null in documents, which not all readers tell from a value."""

from __future__ import annotations

import operator
from dataclasses import replace
from typing import Any

import numpy
import pandas

from .encoded_column import DTYPES, Encoded, flatten

MARKERS = {"None": None, "NA": pandas.NA, "NaN": float("nan"), "NaT": pandas.NaT}
"""What marks missing values among Python objects, by the name that the layout has for it."""

NULL_TEXTS = ("None", "<NA>", "nan")
"""The text of a null after a cast to text by databroker 2, Tiled or pandas."""


def has_nulls(encoded: Encoded) -> bool:
    """Whether a column whose values are a list has missing values."""
    return None in _flat(encoded)


def with_dtype_of_nulls(encoded: Encoded, dtype: str) -> Encoded:
    """Declare a column of Python objects that are all missing with the dtype of other values of the stream."""
    if encoded.encoding["is"] != "object" or any(value is not None for value in _flat(encoded)):
        return encoded
    return replace(encoded, dtype=DTYPES[numpy.dtype(dtype).kind], dtype_numpy=dtype)


def null_safe(encoded: Encoded) -> Encoded:
    """Declare a column with nulls with a dtype that can hold them: float64 with NaN, or text of four characters."""
    stored = numpy.dtype(encoded.dtype_numpy)
    if stored.kind in "biu":
        return replace(encoded, dtype="number", dtype_numpy="<f8")
    if stored.kind == "U":
        return replace(encoded, dtype_numpy=f"<U{max(*map(len, NULL_TEXTS), stored.itemsize // 4)}")
    return encoded


def null_marks(encoded: Encoded) -> Encoded | None:
    """Flag each null, if a cast would make nulls look like values of the column."""
    flat = _flat(encoded)
    looks_null = any(map(operator.ne, flat, flat)) or not {*NULL_TEXTS}.isdisjoint(flat)
    # masked floats come back as NaN
    if encoded.encoding["is"] == "masked" or not looks_null:
        return None
    marks = numpy.array([value is None for value in flat]).reshape(encoded.shape)
    return Encoded(marks, encoded.shape, "boolean", marks.dtype.str, {}, extra_dims=encoded.extra_dims)


def _flat(encoded: Encoded) -> list[Any]:
    return encoded.values if len(encoded.shape) == 1 else flatten(encoded.values, len(encoded.shape))


def is_null(value: Any) -> bool:
    """Whether a server's value means null, if its column has nulls."""
    return value is None or value != value or (isinstance(value, str) and value in NULL_TEXTS)
