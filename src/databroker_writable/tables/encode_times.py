"""Datetimes and timedeltas as float64 seconds, with their exact integers beside them where these lose digits."""

from __future__ import annotations

from typing import Any

import dask.array
import numpy

from .encoded import Encoded
from .refusals import unsupported
from .time_columns import check_resolution

EPOCH = "1970-01-01T00:00:00Z"
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
LONG_UNIT = {"ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}


def encode_times(values: Any, name: str) -> Encoded:
    """Encode datetime64 or timedelta64, numpy or dask, as float64 seconds."""
    kind = values.dtype.kind
    unit, step = numpy.datetime_data(values.dtype)
    check_resolution([values.dtype], name)
    if unit == "generic":
        raise unsupported(name, f"{values.dtype}", f"convert it, e.g. with .astype('{kind}8[ns]')")
    if unit not in PER_SECOND or step != 1:
        values, unit = _at_resolution(values, name)
    lazy = isinstance(values, dask.array.Array)
    absent = values.map_blocks(numpy.isnat, dtype=bool) if lazy else numpy.isnat(values)
    integers = values.astype("int64")
    where = dask.array.where if lazy else numpy.where
    seconds = where(absent, numpy.nan, integers / PER_SECOND[unit])
    encoding = {"is": "datetime" if kind == "M" else "timedelta", "dtype": f"{kind}8[{unit}]"}
    exact = None
    if unit == "ns" or (unit != "s" if lazy else not _recovered(seconds, integers, absent, unit)):
        long = LONG_UNIT.get(unit, "seconds")
        units = f"{long} since {EPOCH}" if kind == "M" else unit
        exact = Encoded(integers, values.shape, "integer", "<i8", {}, units)
        encoding["exact"] = unit
    units = f"seconds since {EPOCH}" if kind == "M" else "s"
    return Encoded(seconds, values.shape, "number", "<f8", encoding, units, exact)


def _at_resolution(values: Any, name: str) -> tuple[Any, str]:
    """Bring days, hours and the like to the resolution that xarray would give them."""
    kind = values.dtype.kind
    if kind == "m" and numpy.datetime_data(values.dtype)[0] in ("Y", "M"):
        raise unsupported(name, f"{values.dtype}", "months and years have no fixed length; use days or seconds")
    unit = numpy.datetime_data(values.dtype)[0]
    unit = unit if unit in PER_SECOND else "s"
    changed = values.astype(f"{kind}8[{unit}]")
    lazy = isinstance(values, dask.array.Array)
    if not lazy and not numpy.array_equal(changed.astype(values.dtype), values, equal_nan=True):
        raise unsupported(name, f"{values.dtype} out of the range of {changed.dtype}", "use fewer digits")
    return changed, unit


def _recovered(seconds: numpy.ndarray, integers: numpy.ndarray, absent: numpy.ndarray, unit: str) -> bool:
    with numpy.errstate(invalid="ignore", over="ignore"):
        return bool(numpy.array_equal(ticks(seconds, unit)[~absent], integers[~absent]))


def ticks(seconds: Any, unit: str) -> Any:
    """Turn float64 seconds into int64 counts of `unit`."""
    whole = numpy.floor(seconds)
    factor = PER_SECOND[unit]
    return whole.astype("int64") * factor + numpy.rint((seconds - whole) * factor).astype("int64")
