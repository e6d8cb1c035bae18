"""Build a run of one stream in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..tables.public_types import RunOrUid, Sources, Table
from ..tables.tracebacks import errors_end_here
from .builder import RunBuilder
from .built_run import BuiltRun
from .documents import check_exit_status
from .provenance import Provenance, start_metadata
from .sinks import DocumentSink, TableSink


def build_simple_run(
    data: Table,
    metadata: Mapping[str, Any] | None = None,
    uid: str | None = None,
    time: float | None = None,
    exit_status: str = "success",
    reason: str = "",
    *,
    one_event: bool = False,
    stream: str = "primary",
    units: Mapping[Any, str] | None = None,
    derived_from: Sources | None = None,
    supersedes: RunOrUid | Sequence[RunOrUid] | None = None,
    versions: Sequence[str] = (),
    parameters: Mapping[str, Any] | None = None,
    handler_registry: Mapping[str, Any] | None = None,
) -> BuiltRun:
    """Build a run of one stream from a table. Nothing is stored.

    Parameters
    ----------
    data : table
        A dict of columns: lists or arrays of one length, with single values beside them; or a list of dicts, a
        DataFrame or Series, a Dataset or DataArray, or a table of polars, pyarrow or astropy.
    metadata, uid, time, one_event, derived_from, supersedes, versions, parameters, handler_registry
        As for `RunBuilder`.
    exit_status : {"success", "abort", "fail"}
    reason : str
    stream : str
        The name of the stream.
    units : dict of str, optional
        Of columns, by name, e.g. ``{"x": "mm"}``.

    Returns
    -------
    BuiltRun
        A bluesky-live BlueskyRun.

    Raises
    ------
    InvalidTableError, InvalidRunError
        The table, the metadata or another argument cannot be stored.

    Notes
    -----
    O(number of values), vectorised for numeric columns. Arrays are not copied: if you change them later, the run in
    memory changes too, as with a Dataset.

    Examples
    --------
    >>> run = build_simple_run({"x": [1, 2, 3], "y": [4, 5, 6]}, metadata={"sample": "Cu"})
    >>> run.primary.read().y.values.tolist()
    [4, 5, 6]
    """
    with errors_end_here:
        provenance = Provenance.of(derived_from, supersedes, versions, parameters)
        sink = TableSink(handler_registry)
        start = start_metadata(metadata, uid, time, provenance)
        build_table(sink, data, start, exit_status, reason, one_event, stream, units)
        return sink.get_run()


def build_table(
    sink: DocumentSink,
    data: Any,
    metadata: dict[str, Any],
    exit_status: str,
    reason: str,
    one_event: bool,
    stream: str,
    units: Mapping[Any, str] | None = None,
) -> None:
    """Give a sink the documents of a run of one stream; the metadata are what `start_metadata` gives."""
    check_exit_status(exit_status)
    builder = RunBuilder.into(sink, metadata, one_event)
    builder.add_stream(stream, data=data, units=units)
    builder.close(exit_status=exit_status, reason=reason)
