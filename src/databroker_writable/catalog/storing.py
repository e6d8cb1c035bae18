"""Store the documents of one run into a catalog, as they come."""

from __future__ import annotations

import warnings
from typing import Any

from ..errors import NotWritableError, RunExistsError, StoreError, StoreFailedError
from ..runs.checker import RunChecker, RunDocuments
from ..runs.comparison import same_run, transformed
from ..runs.schema import CheckedDocument, Document
from ..storage.assets.router import AssetRouter, without_external
from ..tables.backend_limits import Limits


class RunStorage:
    """The way of one run into a catalog: large arrays to files, documents through ``v1.insert``.

    The run becomes visible with its stop document.

    Parameters
    ----------
    catalog : WritableMixin
    router : AssetRouter

    Attributes
    ----------
    broken : bool
        Whether a document could not be inserted: the catalog has forgotten the run then.
    """

    def __init__(self, catalog: Any, router: AssetRouter) -> None:
        self._catalog = catalog
        self._router = router
        self._start: Document = {}
        self._is_ending = False
        self.broken = False

    @property
    def _uid(self) -> str:
        return self._start.get("uid", "")

    def write(self, name: str, doc: Document) -> None:
        """Store one document, which has been checked."""
        if name == "start":
            self._start = doc
        try:
            for part, item in self._router(name, doc):
                self._insert(part, item)
        except BaseException as exc:
            # nothing comes after a stop document that would take the run away, and what failed to be stored is to
            # be stored again as a whole
            if not self.broken and (name == "stop" or isinstance(exc, StoreFailedError | NotWritableError)):
                self.abandon(exc)
            raise

    def abandon(self, exc: BaseException) -> None:
        """Remove what was written of the run, unless it has been published."""
        self.broken = True
        serializer = self._catalog.__dict__.get("_run_serializer")
        if serializer is not None:
            serializer.abandon(self._uid)
        if isinstance(exc, RunExistsError) or not self._may_be_published():
            self._router.discard()

    def _may_be_published(self) -> bool:
        if not self._is_ending:
            # a run of this uid is another writer's
            return False
        try:
            return self._catalog._has_run(self._uid)
        except Exception:
            # the server is gone: keep the files, which a run may refer to
            return True

    def _is_published(self) -> bool:
        try:
            if not self._catalog._has_run(self._uid):
                return False
            stored = self._catalog[self._uid].metadata["start"]
        except Exception:
            return False
        own = transformed([("start", self._start)], self._catalog._transforms)
        return same_run([("start", stored)], own)

    def _insert(self, name: str, doc: Document) -> None:
        self._is_ending = self._is_ending or name == "stop"
        try:
            with self._catalog._store_lock, warnings.catch_warnings():
                warnings.filterwarnings("ignore", "The method Broker.insert", PendingDeprecationWarning)
                self._catalog.v1.insert(name, CheckedDocument(doc))
        except Exception as exc:
            self.abandon(exc)
            if name == "stop" and not isinstance(exc, RunExistsError) and self._is_published():
                # done, but reported as failed
                self.broken = False
                return
            if isinstance(exc, StoreError):
                raise
            raise self._catalog._explained(exc, self._uid) from exc


class InlineColumns:
    """Gives pages without the columns that an `AssetRouter` moves to files; a column without a place for it raises."""

    def __init__(self, root: str | None, threshold: float) -> None:
        self._root = root
        self._threshold = threshold
        self._columns: dict[str, set[str]] = {}

    def __call__(self, page: Document, descriptor: Document) -> Document:
        """Give the part of a page that stays in the documents."""
        documents = [("descriptor", descriptor), ("event_page", page)]
        columns = dict(self._columns)
        (_, (_, inline_page)) = without_external(documents, self._root, self._threshold, columns)
        self._columns = columns
        return inline_page


class CheckingStorage:
    """A `RunStorage` for documents that come one by one from a builder, each checked when it comes.

    Input that cannot be stored is refused before any of it is written, and what came before stays.
    """

    def __init__(self, storage: RunStorage, limits: Limits, root: str | None, threshold: float) -> None:
        self._storage = storage
        self._checker = RunChecker(limits, InlineColumns(root, threshold))

    @property
    def broken(self) -> bool:
        return self._storage.broken

    def __call__(self, name: str, doc: Document) -> None:
        # a builder has checked all documents but the pages, and nobody else has had them
        name, doc = self._checker(name, doc if name == "event_page" else CheckedDocument(doc))
        try:
            self._storage.write(name, doc)
        except BaseException:
            # an array that cannot be computed, say: the run goes on without this page
            if name == "event_page":
                self._checker.forget(doc)
            raise

    def abandon(self, exc: BaseException) -> None:
        """Remove what was written of the run."""
        self._storage.abandon(exc)


def store_documents(documents: RunDocuments, storage: RunStorage) -> None:
    """Store a whole run, or nothing of it."""
    try:
        for name, doc in documents:
            storage.write(name, doc)
    except BaseException as exc:
        if not storage.broken:
            storage.abandon(exc)
        raise
