"""Run files that become visible whole, under their final name, or not at all."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable
from typing import IO, Any

from .new_file import NewFile, sync_directories


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
        self._files: list[NewFile] = []
        # would close their files if they were forgotten
        self._texts: list[IO[str]] = []

    @property
    def artifacts(self) -> dict[str, list[str]]:
        """Final paths by label, as suitcase's managers give them."""
        return {"all": [file.path for file in self._files]}

    @property
    def published(self) -> list[str]:
        """Paths of the files that have their final names."""
        return [file.path for file in self._files if file.is_published]

    def open(
        self, label: str, postfix: str, mode: str, encoding: str | None = None, errors: str | None = None
    ) -> IO[Any]:
        """Open a new file, hidden until it is published; `FileExistsError` if its final name is taken."""
        path = os.path.join(self._directory, postfix)
        self._check_name(path)
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        file = NewFile(path)
        self._files.append(file)
        if "b" in mode:
            return file
        text = io.TextIOWrapper(file, encoding=encoding or "utf-8", errors=errors, write_through=True)
        self._texts.append(text)
        return text

    def close(self) -> None:
        """Serializers call this at the stop document; nothing is kept back that would have to be written."""

    def publish(self) -> None:
        """Give the files their final names, durably; an existing file is never replaced."""
        self.sync()
        self.link()
        sync_directories(self.published)

    def start_sync(self) -> None:
        """Have the system begin to bring what was written to the disk, where it can be told to."""
        for file in self._files:
            file.start_sync()

    def sync(self) -> None:
        """Bring what was written to the disk."""
        for file in self._files:
            file.sync()

    def link(self) -> None:
        """Give the files their final names; `sync_directories` makes these durable."""
        for file in self._files:
            file.link()

    def abandon(self) -> None:
        """Remove the files, whether they are published or not."""
        for file in self._files:
            file.abandon()
