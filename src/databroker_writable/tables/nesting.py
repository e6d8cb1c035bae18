"""Values of columns as arrays of objects, as nested lists and as flat ones."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any

import dask.array
import numpy


def object_array(values: Iterable[Any]) -> numpy.ndarray:
    """Make a flat array of objects, whatever they are."""
    values = list(values)
    array = numpy.empty(len(values), dtype=object)
    array[:] = values
    return array


def nest(flat: list[Any], shape: tuple[int, ...]) -> Any:
    """Reshape a flat list of values to nested lists."""
    if len(shape) == 1:
        return flat
    return object_array(flat).reshape(shape).tolist()


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
