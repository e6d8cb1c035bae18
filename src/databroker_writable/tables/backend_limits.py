"""What each backend can hold: which integers, which types, how many bytes at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy

INT64 = (-(2**63), 2**63 - 1)
INT64_OR_UINT64 = (-(2**63), 2**64 - 1)
NUMBERS_OR_NONE = frozenset({int, float, bool, type(None)})


def raw_size(value: Any) -> int:
    """The bytes of a value where arrays are kept as arrays, as in msgpack."""
    if isinstance(value, numpy.ndarray):
        return value.nbytes + 64
    if isinstance(value, str | bytes):
        return 4 * len(value) + 5
    if isinstance(value, list | tuple):
        types = set(map(type, value))
        if types <= NUMBERS_OR_NONE:
            return 5 + 9 * len(value)
        if types <= {str, type(None)}:
            return 5 + 5 * len(value) + 4 * sum(map(len, filter(None, value)))
        return 5 + sum(map(raw_size, value))
    if isinstance(value, Mapping):
        return 5 + sum(raw_size(key) + raw_size(item) for key, item in value.items())
    return 64


@dataclass(frozen=True)
class Limits:
    """What a backend can hold."""

    backend: str  # its name in messages
    integers: tuple[int, int] = INT64_OR_UINT64  # the smallest and the largest
    binary: bool = False  # whether bytes survive
    complex_numbers: bool = False  # whether these survive
    numpy_metadata: bool = False  # whether numpy's arrays and scalars are passed on, outside Events too
    mongo_keys: bool = False  # whether all rules of MongoDB for keys hold: no leading $, no dot, no NUL
    nul_in_keys: bool = True  # whether keys may hold NUL, with which a key ends in BSON
    stream_documents: bool = False  # whether it keeps stream_resources and stream_datums
    event_bytes: int | None = None  # of the largest Event, as `size_of` counts
    page_bytes: int | None = None  # of the largest event page
    size_of: Callable[[Any], int] = raw_size  # an upper limit for the bytes of a value, without encoding it


ANY_BACKEND = Limits("any backend", binary=True, complex_numbers=True, stream_documents=True)


def bson_size(value: Any) -> int:
    """The bytes of a value in BSON.

    BSON keeps an array as a document whose keys are the positions in decimal (https://bsonspec.org/spec.html):
    for each element its type, the key and a NUL, then 8 bytes for a number.
    """
    if isinstance(value, numpy.ndarray):
        if value.dtype.kind not in "biuf":
            return bson_size(value.tolist())
        rows = value.size // value.shape[-1] if value.ndim and value.size else 0
        width = 10 + len(str(max(value.shape, default=1)))
        return value.size * width + rows * value.ndim * (width + 5) + 16
    if isinstance(value, str | bytes):
        return 4 * len(value) + 6 if isinstance(value, str) and not value.isascii() else len(value) + 6
    if isinstance(value, list | tuple):
        width = 2 + len(str(len(value)))
        if NUMBERS_OR_NONE.issuperset(map(type, value)):
            return 5 + len(value) * (width + 8)
        return 5 + len(value) * width + sum(map(bson_size, value))
    if isinstance(value, Mapping):
        return 5 + sum(len(str(key)) + 6 + bson_size(item) for key, item in value.items())
    return 8
