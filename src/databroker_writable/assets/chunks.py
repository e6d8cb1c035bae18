"""Write whole chunks of a dataset with their checksums, some times faster than HDF5's own filter does."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy

if TYPE_CHECKING:
    import h5py

# Words of 16 bits that are added up column by column.
_COLUMNS = 1024
_CHECKSUM = numpy.dtype("<u4")


class ChunkWriter:
    """Writes the chunks of a dataset that has the fletcher32 filter and no other.

    Parameters
    ----------
    dataset : h5py.Dataset
        Chunked, with checksums.
    """

    def __init__(self, dataset: h5py.Dataset) -> None:
        self._dataset = dataset
        self._shape = dataset.chunks
        size = dataset.dtype.itemsize * math.prod(self._shape)
        self._bytes = numpy.zeros(size + _CHECKSUM.itemsize, "u1")
        self._data = self._bytes[:size]
        self._values = self._data.view(dataset.dtype).reshape(self._shape)
        self._checksum = self._bytes[size:]

    def write(self, region: tuple[slice, ...], values: numpy.ndarray) -> None:
        """Write whole chunks, or such as the edges of frames cut off: beyond them they hold zeros."""
        for corner in itertools.product(*(range(0, n, c) for n, c in zip(values.shape, self._shape, strict=True))):
            part = values[tuple(slice(a, a + c) for a, c in zip(corner, self._shape, strict=True))]
            if part.shape != self._shape:
                self._values[...] = 0
            self._values[tuple(slice(n) for n in part.shape)] = part
            self._checksum.view(_CHECKSUM)[0] = fletcher32(self._data)
            place = tuple(s.start + a for s, a in zip(region, corner, strict=True))
            self._dataset.id.write_direct_chunk(place, self._bytes)


def fletcher32(data: numpy.ndarray) -> int:
    """The checksum that HDF5's fletcher32 filter appends to a chunk, in four bytes, the lowest first.

    Parameters
    ----------
    data : numpy.ndarray
        The bytes of the chunk, at most 128 MiB: uint8, of rank 1, contiguous.

    Returns
    -------
    int
        In the upper 16 bits the sum of all sums on the way, in the lower ones the sum of all words, both
        modulo 65535.

    Notes
    -----
    Costs two passes over the bytes. J. G. Fletcher, "An Arithmetic Checksum for Serial Transmissions", IEEE
    Transactions on Communications 30 (1982). HDF5 takes the bytes for big-endian words. Modulo 65535 to swap
    the bytes of a word is to multiply it by 256, so that little-endian ones are added up, and the sum is
    multiplied. It never reduces a sum to zero that is not zero.

    Examples
    --------
    >>> hex(fletcher32(numpy.arange(8, dtype="u1")))
    '0x141e0c10'
    """
    whole = len(data) // (2 * _COLUMNS) * 2 * _COLUMNS
    rest = numpy.zeros((len(data) - whole + 1) // 2 * 2, "u1")
    rest[: len(data) - whole] = data[whole:]
    total, weighted = _sums(data[:whole].view("<u2").reshape(-1, _COLUMNS))
    rest_total, rest_weighted = _sums(rest.view("<u2").reshape(1, -1))
    weighted += rest_weighted + total * (rest.size // 2)
    return _reduced(weighted) << 16 | _reduced(total + rest_total)


def _sums(words: numpy.ndarray) -> tuple[int, int]:
    """The sum of all words, and the sum of the sums from the first word up to each."""
    rows, columns = words.shape
    # 32 bits hold 65537 words; wider sums take twice as long.
    by_row = words.sum(axis=1, dtype="u4").astype("u8")
    by_column = words.sum(axis=0, dtype="u4").astype("u8")
    # The word of row r and column c counts in rows * columns - (r * columns + c) sums.
    weighted = columns * int(by_row @ numpy.arange(rows, 0, -1, dtype="u8"))
    return int(by_row.sum()), weighted - int(by_column @ numpy.arange(columns, dtype="u8"))


def _reduced(words: int) -> int:
    return (256 * words - 1) % 65535 + 1 if words else 0
