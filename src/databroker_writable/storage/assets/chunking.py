"""Which arrays can be stored, and how they are cut: in the file, and for dask."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy

from ...errors import InvalidTableError

FILE_CHUNK = 2**20
DASK_CHUNK = 2**24
# A column that grows by small pages is not cut smaller than this.
_SMALLEST_CHUNK = 2**14
_HIGHEST_RANK = 32


def check_storable(key: str, dtype: numpy.dtype, ndim: int) -> None:
    """Refuse what HDF5 cannot hold exactly, or not along a leading axis."""
    if dtype.kind in "USOT":
        raise InvalidTableError(
            f"column {key!r} holds text or objects ({dtype}), which arrays in HDF5 cannot; keep strings "
            f"inline, or make it numeric, e.g. table[{key!r}] = table[{key!r}].astype(float)"
        )
    if dtype.kind in "Mm":
        raise InvalidTableError(
            f"column {key!r} holds times ({dtype}), which HDF5 has no type for; "
            f"store seconds as float64, or the integers of table[{key!r}].astype('int64')"
        )
    if dtype.kind not in "biufc":
        raise InvalidTableError(
            f"column {key!r} is of type {dtype}, which cannot be stored; make one plain column of each field"
        )
    if dtype.kind in "fc" and dtype.itemsize > (16 if dtype.kind == "c" else 8):
        plain = "complex128" if dtype.kind == "c" else "float64"
        raise InvalidTableError(
            f"column {key!r} is of type {dtype}, whose bytes differ between machines; "
            f"make it {plain}, e.g. table[{key!r}].astype('{plain}')"
        )
    if ndim == 0:
        raise InvalidTableError(
            f"column {key!r} is a single number without a leading axis; keep it inline, or make it an array "
            f"of one, e.g. numpy.atleast_1d(table[{key!r}])"
        )
    if ndim > _HIGHEST_RANK:
        raise InvalidTableError(f"column {key!r} has {ndim} axes, and HDF5 takes {_HIGHEST_RANK}; reshape it to fewer")


def file_chunks(block: Sequence[int], itemsize: int) -> tuple[int, ...]:
    """Shape of a chunk in the file, about 1 MiB, that divides blocks of the given shape where that is sensible.

    Whole frames along the leading axis; a frame above 1 MiB is cut along its slowest axes.
    """
    trailing = [max(1, n) for n in block[1:]]
    for axis, extent in enumerate(trailing):
        size = itemsize * math.prod(trailing)
        if size <= FILE_CHUNK:
            break
        trailing[axis] = _part(extent, math.ceil(size / FILE_CHUNK))
    frame = itemsize * math.prod(trailing)
    rows = max(1, FILE_CHUNK // frame)
    if block[0] < rows:
        return max(block[0], min(rows, _SMALLEST_CHUNK // frame), 1), *trailing
    return _divisor(block[0], rows), *trailing


def _part(extent: int, pieces: int) -> int:
    """Length of the pieces of an axis cut into at least `pieces`, all equal where that takes few more."""
    if pieces >= extent:
        return 1
    for n in range(pieces, min(extent, 2 * pieces) + 1):
        if extent % n == 0:
            return extent // n
    return math.ceil(extent / pieces)


def _divisor(extent: int, limit: int) -> int:
    """The largest divisor of `extent` up to `limit`, or `limit` where that is far smaller."""
    for n in range(limit, max(1, limit // 4) - 1, -1):
        if extent % n == 0:
            return n
    return limit


def dask_block(shape: Sequence[int], chunks: Sequence[int], itemsize: int) -> tuple[int, ...]:
    """Shape of a dask block, about 16 MiB, made of whole chunks of the file."""
    block = [min(c, n) for c, n in zip(chunks, shape, strict=True)]
    for axis in reversed(range(len(block))):
        fits = DASK_CHUNK // max(1, itemsize * math.prod(block))
        block[axis] = min(shape[axis], block[axis] * max(1, fits))
    return tuple(max(1, n) for n in block)


def cut(start: int, stop: int, step: int) -> tuple[int, ...]:
    """Lengths of the pieces of [start, stop) cut at the multiples of `step`."""
    if start == stop:
        return (0,)
    edges = [start, *range((start // step + 1) * step, stop, step), stop]
    return tuple(b - a for a, b in itertools.pairwise(edges))
