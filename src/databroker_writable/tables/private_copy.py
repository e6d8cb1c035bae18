"""Copies of what the user may go on to fill: readout loops use one array for all that they read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy

from .classifier import SCALARS
from .document_values import MAX_DEPTH


def private_copy(value: Any) -> Any:
    """Copy the arrays, lists and dicts of a value; what is nested too deeply to be stored is given as it is.

    Examples
    --------
    >>> buffer = numpy.zeros(2)
    >>> kept = private_copy({"x": [buffer]})
    >>> buffer[:] = 1
    >>> kept["x"][0].tolist()
    [0.0, 0.0]
    """
    return _copied(value, 0, {})


def _copied(value: Any, depth: int, copies: dict[int, Any]) -> Any:
    kind = type(value)
    if kind in SCALARS or depth > MAX_DEPTH:
        return value
    # each once: the columns of an event page share their timestamps
    number = id(value)
    if number not in copies:
        if isinstance(value, numpy.ndarray):
            copy: Any = value.copy()
        elif isinstance(value, list | tuple):
            is_flat = SCALARS.issuperset(map(type, value))
            copy = list(value) if is_flat else [_copied(item, depth + 1, copies) for item in value]
        elif kind is dict or isinstance(value, Mapping):
            is_flat = SCALARS.issuperset(map(type, value.values()))
            copy = dict(value) if is_flat else {k: _copied(item, depth + 1, copies) for k, item in value.items()}
        else:
            return value
        copies[number] = copy
    return copies[number]
