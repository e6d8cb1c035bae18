"""Locks that tell a file that is being written from one that was left behind; a crash frees them."""

from __future__ import annotations

import contextlib
import os

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def lock(descriptor: int) -> None:
    """Lock an open file until it is closed, where the file system has locks."""
    if fcntl is not None:
        # elsewhere the age of the file tells
        with contextlib.suppress(OSError):
            # shared: HDF5 reads the file, to verify it, under a shared lock of its own
            fcntl.flock(descriptor, fcntl.LOCK_SH)


def is_being_written(path: str) -> bool:
    """Whether a process that lives holds the lock of a partial file.

    Processes of other hosts are seen where the file system shares locks.

    Parameters
    ----------
    path : str
        The hidden path. It is not changed.

    Returns
    -------
    bool
        False also where the file or its lock cannot be asked: then its age has to tell.
    """
    if fcntl is None:
        return False
    # NFS wants a lock like this to be taken by one who may write
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
