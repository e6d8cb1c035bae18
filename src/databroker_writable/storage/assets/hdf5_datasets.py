"""Write the rows of columns to the datasets of an asset file."""

from __future__ import annotations

import contextlib
import itertools
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy

from ...errors import InvalidTableError, StoreError, StoreFailedError
from ...runs import upstream
from ...runs.interrupts import deferred_interrupts, interruptible
from ...tables.lazy_columns import as_announced
from ...tables.list_columns import MAX_AXES
from .asset_paths import dataset_name
from .chunking import BLOCK, FILE_CHUNK, file_chunks, store_blocks
from .hdf5_file import NewHDF5File
from .hdf5_scales import check_texts

if TYPE_CHECKING:
    import dask.array
    import h5py

    Block = numpy.ndarray | dask.array.Array


def check_array(key: str, block: Block, dims: Sequence[str], units: str | None) -> None:
    """Refuse an array that HDF5 cannot hold, though it can be stored."""
    if block.ndim > MAX_AXES:
        raise InvalidTableError(
            f"column {key!r} has {block.ndim} axes, but HDF5 allows {MAX_AXES}; reshape it to fewer"
        )
    if len(dims) != block.ndim:
        raise InvalidTableError(
            f"column {key!r} has {block.ndim} axes and {len(dims)} dims {tuple(dims)}; name each axis once"
        )
    check_texts(f"the unit of column {key!r}", [units or ""])


def check_agrees(key: str, block: Block, dims: tuple[str, ...], dataset: h5py.Dataset, known: tuple[str, ...]) -> None:
    """Refuse an array that differs in type or shape from those in the column."""
    before = (dataset.dtype, dataset.shape[1:], known)
    now = (block.dtype, block.shape[1:], dims)
    if before != now:
        form = "{} with frames of shape {} and dims {}".format
        raise InvalidTableError(
            f"column {key!r} holds {form(*before)}, and now {form(*now)}; convert it, or use another stream"
        )


def create_column(file: h5py.File, key: str, block: Block, units: str | None) -> h5py.Dataset:
    """An empty dataset for arrays like this one."""
    largest = block.shape if isinstance(block, numpy.ndarray) else tuple(map(max, block.chunks))
    dataset = file.create_dataset(
        dataset_name(key),
        shape=(0, *block.shape[1:]),
        # HDF5 refuses a chunk longer than an axis that cannot grow, and an axis may have length 0.
        maxshape=(None, *(n or None for n in block.shape[1:])),
        chunks=file_chunks(largest, block.dtype.itemsize),
        dtype=block.dtype,
        fletcher32=True,
    )
    if block.dtype == bool:
        # without this, xarray reads h5py's enumeration as integers
        dataset.attrs["dtype"] = "bool"
    if units is not None:
        dataset.attrs["units"] = units
    return dataset


@dataclass
class Rows:
    """The rows of a dataset from `start` on, as a target for numpy or dask, from any thread."""

    dataset: h5py.Dataset
    start: int
    asset: NewHDF5File
    key: str
    progress: Callable[[int], None] | None

    def __post_init__(self) -> None:
        from numcodecs.fletcher32 import Fletcher32  # only assets need this

        self._checksum = Fletcher32()
        self._closed = False
        self._lock = threading.Lock()

    def write(self, block: Block) -> None:
        """Write all rows of an array."""
        try:
            # long writes can be interrupted
            with interruptible():
                if isinstance(block, numpy.ndarray):
                    self[tuple(slice(0, n) for n in block.shape)] = block
                else:
                    store_blocks(block, self)
            # of the last chunk, which HDF5 buffers, so that a failure is reported for this column
            with explained(f"writing column {self.key!r}", self.asset):
                self.dataset.flush()
        finally:
            # refuses blocks from threads that continue after a failure
            with self._lock:
                self._closed = True

    def __setitem__(self, region: tuple[slice, ...], value: numpy.ndarray) -> None:
        value = as_announced(value, self.dataset.dtype, tuple(s.stop - s.start for s in region), self.key)
        first = self.start + region[0].start
        for a, b in self._slabs(first, first + len(value)):
            region_in_file, piece = (slice(a, b), *region[1:]), value[a - first : b - first]
            with self._lock, deferred_interrupts():
                if self._closed:
                    raise StoreFailedError(f"writing column {self.key!r} was interrupted")
                with explained(f"writing column {self.key!r}", self.asset):
                    self._write(region_in_file, piece)
                    if piece.nbytes >= FILE_CHUNK:
                        # the disk writes while the next checksums are computed
                        self.asset.start_sync()
                if self.progress is not None:
                    self.progress(piece.nbytes)

    def _write(self, region: tuple[slice, ...], values: numpy.ndarray) -> None:
        """Write whole chunks without HDF5's filter, which takes more than twice as long for the same bytes."""
        axes = list(zip(region, self.dataset.chunks, strict=True))
        if any(s.start % n or s.stop % n for s, n in axes):
            self.dataset[region] = numpy.ascontiguousarray(values)
            return
        for corner in itertools.product(*(range(s.start, s.stop, n) for s, n in axes)):
            chunk = values[tuple(slice(a - s.start, a - s.start + n) for a, (s, n) in zip(corner, axes, strict=True))]
            upstream.write_direct_chunk(self.dataset, corner, self._checksum.encode(numpy.ascontiguousarray(chunk)))

    def _slabs(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Ranges of rows to write at once: about 16 MiB of whole chunks, and the rest before and after them."""
        chunk = self.dataset.chunks[0]
        row = self.dataset.dtype.itemsize * math.prod(self.dataset.shape[1:])
        step = chunk * max(1, BLOCK // max(1, row * chunk))
        first, last = math.ceil(start / chunk) * chunk, stop // chunk * chunk
        inner = {*range(first, last, step), last} if first < last else ()
        return itertools.pairwise(sorted({start, *inner, stop}))


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
    return StoreFailedError(
        f"{what} failed ({error}); nothing was published, and a retry is safe once the disk has space and answers"
    )
