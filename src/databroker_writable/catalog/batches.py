"""Store many runs, several at a time: the disk is waited for once a batch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..errors import StoreError, StoreFailedError
from ..runs.checker import RunDocuments
from ..runs.schema import Document
from ..tables.classifier import is_lazy
from ..tables.private_copy import private_copy
from .storing import RunStorage, store_documents

BATCH_BYTES = 64 * 1024 * 1024
"""A batch is stored when it holds more than this: it is in memory until then."""


@dataclass(frozen=True)
class WaitingRun:
    """A checked run at its position in the input, and the bytes per Event from which arrays go to files."""

    position: int
    documents: RunDocuments
    threshold: float


class BatchStore:
    """Stores runs a batch at a time, and remembers which could not be stored.

    Parameters
    ----------
    catalog : WritableMixin
    """

    def __init__(self, catalog: Any) -> None:
        self._catalog = catalog
        self._waiting: list[WaitingRun] = []
        self._uids: set[str] = set()
        self._bytes = 0
        self._stored: dict[int, str] = {}
        self._failures: dict[int, Exception] = {}

    @contextlib.contextmanager
    def failures_at(self, position: int) -> Iterator[None]:
        """Remember an error instead of raising it."""
        try:
            yield
        except StoreError as exc:
            self._failures[position] = exc

    def add(self, position: int, documents: RunDocuments, threshold: float) -> None:
        """Take a run, and store the batch when it is full, or what of it cannot wait: a dask array is not copied."""
        if documents.uid in self._uids:
            self.flush()
        self._waiting.append(WaitingRun(position, documents, threshold))
        self._uids.add(documents.uid)
        self._bytes += memory_of(documents)
        is_full = len(self._waiting) >= self._catalog._runs_at_a_time or self._bytes > BATCH_BYTES
        if is_full or any(is_lazy(column) for page in _pages(documents) for column in page["data"].values()):
            self.flush()
        else:
            # while these wait, the code that gives the runs goes on
            documents[:] = [(name, private_copy(doc) if name == "event_page" else doc) for name, doc in documents]

    def flush(self) -> None:
        """Store the runs that wait."""
        batch, self._waiting, self._uids, self._bytes = self._waiting, [], set(), 0
        with self._catalog._store_lock:
            self._store_together(batch)
            for run in batch:
                if run.position not in self._stored:
                    # by itself, where what is wrong with it is said
                    with self.failures_at(run.position):
                        self._catalog._store(run.documents, self._catalog._router(run.threshold))
                        self._stored[run.position] = run.documents.uid

    def _store_together(self, batch: list[WaitingRun]) -> None:
        """Store runs with one wait for the disk, where the backend can; those that fail are left."""
        catalog = self._catalog
        if catalog._runs_at_a_time == 1:
            return
        storages: dict[str, RunStorage] = {}
        try:
            with catalog._grouped(run.documents.uid for run in batch) as group:
                for run in batch:
                    uid = run.documents.uid
                    if not catalog._has_run(uid):
                        storages[uid] = RunStorage(catalog, catalog._router(run.threshold))
                        # what it was shows when the run is stored by itself
                        with contextlib.suppress(Exception):
                            store_documents(run.documents, storages[uid])
                published, failures = group.publish()
        except BaseException as exc:
            for storage in storages.values():
                storage.abandon(exc)
            raise
        for uid, error in failures.items():
            storages[uid].abandon(error)
        catalog._show_published(published)
        stored = {writer.uid for writer in published}
        self._stored.update({run.position: run.documents.uid for run in batch if run.documents.uid in stored})

    def uids(self) -> list[str]:
        """Give the uids of all runs, in order; raise if some were not stored."""
        stored = [self._stored[position] for position in sorted(self._stored)]
        if self._failures:
            reasons = "\n".join(f"  {position}: {type(e).__name__}: {e}" for position, e in self._failures.items())
            raise StoreFailedError(
                f"{len(self._failures)} of {len(self._failures) + len(stored)} runs were not stored; "
                f"the others are:\n{reasons}",
                stored=stored,
                failures=self._failures,
            )
        return stored


def memory_of(documents: RunDocuments) -> int:
    """Bytes that a run takes in memory, roughly: arrays, and some 200 bytes per Event."""
    pages = _pages(documents)
    values = [column for page in pages for column in page["data"].values()]
    return sum(200 * len(page["uid"]) for page in pages) + sum(
        getattr(column, "nbytes", 32 * len(column)) for column in values
    )


def _pages(documents: RunDocuments) -> list[Document]:
    return [doc for name, doc in documents if name == "event_page"]
