"""Write the arrays of one run and stream to one HDF5 file."""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy

from ...errors import NotWritableError, StoreFailedError
from ...runs.interrupts import deferred_interrupts
from ..file_permissions import not_a_directory
from . import asset_paths, hdf5_scales
from .chunking import merged
from .hdf5_datasets import Rows, check_agrees, check_array, create_column, explained, failure
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

    No file is overwritten: `resource_path`, relative to the root, is free.
    """

    def __init__(self, root: str, run_uid: str, stream: str, time: float, descriptor: str) -> None:
        root = os.path.abspath(root)
        self._run_uid = run_uid
        self._identity = {"creator": HDF5_SPEC, "run_uid": run_uid, "stream": stream, DESCRIPTOR: descriptor}
        self.resource_path = asset_paths.free_path(root, asset_paths.new_asset_path(run_uid, stream, time, SUFFIX))
        self._final = os.path.join(root, *self.resource_path.split("/"))
        self._asset: NewHDF5File | None = None
        self._dims: dict[str, tuple[str, ...]] = {}
        self._kwargs: dict[str, dict[str, Any]] = {}
        self._coordinates: dict[str, hdf5_scales.Coordinate] = {}
        self._failure = ""  # why nothing can be added or published any more
        self._release: weakref.finalize[Any, Any] | None = None

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
        check_array(key, block, dims, units)
        if not isinstance(block, numpy.ndarray):
            block = merged(block)
        with deferred_interrupts():
            self._check_open()
            asset = self._asset or self._open()
            with self._undone_on_error(asset, key):
                dataset = self._dataset(asset, key, block, tuple(dims), units)
                start = dataset.shape[0]
                stop = start + block.shape[0]
                with explained(f"growing column {key!r}", asset):
                    dataset.resize(stop, axis=0)
                if block.size:
                    Rows(dataset, start, asset, key, progress).write(block)
            return start, stop

    def add_coordinate(
        self, name: str, values: numpy.ndarray, *, dims: Sequence[str], attrs: Mapping[str, Any]
    ) -> None:
        """Add a coordinate, for readers of the file alone; along a dimension of its name it is the scale."""
        texts = values.ravel().tolist() if values.dtype.kind == "U" else ()
        hdf5_scales.check_texts(f"coordinate {name!r}", (*texts, *attrs.values()))
        self._coordinates[name] = hdf5_scales.Coordinate(values, tuple(dims), attrs)

    def publish(self) -> None:
        """Finish the file and give it its final name, durably; without columns, or if called again, do nothing."""
        with deferred_interrupts():
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
            self._failure = ""

    def discard(self) -> None:
        """Remove the file, published or not, and empty directories made for it; nothing in a forked child."""
        with deferred_interrupts():
            self._failure = self._failure or f"{self._final} was discarded; store the run again"
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
        """The handler's arguments for a column, with its ``key`` in the file: values that JSON and BSON can hold."""
        return dict(self._kwargs[key])

    @property
    def _is_published(self) -> bool:
        return self._asset is not None and self._asset.is_published

    def _check_open(self) -> None:
        if self._asset is not None:
            self._asset.check_ours()
        if self._is_published:
            raise StoreFailedError(f"{self._final} is already published; store another run")
        if self._failure:
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
        if key in self._dims:
            dataset = asset.hdf5[asset_paths.dataset_name(key)]
            check_agrees(key, block, dims, dataset, self._dims[key])
            return dataset
        with explained(f"making column {key!r}", asset):
            dataset = create_column(asset.hdf5, key, block, units)
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
            self._asset = asset = NewHDF5File(self._final)
        except PermissionError as error:
            raise NotWritableError(
                f"there is no permission to write {self._final}; ask for it, or set another asset_root"
            ) from error
        except NotADirectoryError as error:
            raise StoreFailedError(f"making {self._final} failed ({error}): {not_a_directory(error)}") from error
        except OSError as error:
            raise failure(f"making {self._final}", error) from error
        # Where nobody discards: HDF5 would close the file after the end of the interpreter that it writes through.
        self._release = weakref.finalize(self, asset.abandon)
        # at once, because a killed writer leaves the file as it is
        with explained(f"beginning {self._final}", asset):
            asset.hdf5.attrs.update(self._identity)
        return asset

    def _finish(self, asset: NewHDF5File) -> None:
        with explained(f"finishing {self._final}", asset):
            hdf5_scales.write_scales(asset.hdf5, self._dims, self._coordinates)
            try:
                asset.publish()
            except FileExistsError as error:
                raise StoreFailedError(
                    f"another writer, perhaps of this run, made {self._final} meanwhile; nothing was published, and a "
                    "retry is safe"
                ) from error

    @contextlib.contextmanager
    def _undone_on_error(self, asset: NewHDF5File, key: str) -> Iterator[None]:
        """Undo a failed append, so that what was written before can still be published."""
        file, name = asset.hdf5, asset_paths.dataset_name(key)
        rows = file[name].shape[0] if key in self._dims else None
        try:
            yield
        except BaseException:
            try:
                if rows is not None:
                    file[name].resize(rows, axis=0)
                elif name in file:
                    del file[name]
                    for known in (self._dims, self._kwargs):
                        known.pop(key, None)
                asset.check()
            except (OSError, RuntimeError) as second:
                self._failure = f"{self._final} cannot be finished ({second}); store the run again"
            raise
