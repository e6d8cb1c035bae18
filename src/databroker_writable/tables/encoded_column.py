"""The stored form of a column, from `encode` and for `decode`, and the nested lists of its values."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Any

import dask.array
import numpy

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


def nest(flat: list[Any], shape: tuple[int, ...]) -> Any:
    """Reshape a flat list of values to nested lists."""
    return flat if len(shape) == 1 else numpy.fromiter(flat, dtype=object).reshape(shape).tolist()


def flatten(nested: Any, ndim: int) -> list[Any]:
    """Flatten nested lists of `ndim` levels."""
    if ndim == 0:
        return [nested]
    if isinstance(nested, dask.array.Array):
        nested = nested.compute()
    if isinstance(nested, numpy.ndarray):
        return list(nested.ravel().tolist())
    for _ in range(ndim - 1):
        nested = chain.from_iterable(nested)
    # Events of a page that was packed again hold numpy's scalars.
    return [value.item() if isinstance(value, numpy.generic) else value for value in nested]
