"""Write a file under a hidden name, and publish it durably under its own, completely or not at all.

Nothing else in this package calls `os.fsync` or `os.link`.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import io
import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator
from typing import Any

from ..errors import StoreFailedError, warn_user
from ..runs.forks import begin_anew_in_children
from ..runs.interrupts import deferred_interrupts
from .file_locks import lock
from .file_permissions import (
    FILE_MODE,
    make_directories,
    remove_empty_directories,
    share_with_group,
)

_PARTIAL = re.compile(r"\.(.+)\.[0-9a-f]{8}\.part", re.DOTALL)

_NO_HARD_LINKS = {
    *(errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EXDEV),
    *(errno.EINVAL, errno.EACCES, errno.ENOTTY, errno.EROFS),
}
"""The errors of file systems without hard links (FAT, network shares, FUSE)."""

_NO_DIRECTORY_SYNC = {errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EACCES}
"""The errors of file systems whose directories cannot be synced or opened."""

ATTEMPTS = 100
"""How often a file is created where its directory is there, but seems to be missing."""

RENEWAL_SECONDS = 10.0
"""A file that is being written looks no older than this plus the pause between two documents."""


class NewFile(io.FileIO):
    """A new file: hidden until it is published, then complete and durable.

    It belongs to the process that made it. A forked child only reads it: nothing is written, published or removed
    there. What is written goes to the system at once, so that no crash of the process can lose it. While the file is
    open it is locked, which `file_locks.is_being_written` tells; the system frees the lock of a process that ends.

    As a context manager it abandons on exit what was not published. Directories that are missing are made.

    Examples
    --------
    >>> with NewFile(os.path.join("new", "run.jsonl")) as file:
    ...     size = file.write(b"all of it")
    ...     file.publish()
    >>> os.listdir("new")
    ['run.jsonl']
    """

    def __init__(self, path: str) -> None:
        directory, name = os.path.split(path)
        self.path = path
        self.partial = os.path.join(directory, f".{name}.{secrets.token_hex(4)}.part")
        self.is_published = False
        self._directory = directory or os.curdir
        self._made_directories: list[str] = []
        self._process = os.getpid()
        self._renewed = time.monotonic()
        self._sync_started = 0
        try:
            with deferred_interrupts():
                self._create()
                self._status = os.fstat(self.fileno())
                share_with_group(self.fileno(), self._directory)
                lock(self.fileno())
                begin_anew_in_children(self)
        except BaseException:
            # also for an interrupt that came meanwhile: nobody has the file yet who would abandon it
            self.abandon()
            raise

    @property
    def is_ours(self) -> bool:
        """Whether this process made the file, and is not a child that was forked later."""
        return os.getpid() == self._process

    def write(self, data: Any) -> int:
        """Write all of the data; in a forked child, nothing."""
        view = memoryview(data).cast("B")
        left = view if self.is_ours else view[:0]
        while left:
            written = super().write(left)
            if not written:
                raise OSError(errno.EIO, os.strerror(errno.EIO), self.partial)
            left = left[written:]
        return len(view)

    def renew(self) -> None:
        """Renew the age of the file, for hosts that do not see its lock."""
        if time.monotonic() - self._renewed > RENEWAL_SECONDS and self.is_ours and not self.closed:
            os.utime(self.fileno())
            self._renewed = time.monotonic()

    def start_sync(self) -> None:
        """Tell the system, if possible, to start writing what was added to the file to the disk."""
        self.check_ours()
        if hasattr(os, "posix_fadvise"):
            with self._descriptor() as descriptor:
                begin, self._sync_started = self._sync_started, os.fstat(descriptor).st_size
                # Linux then starts to write these pages; it drops only those that are written, which these are not
                os.posix_fadvise(descriptor, begin, self._sync_started - begin, os.POSIX_FADV_DONTNEED)

    def sync(self) -> None:
        """Sync the data, and the names of directories that were made for the file."""
        self.check_ours()
        with self._descriptor() as descriptor:
            os.fsync(descriptor)
        sync_directories(self._made_directories)

    def link(self) -> None:
        """Give the file its final name, or raise `FileExistsError`; `sync_directories` makes the name durable."""
        self.check_ours()
        with deferred_interrupts():
            if os.name == "nt":
                # Windows cannot rename or remove an open file
                self.close()
            self._take_name()
            self.is_published = True
            # only after it has its name, or it could look like a leftover
            self.close()
            self._remove_partial("it was stored")

    def publish(self) -> None:
        """Sync the file and give it its final name, durably; after an error nothing is visible."""
        self.sync()
        with deferred_interrupts():
            self.link()
            try:
                sync_directories([self.path])
            except BaseException:
                self.abandon()
                raise

    def replace(self) -> None:
        """Sync the file, and replace an existing one with its name."""
        self.sync()
        with deferred_interrupts():
            self.close()
            os.replace(self.partial, self.path)
            self.is_published = True
            sync_directories([self.path])

    def abandon(self) -> None:
        """Remove the file, published or not, and the empty directories that were made for it."""
        if not self.is_ours:
            return
        with deferred_interrupts():
            # if the disk is full, closing may fail too
            with contextlib.suppress(OSError):
                self.close()
            self._remove_partial("nothing was stored")
            if self.is_published and self._has_name():
                os.unlink(self.path)
            self.is_published = False
            remove_empty_directories(self._made_directories)

    def begin_anew(self) -> None:
        """In a forked child, open the parent's file again for reading.

        The child's inherited copy would keep the lock after the parent's death, and would move the parent's position.
        """
        if self.closed:
            return
        try:
            descriptor = os.open(self.partial, os.O_RDONLY)
        except OSError:
            descriptor = os.open(os.devnull, os.O_RDONLY)
        os.dup2(descriptor, self.fileno(), inheritable=False)
        os.close(descriptor)

    def __enter__(self) -> NewFile:
        return self

    def __exit__(self, *error: object) -> None:
        if not self.is_published:
            self.abandon()

    def _create(self) -> None:
        for left in reversed(range(ATTEMPTS)):
            self._made_directories += make_directories(self._directory)
            try:
                return super().__init__(self.partial, "x+", opener=functools.partial(os.open, mode=FILE_MODE))
            except FileNotFoundError:
                # another writer removed the directory while it was empty, or no file can be made there, as in /proc
                if not left:
                    raise

    def check_ours(self) -> None:
        """Raise `StoreFailedError` in a forked child."""
        if not self.is_ours:
            raise StoreFailedError(
                f"{self.path} belongs to the process {self._process}, from which this one was forked; store another run"
            )

    @contextlib.contextmanager
    def _descriptor(self) -> Iterator[int]:
        """The descriptor of the open file, which is opened again if the serializer has closed it."""
        if not self.closed:
            yield self.fileno()
            return
        descriptor = os.open(self.partial, os.O_RDWR)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _take_name(self) -> None:
        try:
            os.link(self.partial, self.path)
        except OSError as error:
            # over NFS a link can be made and reported as failed, see open(2)
            if self._has_name():
                return
            if error.errno not in _NO_HARD_LINKS:
                raise
            self._rename_to_free_name()

    def _rename_to_free_name(self) -> None:
        """Claim the name with an empty file, which fails if it exists, then rename over that file.

        Readers skip the empty file that is there for an instant.
        """
        os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE))
        try:
            os.replace(self.partial, self.path)
        except BaseException as error:
            if isinstance(error, OSError) and self._has_name():
                return
            os.unlink(self.path)
            raise

    def _has_name(self) -> bool:
        """Whether the file at the final path is this one; the number of links can be cached, or include a backup's."""
        try:
            return os.path.samestat(self._status, os.stat(self.path, follow_symlinks=False))
        except OSError:
            return False

    def _remove_partial(self, outcome: str) -> None:
        try:
            os.unlink(self.partial)
        except FileNotFoundError:
            pass
        except OSError as error:
            if not os.path.lexists(self.partial):
                return
            warn_user(
                f"{self.path}: {outcome}, but its hidden name {self.partial} could not be removed ({error.strerror}); "
                "remove that file, or run databroker-writable check --clean"
            )


def final_name(partial: str) -> str | None:
    """The final name for the hidden name of a file; None for other names."""
    match = _PARTIAL.fullmatch(partial)
    return None if match is None else match[1]


def make_durable_directories(path: str) -> None:
    """Make a directory and its parents, each durably."""
    sync_directories(make_directories(os.path.abspath(path)))


def sync_directories(paths: Iterable[str]) -> None:
    """Make the names of files and directories durable, if the file system can do so."""
    for directory in {os.path.dirname(path) or os.curdir for path in paths}:
        try:
            descriptor = os.open(directory, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            if error.errno not in _NO_DIRECTORY_SYNC:
                raise
