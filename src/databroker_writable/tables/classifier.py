"""What a value is."""

from __future__ import annotations

from typing import Any

import numpy

SCALARS = frozenset({int, float, str, bool, type(None)})
"""The types of single values in JSON."""


def is_array(values: Any) -> bool:
    """Whether values are a numpy or a dask array."""
    return isinstance(values, numpy.ndarray) or is_lazy(values)


def is_lazy(values: Any) -> bool:
    """Whether values are a dask array."""
    return hasattr(values, "dask")
