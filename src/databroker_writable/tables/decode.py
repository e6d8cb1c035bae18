"""The original columns from the values that documents hold: the inverse of `encode`."""

from __future__ import annotations

from typing import Any

import dask.array
import numpy
import pandas

from .attributes import decode_attribute
from .encode_times import ticks
from .nesting import flatten, object_array
from .time_columns import in_zone

MARKERS = {"None": None, "NA": pandas.NA, "NaN": float("nan"), "NaT": pandas.NaT}


def decode(encoding: dict[str, Any], values: Any, shape: tuple[int, ...], exact: Any = None) -> Any:
    """Give the column back.

    Parameters
    ----------
    encoding : dict
        The rule that `encode` recorded.
    values : array or nested list
        As the documents hold them; lists where the backend has no arrays.
    shape : tuple of int
        The shape of the stored values.
    exact : array or nested list, optional
        The exact integers of datetimes, where they were stored beside the seconds.

    Returns
    -------
    numpy, dask or pandas array
    """
    kind = encoding["is"]
    if kind == "numpy":
        return _numeric(values, shape, encoding["dtype"])
    if kind == "masked":
        return _masked(values, shape, encoding["dtype"])
    if kind in ("datetime", "timedelta"):
        return _times(encoding, values, shape, exact)
    if kind == "interval":
        bounds = decode(encoding["bounds"], values, shape, exact)
        return pandas.arrays.IntervalArray.from_arrays(
            numpy.ascontiguousarray(bounds[..., 0]),
            numpy.ascontiguousarray(bounds[..., 1]),
            closed=encoding["closed"],
        )
    if kind in ("object", "string"):
        marker = MARKERS[encoding["missing"]]
        flat = [marker if value is None else value for value in flatten(values, len(shape))]
        return object_array(flat).reshape(shape)
    flat = flatten(values, 1)
    if kind == "extension":
        return _extension(flat, encoding["dtype"])
    if kind == "period":
        return pandas.array(flat, dtype=encoding["dtype"])
    if kind == "category":
        return _category(flat, encoding)
    raise ValueError(f"unknown encoding {kind!r}")


def decode_plain(plain: dict[str, Any]) -> Any:
    """Decode a one-dimensional column that the layout's text holds."""
    values = decode_attribute(plain["values"])
    exact = decode_attribute(plain["exact"]) if "exact" in plain else None
    shape = numpy.shape(values) if plain["encoding"]["is"] == "interval" else (len(values),)
    if plain["encoding"]["is"] == "interval" and not values:
        shape = (0, 2)
    return decode(plain["encoding"], values, shape, exact)


def _numeric(values: Any, shape: tuple[int, ...], dtype: str) -> Any:
    wanted = numpy.dtype(dtype)
    if isinstance(values, dask.array.Array):
        return values if values.dtype == wanted else values.astype(wanted)
    if wanted.kind == "U":
        # A later table of the stream may hold longer strings than the first.
        array = numpy.asarray(values, dtype=str)
        width = max(array.dtype.itemsize, wanted.itemsize) // 4
        return array.astype(f"{wanted.str[0]}U{width}").reshape(shape)
    return numpy.asarray(values, dtype=wanted).reshape(shape)


def _masked(values: Any, shape: tuple[int, ...], dtype: str) -> Any:
    if isinstance(values, numpy.ndarray) and values.dtype.kind != "O":
        return _numeric(values, shape, dtype)
    flat = flatten(values, len(shape))
    if None not in flat or numpy.dtype(dtype).kind in "fc":
        flat = [numpy.nan if value is None else value for value in flat]
        return _numeric(flat, shape, dtype)
    return object_array(flat).reshape(shape)


def _times(encoding: dict[str, Any], values: Any, shape: tuple[int, ...], exact: Any) -> Any:
    dtype = encoding["dtype"]
    unit = numpy.datetime_data(numpy.dtype(dtype))[0]
    if exact is None:
        integers = _ticks(values, shape, unit)
    elif isinstance(exact, numpy.ndarray | dask.array.Array) and exact.dtype.kind != "O":
        integers = exact.astype("int64")
    else:
        absent = numpy.iinfo("int64").min
        flat = [absent if value is None else value for value in flatten(exact, len(shape))]
        integers = numpy.asarray(flat, dtype="int64").reshape(shape)
    times = integers.astype(dtype)
    if "zone" not in encoding:
        return times
    return in_zone(times, encoding["zone"])


def _ticks(values: Any, shape: tuple[int, ...], unit: str) -> Any:
    absent = numpy.iinfo("int64").min
    if isinstance(values, dask.array.Array):
        return dask.array.where(dask.array.isnan(values), absent, ticks(dask.array.nan_to_num(values), unit))
    seconds = numpy.asarray(values, dtype="float64").reshape(shape)
    missing = numpy.isnan(seconds)
    return numpy.where(missing, absent, ticks(numpy.where(missing, 0, seconds), unit))


def _extension(flat: list[Any], name: str) -> Any:
    dtype: Any = pandas.api.types.pandas_dtype(name)
    if isinstance(dtype, pandas.ArrowDtype):
        import pyarrow  # only Arrow's columns need it

        return dtype.construct_array_type()(pyarrow.array(flat, dtype.pyarrow_dtype))
    # Not pandas.array: it takes NaN for a missing value.
    absent = numpy.asarray([value is None for value in flat], dtype=bool)
    plain: list[Any] = [0 if value is None else value for value in flat]
    return dtype.construct_array_type()(numpy.asarray(plain, dtype=dtype.numpy_dtype), absent)


def _category(flat: list[Any], encoding: dict[str, Any]) -> Any:
    categories = pandas.Index(decode_plain(encoding["categories"]), dtype=encoding["dtype"])
    labels = encoding.get("labels") or decode_attribute(encoding["categories"]["values"])
    position = {label: code for code, label in enumerate(labels)}
    codes = [-1 if value is None else position[value] for value in flat]
    return pandas.Categorical.from_codes(codes, categories, ordered=encoding["ordered"])
