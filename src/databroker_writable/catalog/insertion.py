"""Insert one run into a catalog: assets into files, documents through ``v1.insert``."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from ..errors import InvalidRunError, NotWritableError, RunExistsError, StoreFailedError
from ..runs.asset_plan import AssetPlan
from ..runs.checker import RunDocuments
from ..runs.document_parts import Document, NamedDocument
from ..runs.interrupts import are_broken_off, deferred_interrupts
from ..runs.run_or_table import documents_of
from ..runs.sinks import DocumentSink
from ..storage.assets.asset_router import AssetRouter
from ..storage.failures import not_shown, raise_explained
from ..storage.serializer import CheckedDocument
from .retries import is_published

if TYPE_CHECKING:
    from .run_store import RunStore


class RunInsertion:
    """Inserts the documents of one run, which becomes visible with its stop document."""

    def __init__(self, store: RunStore, plan: AssetPlan, progress: Callable[[int], Any] | None = None) -> None:
        self._store = store
        self._router = AssetRouter(plan, progress)
        self._start: Document = {}
        self._is_ending = False
        self.is_lost = False  # whether a document could not be inserted; the catalog has then dropped the run
        self.is_ended = False  # whether nothing more follows: the run is stored or lost

    @property
    def _uid(self) -> str:
        return self._start.get("uid", "")

    def write(self, name: str, doc: Document) -> None:
        """Store one checked document."""
        if name == "start":
            self._start = doc
        try:
            for part, item in self._router(name, doc):
                self._insert(part, item)
            self.is_ended = name == "stop"
        except BaseException as exc:
            # after the stop document nothing else removes the run, and a retry must start from nothing
            if not self.is_lost and (name == "stop" or isinstance(exc, StoreFailedError | NotWritableError)):
                self.abandon()
            raise

    def forget_descriptor(self, uid: str) -> None:
        """Drop a descriptor if none of its Events could be written."""
        self._router.forget_descriptor(uid)

    def abandon(self) -> None:
        """Remove what was written of the run, unless it is published."""
        self.is_lost = self.is_ended = True
        if self._store.serializer is not None:
            self._store.serializer.abandon(self._uid)
        needed = self._resources_of_stored_run() if self._is_ending and self._router.has_files else []
        if needed is not None:
            self._router.discard(needed)

    def _resources_of_stored_run(self) -> list[Document] | None:
        """The resources of the run that is stored under the uid, ours or another writer's; None if unknown."""
        if are_broken_off():
            return None
        try:
            if not self._store.backend.has_run(self._uid):
                return []
            return [doc for name, doc in documents_of(self._store.catalog[self._uid]) if name == "resource"]
        except Exception:
            # for example, the server is gone: keep the files, because a stored run may refer to them
            return None

    def _insert(self, name: str, doc: Document) -> None:
        self._is_ending = self._is_ending or name == "stop"
        try:
            with self._store.lock, warnings.catch_warnings():
                warnings.filterwarnings("ignore", "The method Broker.insert", PendingDeprecationWarning)
                self._store.catalog.v1.insert(name, CheckedDocument(doc))
        except Exception as exc:
            self.abandon()
            store = self._store
            may_be_done = name == "stop" and not isinstance(exc, RunExistsError)
            if may_be_done and is_published(store.catalog, store.backend, self._start):
                # it was done, but reported as failed
                self.is_lost = False
                return
            raise_explained(exc, f"the run {self._uid!r}", store.backend)
        except BaseException:
            # the catalog has dropped the run
            self.abandon()
            raise


def insert_documents(documents: RunDocuments, insertion: RunInsertion) -> None:
    """Store a run completely or not at all."""
    try:
        for name, doc in documents:
            insertion.write(name, doc)
    except BaseException:
        if not insertion.is_lost:
            insertion.abandon()
        raise


class CatalogSink(DocumentSink):
    """Stores a run while it is built: what is refused is not written, and earlier documents stay."""

    def __init__(self, store: RunStore) -> None:
        super().__init__()
        self._store = store
        self._plan = store.plan()
        self._insertion = RunInsertion(store, self._plan)
        self._checker = store.new_checker(self._plan)
        # if nothing is added to the builder, nothing is written
        self._waiting: list[NamedDocument] = []
        self._uid = ""
        self._process = os.getpid()
        self._stored_run: Any = None

    @property
    def is_lost(self) -> bool:
        return self._insertion.is_lost or os.getpid() != self._process

    @property
    def stored_run(self) -> Any:
        """The run as the catalog returns it, opened at the first access; None before it is stored."""
        if self._stored_run is None and self._checker.stop is not None and not self.is_lost:
            self._stored_run = self._store.backend.stored_run(self._uid)
        return self._stored_run

    @property
    def has_begun(self) -> bool:
        """Whether anything was written."""
        return not self._waiting

    def whole(self) -> AbstractContextManager[None]:
        return deferred_interrupts(self._store.backend.patience)

    def check_kept(self) -> None:
        if os.getpid() != self._process:
            raise InvalidRunError(
                f"the run {self._uid!r} belongs to the process {self._process}, from which this one was forked; build "
                "another run here"
            )
        if self.is_lost:
            raise InvalidRunError(
                f"the run {self._uid!r} was not stored: an earlier error removed it; "
                f"{self._store.backend.remedy_for_lost_builder}"
            )

    def take(self, documents: list[NamedDocument]) -> list[NamedDocument]:
        self.check_kept()
        with self._plan.unchanged_on_error():
            checked = self._checker.all_or_none(documents)
            if checked[0][0] == "start":
                self._waiting = checked
                self._uid = checked[0][1]["uid"]
                return checked
            self._write(checked)
        if checked[-1][0] == "stop" and not self._store.backend.shows_stored(self._uid):
            # it may be stored, and shown elsewhere: its assets stay
            self._insertion.is_lost = True
            raise not_shown(self._uid, self._store.backend)
        return checked

    def _write(self, checked: list[NamedDocument]) -> None:
        if self._waiting:
            self._store.claim(self._uid, self._insertion)
        waiting, self._waiting = self._waiting, []
        try:
            for name, doc in [*waiting, *checked]:
                self._insertion.write(name, doc)
        except BaseException as exc:
            # for example, an array cannot be computed: the run continues without these documents
            self._checker.forget(checked)
            for name, doc in checked:
                if name == "descriptor":
                    self._insertion.forget_descriptor(doc["uid"])
            if isinstance(exc, StoreFailedError):
                remedy = self._store.backend.remedy_for_lost_builder
                raise StoreFailedError(f"{exc}; this builder has ended: {remedy}") from exc
            raise

    def get_run(self, **kwargs: Any) -> Any:
        if self.stored_run is None:
            self.check_kept()
            raise InvalidRunError(f"the run {self._uid!r} is not stored yet; close its builder first")
        return self.stored_run

    def abandon(self) -> None:
        if not self.is_lost:
            self._insertion.abandon()
