"""The methods for storing that every writable catalog has."""

from __future__ import annotations

import contextlib
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

from ..errors import InvalidRunError, NotWritableError, errors_end_here
from ..runs import upstream
from ..runs.builder import RunBuilder
from ..runs.sinks import BuiltRun
from ..runs.start_document import StartArguments
from ..storage.assets.asset_router import byte_progress
from ..tables.argument_checks import check_flag
from ..tables.public_types import BlueskyRun, Files, RunLike, RunOrUid, Sources, Table, Time
from ..tables.wording import short
from .batches import BatchStore, checked_runs
from .catalog_sink import CatalogSink, close_at_exit
from .documents_to_store import checked_run, start_in, table_sink
from .driver_hooks import DriverHooks
from .finding_methods import FindingMethods
from .intake_methods import ReopenableMixin
from .options import DIRECTORIES, CatalogOptions, OptionProperties, naming_wrong_arguments, without_options
from .remark_methods import RemarkMethods
from .retries import refuse_taken_uid
from .run_store import RunInsertion

upstream.ignore_warning_of_reading()


class WritableMixin(OptionProperties, FindingMethods, RemarkMethods, ReopenableMixin, DriverHooks):
    """Storing runs, for a subclass of a databroker driver.

    Parameters
    ----------
    *args, **kwargs
        The arguments of the driver, unchanged.
    asset_root : str, optional
        Directory for arrays that are too large for documents. Catalogs of files use ``assets`` next to the run files.
    asset_threshold : int, optional
        Arrays with more bytes per Event than this go there; 1 MiB by default.
    writable : bool, optional
        False refuses to store, delete and clean up, to protect raw data.
    metadata_defaults : dict, optional
        Metadata of every run that is built through this catalog, unless the metadata of the run say otherwise.
    allow_pickle : bool, optional
        True unpacks pickles in msgpack files, as databroker does, which can run any code. By default runs that hold
        pickles are skipped with a warning.
    annotations : str, optional
        Directory for remarks on runs, only for drivers of other packages.
    index : bool, optional
        False keeps no metadata in the user's cache directory. By default start and stop documents of run files are kept
        there, so that a catalog of many files is opened and searched several times faster.
    """

    name = "writable-catalog"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        args, kwargs = self._backend.lasting_arguments(args, kwargs)
        driver_kwargs, given = without_options(kwargs)
        options = CatalogOptions.parse(given)
        directories = {name: getattr(options, name) for name in DIRECTORIES}
        kwargs = {**kwargs, **{name: path for name, path in directories.items() if path is not None}}
        upstream.set_captured_arguments(self, args, kwargs)
        self._store.set_options(options)
        with naming_wrong_arguments(type(self), driver_kwargs):
            super().__init__(*args, **self._backend.driver_arguments(args, driver_kwargs, options.asset_root))
        self._register_asset_handler()

    def store_run(
        self,
        run: RunLike,
        metadata: Mapping[str, Any] | None = None,
        uid: str | None = None,
        time: Time | None = None,
        exit_status: str | None = None,
        reason: str | None = None,
        *,
        one_event: bool | None = None,
        stream: str | None = None,
        units: Mapping[Hashable, str] | None = None,
        derived_from: Sources | None = None,
        supersedes: RunOrUid | Sequence[RunOrUid] | None = None,
        versions: Sequence[str] = (),
        parameters: Mapping[str, Any] | None = None,
        attachments: Files | None = None,
        asset_threshold: int | None = None,
        progress: bool = False,
    ) -> BlueskyRun:
        """Store a run, or a table as a run, completely and durably, or not at all.

        Parameters
        ----------
        run : run or table
            A table becomes a run of one stream: a dict of lists, arrays and single values, a list of dicts, a DataFrame
            or Series, a Dataset or DataArray, or a table of polars, pyarrow or astropy. A finished run is stored as it
            is, and the arguments up to `attachments` are refused: a run of bluesky-live or databroker, a `RunBuilder`,
            or an iterable of documents, ``(name, document)``. The assets of a run from another catalog stay there;
            `copy_runs` copies them.
        metadata : dict, optional
            For the start document, e.g. ``{"sample": "Cu"}``; it overrides the catalog's ``metadata_defaults``.
        uid : str, optional
            The uid of the run; a new one by default.
        time : float or datetime, optional
            When the run began, in POSIX seconds; now by default.
        exit_status : {"success", "abort", "fail"}, optional
            How the analysis ended; ``"success"`` by default.
        reason : str, optional
            Why it ended so, in words.
        one_event : bool, optional
            True stores the whole table as one Event, whose columns are arrays: for spectra, images, and tables of more
            than a few thousand rows. By default each row is an Event.
        stream : str, optional
            The name of the stream; ``"primary"`` by default.
        units : dict of str, optional
            Units of columns, by name, e.g. ``{"x": "mm"}``.
        derived_from : run, uid, or a list or dict of these, optional
            The runs that this one was made from; as a dict by their roles, e.g. ``{"data": raw, "dark": dark}``.
            The first characters of a uid are enough.
        supersedes : run, uid, or a list of these, optional
            Earlier results that this one replaces.
        versions : list of str, optional
            Names of installed packages whose versions are recorded, beside those of Python, databroker and this one.
        parameters : dict, optional
            The parameters of the analysis, e.g. ``{"window": 5}``.
        attachments : dict, optional
            Files to store with the table, by name, up to 100 MB each: figures, bytes, text or `pathlib.Path`, e.g.
            ``{"fit.png": figure}``. `databroker_writable.attachments` gives them back.
        asset_threshold : int, optional
            Use this in place of the catalog's threshold. It applies to tables and runs that are built here; documents
            from elsewhere are stored unchanged.
        progress : bool, optional
            Show a progress bar for the bytes that go to assets.

        Returns
        -------
        databroker.core.BlueskyRun
            The run as ``catalog[uid]`` returns it. If a run with the same documents is stored already, that one is
            returned, so it is safe to try again.

        Raises
        ------
        InvalidTableError, InvalidMetadataError, InvalidRunError
            The input cannot be stored; nothing was written.
        RunExistsError
            Another run with this uid is stored; it is the error's ``run``.
        NotWritableError
            This is a search result, a catalog with ``writable=False``, or there is no permission to write here.
        StoreFailedError
            For example, the disk is full or the server cannot be reached; nothing was published.
        UnreadableAssetError
            The table has a lazy array, as from `to_dataset`, whose file cannot be read; nothing was published.

        Warns
        -----
        StoreWarning
            databroker takes more than 5 s to ``read()`` the run; a uid in `derived_from` or `supersedes` is unknown;
            a run of another catalog is retracted there, or its arrays stay there.

        Notes
        -----
        O(1) in the number of stored runs.

        Examples
        --------
        >>> stored = catalog.store_run({"x": [1, 2, 3], "y": [4, 5, 6]}, metadata={"sample": "Cu"})
        >>> stored.primary.read().y.values.tolist()
        [4, 5, 6]
        """
        start_arguments = StartArguments(metadata, uid, time, derived_from, supersedes, versions, parameters)
        others = {
            "exit_status": exit_status,
            "reason": reason,
            "one_event": one_event,
            "stream": stream,
            "units": units,
            "attachments": attachments,
        }
        build_options = {name: value for name, value in others.items() if value is not None}
        with errors_end_here:
            self._store.check_writable()
            check_flag("progress", progress, InvalidRunError)
            documents, plan = checked_run(self._store, run, start_arguments, asset_threshold, **build_options)
            with byte_progress(documents, plan) if progress else contextlib.nullcontext() as report:
                return self._store.store(documents, RunInsertion(self._store, plan, report))

    def run_builder(
        self,
        metadata: Mapping[str, Any] | None = None,
        uid: str | None = None,
        time: Time | None = None,
        *,
        one_event: bool = False,
        derived_from: Sources | None = None,
        supersedes: RunOrUid | Sequence[RunOrUid] | None = None,
        versions: Sequence[str] = (),
        parameters: Mapping[str, Any] | None = None,
    ) -> RunBuilder:
        """Build a run of several streams, in pieces, and store it at the end of a ``with`` block.

        Each piece is written when it is added, hidden from readers, so only one piece at a time is in memory. If the
        block raises an exception, what was added is stored with ``exit_status="fail"`` and the reason, and the
        exception is raised again.

        Parameters
        ----------
        metadata, uid, time, one_event, derived_from, supersedes, versions, parameters
            As for `RunBuilder`.

        Returns
        -------
        RunBuilder
            Its ``stored_run`` is the stored run, after the block.

        Raises
        ------
        InvalidTableError, InvalidMetadataError, InvalidRunError, RunExistsError, NotWritableError, StoreFailedError
            As for `store_run`, here, from the builder's methods, or at the end of the block.

        Examples
        --------
        >>> with catalog.run_builder(metadata={"sample": "Cu"}) as builder:
        ...     builder.add_stream("primary", data={"x": [1, 2, 3]})
        ...     builder.add_stream("baseline", data={"A": [-1, -1]})
        >>> sorted(builder.stored_run)
        ['baseline', 'primary']
        """
        with errors_end_here:
            self._store.check_writable()
            start = start_in(
                self._store, StartArguments(metadata, uid, time, derived_from, supersedes, versions, parameters)
            )
            sink = CatalogSink(self._store)
            builder = RunBuilder.into(sink, start, one_event)
            refuse_taken_uid(self._store, builder.uid)
            close_at_exit(builder, sink)
            return builder

    def store_runs(self, runs: Iterable[RunLike], *, progress: bool = False) -> list[str]:
        """Store many runs, each completely and durably by itself.

        Parameters
        ----------
        runs : iterable
            Of anything that `store_run` takes. A generator is consumed as the runs are stored: catalogs of files
            store up to 64 runs, or 64 MB, at a time, each of which is durable when the next ones are asked for. It may
            reuse its arrays for each run.
        progress : bool, optional
            Show a progress bar.

        Returns
        -------
        list of str
            The uids, in order.

        Raises
        ------
        StoreFailedError
            At the end, if some could not be stored: ``failures`` has their exceptions by position, and ``stored`` the
            uids of the others, which are stored.
        InvalidRunError, NotWritableError
            `runs` is not an iterable of runs, or nothing can be stored here; nothing was written.

        Warns
        -----
        StoreWarning
            `runs` raised an exception, which goes on, and some of the runs before it could not be stored.

        Notes
        -----
        O(1) in the number of stored runs. Catalogs of files bring many runs to the disk at once, which saves most of
        the waiting.

        Examples
        --------
        >>> len(catalog.store_runs([{"x": [1]}, {"x": [2]}]))
        2
        """
        with errors_end_here:
            self._store.check_writable()
            runs = checked_runs(runs, progress)
            with BatchStore(self._store) as batches:
                for position, run in enumerate(runs):
                    with batches.failures_at(position):
                        batches.add(position, *checked_run(self._store, run))
            return batches.uids()

    def build_simple_run(
        self,
        data: Table,
        metadata: Mapping[str, Any] | None = None,
        uid: str | None = None,
        time: Time | None = None,
        exit_status: str = "success",
        reason: str = "",
        *,
        one_event: bool = False,
        stream: str = "primary",
        units: Mapping[Hashable, str] | None = None,
        derived_from: Sources | None = None,
        supersedes: RunOrUid | Sequence[RunOrUid] | None = None,
        versions: Sequence[str] = (),
        parameters: Mapping[str, Any] | None = None,
        attachments: Files | None = None,
    ) -> BuiltRun:
        """Build a run in memory from a table, with this catalog's handlers and defaults; `store_run` stores it.

        For uids in `derived_from` and `supersedes` the first characters are enough. A warning says if no run has them.

        Parameters
        ----------
        data : table
            As `store_run` takes it; its other arguments, too, are explained there.

        Returns
        -------
        BuiltRun

        Raises
        ------
        InvalidTableError, InvalidMetadataError, InvalidRunError, StoreFailedError
            The table, the metadata or another argument cannot be stored, or no server answers when uids are looked up.

        Examples
        --------
        >>> run = catalog.build_simple_run({"x": [1, 2, 3]}, metadata={"sample": "Cu"})
        >>> run.metadata["start"]["sample"]
        'Cu'
        """
        with errors_end_here:
            return table_sink(
                self._store,
                data,
                StartArguments(metadata, uid, time, derived_from, supersedes, versions, parameters),
                exit_status=exit_status,
                reason=reason,
                one_event=one_event,
                stream=stream,
                units=units,
                attachments=attachments,
            ).get_run()

    def __setitem__(self, uid: str, run: Any) -> None:
        """Refuse an assignment, which intake would keep only until the catalog is loaded again."""
        raise NotWritableError(
            f"catalog[{short(uid)}] = ... stores nothing; store_run(run, uid={short(uid)}) stores a table or a run"
        )
