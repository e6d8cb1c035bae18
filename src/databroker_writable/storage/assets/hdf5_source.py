"""Read arrays from asset files: lazily, one Event at a time, or completely, to find damage."""

from __future__ import annotations

import contextlib
import math
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy

from ...errors import UnreadableAssetError, is_of_this_process
from ...runs.forks import begin_anew_in_children
from ...runs.upstream import hold_hdf5_lock_over_forks
from .chunking import BLOCK
from .hdf5_file import opened_to_read

if TYPE_CHECKING:
    import h5py


class DataElsewhereError(ValueError):
    """A file refers to another one, which its author may not be allowed to read."""


def own_dataset(file: h5py.File, key: str) -> h5py.Dataset:
    """Return a dataset whose values are in this file, and not behind a link."""
    import h5py

    group = file
    for name in key.strip("/").split("/"):
        if not isinstance(group, h5py.Group) or group.get(name, getlink=True) is None:
            raise KeyError(f"there is no dataset {key!r}")
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise DataElsewhereError(f"{key!r} is a link")
        group = group[name]
    if not isinstance(group, h5py.Dataset):
        raise KeyError(f"there is no dataset {key!r}")
    if group.is_virtual or group.external:
        raise DataElsewhereError(f"{key!r} has its values in other files")
    return group


Identity = tuple[int, int, int]


@dataclass(frozen=True)
class ArraySource:
    """One Event's array in a file: the row `start` itself, or the rows from `start` on.

    Has no open file, so that it can be pickled for other processes and machines.
    """

    path: str
    key: str
    run_uid: str
    dtype: numpy.dtype
    shape: tuple[int, ...]
    start: int
    is_row: bool

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        return (self.path, self.key, file_identity(self.path), self.start, self.is_row, self.shape)

    def __getitem__(self, index: Any) -> numpy.ndarray:
        """Read the values of an index, and only their chunks."""
        index = index if isinstance(index, tuple) else (index,)
        index += (slice(None),) * (self.ndim - len(index))
        box, within = zip(*map(_bounds, index, self.shape), strict=True) if index else ((), ())
        return numpy.asarray(self._read(box)[within])

    def _read(self, box: tuple[slice, ...]) -> numpy.ndarray:
        if self.is_row:
            region, last = (self.start, *box), self.start + 1
        else:
            rows = slice(self.start + box[0].start, self.start + box[0].stop)
            region, last = (rows, *box[1:]), self.start + self.shape[0]
        if os.pardir in self.path.split(os.sep):
            raise UnreadableAssetError(f"{self._where} contains '..'; give the root as an absolute path in root_map")
        with explained_reading(self._where), _open_datasets.opened(self.path, self.key) as dataset:
            self._check(dataset, last)
            return numpy.asarray(dataset[region])

    def _check(self, dataset: h5py.Dataset, last: int) -> None:
        frame = self.shape if self.is_row else self.shape[1:]
        if dataset.dtype != self.dtype or dataset.shape[1:] != frame or dataset.shape[0] < last:
            raise UnreadableAssetError(
                f"{self._where} holds {dataset.dtype} {dataset.shape} where the run recorded at least {last} rows of "
                f"{self.dtype} {frame}; it is another file; root_map can give the right root"
            )

    @property
    def _where(self) -> str:
        return f"column {self.key!r} of run {self.run_uid}: {self.path}"


@contextlib.contextmanager
def explained_reading(
    where: str, damaged: str = "is truncated or damaged", values: str = "the values"
) -> Iterator[None]:
    """Raise failures of reading as `UnreadableAssetError`: of which file, and what is wrong with it."""
    try:
        yield
    except UnreadableAssetError:
        raise
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        if is_of_this_process(error):
            raise
        raise UnreadableAssetError(f"{where} {_why_unreadable(error, damaged, values)}") from error


