"""Arguments can be any object, also one that cannot be compared, hashed or iterated, or is neither true nor false."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Any

import numpy

from ..errors import StoreError
from .wording import short


def check_flag(name: str, value: Any, error: type[StoreError]) -> None:
    """Refuse a switch that is neither on nor off, such as ``force="no"``, which Python takes for true."""
    if not isinstance(value, bool | numpy.bool_):
        raise error(f"{name} must be True or False, not {short(value)}")


def is_one_of(value: Any, names: Set[Any] | Mapping[Any, Any]) -> bool:
    """Whether this is one of the names; an array or `pandas.NA` is not, and cannot be compared with them."""
    try:
        return value in names
    except TypeError:
        return False


def is_several(value: Any) -> bool:
    """Whether this can be iterated; an array without dims only looks so."""
    return isinstance(value, Iterable) and getattr(value, "ndim", 1) != 0
