"""Datetimes and timedeltas of Python, pandas and numpy as arrays, without loss of resolution or zone."""

from __future__ import annotations

import datetime
import zoneinfo
from collections.abc import Iterable, Sequence
from itertools import compress
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


def times_from_list(values: Sequence[Any], value_type: ValueType, name: str) -> Any:
    """Make an array of datetimes or timedeltas, of the finest resolution among them: pandas' where they have a zone."""
    is_present = [type_of(type(value)) not in MISSING for value in values]
    present = list(compress(values, is_present))
    check_resolution({value.dtype for value in present if isinstance(value, numpy.generic)}, name)
    zone = _common_zone(present, name) if value_type is ValueType.DATETIME else None
    try:
        scalars = list(map(_to_numpy, present))
        dtypes = {scalar.dtype for scalar in scalars}
        array = numpy.full(len(values), numpy.array("NaT", numpy.result_type(*dtypes)))
        array[is_present] = scalars
    except (TypeError, OverflowError, ValueError) as error:
        what = f"{value_type.value}s that pandas cannot hold ({error})"
        raise unsupported(name, what, "store them as numbers, with the attribute 'units'") from error
    if len(dtypes) > 1:
        for value, scalar, kept in zip(present, scalars, array[is_present], strict=True):
            # numpy wraps around what is out of the range of the finer unit
            if not numpy.isnat(kept) and kept.astype(scalar.dtype) != scalar:
                what = f"{value!r}, out of the range of {array.dtype} among the others"
                raise unsupported(name, what, "give all one resolution")
    return array if zone is None else in_zone(array, zone)


def _to_numpy(value: Any) -> Any:
    """A datetime, in UTC if it has a zone, or a timedelta; Python's own have microseconds."""
    if isinstance(value, pandas.Timestamp):
        return (value if value.tzinfo is None else value.tz_convert(None)).to_datetime64()
    if isinstance(value, pandas.Timedelta):
        return value.to_timedelta64()
    if isinstance(value, datetime.timedelta):
        return numpy.timedelta64(value // datetime.timedelta(microseconds=1), "us")
    if isinstance(value, datetime.datetime):
        in_utc = value if value.tzinfo is None else value.astimezone(datetime.timezone.utc).replace(tzinfo=None)
        return numpy.datetime64(in_utc, "us")
    return value


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
        what = "datetimes of different time zones or kinds"
        raise unsupported(name, what, "make them of one kind, e.g. with pandas.to_datetime")
    zone = names.pop()
    if zone is None:
        remedy = f"table[{name!r}] = [v.astimezone(datetime.timezone.utc) for v in table[{name!r}]]"
        raise unnamed_zone(name, zones.pop(), remedy)
    return zone


def ticks(seconds: Any, unit: str) -> Any:
    """Turn float64 seconds into int64 counts of `unit`."""
    whole = numpy.floor(seconds)
    factor = PER_SECOND[unit]
    return whole.astype("int64") * factor + numpy.rint((seconds - whole) * factor).astype("int64")
