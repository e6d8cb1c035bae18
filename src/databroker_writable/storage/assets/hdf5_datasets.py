"""Check columns, and write their rows to the datasets of an asset file."""

from __future__ import annotations

import contextlib
import itertools
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy

from ...errors import InvalidTableError, StoreError, StoreFailedError
from ...runs.interrupts import deferred_interrupts, interruptible
from ...tables.lazy_columns import as_announced
from .chunking import FILE_CHUNK, file_chunks, store_blocks
from .hdf5_file import NewHDF5File

if TYPE_CHECKING:
    import dask.array
    import h5py

    Block = numpy.ndarray | dask.array.Array

_SLAB = 2**24
_HIGHEST_RANK = 32


def check_array(key: str, block: Any, dims: Sequence[str]) -> None:
    """Refuse what cannot be stored exactly."""
    sample = block if isinstance(block, numpy.ndarray) else getattr(block, "_meta", None)
    if not isinstance(sample, numpy.ndarray):
        raise InvalidTableError(
            f"column {key!r} is a {type(block).__name__}, not an array of numpy or of dask over numpy; "
            f"convert it, e.g. with numpy.asarray"
        )
    if isinstance(sample, numpy.ma.MaskedArray):
        raise InvalidTableError(
            f"column {key!r} is a masked array, and its mask would be lost; "
            f"fill it first, e.g. table[{key!r}].filled(numpy.nan)"
        )
    _check_dtype(key, block.dtype, block.ndim)
    if any(math.isnan(n) for n in block.shape):
        raise InvalidTableError(
            f"column {key!r} has a shape that dask does not know yet; call its compute_chunk_sizes() first"
        )
    if len(dims) != block.ndim:
        raise InvalidTableError(
            f"column {key!r} has {block.ndim} axes and {len(dims)} dims {tuple(dims)}; name each axis once"
        )


def _check_dtype(key: str, dtype: numpy.dtype, ndim: int) -> None:
    """Refuse values that HDF5 cannot hold exactly, or without a leading axis."""
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
        portable = "complex128" if dtype.kind == "c" else "float64"
        raise InvalidTableError(
            f"column {key!r} is of type {dtype}, whose bytes differ between machines; "
            f"make it {portable}, e.g. table[{key!r}].astype('{portable}')"
        )
    if ndim == 0:
        raise InvalidTableError(
            f"column {key!r} is a single number without a leading axis; keep it inline, or make it an array "
            f"of one, e.g. numpy.atleast_1d(table[{key!r}])"
        )
    if ndim > _HIGHEST_RANK:
        raise InvalidTableError(f"column {key!r} has {ndim} axes, but HDF5 allows {_HIGHEST_RANK}; reshape it to fewer")


def check_agrees(key: str, block: Block, dims: tuple[str, ...], dataset: h5py.Dataset, known: tuple[str, ...]) -> None:
    """Refuse an array that differs in type or shape from those in the column."""
    before = (dataset.dtype, dataset.shape[1:], known)
    now = (block.dtype, block.shape[1:], dims)
    if before != now:
        raise InvalidTableError(
            f"column {key!r} holds {before[0]} with frames of shape {before[1]} and dims {before[2]}, and now "
            f"comes as {now[0]} with frames of shape {now[1]} and dims {now[2]}; "
            f"convert it, or use another stream"
        )


def create_column(file: h5py.File, name: str, block: Block, units: str | None) -> h5py.Dataset:
    """An empty dataset for arrays like this one."""
    dataset = file.create_dataset(
        name,
        shape=(0, *block.shape[1:]),
        # HDF5 refuses a chunk longer than an axis that cannot grow, and an axis may have length 0.
        maxshape=(None, *(n or None for n in block.shape[1:])),
        chunks=file_chunks(_block_shape(block), block.dtype.itemsize),
        dtype=block.dtype,
        fletcher32=True,
    )
    if block.dtype == bool:
        # without this, xarray reads h5py's enumeration as integers
        dataset.attrs["dtype"] = "bool"
    if units is not None:
        dataset.attrs["units"] = units
    return dataset


