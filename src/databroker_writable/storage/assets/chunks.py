"""Write and read whole chunks of a dataset with their checksums, in less time than HDF5's own filter takes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import numpy

if TYPE_CHECKING:
    import h5py

# Words of 16 bits that are added up column by column.
_COLUMNS = 1024
_CHECKSUM = numpy.dtype("<u4")
# HDF5 itself is as fast with chunks that are smaller.
_WORTHWHILE = 2**19


def are_whole(region: Sequence[slice], chunks: Sequence[int], extents: Sequence[int | None], itemsize: int) -> bool:
    """Whether a region is made of whole chunks that are large enough to gain from what this module does.

    The end of an axis may cut chunks off where its extent is given.
    """
    return itemsize * math.prod(chunks) >= _WORTHWHILE and all(
        s.start % chunk == 0 and (s.stop % chunk == 0 or s.stop == extent)
        for s, chunk, extent in zip(region, chunks, extents, strict=True)
    )


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
        for corner, within in _pieces(region, self._shape):
            part = values[within]
            if part.shape != self._shape:
                self._values[...] = 0
            self._values[tuple(slice(n) for n in part.shape)] = part
            self._checksum.view(_CHECKSUM)[0] = fletcher32(self._data)
            self._dataset.id.write_direct_chunk(corner, self._bytes)


def can_read(dataset: h5py.Dataset, region: Sequence[slice]) -> bool:
    """Whether `read_chunks` can, and gains by it: chunks hold numpy's values and a checksum, and nothing else."""
    return (
        dataset.chunks is not None
        and are_whole(region, dataset.chunks, dataset.shape, dataset.dtype.itemsize)
        and dataset.fletcher32
        and dataset.id.get_create_plist().get_nfilters() == 1
        and dataset.id.get_type().get_size() == dataset.dtype.itemsize
    )


def read_chunks(
    opened: Callable[[], AbstractContextManager[h5py.Dataset]],
    region: Sequence[slice],
    chunks: Sequence[int],
    dtype: numpy.dtype,
) -> numpy.ndarray:
    """Read whole chunks, each with the dataset to itself, and verify them while other threads read.

    Parameters
    ----------
    opened : callable
        Gives the dataset to one thread at a time.
    region : sequence of slice
        What `can_read` has allowed.
    chunks : sequence of int
        Shape of a chunk.
    dtype : numpy.dtype
        Type of the values.

    Returns
    -------
    numpy.ndarray
        The values of the region.

    Raises
    ------
    OSError
        A chunk does not agree with its checksum.
    """
    values = numpy.empty([s.stop - s.start for s in region], dtype)
    size = dtype.itemsize * math.prod(chunks)
    for corner, within in _pieces(region, chunks):
        with opened() as dataset:
            filters_left_out, stored = dataset.id.read_direct_chunk(corner)
        found = numpy.frombuffer(stored, "u1")
        data, checksum = found[:size], found[size:]
        if filters_left_out or len(checksum) != _CHECKSUM.itemsize or fletcher32(data) != checksum.view(_CHECKSUM)[0]:
            with opened() as dataset:
                # HDF5 is the judge of what is not as expected: it reads it, or says what is wrong.
                return dataset[tuple(region)]
        part = values[within]
        part[...] = data.view(dtype).reshape(chunks)[tuple(slice(n) for n in part.shape)]
    return values


def _pieces(region: Sequence[slice], chunks: Sequence[int]) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...]]]:
    """For each chunk its corner in the dataset, and its place within the region."""
    starts = [s.start for s in region]
    for corner in itertools.product(*(range(s.start, s.stop, c) for s, c in zip(region, chunks, strict=True))):
        yield corner, tuple(slice(a - b, a - b + c) for a, b, c in zip(corner, starts, chunks, strict=True))


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
