"""The locks of files that are being written."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def lock(descriptor: int) -> None:
    """Lock an open file until it is closed, if the file system has locks."""
    if fcntl is not None:
        # without locks, check uses the age of the file
        with contextlib.suppress(OSError):
            # shared, because HDF5 uses its own shared lock to verify the file
            fcntl.flock(descriptor, fcntl.LOCK_SH)


def is_being_written(path: str) -> bool:
    """Whether a running process holds the lock of a partial file, here or on a host that shares the locks."""
    with locked(path) as is_left:
        return not is_left


@contextlib.contextmanager
def locked(path: str) -> Iterator[bool]:
    """Keep others from a partial file for the block; give False if a running process holds its lock.

    Where the file or its lock cannot be had, nothing is locked.
    """
    # NFS allows such a lock only on a file that is open for writing
    for flags in () if fcntl is None else (os.O_RDWR, os.O_RDONLY):
        try:
            descriptor = os.open(path, flags)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            is_left = False
        except OSError:
            os.close(descriptor)
            continue
        else:
            is_left = True
        try:
            yield is_left
        finally:
            os.close(descriptor)
        return
    yield True
