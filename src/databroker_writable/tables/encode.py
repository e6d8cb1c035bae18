"""Columns as the values that documents hold.

Each encoder returns the values with all their axes, what a data key says of them, and the `encoding`: the
JSON-able rule by which `decode` gives the original back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import dask.array
import numpy
import pandas

from ..errors import InvalidTableError
from .attributes import encode_attribute
from .kinds import (
    array_from_list,
    check_resolution,
    flatten,
    holds_datetimes,
    in_shape,
    nest,
    object_column,
    unsupported,
)
from .names import check_text

EPOCH = "1970-01-01T00:00:00Z"
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
LONG_UNIT = {"ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
DTYPES = {"b": "boolean", "i": "integer", "u": "integer", "f": "number", "c": "number", "U": "string"}


@dataclass(frozen=True)
class Encoded:
    """The stored form of one column."""

    values: Any  # numpy array, nested list or dask array
    shape: tuple[int, ...]
    dtype: str  # event-model's name of the type of one value
    dtype_numpy: str
    encoding: dict
    units: str | None = None
    exact: Encoded | None = None  # exact integers, where float64 seconds may lose some digits
    extra_dims: tuple[str, ...] = ()  # dims of the stored values that the column does not have


def encode(values: Any, name: str) -> Encoded:
    """Encode a column, given as a numpy, dask or pandas array."""
    if isinstance(values, dask.array.Array):
        return _encode_dask(values, name)
    if isinstance(values, pandas.api.extensions.ExtensionArray):
        return _encode_extension(values, name)
    if isinstance(values, numpy.ma.MaskedArray):
        return _encode_masked(values, name)
    if not isinstance(values, numpy.ndarray):
        raise unsupported(name, f"an array of type {type(values).__name__}", "convert it with numpy.asarray")
    if values.dtype.kind == "O":
        return _encode_objects(values, name)
    if values.dtype.kind in "mM":
        return _encode_times(values, name)
    check_dtype(values.dtype, name)
    if values.dtype.kind == "U":
        check_text(values.ravel().tolist(), f"column {name!r}")
        return Encoded(values.tolist(), values.shape, "string", native(values.dtype).str, _as_is(values))
    stored = numpy.ascontiguousarray(values, dtype=native(values.dtype)).reshape(values.shape)
    return Encoded(stored, values.shape, DTYPES[values.dtype.kind], stored.dtype.str, _as_is(values))


def native(dtype: numpy.dtype) -> numpy.dtype:
    return dtype.newbyteorder("<")


def _as_is(values: Any) -> dict:
    return {"is": "numpy", "dtype": values.dtype.str}


def check_dtype(dtype: numpy.dtype, name: str) -> None:
    """Refuse dtypes that the documents cannot hold."""
    remedies = {
        "S": ("bytes", "decode them, e.g. numpy.char.decode(values, 'utf-8')"),
        "V": ("structured or void values", "give each field a column of its own"),
        "T": ("strings of numpy's StringDType", "convert them with .astype(str)"),
    }
    if dtype.kind in remedies:
        what, remedy = remedies[dtype.kind]
        raise unsupported(name, f"{what} ({dtype})", remedy)
    if dtype.char in "gG":
        raise unsupported(name, f"values of dtype {dtype}", "convert them, e.g. with .astype('float64')")
    if dtype.kind not in "biufcUmM":
        raise unsupported(name, f"values of dtype {dtype}", "convert them to numbers or strings")


def _encode_dask(values: Any, name: str) -> Encoded:
    dtype = values.dtype
    if dtype.kind in "OUT":
        raise unsupported(
            name,
            f"lazy values of dtype {dtype}",
            f"compute them first: table[{name!r}] = table[{name!r}].compute()",
        )
    if dtype.kind in "mM":
        return _encode_times(values, name)
    check_dtype(dtype, name)
    stored = values if dtype == native(dtype) else values.astype(native(dtype))
    return Encoded(stored, values.shape, DTYPES[dtype.kind], native(dtype).str, _as_is(values))


def _encode_objects(values: numpy.ndarray, name: str) -> Encoded:
    objects = values.ravel().tolist()
    if holds_datetimes(objects):
        return encode(in_shape(array_from_list(objects, name), values.shape, name), name)
    flat, kind, marker = object_column(objects, name)
    encoding = {"is": "object", "missing": marker}
    present = [value for value in flat if value is not None]
    if kind in ("str", "missing"):
        width = max(map(len, present), default=1) or 1
        return Encoded(nest(flat, values.shape), values.shape, "string", f"<U{width}", encoding)
    array = array_from_list(present, name)
    stored = array.reshape(values.shape) if len(present) == len(flat) else nest(flat, values.shape)
    return Encoded(stored, values.shape, DTYPES[array.dtype.kind], array.dtype.str, encoding)


def _encode_masked(values: numpy.ma.MaskedArray, name: str) -> Encoded:
    if values.dtype.kind not in "biufc":
        raise unsupported(name, f"a masked array of dtype {values.dtype}", "fill it, e.g. with .filled()")
    plain = encode(values.data, name)
    encoding = {**plain.encoding, "is": "masked"}
    mask = numpy.ma.getmaskarray(values)
    if not mask.any():
        return Encoded(plain.values, plain.shape, plain.dtype, plain.dtype_numpy, encoding)
    objects = values.data.astype(object)
    objects[mask] = None
    return Encoded(objects.tolist(), plain.shape, plain.dtype, plain.dtype_numpy, encoding)


def _encode_times(values: Any, name: str) -> Encoded:
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
        stored: Any = integers
        if not lazy and absent.any():
            stored = integers.astype(object)
            stored[absent] = None
            stored = stored.tolist()
        long = LONG_UNIT.get(unit, "seconds")
        units = f"{long} since {EPOCH}" if kind == "M" else unit
        exact = Encoded(stored, values.shape, "integer", "<i8", {}, units)
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


def _encode_extension(values: Any, name: str) -> Encoded:
    dtype = values.dtype
    if isinstance(values, pandas.arrays.NumpyExtensionArray):
        return encode(values.to_numpy(), name)
    if isinstance(dtype, pandas.CategoricalDtype):
        return _encode_category(values, name)
    if isinstance(dtype, pandas.StringDtype):
        return _encode_strings(values, name)
    if isinstance(dtype, pandas.DatetimeTZDtype):
        return _encode_zoned(values, name)
    if isinstance(values, pandas.arrays.DatetimeArray | pandas.arrays.TimedeltaArray):
        return _encode_times(values.to_numpy(), name)
    if isinstance(dtype, pandas.PeriodDtype):
        return _encode_period(values, name)
    if isinstance(dtype, pandas.IntervalDtype):
        return _encode_interval(values, name)
    numpy_dtype: Any = getattr(dtype, "numpy_dtype", None)
    kind = getattr(numpy_dtype, "kind", "O")
    if isinstance(dtype, pandas.SparseDtype) or kind not in "biuf":
        remedy = f"convert it, e.g. table[{name!r}] = table[{name!r}].astype('float64') or .astype(str)"
        raise unsupported(name, f"the pandas dtype {dtype}", remedy)
    stored: Any
    if values.isna().any():
        stored = values.to_numpy(dtype=object, na_value=None).tolist()
    else:
        stored = values.to_numpy(dtype=numpy_dtype)
    encoding = {"is": "extension", "dtype": str(dtype)}
    return Encoded(stored, (len(values),), DTYPES[kind], native(numpy_dtype).str, encoding)


def _encode_strings(values: Any, name: str) -> Encoded:
    dtype = values.dtype
    missing = "NA" if dtype.na_value is pandas.NA else "NaN"
    inner = _encode_objects(values.to_numpy(dtype=object, na_value=None), name)
    encoding = {"is": "string", "dtype": dtype_name(dtype), "missing": missing}
    return Encoded(inner.values, inner.shape, inner.dtype, inner.dtype_numpy, encoding)


def _encode_zoned(values: Any, name: str) -> Encoded:
    zone = str(values.dtype.tz)
    try:
        # Not by name alone: a fixed offset may be called "CET".
        known = pandas.DatetimeTZDtype(values.dtype.unit, zone) == values.dtype
    except Exception as error:
        # pandas raises what zoneinfo, pytz or dateutil raise for a zone without a name.
        raise _unnamed_zone(name, zone) from error
    if not known:
        raise _unnamed_zone(name, zone)
    inner = _encode_times(values.tz_convert("UTC").tz_localize(None).to_numpy(), name)
    return Encoded(
        inner.values,
        inner.shape,
        inner.dtype,
        inner.dtype_numpy,
        {**inner.encoding, "zone": zone},
        inner.units,
        inner.exact,
    )


def _unnamed_zone(name: str, zone: str) -> InvalidTableError:
    remedy = f"name a zone, e.g. table[{name!r}] = table[{name!r}].dt.tz_convert('UTC')"
    return unsupported(name, f"datetimes in a zone without a standard name ({zone})", remedy)


def _encode_period(values: Any, name: str) -> Encoded:
    flat = [None if value is pandas.NaT else str(value) for value in values]
    if not (pandas.array(flat, dtype=values.dtype).asi8 == values.asi8).all():
        raise unsupported(name, f"the pandas dtype {values.dtype}", f"convert it: table[{name!r}].dt.to_timestamp()")
    width = max((len(text) for text in flat if text), default=1)
    return Encoded(flat, (len(flat),), "string", f"<U{width}", {"is": "period", "dtype": str(values.dtype)})


def _encode_interval(values: Any, name: str) -> Encoded:
    """Encode intervals as pairs of bounds."""
    left, right = values.left, values.right
    if getattr(left.dtype, "tz", None) is not None:
        raise unsupported(name, f"the pandas dtype {values.dtype}", "convert its bounds to UTC without a zone")
    inner = encode(numpy.stack([left.to_numpy(), right.to_numpy()], axis=-1), name)
    encoding = {"is": "interval", "closed": values.closed, "bounds": inner.encoding}
    return Encoded(
        inner.values,
        inner.shape,
        inner.dtype,
        inner.dtype_numpy,
        encoding,
        inner.units,
        inner.exact,
        extra_dims=("bound",),
    )


def _encode_category(values: Any, name: str) -> Encoded:
    """Encode categories by their labels; the layout holds the categories themselves."""
    categories = index_values(values.categories)
    inner = encode(categories, name)
    labels = flatten(inner.values, 1)
    encoding = {
        "is": "category",
        "dtype": dtype_name(values.categories.dtype),
        "ordered": bool(values.ordered),
        "categories": encode_plainly(inner, f"the categories of column {name!r}"),
    }
    themselves = inner.encoding["is"] in ("numpy", "object", "string")
    if not themselves:
        labels = encoding["labels"] = [str(value) for value in categories]
    if len(set(labels)) < len(labels):
        raise unsupported(name, "categories that read alike as text", "rename them apart")
    flat = [None if code < 0 else labels[code] for code in values.codes.tolist()]
    if not themselves or inner.dtype == "string":
        width = max(map(len, labels), default=1) or 1
        return Encoded(flat, (len(flat),), "string", f"<U{width}", encoding)
    stored = flat if None in flat else numpy.asarray(flat, dtype=inner.dtype_numpy)
    return Encoded(stored, (len(flat),), inner.dtype, inner.dtype_numpy, encoding)


def dtype_name(dtype: Any) -> str:
    """The name from which pandas makes the same dtype again; that of strings does not tell their storage."""
    if isinstance(dtype, pandas.StringDtype):
        return f"string[{dtype.storage}]" if dtype.na_value is pandas.NA else "str"
    return str(dtype)


def index_values(index: pandas.Index) -> Any:
    """The values of an index as an array that `encode` takes, without loss of dtype."""
    values = index.array
    return values.to_numpy() if isinstance(values, pandas.arrays.NumpyExtensionArray) else values


def encode_plainly(encoded: Encoded, where: str) -> dict:
    """A column as plain JSON values, for the layout's text."""
    plain: dict[str, Any] = {"encoding": encoded.encoding, "values": plain_values(encoded.values, where)}
    if encoded.exact is not None:
        plain["exact"] = plain_values(encoded.exact.values, where)
    return plain


def plain_values(values: Any, where: str) -> Any:
    nested = values.tolist() if isinstance(values, numpy.ndarray) else values
    return encode_attribute(nested, where)