def _why_unreadable(error: Exception, damaged: str, values: str) -> str:
    if isinstance(error, DataElsewhereError):
        return (
            f"does not contain {values} itself ({error}), and references are not followed; restore it from a copy "
            "that contains them"
        )
    if isinstance(error, FileNotFoundError):
        return (
            "is missing; if the files were moved, map the old root to the new one with root_map in the catalog's "
            "arguments, else restore the file"
        )
    if isinstance(error, PermissionError):
        return "cannot be read; ask for read permission"
    if isinstance(error, BlockingIOError):
        return "is locked by a program that may change it; close it there, and read it again"
    reason = error.args[-1] if error.args else type(error).__name__
    return f"{damaged} ({reason}); restore it from a copy, or map its root to the copy's with root_map"


def file_identity(path: str) -> Identity | None:
    """A value that changes when a file is replaced or rewritten; None without the file."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


class _OpenDatasets:
    """The last used datasets, kept open, for one thread at a time.

    Opening takes as long as reading a small frame, and an open dataset keeps its last chunk, which small Events share.
    Threads that wait here lose nothing, because h5py lets only one at a time use HDF5.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._known: OrderedDict[tuple[str, str], tuple[Identity | None, h5py.File, h5py.Dataset]] = OrderedDict()
        self.begin_anew()
        begin_anew_in_children(self)

    def begin_anew(self) -> None:
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def opened(self, path: str, key: str) -> Iterator[h5py.Dataset]:
        """A dataset for the block, which is not closed meanwhile."""
        hold_hdf5_lock_over_forks()
        with self._lock:
            identity = file_identity(path)
            for opened_as, (known, file, _) in list(self._known.items()):
                if opened_as[0] == path and known != identity:
                    # a replaced file, which HDF5 would share with the new one
                    file.close()
                    del self._known[opened_as]
            if (path, key) not in self._known:
                file = opened_to_read(path)
                self._known[path, key] = identity, file, own_dataset(file, key)
                if len(self._known) > self._limit:
                    # HDF5 closes the file with its last dataset.
                    self._known.popitem(last=False)
            self._known.move_to_end((path, key))
            yield self._known[path, key][2]


_open_datasets = _OpenDatasets(limit=16)


def _bounds(index: int | slice, length: int) -> tuple[slice, int | slice]:
    """The span of an axis with the values of an index, and the index within that span."""
    if not isinstance(index, slice):
        position = range(length)[index]
        return slice(position, position + 1), 0
    taken = range(length)[index]
    if not taken:
        return slice(0, 0), slice(None)
    low, high = min(taken[0], taken[-1]), max(taken[0], taken[-1])
    return slice(low, high + 1), slice(None, None, taken.step)


def verify(path: str) -> None:
    """Read all of a published file, about 16 MiB at a time, so that every checksum is verified."""
    # A dataset that is read once does not need a chunk cache.
    with explained_reading(path, "is damaged at '/'"), opened_to_read(path, rdcc_nbytes=0) as file:
        for name in sorted(file):
            with explained_reading(path, f"is damaged at {name!r}", "its values"):
                _read_through(path, own_dataset(file, name))


def _read_through(path: str, dataset: h5py.Dataset) -> None:
    from dask.array.core import normalize_chunks, slices_from_chunks

    if dataset.chunks is None:
        # Single-valued coordinates, and scales without values, which have no size on disk.
        if dataset.id.get_storage_size():
            dataset[()]
        return
    counts = [math.ceil(n / c) for n, c in zip(dataset.shape, dataset.chunks, strict=True)]
    written = dataset.id.get_num_chunks()
    # Chunks that were never written would read as zeros.
    if written != math.prod(counts):
        raise UnreadableAssetError(
            f"{path} holds {written} of {math.prod(counts)} chunks of {dataset.name!r}; restore it from a copy"
        )
    # Whole chunks, about 16 MiB along the leading axis.
    chunk = math.prod(dataset.chunks) * dataset.dtype.itemsize
    steps = (dataset.chunks[0] * max(1, BLOCK // chunk), *dataset.chunks[1:])
    for span in slices_from_chunks(normalize_chunks(steps, dataset.shape)):
        dataset[span]
