"""The stored form of a column, from `encode` and for `decode`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

DTYPES = {"b": "boolean", "i": "integer", "u": "integer", "f": "number", "c": "number", "U": "string"}
"""event-model's names for the types of single values."""


@dataclass(slots=True)
class Encoded:
    """The stored form of one column."""

    values: Any  # numpy array, nested list or dask array
    shape: tuple[int, ...]
    dtype: str  # event-model's name of the type of one value
    dtype_numpy: str
    encoding: dict[str, Any]
    units: str | None = None
    exact: Encoded | None = None  # exact integers, if float64 seconds may lose digits
    extra_dims: tuple[str, ...] = ()  # dims of the stored values that the column does not have
