"""Read, store and restore datetimes and timedeltas without loss of resolution or zone."""

from __future__ import annotations

import datetime
import functools
import zoneinfo
from collections.abc import Iterable, Sequence
from itertools import compress
from typing import Any

import dask.array
import numpy
import pandas

from ..errors import InvalidTableError
from .classifier import MISSING, ValueType, type_of, unsupported
from .encoded_column import Encoded
from .exact_numbers import cast_exactly

LATEST = 2**33
"""Seconds, in the year 2242: above, float64 no longer resolves microseconds. The earliest time is 0, in 1970."""

NAT = numpy.iinfo("int64").min
"""numpy's integer for NaT."""

EPOCH = "1970-01-01T00:00:00Z"
LONG_UNIT = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def times_from_list(values: Sequence[Any], value_type: ValueType, name: str) -> Any:
    """Make an array of datetimes or timedeltas in their finest resolution: a pandas array if they have a zone."""
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
            # numpy wraps around values outside the range of the finer unit
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
    """Refuse datetimes and timedeltas finer than nanoseconds."""
    for dtype in dtypes:
        if dtype.kind in "mM" and numpy.datetime_data(dtype)[0] in ("ps", "fs", "as"):
            raise unsupported(name, f"{dtype}", f"convert it, e.g. with .astype('{dtype.kind}8[ns]')")


def zone_name(zone: Any) -> str | None:
    """The name from which pandas makes the same zone again; None if there is none."""
    if isinstance(zone, datetime.timezone):
        # an offset can have a name, even that of a zone: "CET"
        offset = zone.utcoffset(None)
        name = str(datetime.timezone(offset))
        # pandas leaves out the seconds of an offset
        return name if name == str(zone) and not offset % datetime.timedelta(minutes=1) else None
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
    """Convert datetimes from UTC to a zone."""
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


def encode_times(values: Any, name: str) -> Encoded:
    """Encode datetime64 or timedelta64 as float64 seconds, with exact integers if these lose digits."""
    kind = values.dtype.kind
    unit, step = numpy.datetime_data(values.dtype)
    check_resolution([values.dtype], name)
    if unit == "generic":
        raise unsupported(name, f"{values.dtype}", f"convert it, e.g. with .astype('{kind}8[ns]')")
    if unit not in PER_SECOND or step != 1:
        values, unit = _at_resolution(values, unit, name)
    lazy = isinstance(values, dask.array.Array)
    absent = numpy.isnat(values)
    integers = values.astype("int64")
    seconds = numpy.where(absent, numpy.nan, integers / PER_SECOND[unit])
    encoding = {"is": "datetime" if kind == "M" else "timedelta", "dtype": f"{kind}8[{unit}]"}
    exact = None
    if unit == "ns" or (unit != "s" if lazy else not _recovered(seconds, integers, absent, unit)):
        units = f"{LONG_UNIT[unit]} since {EPOCH}" if kind == "M" else unit
        exact = Encoded(integers, values.shape, "integer", "<i8", {}, units)
        encoding["exact"] = unit
    units = f"seconds since {EPOCH}" if kind == "M" else "s"
    return Encoded(seconds, values.shape, "number", "<f8", encoding, units, exact)


def _at_resolution(values: Any, unit: str, name: str) -> tuple[Any, str]:
    """Convert days, hours and similar units to the resolution that xarray would choose."""
    kind = values.dtype.kind
    if kind == "m" and unit in ("Y", "M"):
        raise unsupported(name, f"{values.dtype}", "months and years have no fixed length; use days or seconds")
    unit = unit if unit in PER_SECOND else "s"
    dtype = numpy.dtype(f"{kind}8[{unit}]")
    change = functools.partial(_in_unit, dtype=dtype, name=name)
    lazy = isinstance(values, dask.array.Array)
    return values.map_blocks(change, dtype=dtype) if lazy else change(values), unit


def _in_unit(values: numpy.ndarray, dtype: numpy.dtype[Any], name: str) -> Any:
    changed = cast_exactly(values, dtype)
    if changed.dtype != dtype:
        raise unsupported(name, f"{values.dtype} out of the range of {dtype}", "use fewer digits")
    return changed


def _recovered(seconds: numpy.ndarray, integers: numpy.ndarray, absent: numpy.ndarray, unit: str) -> bool:
    with numpy.errstate(invalid="ignore", over="ignore"):
        return bool(numpy.array_equal(ticks(seconds, unit)[~absent], integers[~absent]))


def equal_times(first: numpy.ndarray, second: numpy.ndarray) -> numpy.ndarray:
    """Which times in different units are equal; numpy would bring them to the finer one, whatever its range."""
    same: numpy.ndarray = (pandas.Series(first.ravel()) == pandas.Series(second.ravel())).to_numpy()
    return same.reshape(first.shape)


def seconds_apart(first: numpy.ndarray, second: numpy.ndarray) -> numpy.ndarray:
    """The absolute differences of times; NaN if one is missing."""
    per_second = [PER_SECOND[numpy.datetime_data(times.dtype)[0]] for times in (first, second)]
    finest = max(per_second)
    # the integers of numpy's times may be further apart than their type holds
    a, b = (
        times.astype("int64").astype(numpy.longdouble) * (finest // each)
        for times, each in zip((first, second), per_second, strict=True)
    )
    return numpy.where(numpy.isnat(first) | numpy.isnat(second), numpy.nan, numpy.abs(a - b) / finest)


def encode_zoned(values: Any, name: str) -> Encoded:
    zone = zone_name(values.dtype.tz)
    if zone is None:
        raise unnamed_zone(name, values.dtype.tz, f"table[{name!r}] = table[{name!r}].dt.tz_convert('UTC')")
    encoded = encode_times(values.tz_convert("UTC").tz_localize(None).to_numpy(), name)
    encoded.encoding["zone"] = zone
    return encoded


def decode_times(encoding: dict[str, Any], values: Any, shape: tuple[int, ...], exact: Any) -> Any:
    dtype = encoding["dtype"]
    if exact is None:
        unit = numpy.datetime_data(numpy.dtype(dtype))[0]
        lazy = isinstance(values, dask.array.Array)
        seconds = values if lazy else numpy.asarray(values, dtype="float64").reshape(shape)
        integers = numpy.where(numpy.isnan(seconds), NAT, ticks(numpy.nan_to_num(seconds), unit))
    elif isinstance(exact, numpy.ndarray | dask.array.Array) and exact.dtype.kind != "O":
        integers = exact.astype("int64")
    else:
        objects = numpy.asarray(exact, dtype=object)
        integers = numpy.where(pandas.isna(objects), NAT, objects).astype("int64").reshape(shape)
    times = integers.astype(dtype)
    return in_zone(times, encoding["zone"]) if "zone" in encoding else times
