"""What every writable catalog can do beyond databroker's own."""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..errors import InvalidRunError, NotWritableError, RunExistsError
from ..runs.builder import RunBuilder
from ..runs.built_run import BuiltRun
from ..runs.checker import RunChecker, RunDocuments, check_documents
from ..runs.comparison import same_but_for_assets, transformed
from ..runs.inputs import check_many, documents_of, is_table, warn_of_many_rows
from ..runs.schema import CheckedDocument
from ..storage.assets.router import AssetRouter, byte_progress, checked_threshold
from ..storage.failures import ExplainingMixin, taken
from ..storage.roots import absolute_root
from ..storage.serializer import RunSerializer
from ..tables.backend_limits import Limits
from .alike import AlikeTables
from .batches import BatchStore
from .building import BuildingMixin
from .reopening import ReopenableMixin
from .storing import CheckingStorage, InlineColumns, RunStorage, store_documents
from .storing_builder import StoringRunBuilder

ASSET_THRESHOLD = 1024 * 1024


class WritableMixin(BuildingMixin, ExplainingMixin, ReopenableMixin):
    """Storing runs, for a subclass of a databroker driver.

    Parameters
    ----------
    *args, **kwargs
        Those of the driver, unchanged.
    asset_root : str, optional
        Directory for arrays too large to stand in documents. File catalogs have ``assets`` beside the run files.
    asset_threshold : int, optional
        Bytes per Event from which on an array goes there; 1 MiB by default.
    writable : bool, optional
        False refuses to store, to guard raw data.
    metadata_defaults : dict, optional
        Metadata of every run that is built through this catalog, where the run's own do not say otherwise.
    """

    name = "writable-catalog"
    asset_root: str | None = None
    asset_threshold = ASSET_THRESHOLD
    writable = True
    _limits: Limits
    _transforms: Mapping[str, Any]
    _store_lock: Any

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        self = super().__new__(cls, *args, **kwargs)
        self._store_lock = threading.RLock()
        return self

    def __init__(
        self,
        *args: Any,
        asset_root: str | None = None,
        asset_threshold: int = ASSET_THRESHOLD,
        writable: bool = True,
        metadata_defaults: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self.asset_root = asset_root
        self.asset_threshold = asset_threshold
        self.writable = writable
        self.metadata_defaults = dict(metadata_defaults or {})
        super().__init__(*args, **kwargs)

    def store_run(
        self,
        run: Any,
        metadata: Mapping[str, Any] | None = None,
        uid: str | None = None,
        time: float | None = None,
        exit_status: str | None = None,
        reason: str | None = None,
        *,
        one_event: bool | None = None,
        derived_from: Any = None,
        supersedes: Any = None,
        versions: Sequence[str] = (),
        parameters: Mapping[str, Any] | None = None,
        asset_threshold: int | None = None,
        progress: bool = False,
    ) -> Any:
        """Store a run, or a table as a run, whole and durably, or not at all.

        Parameters
        ----------
        run : BlueskyRun, RunBuilder, iterable of (name, document), or table
            A finished run, bluesky-live's or databroker's, also from another catalog; or a dict of lists or
            arrays, a DataFrame or a Dataset, which becomes a run of one stream, ``primary``.
        metadata, uid, time, exit_status, reason, one_event, derived_from, supersedes, versions, parameters
            As in `build_simple_run`, for a table; a finished run has its own.
        asset_threshold : int, optional
            Bytes per Event from which on an array goes to a file, in place of the catalog's. It holds for tables
            and runs that are built here; the documents of others are stored as they are.
        progress : bool, optional
            Show a progress bar, over the bytes that go to files.

        Returns
        -------
        databroker.core.BlueskyRun
            The run as ``catalog[uid]`` gives it. A run that is stored already, with the same documents, is
            given as it is: a retry is safe.

        Raises
        ------
        InvalidTableError, InvalidMetadataError, InvalidRunError
            What cannot be stored, before anything is written.
        RunExistsError
            Another run of this uid is stored; it is in the error's ``run``.
        NotWritableError
            This is a search result, or nothing may be written here.
        StoreFailedError
            The disk is full, the server gone, ...; nothing was published.

        Notes
        -----
        O(1) in the number of runs stored.

        Examples
        --------
        >>> stored = catalog.store_run({"x": [1, 2, 3], "y": [4, 5, 6]}, metadata={"sample": "Cu"})
        >>> stored.primary.read().y.values.tolist()
        [4, 5, 6]
        """
        self._check_writable()
        arguments = {
            "metadata": metadata,
            "uid": uid,
            "time": time,
            "exit_status": exit_status,
            "reason": reason,
            "one_event": one_event,
            "derived_from": derived_from,
            "supersedes": supersedes,
            "versions": None if isinstance(versions, list | tuple) and not versions else versions,
            "parameters": parameters,
        }
        given = {name: value for name, value in arguments.items() if value is not None}
        if given and not is_table(run):
            raise InvalidRunError(
                f"{', '.join(given)} cannot be given with a finished run: its documents are stored as they are; "
                "give them where the run is built"
            )
        if isinstance(run, StoringRunBuilder) and run.stored_run is not None:
            return run.stored_run
        documents, threshold = self._checked(run, functools.partial(self._built, **given), asset_threshold)
        with byte_progress(documents, threshold, show=progress) as report:
            return self._store(documents, self._router(threshold, report))

    def run_builder(
        self,
        metadata: Mapping[str, Any] | None = None,
        uid: str | None = None,
        time: float | None = None,
        *,
        one_event: bool = False,
        derived_from: Any = None,
        supersedes: Any = None,
        versions: Sequence[str] = (),
        parameters: Mapping[str, Any] | None = None,
    ) -> StoringRunBuilder:
        """Build a run of several streams, in pieces, and store it at the end of a ``with`` block.

        Each piece is written when it is added, where no reader sees it: one piece at a time is in memory. If the
        block raises, what was added is stored with ``exit_status="fail"`` and the reason, and the exception goes on.

        Parameters
        ----------
        metadata, uid, time, one_event, derived_from, supersedes, versions, parameters
            As for `RunBuilder`.

        Returns
        -------
        StoringRunBuilder
            Its ``stored_run`` is the stored run, after the block.

        Examples
        --------
        >>> with catalog.run_builder(metadata={"sample": "Cu"}) as builder:
        ...     builder.add_stream("primary", data={"x": [1, 2, 3]})
        ...     builder.add_stream("baseline", data={"A": [-1, -1]})
        >>> sorted(builder.stored_run)
        ['baseline', 'primary']
        """
        self._check_writable()
        root, threshold = self._assets_directory(), checked_threshold(self.asset_threshold)
        storage = RunStorage(self, self._router(threshold))
        builder = StoringRunBuilder(
            CheckingStorage(storage, self._limits, root, threshold),
            self._stored_run,
            self._with_defaults(metadata),
            uid,
            time,
            one_event=one_event,
            derived_from=self._resolved(derived_from, "derived_from", uid),
            supersedes=self._resolved(supersedes, "supersedes", uid),
            versions=versions,
            parameters=parameters,
            handler_registry=self.handler_registry,
        )
        with self._explaining():
            if self._has_run(builder.uid):  # type: ignore[attr-defined]
                raise taken(builder.uid, self[builder.uid], self)  # type: ignore[index]
        return builder

    def store_runs(self, runs: Iterable[Any], *, progress: bool = False) -> list[str]:
        """Store many runs, each whole and durable by itself.

        Parameters
        ----------
        runs : iterable
            Of anything that `store_run` takes. A generator is consumed as the runs are stored: catalogs of files
            store up to 64 runs, or 64 MB, at a time, each of which is durable when the next ones are asked for. It may
            fill the same arrays again for each run.
        progress : bool, optional
            Show a progress bar.

        Returns
        -------
        list of str
            The uids, in order.

        Raises
        ------
        StoreFailedError
            At the end, where some could not be stored: ``failures`` has their exceptions by position and
            ``stored`` the uids of the others, which stay stored.

        Notes
        -----
        O(1) in the number of runs stored. Catalogs of files bring many runs to the disk at once, which saves most
        of the waiting.

        Examples
        --------
        >>> len(catalog.store_runs([{"x": [1]}, {"x": [2]}]))
        2
        """
        self._check_writable()
        check_many(runs)
        if progress:
            from tqdm.auto import tqdm

            runs = tqdm(runs, unit="run")
        batches = BatchStore(self)
        built = AlikeTables(self._built, lambda: self.metadata_defaults)
        try:
            for position, run in enumerate(runs):
                with batches.failures_at(position):
                    batches.add(position, *self._checked(run, built))
        finally:
            # also where the iterable raises: what it gave before is kept
            batches.flush()
        return batches.uids()

    _runs_at_a_time = 1
    """How many runs `store_runs` publishes together."""

    def _built(self, table: Any, **given: Any) -> RunDocuments:
        # checked while they are built, and nobody else has had them
        return RunDocuments(documents_of(self._table_builder(table, **given)))

    def _checked(
        self, run: Any, built: Callable[[Any], RunDocuments], asset_threshold: int | None = None
    ) -> tuple[RunDocuments, float]:
        """The documents of a run, and from how many bytes per Event on its arrays go to files."""
        given_as_table = is_table(run)
        built_here = given_as_table or isinstance(run, BuiltRun | RunBuilder)
        least = self.asset_threshold if asset_threshold is None else asset_threshold
        threshold = checked_threshold(least) if built_here else math.inf
        inline = InlineColumns(self._assets_directory(), threshold)
        if given_as_table:
            checker = RunChecker(self._limits, inline)
            documents = built(run)
            for name, doc in documents:
                checker(name, doc if name == "event_page" else CheckedDocument(doc))
        else:
            documents = check_documents(documents_of(run), self._limits, inline)
        if built_here:
            warn_of_many_rows(documents)
        return documents, threshold

    def _router(self, threshold: float, report: Callable[[int], Any] | None = None) -> AssetRouter:
        return AssetRouter(self._assets_directory(), threshold, report)

    def _store(self, documents: RunDocuments, router: AssetRouter) -> Any:
        uid = documents.uid
        failure: Exception | None = None
        with self._store_lock:
            try:
                if not self._has_run(uid):  # type: ignore[attr-defined]
                    store_documents(documents, RunStorage(self, router))
                    return self._stored_run(uid)
            except RunExistsError:
                # another process has stored it since this catalog was loaded
                self.force_reload()  # type: ignore[attr-defined]
            except Exception as exc:
                failure = exc
            existing = self._existing(uid, failure)
            if existing is not None and same_but_for_assets(
                documents_of(existing), transformed(documents, self._transforms)
            ):
                return existing
            if failure is not None and existing is None:
                error = self._explained(failure, uid)
                raise error from (failure if error is not failure else failure.__cause__)
            raise taken(uid, existing, self) from failure

    def _stored_run(self, uid: str) -> Any:
        return self[uid]  # type: ignore[index]

    def _existing(self, uid: str, failure: Exception | None) -> Any:
        """The run that is stored under a uid: a failure can also come after publication."""
        try:
            return self[uid] if self._has_run(uid) else None  # type: ignore[attr-defined, index]
        except Exception:
            if failure is None:
                raise
            return None

    def _assets_directory(self) -> str | None:
        """Where arrays go that are too large for documents."""
        return absolute_root(self.asset_root)

    def _check_writable(self) -> None:
        if getattr(self, "_query", None) or self.name == "search results":
            raise NotWritableError(
                "search results are a view and take no runs; store into the catalog that was searched"
            )
        if not self.writable:
            raise NotWritableError(
                f"the catalog {self._label!r} is opened with writable: false; store into another one"
            )
        self._check_backend()  # type: ignore[attr-defined]

    def _get_serializer(self) -> RunSerializer:
        """What databroker's v1.insert writes with."""
        self._check_writable()
        open_writer = self._open_writer  # type: ignore[attr-defined]
        self._run_serializer = RunSerializer(open_writer, self._explained, self._insert_limits)
        return self._run_serializer

    @property
    def _insert_limits(self) -> Limits:
        """What documents may hold that come to ``v1.insert``."""
        return self._limits

    def _driver_serializer(self) -> Any:
        """The serializer of the driver that this class derives from."""
        return super()._get_serializer()  # type: ignore[misc]
