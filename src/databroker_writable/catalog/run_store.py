"""Store runs, each completely or not at all: assets into files, documents through ``v1.insert``."""

from __future__ import annotations

import math
import threading
import time
import warnings
import weakref
from collections.abc import Callable
from typing import Any

from ..errors import NotWritableError, RunExistsError, StoreFailedError
from ..runs import upstream
from ..runs.asset_plan import AssetPlan
from ..runs.checker import RunChecker, RunDocuments
from ..runs.document_parts import Document
from ..runs.forks import begin_anew_in_children
from ..runs.interrupts import are_broken_off
from ..runs.run_or_table import documents_of
from ..storage.assets.asset_router import AssetRouter
from ..storage.backend import Backend
from ..storage.failures import explaining_reads, not_shown, raise_explained
from ..storage.serializer import CheckedDocument, RunSerializer
from .options import CatalogOptions, asset_threshold
from .retries import is_published, result_of_retry


class RunStore:
    """Stores the runs of one catalog object; what databroker does for each document is under one lock."""

    def __init__(self, catalog: Any, backend: Backend) -> None:
        self.catalog = catalog
        self.backend = backend
        self.options = CatalogOptions()
        self.serializer: RunSerializer | None = None
        self.begin_anew()
        begin_anew_in_children(self)

    def begin_anew(self) -> None:
        """Create a new lock, and leave the runs under way to the process that began them."""
        self.lock = threading.RLock()
        self._under_way: weakref.WeakValueDictionary[str, RunInsertion] = weakref.WeakValueDictionary()

    def set_options(self, options: CatalogOptions) -> None:
        """Set the options with which the catalog was opened."""
        self.options = options
        self.backend.set_annotations(options.annotations)
        self.backend.allow_pickle, self.backend.index = options.allow_pickle, options.index

    def check_writable(self, remedy: str = "store into another one") -> None:
        """Raise `NotWritableError` if it is already known that nothing can be stored, or changed in another way."""
        self.check_open(remedy)
        self.backend.check_writable()

    def check_open(
        self,
        remedy: str,
        in_results: str = "nothing can be stored into search results; store into the catalog that was searched",
    ) -> None:
        """Raise `NotWritableError` for search results, and for a catalog with ``writable=False``."""
        if upstream.is_search_result(self.catalog):
            raise NotWritableError(in_results)
        if not self.options.writable:
            raise NotWritableError(f"the catalog {self.backend.label!r} is opened with writable: false; {remedy}")

    def new_serializer(self) -> RunSerializer:
        """Return the serializer for databroker's ``v1.insert``."""
        self.check_writable()
        self.serializer = RunSerializer(self.backend)
        return self.serializer

    def asset_root(self) -> str | None:
        """The directory for assets; None refuses them."""
        return self.options.asset_root or self.backend.default_asset_root()

    def asset_roots(self) -> list[str]:
        """The directories in which the assets of this catalog's own runs may be."""
        given = self.options.asset_root
        return [*([given] if given else []), *self.backend.default_asset_roots()]

    def plan(self, threshold: Any = None) -> AssetPlan:
        """The plan of a run that is built here; `threshold` replaces that of the catalog."""
        least = self.options.asset_threshold if threshold is None else asset_threshold(threshold)
        return AssetPlan(self.asset_root(), least)

    def plan_as_it_is(self) -> AssetPlan:
        """The plan of a finished run, whose documents stay unchanged: only its dask arrays are assets."""
        return AssetPlan(self.asset_root(), math.inf)

    def new_checker(self, plan: AssetPlan) -> RunChecker:
        """What decides which documents of a run can be stored here."""
        return RunChecker(self.backend.limits, plan.inline)

    def claim(self, uid: str, insertion: RunInsertion) -> None:
        """Keep a uid for a run that is being stored; raise `RunExistsError` if another run under way has it."""
        with self.lock:
            holder = self._under_way.get(uid)
            if holder is not None and not holder.is_ended:
                insertion.is_lost = insertion.is_ended = True
                raise RunExistsError(
                    f"a run with the uid {uid!r} is being built in {self.backend.label!r}; close its builder first, or "
                    "use another uid"
                )
            self._under_way[uid] = insertion

    def _claim_in_turn(self, uid: str, insertion: RunInsertion) -> None:
        """Keep a uid for a run that `store` stores, once no other thread is storing a run of this uid."""
        insertion.thread = threading.get_ident()
        while True:
            with self.lock:
                holder = self._under_way.get(uid)
                # to wait for a builder, or for a run of this thread, could last forever
                if holder is None or holder.is_ended or holder.thread in (None, insertion.thread):
                    return self.claim(uid, insertion)
            time.sleep(0.005)

    def store(self, documents: RunDocuments, insertion: RunInsertion) -> Any:
        """Store a checked run; return it as the catalog does, also if it was stored before."""
        uid = documents.uid
        failure: Exception | None = None
        try:
            self._claim_in_turn(uid, insertion)
            try:
                with self.lock:
                    is_new = not self.backend.has_run(uid)
                if is_new:
                    # not under the lock: what computes a dask array may store runs in other threads
                    insert_documents(documents, insertion)
                    with self.lock:
                        return self._shown(uid)
            except Exception as exc:
                failure = exc
        finally:
            insertion.is_ended = True
        with self.lock, explaining_reads(self.backend):
            if isinstance(failure, RunExistsError):
                # another process may have stored it since this catalog was loaded
                self.catalog.force_reload()
            return result_of_retry(self, documents, failure)

    def _shown(self, uid: str) -> Any:
        """The run that was just stored, as the catalog returns it."""
        try:
            return self.backend.stored_run(uid)
        except KeyError:
            if self.backend.shows_stored(uid):
                raise
            raise not_shown(uid, self.backend) from None


class RunInsertion:
    """Inserts the documents of one run, which becomes visible with its stop document."""

    def __init__(self, store: RunStore, plan: AssetPlan, progress: Callable[[int], Any] | None = None) -> None:
        self._store = store
        self._router = AssetRouter(plan, progress)
        self._start: Document = {}
        self._is_ending = False
        self.is_lost = False  # whether a document could not be inserted; the catalog has then dropped the run
        self.is_ended = False  # whether nothing more follows: the run is stored or lost
        self.thread: int | None = None  # that stores the whole run; a builder has none

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
            with self._store.lock:
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
            if may_be_done and is_published(store, self._start):
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
