"""Columns of pandas' own types as the values that documents hold."""

from __future__ import annotations

from typing import Any

import numpy
import pandas

from .arrow_columns import column_from_arrow, is_arrow_dtype
from .encode_arrays import encode_array, encode_objects
from .encode_times import encode_times
from .encoded import DTYPES, Encoded, json_column, little_endian
from .nesting import flatten
from .pandas_types import dtype_name, index_values
from .refusals import unsupported
from .time_columns import unnamed_zone, zone_name


def encode_extension(values: Any, name: str) -> Encoded:
    dtype = values.dtype
    if isinstance(values, pandas.arrays.NumpyExtensionArray):
        return encode_array(values.to_numpy(), name)
    if isinstance(dtype, pandas.CategoricalDtype):
        return _encode_category(values, name)
    if isinstance(dtype, pandas.StringDtype):
        return _encode_strings(values, name)
    if isinstance(dtype, pandas.DatetimeTZDtype):
        return _encode_zoned(values, name)
    if isinstance(values, pandas.arrays.DatetimeArray | pandas.arrays.TimedeltaArray):
        return encode_times(values.to_numpy(), name)
    if isinstance(dtype, pandas.PeriodDtype):
        return _encode_period(values, name)
    if isinstance(dtype, pandas.IntervalDtype):
        return _encode_interval(values, name)
    if is_arrow_dtype(dtype):
        return _encode_parts(column_from_arrow(values, name), name)
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
    return Encoded(stored, (len(values),), DTYPES[kind], little_endian(numpy_dtype).str, encoding)


def _encode_parts(values: Any, name: str) -> Encoded:
    """Encode what columns of pandas are made of: its own arrays or numpy's."""
    is_extension = isinstance(values, pandas.api.extensions.ExtensionArray)
    return encode_extension(values, name) if is_extension else encode_array(values, name)


def _encode_strings(values: Any, name: str) -> Encoded:
    dtype = values.dtype
    missing = "NA" if dtype.na_value is pandas.NA else "NaN"
    inner = encode_objects(values.to_numpy(dtype=object, na_value=None), name)
    encoding = {"is": "string", "dtype": dtype_name(dtype), "missing": missing}
    return Encoded(inner.values, inner.shape, inner.dtype, inner.dtype_numpy, encoding)


def _encode_zoned(values: Any, name: str) -> Encoded:
    zone = zone_name(values.dtype.tz)
    if zone is None:
        raise unnamed_zone(name, values.dtype.tz, f"table[{name!r}] = table[{name!r}].dt.tz_convert('UTC')")
    inner = encode_times(values.tz_convert("UTC").tz_localize(None).to_numpy(), name)
    return Encoded(
        inner.values,
        inner.shape,
        inner.dtype,
        inner.dtype_numpy,
        {**inner.encoding, "zone": zone},
        inner.units,
        inner.exact,
    )


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
    inner = encode_array(numpy.stack([left.to_numpy(), right.to_numpy()], axis=-1), name)
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
    inner = _encode_parts(categories, name)
    labels = flatten(inner.values, 1)
    encoding = {
        "is": "category",
        "dtype": dtype_name(values.categories.dtype),
        "ordered": bool(values.ordered),
        "categories": json_column(inner, f"the categories of column {name!r}"),
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
