"""The documents of a run to store, with the catalog's handlers, runs and ``metadata_defaults``."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import humanize

from ..errors import InvalidRunError, warn_user
from ..results.references import resolve
from ..results.remarks import retractions_in
from ..runs.asset_plan import AssetPlan
from ..runs.builder import RunBuilder
from ..runs.checker import RunChecker, RunDocuments, check_documents
from ..runs.document_parts import Document
from ..runs.run_or_table import documents_of, is_table, warn_of_wrong_order
from ..runs.simple_run import build_table
from ..runs.sinks import BuiltRun, TableSink
from ..runs.start_document import REFERRING, StartArguments, start_metadata
from ..storage.asset_roots import AssetRoots, mapped_path
from ..storage.assets import is_asset_resource
from ..storage.backend import label_of
from ..storage.failures import explaining_reads
from ..tables.classifier import is_dict_like
from ..tables.stream_reading import catalog_of
from ..tables.wording import counted
from .run_store import RunStore

_NO_ARGUMENTS = StartArguments()

SECONDS_PER_VALUE = 0.0006
"""Seconds that databroker 1.2.5's ``read()`` needs for one column of one Event, for which it makes a dask array."""

SECONDS_PER_PAIR = 5e-7
"""Seconds that it needs in addition for each pair of columns, because xarray and dask go through all for each one."""

SLOW_SECONDS = 5
"""Warn if reading takes longer than this many seconds."""


def checked_run(
    store: RunStore,
    run: Any,
    start_arguments: StartArguments = _NO_ARGUMENTS,
    asset_threshold: Any = None,
    **build_options: Any,
) -> tuple[RunDocuments, AssetPlan]:
    """Return the documents of a run, or of one built from a table, and the plan of its assets; nothing is written.

    The arguments are those of `build_simple_run`, for a table.
    """
    if is_table(run):
        plan = store.plan(asset_threshold)
        checked = table_sink(store, run, start_arguments, store.new_checker(plan), **build_options).documents
    else:
        if named := [*start_arguments.names(), *build_options]:
            raise InvalidRunError(
                f"{', '.join(named)} cannot be given with a finished run: its documents are stored as they are; give "
                "them where the run is built"
            )
        is_built_here = isinstance(run, BuiltRun | RunBuilder)
        plan = store.plan(asset_threshold) if is_built_here else store.plan_as_it_is()
        checked = check_documents(documents_of(run), store.new_checker(plan))
        if not is_built_here:
            _look_at_assets(store, checked)
            _warn_of_retraction(store, run, checked)
            return checked, plan
    _warn_of_slow_reading(checked)
    return checked, plan


def _warn_of_slow_reading(documents: RunDocuments) -> None:
    """Warn of streams that databroker reads slowly, and name what reads them quickly."""
    descriptors = [doc for name, doc in documents if name == "descriptor"]
    for stream, (count, width, seconds) in slow_streams(descriptors, documents[-1][1]).items():
        events, remedy = f"{count} Events", ", or store the table as one Event with one_event=True"
        if count == 1:
            events, remedy = "Event", ""
        warn_user(
            f"databroker takes about {humanize.naturaldelta(seconds)} to read() the {events} of "
            f"{counted(width, 'column')} in the stream {stream!r}. Read it with databroker_writable."
            f"to_dataset(run), which is fast{remedy}"
        )


def slow_streams(descriptors: Iterable[Document], stop: Document) -> dict[str, tuple[int, int, float]]:
    """The streams that databroker reads slowly, with the numbers of Events and columns, and the seconds."""
    columns = {doc["name"]: len(doc["data_keys"]) for doc in descriptors}
    found = {}
    for stream, count in (stop.get("num_events") or {}).items():
        width = columns.get(stream, 0)
        seconds = SECONDS_PER_VALUE * count * width + SECONDS_PER_PAIR * width**2
        if seconds > SLOW_SECONDS:
            found[stream] = (count, width, seconds)
    return found


def _look_at_assets(store: RunStore, documents: RunDocuments) -> None:
    """Refuse assets of another catalog that could not be read here; warn of missing files, and of those that stay."""
    resources = [doc for name, doc in documents if name == "resource" and is_asset_resource(doc)]
    root_map = getattr(store.catalog, "root_map", None) or {}
    own = set(map(os.path.realpath, store.asset_roots())) if resources else set()
    for doc in resources:
        if isinstance(root_map, AssetRoots):
            root_map.check_reference(doc)
        root = str(doc.get("root", ""))
        recorded, mapped = mapped_path(doc, {}), mapped_path(doc, root_map)
        if not os.path.isfile(recorded) and not os.path.isfile(mapped):
            warn_user(
                f"arrays of the run {documents.uid!r} cannot be read, because their file {mapped!r} is missing; "
                "restore it, or open the catalog with a root_map from its root to the directory where it is now"
            )
            return
        if os.path.realpath(root) not in own and os.path.isfile(recorded):
            warn_user(
                f"the arrays of the run {documents.uid!r} stay in {root!r}, and cannot be read here once they are "
                "deleted there; databroker_writable.copy_runs copies them with the run"
            )
            return


def _warn_of_retraction(store: RunStore, run: Any, documents: RunDocuments) -> None:
    """Warn that a run of another catalog, which has retracted it, looks like a good one here."""
    origin = catalog_of(run)
    reason = retractions_in(origin).get(documents.uid)
    if reason is not None and documents.uid not in retractions_in(store.catalog):
        warn_user(
            f"the run {documents.uid!r} is retracted in {label_of(origin)!r}, but not here: {reason}; retract it here, "
            "too, or copy it with its remarks, by databroker_writable.copy_runs"
        )


def table_sink(
    store: RunStore, data: Any, start_arguments: StartArguments, checker: RunChecker | None = None, **build_options: Any
) -> TableSink:
    """Build the run of a table, with the arguments of `build_simple_run`."""
    sink = TableSink(store.catalog.handler_registry, checker)
    build_table(sink, data, start_in(store, start_arguments), **build_options)
    warn_of_wrong_order(data, start_arguments.metadata)
    return sink


def start_in(store: RunStore, start_arguments: StartArguments) -> dict[str, Any]:
    """The metadata of a run that is built for a catalog; uids of its runs are completed, and get its name."""
    resolved = {key: _resolved(store, getattr(start_arguments, key), key, start_arguments.uid) for key in REFERRING}
    return start_metadata(replace(start_arguments, **resolved, metadata=_with_defaults(store, start_arguments)))


def _with_defaults(store: RunStore, start_arguments: StartArguments) -> Any:
    """Add metadata to the catalog's defaults; complete uids of this catalog in them, and add its name."""
    if start_arguments.metadata is not None and not is_dict_like(start_arguments.metadata):
        return start_arguments.metadata  # composing the start document will refuse it
    defaults = dict(store.options.metadata_defaults)
    for key in (*REFERRING, "parameters"):
        if getattr(start_arguments, key) is not None:
            defaults.pop(key, None)
    merged = {**defaults, **(start_arguments.metadata or {})}
    for key in merged.keys() & set(REFERRING):
        merged[key] = _resolved(store, merged[key], key, start_arguments.uid)
    return merged


def _resolved(store: RunStore, runs: Any, argument: str, uid: str | None) -> Any:
    if runs is None:
        return None
    with explaining_reads(store.backend):
        return resolve(store.catalog, runs, argument, uid)
