"""Write the arrays of one run and stream to one HDF5 file."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy

from ...errors import InvalidTableError, NotWritableError, StoreFailedError
from ...runs.interrupts import deferred_interrupts
from ..file_rights import not_a_directory
from . import asset_paths, hdf5_scales
from .chunking import merged
from .hdf5_datasets import Rows, check_agrees, check_array, create_column, explained, failure, write_rows
from .hdf5_file import NewHDF5File
from .hdf5_handler import HDF5_SPEC

if TYPE_CHECKING:
    import dask.array
    import h5py

SUFFIX = ".h5"

DESCRIPTOR = "descriptor"
"""The attribute with the uid of the descriptor, by which the files of two attempts to store a run differ."""


class HDF5Writer:
    """The HDF5 file of one run and stream: written under a partial name, published by rename.

    Nothing changes on disk before the first write. As a context manager it discards on exit what was not published. No
    file is overwritten: `resource_path`, relative to the root, is free.
    """

    def __init__(self, root: str, run_uid: str, stream: str, time: float, descriptor: str) -> None:
        self._root = os.path.abspath(root)
        self._run_uid = run_uid
        self._identity = {"creator": HDF5_SPEC, "run_uid": run_uid, "stream": stream, DESCRIPTOR: descriptor}
        self.resource_path = asset_paths.free_path(
            self._root, asset_paths.new_asset_path(run_uid, stream, time, SUFFIX)
        )
        self._final = os.path.join(self._root, *self.resource_path.split("/"))
        self._asset: NewHDF5File | None = None
        self._dims: dict[str, tuple[str, ...]] = {}
        self._kwargs: dict[str, dict[str, Any]] = {}
        self._coordinates: dict[str, hdf5_scales.Coordinate] = {}
        self._failure: str | None = None
        self._release: weakref.finalize[Any, Any] | None = None
        self._lock = threading.RLock()

    def append(
        self,
        key: str,
        block: numpy.ndarray | dask.array.Array,
        *,
        dims: Sequence[str],
        units: str | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> tuple[int, int]:
        """Append an array along the leading axis of a column; return its rows as [start, stop).

        The first array fixes the dtype, byte order included, and the shape behind the leading axis. A dask array is
        computed block by block and never in memory as a whole, by dask's threads or, if a `dask.distributed.Client` is
        active, by its cluster. After an error the column is as it was before.
        """
        check_array(key, block, dims)
        if not isinstance(block, numpy.ndarray):
            block = merged(block)
        self._check_ours()
        with self._lock, deferred_interrupts():
            self._check_open()
            if self._asset is None:
                self._asset = self._open()
                # Where nobody discards: HDF5 would close the file after the end of the interpreter that it
                # writes through.
                self._release = weakref.finalize(self, self._asset.abandon)
                # at once, because a killed writer leaves the file as it is
                with explained(f"beginning {self._final}", self._asset):
                    hdf5_scales.write_attrs(self._asset.hdf5, self._identity)
            with self._undone_on_error(self._asset, key):
                dataset = self._dataset(self._asset, key, block, tuple(dims), units)
                start = dataset.shape[0]
                stop = start + block.shape[0]
                with explained(f"growing column {key!r}", self._asset):
                    dataset.resize(stop, axis=0)
                if block.size:
                    write_rows(block, Rows(dataset, start, self._asset, key, progress))
            return start, stop

    def add_coordinate(
        self, name: str, values: numpy.ndarray, *, dims: Sequence[str], attrs: Mapping[str, Any]
    ) -> None:
        """Add a coordinate, for readers of the file alone; along a dimension of its name it is the scale."""
        coordinate = hdf5_scales.Coordinate(name, numpy.asarray(values), tuple(dims), dict(attrs))
        with self._lock:
            if name in self._dims:
                raise InvalidTableError(f"{name!r} is a column already; rename the coordinate or the column")
            known = self._coordinates.setdefault(name, coordinate)
            if not known.agrees(coordinate):
                raise InvalidTableError(
                    f"coordinate {name!r} was added before with other values or dims; give it another name"
                )

    def publish(self) -> None:
        """Finish the file and give it its final name, durably; without columns, or if called again, do nothing."""
        self._check_ours()
        with self._lock, deferred_interrupts():
            if self._is_published:
                return
            self._check_open()
            if self._asset is None or self._release is None:
                return
            if not self._dims:
                # every append failed
                self.discard()
                return
            # Set until everything is done, so that a failed attempt does not look like one without arrays.
            self._failure = f"publishing {self._final} failed before; store the run again"
            self._finish(self._asset)
            self._release.detach()
            self._failure = None

    def discard(self) -> None:
        """Remove the file, published or not, and directories made for it that are empty; nothing in a forked child."""
        if self._asset is not None and not self._asset.is_ours:
            return
        with self._lock, deferred_interrupts():
            if self._failure is None:
                self._failure = f"{self._final} was discarded; store the run again"
            if self._asset is not None and self._release is not None:
                self._release.detach()
                self._asset.abandon()
                self._asset = None

    def flush(self) -> None:
        """Flush appended values, so that they survive the kill of this process."""
        if self._asset is not None:
            with explained(f"writing {self._final}", self._asset), deferred_interrupts():
                self._asset.hdf5.flush()

    def renew(self) -> None:
        """Renew the age of the file while documents arrive, so that it does not look like a leftover."""
        if self._asset is not None:
            self._asset.renew()

    def resource_kwargs(self, key: str) -> dict[str, Any]:
        """The handler's arguments for a column: plain values that JSON and BSON can hold."""
        return dict(self._kwargs[key])

    def __enter__(self) -> HDF5Writer:
        return self

    def __exit__(self, *error: object) -> None:
        if not self._is_published:
            self.discard()

    @property
    def _is_published(self) -> bool:
        return self._asset is not None and self._asset.is_published

    def _check_ours(self) -> None:
        # before the lock, which another thread of the parent may have held at the fork
        if self._asset is not None:
            self._asset.check_ours()

    def _check_open(self) -> None:
        if self._is_published:
            raise StoreFailedError(f"{self._final} is already published; store another run")
        if self._failure is not None:
            raise StoreFailedError(self._failure)

    def _dataset(
        self,
        asset: NewHDF5File,
        key: str,
        block: numpy.ndarray | dask.array.Array,
        dims: tuple[str, ...],
        units: str | None,
    ) -> h5py.Dataset:
        """The column's dataset, made by its first array."""
        name = asset_paths.dataset_name(key)
        if key in self._dims:
            check_agrees(key, block, dims, asset.hdf5[name], self._dims[key])
            return asset.hdf5[name]
        if key in self._coordinates:
            raise InvalidTableError(f"{key!r} is a coordinate already; rename the column or the coordinate")
        with explained(f"making column {key!r}", asset):
            dataset = create_column(asset.hdf5, name, block, units)
        self._dims[key] = dims
        self._kwargs[key] = {
            "key": dataset.name,
            "dtype": dataset.dtype.str,
            "frame_shape": [int(n) for n in dataset.shape[1:]],
            "chunks": [int(n) for n in dataset.chunks],
            "run_uid": self._run_uid,
        }
        return dataset

    def _open(self) -> NewHDF5File:
        try:
            return NewHDF5File(self._final)
        except PermissionError as error:
            raise NotWritableError(
                f"there is no permission to write {self._final}; ask for it, or set another asset_root"
            ) from error
        except NotADirectoryError as error:
            raise StoreFailedError(f"making {self._final} failed ({error}): {not_a_directory(error)}") from error
        except OSError as error:
            raise failure(f"making {self._final}", error) from error

    def _finish(self, asset: NewHDF5File) -> None:
        with explained(f"finishing {self._final}", asset):
            hdf5_scales.write_scales(asset.hdf5, self._dims, self._coordinates)
            try:
                asset.publish()
            except FileExistsError as error:
                raise StoreFailedError(
                    f"another writer, perhaps of the same run, created {self._final} meanwhile; nothing was "
                    "published, and a retry is safe"
                ) from error

    @contextlib.contextmanager
    def _undone_on_error(self, asset: NewHDF5File, key: str) -> Iterator[None]:
        """Undo a failed append, so that what was written before can still be published."""
        rows = asset.hdf5[asset_paths.dataset_name(key)].shape[0] if key in self._dims else None
        try:
            yield
        except BaseException:
            try:
                self._take_back(asset.hdf5, key, rows)
                asset.check()
            except (OSError, RuntimeError) as second:
                self._failure = f"{self._final} cannot be finished ({second}); store the run again"
            raise

    def _take_back(self, file: h5py.File, key: str, rows: int | None) -> None:
        name = asset_paths.dataset_name(key)
        if rows is not None:
            file[name].resize(rows, axis=0)
        elif name in file:
            del file[name]
            self._dims.pop(key, None)
            self._kwargs.pop(key, None)
