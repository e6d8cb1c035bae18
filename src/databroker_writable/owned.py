"""Copies of what the user may go on to fill: readout loops use one array for all that they read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy

from .values import MAX_DEPTH


def owned(value: Any, depth: int = 0) -> Any:
    """Copy the arrays, lists and dicts of a value; what is nested too deeply to be stored is given as it is.

    Examples
    --------
    >>> buffer = numpy.zeros(2)
    >>> kept = owned({"x": [buffer]})
    >>> buffer[:] = 1
    >>> kept["x"][0].tolist()
    [0.0, 0.0]
    """
    if isinstance(value, numpy.ndarray):
        return value.copy()
    if depth > MAX_DEPTH:
        return value
    if isinstance(value, Mapping):
        return {key: owned(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        if not set(map(type, value)) - {int, float, str, bool, type(None)}:
            return list(value)
        return [owned(item, depth + 1) for item in value]
    return value
