"""Store checked runs into one catalog, each completely or not at all; a retry finds a stored run."""

from __future__ import annotations

import math
import threading
import weakref
from typing import Any

from ..errors import NotWritableError, RunExistsError
from ..runs import upstream
from ..runs.asset_plan import AssetPlan
from ..runs.checker import RunChecker, RunDocuments
from ..runs.forks import begin_anew_in_children
from ..storage.backend import Backend
from ..storage.failures import explaining_reads, not_shown
from ..storage.serializer import RunSerializer
from .insertion import RunInsertion, insert_documents
from .options import CatalogOptions, asset_threshold
from .retries import result_of_retry


class RunStore:
    """Stores the runs of one catalog object, under one lock."""

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

    def check_writable(self) -> None:
        """Raise `NotWritableError` if it is already known that nothing can be stored."""
        if upstream.is_search_result(self.catalog):
            raise NotWritableError(
                "nothing can be stored into search results; store into the catalog that was searched"
            )
        if not self.options.writable:
            raise NotWritableError(
                f"the catalog {self.backend.label!r} is opened with writable: false; store into another one"
            )
        self.backend.check_writable()

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
                    f"a run of the uid {uid!r} is being built in {self.backend.label!r}; close its builder first, or "
                    "use another uid"
                )
            self._under_way[uid] = insertion

    def store(self, documents: RunDocuments, insertion: RunInsertion) -> Any:
        """Store a checked run; return it as the catalog does, also if it was stored before."""
        uid = documents.uid
        failure: Exception | None = None
        with self.lock:
            self.claim(uid, insertion)
            try:
                if not self.backend.has_run(uid):
                    insert_documents(documents, insertion)
                    return self._shown(uid)
            except Exception as exc:
                failure = exc
            finally:
                insertion.is_ended = True
            with explaining_reads(self.backend):
                if isinstance(failure, RunExistsError):
                    # another process may have stored it since this catalog was loaded
                    self.catalog.force_reload()
                return result_of_retry(self.catalog, self.backend, documents, failure)

    def _shown(self, uid: str) -> Any:
        """The run that was just stored, as the catalog returns it."""
        try:
            return self.backend.stored_run(uid)
        except KeyError:
            if self.backend.shows_stored(uid):
                raise
            raise not_shown(uid, self.backend) from None
