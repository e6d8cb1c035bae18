"""Build runs with what a catalog knows: its handlers, its runs, its ``metadata_defaults``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..results.references import resolve
from ..runs.checker import RunDocuments, check_documents
from ..runs.inputs import documents_of, is_table
from ..runs.provenance import Provenance, start_metadata
from ..runs.simple_run import build_table
from ..runs.sinks import TableSink
from ..storage.backend import label_of
from ..storage.failures import explaining


def documents_to_store(catalog: Any, run: Any, **arguments: Any) -> RunDocuments:
    """Give the documents of a run; those of a table were checked while they were built."""
    if is_table(run):
        return RunDocuments(table_sink(catalog, run, **arguments).documents)
    return check_documents(documents_of(run))


def table_sink(
    catalog: Any,
    data: Any,
    metadata: Any = None,
    uid: str | None = None,
    time: float | None = None,
    exit_status: str = "success",
    reason: str = "",
    one_event: bool = False,
    **provenance: Any,
) -> TableSink:
    """Build the run of a table; the arguments are those of `build_simple_run`."""
    sink = TableSink(catalog.handler_registry)
    start = start_metadata(with_defaults(catalog, metadata), uid, time, provenance_in(catalog, uid, **provenance))
    build_table(sink, data, start, exit_status, reason, one_event)
    return sink


def provenance_in(
    catalog: Any,
    uid: str | None,
    derived_from: Any = None,
    supersedes: Any = None,
    versions: Sequence[str] = (),
    parameters: Any = None,
) -> Provenance:
    """Check the provenance of a run, uids of this catalog in full and with its name."""
    with explaining(label_of(catalog)):
        sources = resolve(catalog, derived_from, "derived_from", uid)
        replaced = resolve(catalog, supersedes, "supersedes", uid)
    return Provenance.of(sources, replaced, versions, parameters)


def with_defaults(catalog: Any, metadata: Any) -> Any:
    """Give metadata on top of the catalog's defaults."""
    if metadata is not None and not isinstance(metadata, Mapping):
        return metadata  # refused where the start document is composed
    return {**catalog.metadata_defaults, **(metadata or {})}
