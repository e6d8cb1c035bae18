"""Files under their final names: durable, whole, and never over another file."""

from __future__ import annotations

import contextlib
import errno
import os

# What file systems without hard links (FAT, some network shares) answer.
_NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}


FILE_MODE = 0o664
DIRECTORY_MODE = 0o775
"""The umask takes from these; whatever it is, not everybody may write."""


def opener(path: str, flags: int) -> int:
    """Open a file for `open`, with our mode where it is made."""
    return os.open(path, flags, FILE_MODE)


def publish_file(partial: str, final: str) -> None:
    """Give a file that is on the disk its final name, durably, if that is free.

    Raises
    ------
    FileExistsError
        Another file has the final name; it stays as it was.
    """
    take_name(partial, final)
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(partial)
        sync_directory(os.path.dirname(final))
    except BaseException:
        os.unlink(final)
        raise


def take_name(partial: str, final: str) -> None:
    """Give a file a second name, or move it there; the name must be free, or `FileExistsError`."""
    try:
        os.link(partial, final)
    except OSError as error:
        # Over NFS a link can be made and reported as failed, see open(2).
        if os.stat(partial).st_nlink > 1:
            return
        if error.errno not in _NO_HARD_LINKS:
            raise
        # Readers skip the empty file that is there for an instant.
        _rename_to_free_name(partial, final)


def _rename_to_free_name(partial: str, final: str) -> None:
    """Take the name with an empty file, which fails where there is one, then rename over that."""
    os.close(os.open(final, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE))
    try:
        os.replace(partial, final)
    except BaseException:
        os.unlink(final)
        raise


def sync_directory(path: str) -> None:
    """Make the names in a directory durable, where directories can be opened at all."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directories(path: str) -> list[str]:
    """Make a directory and its parents; gives those that this call made, outermost first."""
    missing = []
    parent = path
    while not os.path.isdir(parent):
        missing.append(parent)
        parent = os.path.dirname(parent)
    made = []
    for directory in reversed(missing):
        try:
            os.mkdir(directory, DIRECTORY_MODE)
        except FileExistsError:
            if not os.path.isdir(directory):
                raise
        else:
            made.append(directory)
    return made


def make_durable_directories(path: str) -> None:
    """Make a directory and its parents, each durably entered in its own parent."""
    for directory in make_directories(os.path.abspath(path)):
        sync_directory(os.path.dirname(directory))


def remove_empty_directories(paths: list[str]) -> None:
    """Remove those of the directories, innermost first, that hold nothing."""
    for directory in reversed(paths):
        try:
            os.rmdir(directory)
        except FileNotFoundError:
            continue
        except OSError:
            # Another run's file is in it by now: it stays, and so do its parents.
            return
