"""Parse times from users: seconds, dates, spans before now, and runs."""

from __future__ import annotations

import math
import numbers
import re
import time
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

import numpy
import pandas

from ..errors import InvalidMetadataError
from ..runs.document_checks import check_time
from ..runs.shown_text import local_time
from ..runs.start_document import start_of
from ..tables.metadata_values import day_in, plain_datetime
from ..tables.time_columns import LATEST
from ..tables.wording import short
from .header_search import header_of
from .references import known_uid

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_SPAN = re.compile(r"(\d+(?:\.\d*)?)([smhdw]?)")

FORMS = "2024-05-31, '2024-05-31 14:30' or 2d (two days ago)"


def seconds_in(text: str) -> float | None:
    """Seconds in a span such as ``90`` (seconds), ``30m``, ``12h``, ``2d``, ``1w``; None for other text."""
    match = _SPAN.fullmatch(text.strip())
    return float(match[1]) * _UNITS[match[2]] if match else None


def moment_in(text: str) -> float | None:
    """POSIX seconds of a date, a local time, or a span before now; None for other text."""
    seconds = seconds_in(text)
    if seconds is not None and not text.strip().isdigit():
        return time.time() - seconds
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def moment_of(catalog: Any, value: Any, argument: str) -> float:
    """POSIX seconds of a time, or of the start of a run; a time without a zone is local."""
    start = start_of(value)
    if start is not None:
        seconds: Any = start.get("time")
    elif isinstance(value, str):
        seconds = _moment_of_text(catalog, value, argument)
    else:
        seconds = _seconds_of(value)
    day = day_in(value)
    if day is not None:
        raise InvalidMetadataError(f"{argument} is {value}, which looks like the date {day}; give the text '{day}'")
    if not isinstance(seconds, numbers.Real) or isinstance(seconds, bool) or not math.isfinite(seconds):
        raise InvalidMetadataError(
            f"{argument} must be a time or a run, not {short(value)}; give a run, the uid of a run of this catalog, "
            f"POSIX seconds, a datetime, or a text like {FORMS}"
        )
    if isinstance(value, numbers.Real) and float(seconds) >= LATEST:
        check_time(seconds, argument, InvalidMetadataError)
    return float(seconds)


def local_times(seconds: Iterable[float]) -> Any:
    """POSIX seconds as a column of local times without a zone, as in databroker's tables."""
    times = pandas.DatetimeIndex(numpy.array([local_time(moment) for moment in seconds], "datetime64[us]"))
    try:
        return times.as_unit("ns").to_numpy()
    except pandas.errors.OutOfBoundsDatetime:
        return times.to_numpy()


def _moment_of_text(catalog: Any, text: str, argument: str) -> float | None:
    """The time of the run with this uid, else the time in the text, else that of the run whose uid it begins."""
    header = header_of(catalog, text)
    seconds = None if header is not None else moment_in(text)
    if header is None and seconds is None and text:
        uid = known_uid(catalog, text, argument)
        header = header_of(catalog, uid) if uid is not None else None
    return seconds if header is None else header.time


def _seconds_of(value: Any) -> Any:
    value = plain_datetime(value)
    if value is pandas.NaT:
        return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    try:
        return value.timestamp() if isinstance(value, datetime) else value
    except (ValueError, OverflowError, OSError):
        return None
