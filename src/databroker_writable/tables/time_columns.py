"""Datetimes and timedeltas of Python, pandas and numpy as arrays, without loss of resolution or zone."""

from __future__ import annotations

import datetime
import zoneinfo
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy
import pandas

from ..errors import InvalidTableError
from .classifier import MISSING, ValueType, type_of, unsupported

LATEST = 2**33
"""Seconds, in the year 2242: beyond, float64 no longer tells microseconds apart. The earliest time is 0, in 1970."""

NAT = numpy.iinfo("int64").min
"""What numpy takes for NaT."""

PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}

_LETTERS = {ValueType.DATETIME: "M", ValueType.TIMEDELTA: "m"}


def times_from_list(values: Sequence[Any], value_type: ValueType, name: str) -> Any:
    """Make an array of datetimes or timedeltas, of the finest resolution among them: pandas' where they have a zone."""
    letter = _LETTERS[value_type]
    present = [value for value in values if type_of(type(value)) not in MISSING]
    check_resolution({value.dtype for value in present if isinstance(value, numpy.generic)}, name)
    zone = _common_zone(present, name) if letter == "M" else None
    to_numpy = _to_numpy_timedelta if letter == "m" else _to_numpy_datetime if zone is None else _to_utc
    array = _joined(values, present, to_numpy, letter, name)
    return array if zone is None else in_zone(array, zone)


def check_resolution(dtypes: Iterable[numpy.dtype[Any]], name: str) -> None:
    """Refuse datetimes and timedeltas that are finer than nanoseconds."""
    for dtype in dtypes:
        if dtype.kind in "mM" and numpy.datetime_data(dtype)[0] in ("ps", "fs", "as"):
            raise unsupported(name, f"{dtype}", f"convert it, e.g. with .astype('{dtype.kind}8[ns]')")


def zone_name(zone: Any) -> str | None:
    """The name from which pandas makes the same zone again; None if there is none."""
    if isinstance(zone, datetime.timezone):
        # an offset may have a name of its own, even that of a zone: "CET"
        name = str(datetime.timezone(zone.utcoffset(None)))
        return name if name == str(zone) else None
    # pytz calls it zone; the key of dateutil's is that of a file
    key = zone.key if isinstance(zone, zoneinfo.ZoneInfo) else getattr(zone, "zone", None)
    if not isinstance(key, str):
        return None
    try:
        pandas.DatetimeTZDtype("ns", key)
    except Exception:
        # pandas raises what zoneinfo, pytz or dateutil raise for a zone that they do not know
        return None
    return key


def unnamed_zone(name: str, zone: Any, remedy: str) -> InvalidTableError:
    return unsupported(name, f"datetimes in a zone without a standard name ({zone})", f"name a zone, e.g. {remedy}")


def in_zone(utc: numpy.ndarray, zone: str) -> Any:
    """Datetimes in UTC as those of a zone."""
    return pandas.DatetimeIndex(utc).tz_localize("UTC").tz_convert(zone).array


def _common_zone(present: list[Any], name: str) -> str | None:
    zones = {getattr(value, "tzinfo", None) for value in present}
    if zones <= {None}:
        return None
    names = {zone and zone_name(zone) for zone in zones}
    if len(names) > 1 or None in zones:
        raise unsupported(
            name,
            "datetimes of different time zones or kinds",
            "make them of one kind, e.g. with pandas.to_datetime",
        )
    zone = names.pop()
    if zone is None:
        remedy = f"table[{name!r}] = [v.astimezone(datetime.timezone.utc) for v in table[{name!r}]]"
        raise unnamed_zone(name, zones.pop(), remedy)
    return zone


def _joined(
    values: Sequence[Any], present: list[Any], to_numpy: Callable[[Any], Any], letter: str, name: str
) -> numpy.ndarray:
    """An array of the finest unit among the values."""
    try:
        scalars = [to_numpy(value) for value in present]
        dtypes = {scalar.dtype for scalar in scalars}
        dtype = numpy.result_type(*dtypes)
        array = numpy.full(len(values), numpy.array("NaT", dtype))
        array[[type_of(type(value)) not in MISSING for value in values]] = scalars
    except (TypeError, OverflowError, ValueError) as error:
        what = "timedeltas that pandas cannot hold" if letter == "m" else "datetimes that pandas cannot hold"
        raise unsupported(name, f"{what} ({error})", "store them as numbers, with the attribute 'units'") from error
    if len(dtypes) > 1:
        _check_joined(array, values, to_numpy, name)
    return array


def _check_joined(array: numpy.ndarray, values: Sequence[Any], to_numpy: Callable[[Any], Any], name: str) -> None:
    """Refuse what is out of the range of the finer unit: numpy wraps it around."""
    for kept, value in zip(array, values, strict=True):
        if not numpy.isnat(kept):
            given = to_numpy(value)
            if kept.astype(given.dtype) != given:
                raise unsupported(
                    name, f"{value!r}, out of the range of {array.dtype} among the others", "give all one resolution"
                )


def _to_numpy_datetime(value: Any) -> Any:
    if isinstance(value, pandas.Timestamp):
        return value.to_datetime64()
    return value if isinstance(value, numpy.datetime64) else numpy.datetime64(value, "us")


def _to_utc(value: Any) -> Any:
    if isinstance(value, pandas.Timestamp):
        return value.tz_convert(None).to_datetime64()
    return numpy.datetime64(value.astimezone(datetime.timezone.utc).replace(tzinfo=None), "us")


def _to_numpy_timedelta(value: Any) -> Any:
    if isinstance(value, pandas.Timedelta):
        return value.to_timedelta64()
    if isinstance(value, numpy.timedelta64):
        return value
    return numpy.timedelta64(value // datetime.timedelta(microseconds=1), "us")


def ticks(seconds: Any, unit: str) -> Any:
    """Turn float64 seconds into int64 counts of `unit`."""
    whole = numpy.floor(seconds)
    factor = PER_SECOND[unit]
    return whole.astype("int64") * factor + numpy.rint((seconds - whole) * factor).astype("int64")
