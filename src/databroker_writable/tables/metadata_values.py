"""What users give as metadata and parameters, in values that documents hold: paths, times, the results of fits."""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import os
import types
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import numpy
import pandas

from .classifier import SCALARS, TIMES, type_of_dtype
from .document_values import MAX_DEPTH


def plain_metadata(value: Any, depth: int = 0) -> Any:
    """Give metadata with paths, dates, times and UUIDs as text, and durations as seconds; anything else as it is.

    Examples
    --------
    >>> plain_metadata({"day": datetime.date(2024, 5, 31), "exposure": datetime.timedelta(minutes=1)})
    {'day': '2024-05-31', 'exposure': 60.0}
    """
    if type(value) in SCALARS or depth > MAX_DEPTH:
        return value
    if isinstance(value, Mapping):
        return {key: plain_metadata(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_metadata(item, depth + 1) for item in value]
    if isinstance(value, numpy.ndarray) and type_of_dtype(value.dtype) in TIMES:
        return plain_metadata(list(value), depth)
    for accepted, plain in _PLAIN:
        if isinstance(value, accepted):
            return plain(value)
    return value


def posix_seconds(time: Any) -> Any:
    """Give the POSIX seconds of a datetime, one without a zone in that of this computer; anything else as it is."""
    return time.timestamp() if isinstance(time, datetime.datetime) else time


def plain_parameters(value: Any) -> Any:
    """Give the parameters that the result of a fit, an estimator or a record of settings offers; else the value."""
    for offer in _OFFERS:
        parameters = offer(value)
        if isinstance(parameters, Mapping):
            return parameters
    return value


def _of_numpy_time(value: Any) -> str | float | None:
    if numpy.isnat(value):
        return None
    return str(value) if isinstance(value, numpy.datetime64) else float(value / numpy.timedelta64(1, "s"))


_PLAIN: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    ((type(pandas.NaT), type(pandas.NA)), lambda _: None),
    ((numpy.datetime64, numpy.timedelta64), _of_numpy_time),
    ((datetime.date, datetime.time), lambda value: value.isoformat()),  # datetime is a date
    (datetime.timedelta, lambda value: value.total_seconds()),
    (os.PathLike, os.fspath),
    (uuid.UUID, str),
)


def _called(name: str) -> Callable[[Any], Any]:
    """What a method of a value gives, where it has one."""

    def offer(value: Any) -> Any:
        method = None if isinstance(value, type) else getattr(value, name, None)
        return method() if callable(method) else None

    return offer


def _dataclass_fields(value: Any) -> Any:
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else None


_OFFERS: tuple[Callable[[Any], Any], ...] = (
    _called("valuesdict"),  # lmfit's Parameters, a dict of more than numbers
    lambda value: value if isinstance(value, Mapping) else None,
    lambda value: getattr(value, "best_values", None),  # lmfit's ModelResult
    lambda value: plain_parameters(value.params) if hasattr(value, "params") else None,  # lmfit's MinimizerResult
    _called("get_params"),  # scikit-learn's estimators
    _called("_asdict"),  # named tuples, and what scipy.stats gives
    _dataclass_fields,
    lambda value: vars(value) if isinstance(value, argparse.Namespace | types.SimpleNamespace) else None,
)
"""Each gives the parameters of one kind of object, or None."""