def _block_shape(block: Any) -> tuple[int, ...]:
    """Shape of the blocks of an array."""
    if isinstance(block, numpy.ndarray):
        return tuple(block.shape)
    return tuple(max(lengths) for lengths in block.chunks)


class Rows:
    """The rows of a dataset from `start` on, as a target for numpy or dask, from any thread."""

    def __init__(
        self,
        dataset: h5py.Dataset,
        start: int,
        asset: NewHDF5File,
        key: str,
        progress: Callable[[int], None] | None,
    ) -> None:
        from numcodecs.fletcher32 import Fletcher32  # only assets need this

        self._dataset = dataset
        self._checksum = Fletcher32()
        self._start = start
        self._asset = asset
        self._key = key
        self._progress = progress
        self._chunks = dataset.chunks
        self._frame = dataset.shape[1:]
        self._closed = False
        self._lock = threading.Lock()

    def __setitem__(self, region: tuple[slice, ...], value: numpy.ndarray) -> None:
        value = as_announced(value, self._dataset.dtype, tuple(s.stop - s.start for s in region), self._key)
        first = self._start + region[0].start
        for a, b in self._slabs(first, first + len(value)):
            region_in_file, piece = (slice(a, b), *region[1:]), value[a - first : b - first]
            with self._lock, deferred_interrupts():
                if self._closed:
                    raise StoreFailedError(f"writing column {self._key!r} was interrupted")
                with explained(f"writing column {self._key!r}", self._asset):
                    self._write(region_in_file, piece)
                    if piece.nbytes >= FILE_CHUNK:
                        # the disk writes while the next checksums are computed
                        self._asset.start_sync()
                if self._progress is not None:
                    self._progress(piece.nbytes)

    def _write(self, region: tuple[slice, ...], values: numpy.ndarray) -> None:
        """Write whole chunks without HDF5's filter, which takes more than twice as long for the same bytes."""
        axes = list(zip(region, self._chunks, strict=True))
        if any(s.start % n or s.stop % n for s, n in axes):
            self._dataset[region] = numpy.ascontiguousarray(values)
            return
        for corner in itertools.product(*(range(s.start, s.stop, n) for s, n in axes)):
            chunk = values[tuple(slice(a - s.start, a - s.start + n) for a, (s, n) in zip(corner, axes, strict=True))]
            self._dataset.id.write_direct_chunk(corner, self._checksum.encode(numpy.ascontiguousarray(chunk)))

    def flush(self) -> None:
        """Write the last chunk, which HDF5 buffers, so that a failure is reported for this column."""
        with explained(f"writing column {self._key!r}", self._asset):
            self._dataset.flush()

    def close(self) -> None:
        """Refuse blocks from threads that continue after a failure."""
        with self._lock:
            self._closed = True

    def _slabs(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Ranges of rows to write at once: about 16 MiB of whole chunks, and the rest before and after them."""
        chunk = self._chunks[0]
        row = self._dataset.dtype.itemsize * math.prod(self._frame)
        step = chunk * max(1, _SLAB // max(1, row * chunk))
        first, last = math.ceil(start / chunk) * chunk, stop // chunk * chunk
        inner = {*range(first, last, step), last} if first < last else ()
        return itertools.pairwise(sorted({start, *inner, stop}))


def write_rows(block: Block, rows: Rows) -> None:
    """Write all rows of an array."""
    try:
        # long writes can be interrupted
        with interruptible():
            if isinstance(block, numpy.ndarray):
                rows[tuple(slice(0, n) for n in block.shape)] = block
            else:
                store_blocks(block, rows)
        rows.flush()
    finally:
        rows.close()


@contextlib.contextmanager
def explained(what: str, asset: NewHDF5File) -> Iterator[None]:
    """Raise failures of the file as errors of this package."""
    try:
        yield
        asset.check()
    except StoreError:
        raise
    # h5py raises RuntimeError for some failures inside HDF5.
    except (OSError, RuntimeError) as error:
        raise failure(what, error) from error


def failure(what: str, error: Exception) -> StoreFailedError:
    """The error for a failure of the file."""
    return StoreFailedError(
        f"{what} failed ({error}); nothing was published, and a retry is safe once the disk has space and answers"
    )
