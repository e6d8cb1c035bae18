"""The stored form of a column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy

from .attributes import encode_attribute

DTYPES = {"b": "boolean", "i": "integer", "u": "integer", "f": "number", "c": "number", "U": "string"}
"""event-model's names of the types of one value."""


@dataclass
class Encoded:
    """The stored form of one column."""

    values: Any  # numpy array, nested list or dask array
    shape: tuple[int, ...]
    dtype: str  # event-model's name of the type of one value
    dtype_numpy: str
    encoding: dict[str, Any]
    units: str | None = None
    exact: Encoded | None = None  # exact integers, where float64 seconds may lose some digits
    extra_dims: tuple[str, ...] = ()  # dims of the stored values that the column does not have


def little_endian(dtype: numpy.dtype[Any]) -> numpy.dtype[Any]:
    swapped: numpy.dtype[Any] = dtype.newbyteorder("<")
    return swapped


def json_column(encoded: Encoded, where: str) -> dict[str, Any]:
    """A column as JSON values, for the layout's text."""
    column: dict[str, Any] = {"encoding": encoded.encoding, "values": json_values(encoded.values, where)}
    if encoded.exact is not None:
        column["exact"] = json_values(encoded.exact.values, where)
    return column


def json_values(values: Any, where: str) -> Any:
    nested = values.tolist() if isinstance(values, numpy.ndarray) else values
    return encode_attribute(nested, where)
