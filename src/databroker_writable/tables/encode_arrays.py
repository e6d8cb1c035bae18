"""Columns that are numpy arrays as the values that documents hold."""

from __future__ import annotations

from typing import Any

import numpy

from .classifier import ValueType, type_of_dtype
from .encode_times import encode_times
from .encoded import DTYPES, Encoded, little_endian
from .list_columns import array_from_list, object_column
from .names import check_text
from .nesting import nest
from .refusals import check_column_dtype, check_whole, unsupported

_STORED_AS_THEY_ARE = {
    dtype: (DTYPES[dtype.kind], dtype.str)
    for dtype in map(numpy.dtype, ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"))
    if dtype == little_endian(dtype)
}


def encode_array(values: Any, name: str) -> Encoded:
    """Encode a numpy array; datetimes in an array of objects are made one of datetimes before."""
    if type(values) is numpy.ndarray and values.dtype in _STORED_AS_THEY_ARE and values.flags.c_contiguous:
        dtype, dtype_numpy = _STORED_AS_THEY_ARE[values.dtype]
        return Encoded(values, values.shape, dtype, dtype_numpy, {"is": "numpy", "dtype": dtype_numpy})
    if not isinstance(values, numpy.ndarray):
        raise unsupported(name, f"an array of type {type(values).__name__}", "convert it with numpy.asarray")
    if isinstance(values, numpy.ma.MaskedArray):
        return _encode_masked(values, name)
    kind = values.dtype.kind
    if kind == "O":
        return encode_objects(values, name)
    if kind in "mM":
        return encode_times(values, name)
    check_whole(values, name)
    check_column_dtype(values.dtype, name)
    if kind == "U":
        texts = values.tolist()
        check_text(values.ravel().tolist() if values.ndim != 1 else texts, f"column {name!r}")
        return Encoded(texts, values.shape, "string", little_endian(values.dtype).str, as_it_is(values))
    stored = numpy.ascontiguousarray(values, dtype=little_endian(values.dtype)).reshape(values.shape)
    return Encoded(stored, values.shape, DTYPES[kind], stored.dtype.str, as_it_is(values))


def as_it_is(values: Any) -> dict[str, Any]:
    """The encoding of an array that documents hold as it is."""
    return {"is": "numpy", "dtype": values.dtype.str}


def encode_objects(values: numpy.ndarray, name: str) -> Encoded:
    flat, value_type, marker = object_column(values.ravel().tolist(), name)
    encoding = {"is": "object", "missing": marker}
    present = [value for value in flat if value is not None]
    if value_type is None or value_type is ValueType.TEXT:
        width = max(map(len, present), default=1) or 1
        return Encoded(nest(flat, values.shape), values.shape, "string", f"<U{width}", encoding)
    array = array_from_list(present, name)
    stored = array.reshape(values.shape) if len(present) == len(flat) else nest(flat, values.shape)
    return Encoded(stored, values.shape, DTYPES[array.dtype.kind], array.dtype.str, encoding)


_MASKABLE = frozenset({ValueType.BOOL, ValueType.INT, ValueType.FLOAT, ValueType.COMPLEX})


def _encode_masked(values: numpy.ma.MaskedArray, name: str) -> Encoded:
    check_whole(values, name)
    if type_of_dtype(values.dtype) not in _MASKABLE:
        raise unsupported(name, f"a masked array of dtype {values.dtype}", "fill it, e.g. with .filled()")
    whole = encode_array(values.data, name)
    encoding = {**whole.encoding, "is": "masked"}
    mask = numpy.ma.getmaskarray(values)
    if not mask.any():
        return Encoded(whole.values, whole.shape, whole.dtype, whole.dtype_numpy, encoding)
    objects = values.data.astype(object)
    objects[mask] = None
    return Encoded(objects.tolist(), whole.shape, whole.dtype, whole.dtype_numpy, encoding)
