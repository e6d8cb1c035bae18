"""Build a run of one stream in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..tables import StreamTable, read_table
from .builder import RunBuilder, check_exit_status
from .built_run import BuiltRun


def build_simple_run(
    data: Any,
    metadata: Mapping[str, Any] | None = None,
    uid: str | None = None,
    time: float | None = None,
    exit_status: str = "success",
    reason: str = "",
    *,
    one_event: bool = False,
    derived_from: Any = None,
    supersedes: Any = None,
    versions: Sequence[str] = (),
    parameters: Mapping[str, Any] | None = None,
    handler_registry: Mapping[str, Any] | None = None,
) -> BuiltRun:
    """Build a run of one stream, ``primary``, from a table. Nothing is stored.

    Parameters
    ----------
    data : dict of lists or arrays, DataFrame or Dataset
        Equally long columns.
    metadata, uid, time, one_event, derived_from, supersedes, versions, parameters, handler_registry
        As for `RunBuilder`.
    exit_status : {"success", "abort", "fail"}
    reason : str

    Returns
    -------
    BuiltRun
        A bluesky-live BlueskyRun.

    Raises
    ------
    InvalidTableError, InvalidRunError
        What of the table, the metadata or the other arguments cannot be stored.

    Notes
    -----
    O(number of values), vectorised over numeric columns. Arrays are not copied: a run in memory shows what is filled
    into them later, as a Dataset does.

    Examples
    --------
    >>> run = build_simple_run({"x": [1, 2, 3], "y": [4, 5, 6]}, metadata={"sample": "Cu"})
    >>> run.primary.read().y.values.tolist()
    [4, 5, 6]
    """
    return table_builder(
        data,
        metadata,
        uid,
        time,
        exit_status,
        reason,
        one_event=one_event,
        derived_from=derived_from,
        supersedes=supersedes,
        versions=versions,
        parameters=parameters,
        handler_registry=handler_registry,
    ).get_run()


class SharingRunBuilder(RunBuilder):
    """A `RunBuilder` that does not copy arrays: it is done with a table before the user has it back."""

    def _read(self, data: Any) -> StreamTable:
        return read_table(data, one_event=self._one_event)


def table_builder(
    data: Any,
    metadata: Any,
    uid: Any = None,
    time: Any = None,
    exit_status: str = "success",
    reason: str = "",
    **kwargs: Any,
) -> RunBuilder:
    """Give the builder of a run of one stream, closed; the arguments are those of `build_simple_run`."""
    check_exit_status(exit_status)
    builder = SharingRunBuilder(metadata, uid, time, **kwargs)
    builder.add_stream("primary", data=data)
    builder.close(exit_status=exit_status, reason=reason)
    return builder
