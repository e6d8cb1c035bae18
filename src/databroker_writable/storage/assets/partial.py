"""A file in the making, which HDF5 writes through a Python object."""

from __future__ import annotations

import errno
import io
import os
from typing import Any

from ..durable import opener


class PartialFile(io.FileIO):
    """A new file, for h5py's driver of file objects, that remembers a failure instead of reporting it.

    Where a write fails, HDF5 (1.14 and 2.0) keeps the chunk, tries again when the file is closed, and takes the
    process down. Here a failed write seems to succeed, all later ones are dropped, and `check` raises.

    Parameters
    ----------
    path : str
        Path of the file.

    Raises
    ------
    FileExistsError
        There is a file at the path.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path, "x+", opener=opener)
        self.path = path
        self._process = os.getpid()
        self._failure: OSError | None = None

    @property
    def is_ours(self) -> bool:
        """Whether this process made the file; a forked one only holds copies of what is open."""
        return os.getpid() == self._process

    def check(self) -> None:
        """Raise what failed since the file was made."""
        if self._failure is not None:
            raise OSError(self._failure.errno, self._failure.strerror, self.path)

    def sync(self) -> None:
        """Bring what was written to the disk."""
        os.fsync(self.fileno())

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        # HDF5 in a forked process writes what it holds when that process ends.
        left = view if self._failure is None and self.is_ours else view[:0]
        try:
            while left:
                written = super().write(left)
                if not written:
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
                left = left[written:]
        except OSError as error:
            self._failure = error
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self._failure = self._failure or error
            return self.tell() if size is None else size
