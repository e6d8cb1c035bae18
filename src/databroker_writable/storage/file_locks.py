"""The locks of files that are being written."""

from __future__ import annotations

import contextlib
import os

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
    if fcntl is None:
        return False
    # NFS allows such a lock only on a file that is open for writing
    for flags in (os.O_RDWR, os.O_RDONLY):
        try:
            descriptor = os.open(path, flags)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            continue
        finally:
            os.close(descriptor)
        return False
    return False
