"""Times as documents hold them: POSIX seconds that every reader can show as a date."""

from __future__ import annotations

from typing import Any

import numpy

from ..errors import StoreError
from ..tables.event_time import LATEST

_UNITS = {1e3: "milliseconds", 1e6: "microseconds", 1e9: "nanoseconds"}


def check_time(time: float, where: str, error: type[StoreError]) -> None:
    """Refuse a number that is no time: pandas, and with it v1 tables, and datetime fail at it whenever it is read."""
    if not 0 <= time < LATEST:
        raise error(f"{where} is {time}; {_remedy(time)}")


def check_times(times: numpy.ndarray[Any, Any], where: str, error: type[StoreError]) -> None:
    """Refuse times of Events, of which one is no time, naming it."""
    is_time = (times >= 0) & (times < LATEST)
    if not is_time.all():
        position = int(numpy.argmin(is_time))
        time = float(times[position])
        raise error(f"{where} holds {time} at position {position}; {_remedy(time)}")


def _remedy(time: float) -> str:
    for factor, unit in _UNITS.items():
        if LATEST <= time < LATEST * factor:
            return f"give POSIX seconds: if these are {unit} since 1970, divide by {factor:g}"
    return "give POSIX seconds, finite and counted from 1970"
