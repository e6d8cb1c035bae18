"""Open HDF5 files: to read one, and to create one that appears when it is complete."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ...runs.interrupts import deferred_interrupts
from ...runs.upstream import hold_hdf5_lock_over_forks
from ..durable_file import NewFile

if TYPE_CHECKING:
    import h5py

_NO_LOCKS = {errno.ENOLCK, errno.EROFS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EPERM}
"""What file systems say that have no locks, as NFS without its lock service, or none when mounted read-only."""


def opened_to_read(path: str, **options: Any) -> h5py.File:
    """Open a file with HDF5's lock; without, where there are no locks or the process has it open without one.

    A published file does not change. HDF5 allows only one lock setting for a file in one process.
    """
    import h5py

    try:
        return h5py.File(path, "r", **options)
    except OSError as error:
        is_open_without = "locking flag values don't match" in str(error)
        if not is_open_without and not (error.errno in _NO_LOCKS and "lock file" in str(error)):
            raise
        return h5py.File(path, "r", locking=False, **options)


def opened_by_h5py(file: NewFile) -> Any:
    """Open a file for writing; since the format of 1.10, HDF5 also has checksums of its own structures."""
    import h5py

    return h5py.File(file, "w", libver=("v110", "v110"))


class NewHDF5File(NewFile):
    """A new file for h5py's driver of file objects that records a failure instead of reporting it.

    If a write fails, HDF5 (1.14 and 2.0) keeps the chunk, tries again when the file is closed, and ends the process.
    Here a failed write seems to succeed, all later ones are dropped, and `check` raises. What opened the file, h5py
    unless told otherwise, closes it when it is published or abandoned.
    """

    _failure: OSError | None = None
    hdf5: Any = None

    def __init__(self, path: str, opened: Callable[[NewFile], Any] = opened_by_h5py) -> None:
        hold_hdf5_lock_over_forks()
        try:
            with deferred_interrupts():
                super().__init__(path)
                self.hdf5 = opened(self)
        except BaseException:
            self.abandon()
            raise

    def check(self) -> None:
        """Raise the recorded failure of the file, if any."""
        if self._failure is not None:
            raise OSError(self._failure.errno, self._failure.strerror, self.partial)

    @contextlib.contextmanager
    def filling(self) -> Iterator[None]:
        """Abandon the file if the block fails; raise the error of the disk rather than a later one of HDF5."""
        try:
            yield
            self.check()
        except BaseException as exc:
            self.abandon()
            if isinstance(exc, Exception):
                self.check()
            raise

    def write(self, data: Any) -> int:
        if self._failure is None:
            try:
                return super().write(data)
            except OSError as error:
                self._failure = error
        return memoryview(data).nbytes

    def truncate(self, size: int | None = None) -> int:
        if self.is_ours:
            try:
                return super().truncate(size)
            except OSError as error:
                self._failure = self._failure or error
        return self.tell() if size is None else size

    def sync(self) -> None:
        """Let HDF5 finish the file, and sync it."""
        with deferred_interrupts():
            self.hdf5.close()
        self.check()
        super().sync()

    def abandon(self) -> None:
        with deferred_interrupts():
            if self.hdf5 is not None:
                # a failed write was reported before, so later errors of HDF5 about it are ignored
                with contextlib.suppress(OSError, RuntimeError):
                    self.hdf5.close()
            super().abandon()
