"""A new asset file, which HDF5 writes through a Python object."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from ...runs.interrupts import deferred_interrupts
from ...runs.upstream import hold_hdf5_lock_over_forks
from ..new_file import NewFile

if TYPE_CHECKING:
    import h5py


class NewAsset(NewFile):
    """A new file for h5py's driver of file objects that remembers a failure instead of reporting it.

    Where a write fails, HDF5 (1.14 and 2.0) keeps the chunk, tries again when the file is closed, and takes the
    process down. Here a failed write seems to succeed, all later ones are dropped, and `check` raises.

    Attributes
    ----------
    hdf5 : h5py.File
        What is written; in a forked child, nothing of it reaches the file.
    """

    _failure: OSError | None = None
    hdf5: h5py.File = None

    def __init__(self, path: str) -> None:
        import h5py

        hold_hdf5_lock_over_forks()
        with deferred_interrupts():
            super().__init__(path)
            try:
                # from the format of 1.10 on HDF5 keeps checksums of its own structures too
                self.hdf5 = h5py.File(self, "w", libver=("v110", "v110"))
            except BaseException:
                self.abandon()
                raise

    def check(self) -> None:
        """Raise what failed since the file was made."""
        if self._failure is not None:
            raise OSError(self._failure.errno, self._failure.strerror, self.partial)

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
        """Let HDF5 finish the file, and bring it to the disk."""
        with deferred_interrupts():
            self.hdf5.close()
        self.check()
        super().sync()

    def abandon(self) -> None:
        with deferred_interrupts():
            if self.hdf5 is not None:
                # a write that failed is behind us, and what HDF5 still has to say of it
                with contextlib.suppress(OSError, RuntimeError):
                    self.hdf5.close()
            super().abandon()
