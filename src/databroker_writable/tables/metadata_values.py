"""Convert users' metadata and parameters to values for documents: paths, times, results of fits."""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import numbers
import os
import types
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import numpy
import pandas

from ..errors import InvalidMetadataError
from .classifier import LABELLED, SCALARS, TIMES, is_dict_like, type_of_dtype
from .document_values import MAX_DEPTH
from .time_columns import PER_SECOND

_DATES = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
"""Dates as numbers, by their count of digits."""

FIRST_YEAR, LAST_YEAR = 1900, 2100


def plain_metadata(value: Any, depth: int = 0) -> Any:
    """Convert paths, dates, times and UUIDs in metadata to text, durations to seconds, and named tuples to dicts."""
    if type(value) in SCALARS or depth > MAX_DEPTH:
        return value
    if type(value) is dict or is_dict_like(value):
        return {key: plain_metadata(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        fields = _fields_of(value)
        return [plain_metadata(item, depth + 1) for item in value] if fields is None else plain_metadata(fields, depth)
    if isinstance(value, numpy.ndarray) and type_of_dtype(value.dtype) in TIMES:
        return plain_metadata(list(value) if value.ndim else value[()], depth)
    for accepted, plain in _PLAIN:
        if isinstance(value, accepted):
            return plain(value)
    return value


def posix_seconds(time: Any) -> Any:
    """Return the POSIX seconds of a datetime, which is local if it has no zone; other values unchanged."""
    time = plain_datetime(time)
    if time is pandas.NaT or time is pandas.NA:
        raise InvalidMetadataError(
            f"time is {time}, which is not a time; give a datetime or POSIX seconds, or leave it out for the present "
            "time"
        )
    if isinstance(time, datetime.datetime | numpy.datetime64):
        return _timestamp(time)
    day = time if isinstance(time, datetime.date) else day_in(time)
    if day is not None:
        noon = _timestamp(datetime.datetime(day.year, day.month, day.day, 12))
        said = f"the date {day}" if day is time else f"{time}, which looks like the date {day}"
        raise InvalidMetadataError(
            f"time is {said}; give a datetime, such as datetime.datetime({day.year}, {day.month}, {day.day}, 12, 30), "
            f"or POSIX seconds, such as {noon:.0f} for noon"
        )
    return time


def _timestamp(time: Any) -> float:
    try:
        return float(time.timestamp())
    except (AttributeError, ValueError, OverflowError, OSError):  # numpy's time has no such method
        raise InvalidMetadataError(
            f"time is {time}, for which there are no POSIX seconds; give a datetime from 1970 to 2242"
        ) from None


def plain_datetime(time: Any) -> Any:
    """Python's datetime of a time of pandas or numpy, or its date; NaT and other values unchanged.

    `pandas.Timestamp.timestamp` takes a time without a zone for UTC. Of years that Python does not have, numpy's time.
    """
    if isinstance(time, numpy.datetime64):
        if numpy.isnat(time):
            return pandas.NaT
        year = str(time).partition("-")[0]
        if len(year) != 4 or year == "0000":
            return time  # of a year that Python does not have
        is_day = numpy.datetime_data(time.dtype)[0] in ("Y", "M", "W", "D")
        return time.astype("M8[D]" if is_day else "M8[us]").item()
    if not isinstance(time, pandas.Timestamp) or time is pandas.NaT:
        return time
    return time.to_pydatetime(warn=False) if time.year <= datetime.MAXYEAR else time.to_datetime64()


def day_in(number: Any) -> datetime.date | None:
    """The day in a number that is written as a date, such as 20240531 or 202405311230; None for other values.

    As POSIX seconds such numbers would be in 1970, or after the year 8000.
    """
    is_number = isinstance(number, numbers.Real) and not isinstance(number, numpy.timedelta64)
    if not is_number or not 1e7 <= number < 1e14 or number != int(number):
        return None
    digits = str(int(number))
    try:
        moment = datetime.datetime.strptime(digits, _DATES.get(len(digits), ""))
    except ValueError:
        return None
    return moment.date() if FIRST_YEAR <= moment.year <= LAST_YEAR else None


def plain_parameters(value: Any) -> Any:
    """Return the parameters of the result of a fit, an estimator or a record of settings; other values unchanged."""
    for offer in () if isinstance(value, LABELLED) else _OFFERS:
        parameters = offer(value)
        if isinstance(parameters, Mapping):
            return parameters
    return value


_UNITS = {"W": 604_800, "D": 86_400, "h": 3_600, "m": 60, "generic": 1}
"""The seconds of numpy's units that are longer; months and years have no fixed length."""

_PER_SECOND = {**PER_SECOND, "ps": 10**12, "fs": 10**15, "as": 10**18}


def _of_numpy_time(value: Any) -> Any:
    if numpy.isnat(value):
        return None
    if isinstance(value, numpy.datetime64):
        return str(value)
    unit, step = numpy.datetime_data(value.dtype)
    if unit in ("Y", "M"):
        return value  # it is refused where all that no document can hold is
    # with Python's integers: numpy's wrap around
    return int(value.astype("int64")) * step * _UNITS.get(unit, 1) / _PER_SECOND.get(unit, 1)


_PLAIN: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    ((type(pandas.NaT), type(pandas.NA)), lambda _: None),
    ((numpy.datetime64, numpy.timedelta64), _of_numpy_time),
    ((datetime.date, datetime.time), lambda value: value.isoformat()),  # datetime is a date
    (datetime.timedelta, lambda value: value.total_seconds()),
    (os.PathLike, os.fspath),
    (uuid.UUID, str),
)


def _result_of(value: Any, name: str) -> Any:
    """The result of a method, if a value has it."""
    method = None if isinstance(value, type) else getattr(value, name, None)
    return method() if callable(method) else None


def _fields_of(value: Any) -> dict[str, Any] | None:
    """What a named tuple holds, or a result of scipy.stats, which has more than its items; None of other values."""
    fields = _result_of(value, "_asdict")
    if not isinstance(fields, Mapping):
        return None
    items = getattr(value, "_fields", ())
    return {name: item for name, item in fields.items() if name in items or name[:1] != "_"}


def _without_estimators(value: Any) -> Any:
    """Parameters with the names of the estimators in them, whose own parameters are among the others."""
    if isinstance(value, Mapping):
        return {key: _without_estimators(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_estimators(item) for item in value]
    return type(value).__name__ if callable(getattr(value, "get_params", None)) else value


_OFFERS: tuple[Callable[[Any], Any], ...] = (
    lambda value: _result_of(value, "valuesdict"),  # lmfit's Parameters, a dict of objects
    lambda value: value if isinstance(value, Mapping) else None,
    lambda value: getattr(value, "best_values", None),  # lmfit's ModelResult
    lambda value: plain_parameters(value.params) if hasattr(value, "params") else None,  # lmfit's MinimizerResult
    lambda value: _without_estimators(_result_of(value, "get_params")),  # scikit-learn's estimators
    _fields_of,
    lambda value: dataclasses.asdict(value) if hasattr(type(value), "__dataclass_fields__") else None,
    lambda value: vars(value) if isinstance(value, argparse.Namespace | types.SimpleNamespace) else None,
)
"""Each returns the parameters of one type of object, or None."""
