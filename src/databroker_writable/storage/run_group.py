"""Runs in files that are published together, so that the disk is waited for once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from .new_file import sync_directories

SYNC_THREADS = 4
"""Each waits for its part of a batch: what is asked of a disk at the same time is acknowledged together."""


class GroupedWriter(Protocol):
    """A `RunWriter` whose publication can be done in steps."""

    @property
    def uid(self) -> str: ...

    @property
    def published(self) -> list[str]: ...

    def start_sync(self) -> None:
        """Have the system begin to bring what was written to the disk."""

    def sync(self) -> None:
        """Bring what was written to the disk."""

    def link(self) -> None:
        """Give the run its final name."""

    def abandon(self) -> None:
        """Remove what was written."""


class RunGroup:
    """Runs whose writers wait to be published together.

    All begin their way to the disk before the first is waited for: file systems then take them in one commit of their
    journal, or few. Then a few threads wait, because a disk is asked to acknowledge each file by itself.

    Parameters
    ----------
    uids : iterable of str
        Of the runs that belong to the group; others are published by themselves meanwhile.
    """

    def __init__(self, uids: Iterable[str]) -> None:
        self._uids = set(uids)
        self._writers: list[Any] = []

    def takes(self, uid: str) -> bool:
        return uid in self._uids

    def add(self, writer: GroupedWriter) -> None:
        self._writers.append(writer)

    def publish(self) -> tuple[list[Any], dict[str, Exception]]:
        """Make the runs visible, durably; give their writers, and what went wrong with the others by their uid."""
        published, failures = [], {}
        errors = self._errors_of_syncing()
        for writer in self._writers:
            error = errors[writer.uid] or _error_of(writer.link)
            if error is None:
                published.append(writer)
            else:
                writer.abandon()
                failures[writer.uid] = error
        error = _error_of(lambda: sync_directories(path for writer in published for path in writer.published))
        if error is not None:
            self.abandon()
            return [], {writer.uid: error for writer in self._writers}
        return published, failures

    def _errors_of_syncing(self) -> dict[str, Exception | None]:
        """Bring all runs to the disk; give what went wrong with each."""
        errors: dict[str, Exception | None] = {}
        for writer in self._writers:
            error = _error_of(writer.start_sync)
            if error is not None:
                errors[writer.uid] = error

        def sync(writers: list[GroupedWriter]) -> None:
            for writer in writers:
                # once: after an fsync that failed the next one may succeed, and nothing be on the disk
                if writer.uid not in errors:
                    errors[writer.uid] = _error_of(writer.sync)

        try:
            with ThreadPoolExecutor(SYNC_THREADS) as pool:
                list(pool.map(sync, [self._writers[i::SYNC_THREADS] for i in range(SYNC_THREADS)]))
        except RuntimeError:
            # no thread can be started: the interpreter shuts down, or the user's limit is reached
            sync(self._writers)
        return errors

    def abandon(self) -> None:
        """Remove what was written of every run."""
        for writer in self._writers:
            writer.abandon()


def _error_of(function: Callable[[], Any]) -> Exception | None:
    try:
        function()
    except Exception as exc:
        return exc
    return None
