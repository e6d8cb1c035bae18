"""Build a run of one stream in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import InvalidRunError, errors_end_here
from ..tables.public_types import Files, RunOrUid, Sources, Table, Time
from .attachments import STREAM
from .builder import RunBuilder
from .sinks import BuiltRun, DocumentSink, TableSink
from .start_document import StartArguments, start_metadata


def build_simple_run(
    data: Table,
    metadata: Mapping[str, Any] | None = None,
    uid: str | None = None,
    time: Time | None = None,
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
    attachments: Files | None = None,
    handler_registry: Mapping[str, Any] | None = None,
) -> BuiltRun:
    """Build a run of one stream from a table. Nothing is stored.

    Parameters
    ----------
    data : table
        A dict of columns: lists or arrays of one length, with single values beside them; or a list of dicts, a
        DataFrame or Series, a Dataset or DataArray, or a table of polars, pyarrow or astropy.
    metadata : dict, optional
        For the start document, e.g. ``{"sample": "Cu"}``.
    uid : str, optional
        The uid of the run; a new one by default.
    time : float or datetime, optional
        When the run began, in POSIX seconds; now by default.
    exit_status : {"success", "abort", "fail"}
        How the analysis ended.
    reason : str
        Why it ended so, in words.
    one_event : bool
        True makes the whole table one Event, whose columns are arrays: for spectra, images, and tables of more than
        a few thousand rows. By default each row is an Event.
    stream : str
        The name of the stream.
    units : dict of str, optional
        Units of columns, by name, e.g. ``{"x": "mm"}``.
    derived_from : run, uid, or a list or dict of these, optional
        The runs that this one was made from; as a dict by their roles, e.g. ``{"data": raw, "dark": dark}``.
    supersedes : run, uid, or a list of these, optional
        Earlier results that this one replaces.
    versions : list of str, optional
        Names of installed packages whose versions are recorded, beside those of Python, databroker and this one.
    parameters : dict, optional
        The parameters of the analysis, e.g. ``{"window": 5}``.
    attachments : dict, optional
        Files to store with the table, by name, up to 100 MB each: figures, bytes, text or `pathlib.Path`, e.g.
        ``{"fit.png": figure}``. `databroker_writable.attachments` gives them back.
    handler_registry : dict, optional
        Handlers by spec, for reading assets of the run; by default those that are installed.

    Returns
    -------
    BuiltRun
        A bluesky-live BlueskyRun.

    Raises
    ------
    InvalidTableError, InvalidMetadataError, InvalidRunError
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
        start_arguments = StartArguments(metadata, uid, time, derived_from, supersedes, versions, parameters)
        sink = TableSink(handler_registry)
        build_table(
            sink, data, start_metadata(start_arguments), exit_status, reason, one_event, stream, units, attachments
        )
        return sink.get_run()


def build_table(
    sink: DocumentSink,
    data: Any,
    metadata: dict[str, Any],
    exit_status: str = "success",
    reason: str = "",
    one_event: bool = False,
    stream: str = "primary",
    units: Mapping[Any, str] | None = None,
    attachments: Files | None = None,
) -> None:
    """Send the documents of a run of one stream to a sink, with the metadata from `start_metadata`."""
    if attachments is not None and stream == STREAM:
        raise InvalidRunError(
            f"the attachments are stored as the stream {STREAM!r}; give the table another one, e.g. stream='primary'"
        )
    builder = RunBuilder.into(sink, metadata, one_event)
    builder.add_stream(stream, data=data, units=units)
    if attachments is not None:
        builder.attach(attachments)
    builder.close(exit_status=exit_status, reason=reason)
