"""Encode columns as values for documents.

Each encoder returns the values with all their axes, the entries of their data key, and the `encoding`: a JSON-able rule
with which `decode` restores the original.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import dask.array
import numpy
import pandas

from .arrow_columns import column_from_arrow, is_arrow_dtype
from .classifier import (
    NUMBERS,
    ValueType,
    check_column,
    check_column_dtype,
    check_text,
    type_of_dtype,
    unsupported,
)
from .encoded_column import DTYPES, Encoded, flatten, nest
from .layout import encode_attribute
from .lazy_columns import with_blocks_as_announced
from .list_columns import array_from_list, holds_times, in_shape, object_column
from .time_columns import encode_times, encode_zoned

_STORED_AS_THEY_ARE = frozenset(
    numpy.dtype(f"<{item}")
    for item in ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16")
)
_NOT_LAZY = frozenset({ValueType.OBJECTS, ValueType.TEXT, ValueType.STRING_DTYPE})


def encode(values: Any, name: str) -> Encoded:
    """Encode a column that is a numpy, dask or pandas array."""
    if type(values) is numpy.ndarray and values.dtype in _STORED_AS_THEY_ARE and values.flags.c_contiguous:
        return Encoded(
            values,
            values.shape,
            DTYPES[values.dtype.kind],
            values.dtype.str,
            {"is": "numpy", "dtype": values.dtype.str},
        )
    if isinstance(values, dask.array.Array):
        return _encode_dask(values, name)
    if isinstance(values, numpy.ndarray) and values.dtype.kind == "O":
        objects = values.ravel().tolist()
        if holds_times(objects):
            values = in_shape(array_from_list(objects, name), values.shape, name)
    return _encode_in_memory(values, name)


def _encode_dask(values: Any, name: str) -> Encoded:
    dtype = values.dtype
    check_column(values, name)
    if type_of_dtype(dtype) in _NOT_LAZY:
        raise unsupported(
            name,
            f"lazy values of dtype {dtype}",
            f"compute them first: table[{name!r}] = table[{name!r}].compute()",
        )
    blocks = getattr(values, "_meta", None)
    if blocks is not None and not isinstance(blocks, numpy.ndarray):
        raise unsupported(
            name,
            f"a lazy array whose blocks are of type {type(blocks).__name__}",
            f"make them numpy arrays, with table[{name!r}].map_blocks",
        )
    if dtype.kind in "mM":
        return encode_times(with_blocks_as_announced(values, name), name)
    check_column_dtype(dtype, name)
    stored = values if dtype == _little_endian(dtype) else values.astype(_little_endian(dtype))
    return Encoded(stored, values.shape, DTYPES[dtype.kind], stored.dtype.str, {"is": "numpy", "dtype": dtype.str})


def _encode_in_memory(values: Any, name: str) -> Encoded:
    if isinstance(values, pandas.api.extensions.ExtensionArray):
        return _encode_extension(values, name)
    if not isinstance(values, numpy.ndarray):
        raise unsupported(name, f"an array of type {type(values).__name__}", "convert it, table = table.as_numpy()")
    if isinstance(values, numpy.ma.MaskedArray):
        return _encode_masked(values, name)
    dtype = values.dtype
    if dtype.kind == "O":
        return _encode_objects(values, name)
    if dtype.kind in "mM":
        return encode_times(values, name)
    check_column(values, name)
    check_column_dtype(dtype, name)
    stored_dtype = _little_endian(dtype)
    if dtype.kind == "U":
        texts = values.tolist()
        check_text("".join(texts if values.ndim == 1 else values.ravel().tolist()), f"column {name!r}")
        return Encoded(texts, values.shape, "string", stored_dtype.str, {"is": "numpy", "dtype": dtype.str})
    stored = numpy.ascontiguousarray(values, dtype=stored_dtype).reshape(values.shape)
    return Encoded(stored, values.shape, DTYPES[dtype.kind], stored_dtype.str, {"is": "numpy", "dtype": dtype.str})


def _little_endian(dtype: numpy.dtype[Any]) -> numpy.dtype[Any]:
    swapped: numpy.dtype[Any] = dtype.newbyteorder("<")
    return swapped


def _encode_objects(values: numpy.ndarray, name: str) -> Encoded:
    flat, value_type, marker = object_column(values.ravel().tolist(), name)
    encoding = {"is": "object", "missing": marker}
    present = [value for value in flat if value is not None]
    if value_type is None or value_type is ValueType.TEXT:
        return Encoded(nest(flat, values.shape), values.shape, "string", _text_dtype(present), encoding)
    array = array_from_list(present, name)
    stored = array.reshape(values.shape) if len(present) == len(flat) else nest(flat, values.shape)
    return Encoded(stored, values.shape, DTYPES[array.dtype.kind], array.dtype.str, encoding)


def _text_dtype(texts: list[str]) -> str:
    return f"<U{max(map(len, texts), default=1) or 1}"


def _encode_masked(values: numpy.ma.MaskedArray, name: str) -> Encoded:
    check_column(values, name)
    mask = numpy.ma.getmaskarray(values)
    present: Any = values.data
    if mask.any():
        present = present.astype(object)
        present[mask] = None
    if values.dtype.kind in "UO":
        return _encode_in_memory(present, name)
    if type_of_dtype(values.dtype) not in NUMBERS:
        raise unsupported(name, f"a masked array of dtype {values.dtype}", "fill it, e.g. with .filled()")
    encoded = _encode_in_memory(values.data, name)
    encoded.encoding["is"] = "masked"
    if mask.any():
        encoded.values = present.tolist()
    return encoded


def dtype_name(dtype: Any) -> str:
    """The name from which pandas makes the same dtype again; for strings, str(dtype) omits the storage."""
    if isinstance(dtype, pandas.StringDtype):
        return f"string[{dtype.storage}]" if dtype.na_value is pandas.NA else "str"
    return str(dtype)


def _encode_extension(values: Any, name: str) -> Encoded:
    dtype = values.dtype
    if isinstance(dtype, pandas.CategoricalDtype):
        return _encode_category(values, name)
    if isinstance(dtype, pandas.StringDtype):
        missing = "NA" if dtype.na_value is pandas.NA else "NaN"
        encoding = {"is": "string", "dtype": dtype_name(dtype), "missing": missing}
        encoded = _encode_objects(values.to_numpy(dtype=object, na_value=None), name)
        encoded.encoding = encoding
        return encoded
    if isinstance(dtype, pandas.DatetimeTZDtype):
        return encode_zoned(values, name)
    if isinstance(dtype, pandas.PeriodDtype):
        return _encode_period(values, name)
    if isinstance(dtype, pandas.IntervalDtype):
        return _encode_interval(values, name)
    if is_arrow_dtype(dtype):
        return _encode_in_memory(column_from_arrow(values, name), name)
    if isinstance(dtype, numpy.dtype) or isinstance(values, pandas.arrays.NumpyExtensionArray):
        return _encode_in_memory(values.to_numpy(), name)
    numpy_dtype: Any = getattr(dtype, "numpy_dtype", None)
    kind = getattr(numpy_dtype, "kind", "O")
    if isinstance(dtype, pandas.SparseDtype) or kind not in "biuf":
        remedy = f"convert it, e.g. table[{name!r}] = table[{name!r}].astype('float64') or .astype(str)"
        if isinstance(dtype, pandas.SparseDtype):
            remedy = f"make it dense: table[{name!r}] = pandas.Series(table[{name!r}]).sparse.to_dense()"
        elif hasattr(values, "quantity"):
            remedy = "keep it as a column, with its units"
        raise unsupported(name, f"the pandas dtype {dtype}", remedy)
    stored: Any
    if values.isna().any():
        stored = values.to_numpy(dtype=object, na_value=None).tolist()
    else:
        stored = values.to_numpy(dtype=numpy_dtype)
    encoding = {"is": "extension", "dtype": str(dtype)}
    return Encoded(stored, (len(values),), DTYPES[kind], _little_endian(numpy_dtype).str, encoding)


def _encode_period(values: Any, name: str) -> Encoded:
    flat = [None if value is pandas.NaT else str(value) for value in values]
    if not (pandas.array(flat, dtype=values.dtype).asi8 == values.asi8).all():
        raise unsupported(name, f"the pandas dtype {values.dtype}", f"convert it: table[{name!r}].dt.to_timestamp()")
    dtype_numpy = _text_dtype([text for text in flat if text])
    return Encoded(flat, (len(flat),), "string", dtype_numpy, {"is": "period", "dtype": str(values.dtype)})


def _encode_interval(values: Any, name: str) -> Encoded:
    """Encode intervals as pairs of bounds."""
    bounds = _in_pairs(_encode_in_memory(values.left.append(values.right).array, name))
    if "zone" in bounds.encoding:
        raise unsupported(name, f"the pandas dtype {values.dtype}", "convert its bounds to UTC without a zone")
    if bounds.exact is not None:
        bounds.exact = _in_pairs(bounds.exact)
    bounds.encoding = {"is": "interval", "closed": values.closed, "bounds": bounds.encoding}
    return bounds


def _in_pairs(bounds: Encoded) -> Encoded:
    """Lower bounds, and upper bounds after them, as one pair for each interval."""
    length = bounds.shape[0] // 2
    lower, upper = bounds.values[:length], bounds.values[length:]
    if isinstance(lower, list):
        pairs: Any = list(map(list, zip(lower, upper, strict=True)))
    else:
        pairs = numpy.stack([lower, upper], axis=-1)
    return replace(bounds, values=pairs, shape=(length, 2), extra_dims=("bound",))


def _encode_category(values: Any, name: str) -> Encoded:
    """Encode categories by their labels; the layout holds the categories themselves."""
    categories = _encode_in_memory(values.categories.array, name)
    labels = flatten(categories.values, 1)
    encoding = {
        "is": "category",
        "dtype": dtype_name(values.categories.dtype),
        "ordered": bool(values.ordered),
        "categories": _json_column(categories, f"the categories of column {name!r}"),
    }
    themselves = categories.encoding["is"] in ("numpy", "object", "string")
    if not themselves:
        labels = encoding["labels"] = [str(value) for value in values.categories]
    if len(set(labels)) < len(labels):
        raise unsupported(name, "categories that look the same as text", "rename one of them")
    flat = [None if code < 0 else labels[code] for code in values.codes.tolist()]
    if not themselves or categories.dtype == "string":
        return Encoded(flat, (len(flat),), "string", _text_dtype(labels), encoding)
    stored = flat if None in flat else numpy.asarray(flat, dtype=categories.dtype_numpy)
    return Encoded(stored, (len(flat),), categories.dtype, categories.dtype_numpy, encoding)


def _json_column(encoded: Encoded, where: str) -> dict[str, Any]:
    """A column as JSON values, for the layout's text."""
    columns = {"values": encoded.values, **({} if encoded.exact is None else {"exact": encoded.exact.values})}
    nested = {key: values.tolist() if isinstance(values, numpy.ndarray) else values for key, values in columns.items()}
    return {"encoding": encoded.encoding, **{key: encode_attribute(values, where) for key, values in nested.items()}}
