"""Store many runs in batches, and wait for the disk once per batch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ..errors import InvalidRunError, StoreFailedError, warn_user
from ..runs.asset_plan import AssetPlan
from ..runs.checker import RunDocuments
from ..runs.interrupts import deferred_interrupts
from ..runs.run_or_table import check_many
from ..tables.argument_checks import check_flag
from ..tables.classifier import is_lazy
from ..tables.document_values import private_copy
from .run_store import RunInsertion, RunStore, insert_documents

BATCH_BYTES = 64 * 1024 * 1024
"""A batch is stored when it holds more bytes than this; until then it is in memory."""


@dataclass(frozen=True)
class WaitingRun:
    """A checked run at its position in the input."""

    position: int
    documents: RunDocuments
    plan: AssetPlan
    is_lazy: bool


class BatchStore:
    """Stores runs in batches, and remembers which could not be stored."""

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self._waiting: dict[str, WaitingRun] = {}  # by uid
        self._bytes = 0
        self._stored: dict[int, str] = {}
        self._failures: dict[int, Exception] = {}

    def __enter__(self) -> BatchStore:
        return self

    def __exit__(self, exc_type: type[BaseException] | None, *_: object) -> None:
        """Store what waits, also if the iterable of runs raised: the runs before are kept, or named."""
        self.flush()
        if exc_type is not None and self._failures:
            warn_user(f"store_runs was ended by {exc_type.__name__}; before that, {self._failed()}")

    @contextlib.contextmanager
    def failures_at(self, position: int) -> Iterator[None]:
        """Remember an error instead of raising it."""
        try:
            yield
        except Exception as exc:
            self._failures[position] = exc

    def add(self, position: int, documents: RunDocuments, plan: AssetPlan) -> None:
        """Add a run; store the batch if it is full, or if it has a dask array, which is not copied."""
        if documents.uid in self._waiting:
            self.flush()
        pages = [doc for name, doc in documents if name == "event_page"]
        columns = [column for page in pages for column in page["data"].values()]
        # approximately: the arrays, and some 200 bytes for each Event
        self._bytes += sum(200 * len(page["uid"]) for page in pages)
        self._bytes += sum(getattr(column, "nbytes", 32 * len(column)) for column in columns)
        is_full = len(self._waiting) + 1 >= self._store.backend.batch_size or self._bytes > BATCH_BYTES
        has_lazy = any(map(is_lazy, columns))
        if not is_full and not has_lazy:
            # the generator of the runs may reuse its arrays while these wait
            documents[:] = [(name, private_copy(doc) if name == "event_page" else doc) for name, doc in documents]
        self._waiting[documents.uid] = WaitingRun(position, documents, plan, has_lazy)
        if is_full or has_lazy:
            self.flush()

    def flush(self) -> None:
        """Store the waiting runs before an interrupt takes effect."""
        with deferred_interrupts(self._store.backend.patience):
            batch, self._waiting, self._bytes = list(self._waiting.values()), {}, 0
            # an error in what is done for all is about none of them
            with contextlib.suppress(Exception), self._store.lock:
                # not what computes a dask array, which may store runs in other threads
                self._store_together([run for run in batch if not run.is_lazy])
            for run in batch:
                if run.position not in self._stored:
                    # singly, so that the error is about this run
                    with self.failures_at(run.position):
                        self._store.store(run.documents, RunInsertion(self._store, run.plan))
                        self._stored[run.position] = run.documents.uid

    def _store_together(self, batch: list[WaitingRun]) -> None:
        """Store runs with one wait for the disk, if the backend can; leave those that fail."""
        backend = self._store.backend
        if backend.batch_size == 1 or not batch:
            return
        insertions: dict[str, RunInsertion] = {}
        published: list[str] = []
        try:
            with backend.grouped(run.documents.uid for run in batch) as group:
                for run in batch:
                    with contextlib.suppress(Exception):
                        self._insert(run, insertions)
                published = group.publish()
        finally:
            for uid in insertions.keys() - set(published):
                insertions[uid].abandon()
        self._store.catalog.force_reload()
        shown = {uid for uid in published if backend.shows_stored(uid)}
        self._stored.update({run.position: run.documents.uid for run in batch if run.documents.uid in shown})

    def _insert(self, run: WaitingRun, insertions: dict[str, RunInsertion]) -> None:
        """Insert a run of a group, unless its uid is taken."""
        uid = run.documents.uid
        if not self._store.backend.has_run(uid):
            insertion = RunInsertion(self._store, run.plan)
            self._store.claim(uid, insertion)
            insert_documents(run.documents, insertion)
            insertions[uid] = insertion

    def uids(self) -> list[str]:
        """Return the uids of all runs, in order; raise if some were not stored."""
        if self._failures:
            raise StoreFailedError(self._failed(), stored=self._in_order(), failures=self._failures)
        return self._in_order()

    def _in_order(self) -> list[str]:
        return [self._stored[position] for position in sorted(self._stored)]

    def _failed(self) -> str:
        """How many runs were not stored, and why."""
        reasons = "\n".join(f"  {position}: {type(e).__name__}: {e}" for position, e in self._failures.items())
        number = len(self._failures)
        what = f"{number} of {number + len(self._stored)} runs were not stored, the others were"
        return f"{what if self._stored else 'no run was stored'}. The errors, by position:\n{reasons}"


def checked_runs(runs: Any, progress: bool) -> Iterable[Any]:
    """The runs of an iterable, with a progress bar if it is asked for; refuse anything else."""
    check_flag("progress", progress, InvalidRunError)
    check_many(runs)
    if not progress:
        return runs
    from tqdm import tqdm

    return tqdm(runs, unit="run")
