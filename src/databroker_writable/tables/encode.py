"""Columns as the values that documents hold.

Each encoder returns the values with all their axes, what a data key says of them, and the `encoding`: the
JSON-able rule by which `decode` gives the original back.
"""

from __future__ import annotations

from typing import Any

import dask.array
import numpy
import pandas

from .classifier import ValueType, type_of_dtype
from .encode_arrays import as_it_is, encode_array
from .encode_pandas import encode_extension
from .encode_times import encode_times
from .encoded import DTYPES, Encoded, little_endian
from .list_columns import array_from_list, holds_times, in_shape
from .refusals import check_column_dtype, check_whole, unsupported


def encode(values: Any, name: str) -> Encoded:
    """Encode a column, given as a numpy, dask or pandas array."""
    if isinstance(values, dask.array.Array):
        return _encode_dask(values, name)
    if isinstance(values, numpy.ndarray) and values.dtype.kind == "O":
        objects = values.ravel().tolist()
        if holds_times(objects):
            values = in_shape(array_from_list(objects, name), values.shape, name)
    if isinstance(values, pandas.api.extensions.ExtensionArray):
        return encode_extension(values, name)
    return encode_array(values, name)


_NOT_LAZY = frozenset({ValueType.OBJECTS, ValueType.TEXT, ValueType.STRING_DTYPE})


def _encode_dask(values: Any, name: str) -> Encoded:
    dtype = values.dtype
    check_whole(values, name)
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
        return encode_times(values, name)
    check_column_dtype(dtype, name)
    stored = values if dtype == little_endian(dtype) else values.astype(little_endian(dtype))
    return Encoded(stored, values.shape, DTYPES[dtype.kind], little_endian(dtype).str, as_it_is(values))
