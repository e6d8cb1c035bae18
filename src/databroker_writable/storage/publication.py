"""Files that become visible whole, under their final name, or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Callable, Iterable
from typing import IO, Any

from .durable import make_durable_directories, opener, sync_directory, take_name

PARTIAL_SUFFIX = ".part"


class PublishingManager:
    """Files for a suitcase serializer, under hidden names until `publish`.

    It has the methods of `suitcase.utils.MultiFileManager` that serializers call.

    Parameters
    ----------
    directory : str
        Created on first use.
    check_name : callable, optional
        Called with each final path before anything is created; raises where readers would not find it.
    """

    def __init__(self, directory: str, check_name: Callable[[str], None] = lambda path: None) -> None:
        self._directory = directory
        self._check_name = check_name
        self._files: list[tuple[IO[Any], str, str]] = []
        self.published: list[str] = []

    @property
    def artifacts(self) -> dict[str, list[str]]:
        """Final paths by label, as suitcase's managers give them."""
        return {"all": [final for _, _, final in self._files]}

    def open(
        self, label: str, postfix: str, mode: str, encoding: str | None = None, errors: str | None = None
    ) -> IO[Any]:
        """Open a new file, hidden until it is published; `FileExistsError` if its final name is taken."""
        final = os.path.join(self._directory, postfix)
        self._check_name(final)
        if os.path.lexists(final):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), final)
        make_durable_directories(os.path.dirname(final) or ".")
        name = f".{os.path.basename(final)}.{secrets.token_hex(4)}{PARTIAL_SUFFIX}"
        partial = os.path.join(os.path.dirname(final), name)
        encoding = encoding or ("utf-8" if "b" not in mode else None)
        file = open(partial, mode, encoding=encoding, errors=errors, opener=opener)  # noqa: SIM115
        self._files.append((file, partial, final))
        return file

    def close(self) -> None:
        """Hand what was written to the system; serializers call this at the stop document."""
        for file in self._open_files():
            file.flush()

    def publish(self) -> None:
        """Give the files their final names, durably; an existing file is never replaced."""
        self.sync()
        self.link()
        fsync_directories(self.published)

    def start_sync(self) -> None:
        """Have the system begin to bring what was written to the disk, where it can be told to."""
        for file in self._open_files():
            file.flush()
            if hasattr(os, "posix_fadvise"):
                # Linux begins to write pages that it is to forget, and forgets only those that are written
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def sync(self) -> None:
        """Bring what was written to the disk."""
        for file in self._open_files():
            file.flush()
            os.fsync(file.fileno())
            file.close()

    def link(self) -> None:
        """Give the files their final names; `fsync_directories` makes these durable."""
        for _, partial, final in self._files:
            take_name(partial, final)
            # before anything else can fail, or abandon() would leave it
            self.published.append(final)
            _remove(partial)

    def abandon(self) -> None:
        """Remove the files, whether they are published or not."""
        for file, partial, _ in self._files:
            # closing writes what is buffered, which fails again where the disk is full
            with contextlib.suppress(OSError):
                file.close()
            _remove(partial)
        for final in self.published:
            _remove(final)
        self.published = []

    def _open_files(self) -> list[IO[Any]]:
        """Those that the serializer has not closed."""
        return [file for file, _, _ in self._files if not file.closed]


def fsync_directories(paths: Iterable[str]) -> None:
    """Make the names of files durable."""
    for directory in {os.path.dirname(path) or "." for path in paths}:
        sync_directory(directory)


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
