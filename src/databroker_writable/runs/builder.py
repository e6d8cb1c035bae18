"""Build runs in memory from tables, on bluesky-live's builder."""

from __future__ import annotations

import dataclasses
import time as time_module
from collections.abc import Mapping, Sequence
from typing import Any

import bluesky_live.run_builder
from numpy.typing import ArrayLike

from ..errors import InvalidRunError, InvalidTableError, StoreError, errors_end_here, warn_user
from ..tables import StreamSchema, StreamTable, read_table
from ..tables.argument_checks import check_flag
from ..tables.document_values import private_copy
from ..tables.public_types import BlueskyRun, Files, RunOrUid, Sources, Table, Time
from ..tables.wording import short
from .attachments import STREAM, attachment_table
from .built_stream import BuiltStream, composed_descriptor, composed_stop, new_run_uid, step_at
from .declarations import NoSuchStreamError, check_stream, with_declarations
from .document_checks import without_templates
from .document_parts import NamedDocument
from .run_display import ShownBuilder
from .sinks import DocumentSink, MemorySink
from .start_document import StartArguments, start_metadata

LONGEST_REASON = 10_000


class RunBuilder(ShownBuilder, bluesky_live.run_builder.RunBuilder):
    """Build a run of several streams from tables, in pieces.

    Parameters
    ----------
    metadata : dict, optional
        For the start document: JSON-like values, numpy scalars and arrays.
    uid : str, optional
        The run's uid; a UUID4 by default.
    time : float or datetime, optional
        POSIX seconds; by default the current time. If it is given, the Events follow it, one microsecond apart.
    one_event : bool, optional
        Each table that is added is one Event whose columns are arrays, instead of one Event per row.
    derived_from, supersedes : run, uid, or a list of these, optional
        The runs that this one was made from, also by roles, ``{"dark": dark}``, and the results that it replaces.
    versions : list of str, optional
        Names of installed packages whose versions are recorded; Python, databroker and this package always are.
    parameters : dict, optional
        The parameters of the analysis.
    handler_registry : dict, optional
        For reading external data through ``get_run()``; by default those that are installed.

    Raises
    ------
    InvalidMetadataError
        A key or value of the metadata cannot be stored.
    InvalidRunError, InvalidTableError
        The uid is not safe as the name of a file, or another argument is wrong.

    Examples
    --------
    >>> with RunBuilder({"sample": "Cu"}) as builder:
    ...     builder.add_stream("primary", data={"x": [1, 2, 3]})
    ...     builder.add_data("primary", data={"x": [4]})
    >>> builder.get_run().primary.read().x.values.tolist()
    [1, 2, 3, 4]
    """

    def __init__(
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
        handler_registry: Mapping[str, Any] | None = None,
    ) -> None:
        with errors_end_here:
            start_arguments = StartArguments(metadata, uid, time, derived_from, supersedes, versions, parameters)
            self._begin(start_metadata(start_arguments), one_event, MemorySink(handler_registry))

    @classmethod
    def into(cls, sink: DocumentSink, metadata: dict[str, Any], one_event: bool) -> RunBuilder:
        """A builder whose documents go to a sink, with the metadata from `start_metadata`."""
        builder = cls.__new__(cls)
        builder._begin(metadata, one_event, sink)
        return builder

    def _begin(self, metadata: dict[str, Any], one_event: bool, sink: DocumentSink) -> None:
        check_flag("one_event", one_event, InvalidTableError)
        self._one_event = bool(one_event)
        self._has_fixed_time = metadata.get("time") is not None
        metadata.setdefault("uid", new_run_uid())
        metadata.setdefault("time", time_module.time())
        [(_, start)] = sink.take([("start", metadata)])
        self._uid: str = start["uid"]
        self._sink, self._is_closed = sink, False
        self._streams: dict[str, BuiltStream] = {}
        self._last_time: float = start["time"]

    @property
    def uid(self) -> str:
        """The run's uid."""
        return self._uid

    @property
    def closed(self) -> bool:
        """Whether the run is complete."""
        return self._is_closed

    @property
    def stored_run(self) -> BlueskyRun | None:
        """The run as the catalog returns it, once it is closed; None for a run in memory."""
        return self._sink.stored_run

    def add_stream(
        self,
        name: str,
        *,
        data: Table | None = None,
        data_keys: Mapping[str, Mapping[str, Any]] | None = None,
        uid: str | None = None,
        time: float | None = None,
        object_keys: Mapping[str, Sequence[str]] | None = None,
        configuration: Mapping[str, Any] | None = None,
        hints: Mapping[str, Any] | None = None,
        units: Mapping[Any, str] | None = None,
    ) -> None:
        """Define a stream and, if `data` is given, add its first table.

        Parameters
        ----------
        name : str
            ``"primary"`` by convention for the table of most interest.
        data : table, optional
            As for `build_simple_run`; one row is one Event, unless ``one_event``. Single values alone are one row.
        data_keys : dict, optional
            Descriptions of the columns, which take precedence over what is inferred from `data`. Without `data` each
            entry needs ``source``, ``dtype`` and ``shape``.
        uid, time : optional
            Of the descriptor; `time` also of the first Event, unless the table has times of its own.
        object_keys, configuration, hints : dict, optional
            As in bluesky-live; they take precedence over what is inferred.
        units : dict of str, optional
            Of columns, by name; they hold for the tables that are added later, too.

        Raises
        ------
        StreamExists
            Also an `InvalidRunError`: the stream exists already; `add_data` adds to it.
        InvalidTableError
            A column cannot be stored, or there is neither `data` nor `data_keys`.
        InvalidRunError, StoreFailedError
            The run is closed, or a builder of a catalog cannot write; so for all methods that add something.
        """
        with self._sink.step:
            self._check_open()
            check_stream(name, data, data_keys, self._streams)
            table = None if data is None else self._read(data, units)
            schema = with_declarations(table.schema if table else None, data_keys, object_keys, configuration, hints)
            moment = self._now() if time is None else time
            stream = BuiltStream(composed_descriptor(self.uid, name, schema, moment, uid), units=units)
            # together, so that a refused table leaves no stream behind
            self._take_table(stream, table, [("descriptor", stream.descriptor)], time=time)

    def add_data(
        self,
        name: str,
        data: Table,
        time: ArrayLike | None = None,
        timestamps: Mapping[str, ArrayLike] | None = None,
        seq_num: ArrayLike | None = None,
        uid: Sequence[str] | None = None,
    ) -> None:
        """Add a table to a stream.

        Parameters
        ----------
        name : str
            Of a stream that `add_stream` has defined.
        data : table
            With the columns, types and shapes of the first; single integers may become floats. Arrays can be reused.
        time : array of float, shape (number of Events,), optional
            POSIX seconds, increasing; by default the column ``time``, or 1 microsecond apart to keep the order.
        timestamps : dict of arrays of float, optional
            POSIX seconds per column; by default those of the Events.
        seq_num : array of int, optional
            By default it continues from the last table.
        uid : list of str, optional
            One per Event; UUID4 by default.

        Raises
        ------
        StreamDoesNotExist
            `add_stream` defines it.
        InvalidTableError
            The table does not agree with the first one, or the times have the wrong length or order.
        """
        with self._sink.step:
            stream = self._stream(name)
            table = stream.fitted(self._read(data, stream.units, stream.schema))
            before = stream.descriptor_before(table, self._now())
            self._take_table(stream, table, before, time=time, timestamps=timestamps, seq_num=seq_num, uid=uid)

    def attach(self, attachments: Files) -> None:
        """Add files to the run, all in one call: they become its stream ``attachments``.

        Parameters
        ----------
        attachments : dict
            By name: figures, saved in the format of its suffix, bytes, text or `pathlib.Path`; up to 100 MB each.

        Raises
        ------
        InvalidRunError
            A name is not safe, or content is not a file.
        StreamExists
            Also an `InvalidRunError`: the run has attachments already.
        """
        with self._sink.step:
            self.add_stream(STREAM, data=attachment_table(attachments))

    def update_configuration(self, name: str, configuration: Mapping[str, Any]) -> None:
        """Change the configuration of a stream from here on, with a new descriptor.

        Parameters
        ----------
        name : str
        configuration : dict
            As in `add_stream`; objects that are not named keep theirs.

        Raises
        ------
        StreamDoesNotExist
            `add_stream` defines it.
        """
        with self._sink.step:
            stream = self._stream(name)
            descriptor = composed_descriptor(self.uid, name, stream.reconfigured(configuration), self._now())
            with self._sink.whole():
                [(_, stream.descriptor)] = self._sink.take([("descriptor", descriptor)])

    def close(
        self, exit_status: str = "success", reason: str = "", uid: str | None = None, time: float | None = None
    ) -> None:
        """Mark the run as complete; a builder of a catalog stores it.

        Parameters
        ----------
        exit_status : {"success", "abort", "fail"}
        reason : str
        uid, time : optional
            Of the stop document.

        Raises
        ------
        InvalidRunError
            The exit status is unknown, the run is closed already, or it was lost when it could not be stored.
        StoreFailedError, RunExistsError
            A builder of a catalog cannot write, or another process has stored a run with this uid meanwhile.
        """
        with self._sink.step:
            self._check_open()
            time = self._now() if time is None else time
            stop = composed_stop(self.uid, self._streams, exit_status, reason, time, uid)
            with self._sink.whole():
                # listeners may store the run when they get its stop document
                self._is_closed = True
                try:
                    self._sink.take([("stop", stop)])
                except BaseException:
                    self._is_closed = False
                    raise

    def __exit__(self, type: Any, value: Any, traceback: Any) -> None:
        with self._sink.step:
            if self.closed:
                return
            if value is None:
                self.close()
            elif not self._sink.is_lost:
                with self._sink.whole():
                    try:
                        self.close("fail", without_templates(short(value, LONGEST_REASON)))
                    except StoreError as exc:
                        self._sink.abandon()
                        # the block's exception continues, so a warning must say that its data are lost
                        warn_user(f"what was added to the run {self.uid!r} could not be kept: {exc}")

    def get_run(self, **kwargs: Any) -> BlueskyRun:
        """Return the run in memory, at any point, or the one that was stored when the builder was closed.

        Parameters
        ----------
        **kwargs
            For a run in memory: ``handler_registry`` and ``root_map``.

        Raises
        ------
        InvalidRunError
            The builder stores into a catalog and is still open.
        """
        return self._sink.get_run(**kwargs)

    def _stream(self, name: str) -> BuiltStream:
        self._check_open()
        if not isinstance(name, str) or name not in self._streams:
            known = f" The run has {', '.join(map(repr, self._streams))}." if self._streams else ""
            raise NoSuchStreamError(f"There is no stream {name!r} yet; add_stream({name!r}, ...) defines it.{known}")
        return self._streams[name]

    def _read(self, data: Any, units: Mapping[Any, str] | None, first: StreamSchema | None = None) -> StreamTable:
        is_read, one_event = isinstance(data, StreamTable), self._one_event
        table: StreamTable = data if is_read else read_table(data, one_event=one_event, units=units, first=first)
        return dataclasses.replace(table, data=private_copy(table.data)) if self._sink.keeps_arrays else table

    def _check_open(self) -> None:
        if self.closed:
            raise InvalidRunError(f"the run {self.uid!r} is closed; build another one")

    def _now(self) -> float:
        """The current time, or the next time after the last Event if that is later."""
        return self._last_time if self._has_fixed_time else max(time_module.time(), self._last_time)

    def _take_table(
        self, stream: BuiltStream, table: StreamTable | None, before: list[NamedDocument], **columns: Any
    ) -> None:
        """Send the Events of a table to the sink, after the documents that they need."""
        page = None
        if table is not None and table.length:
            descriptor = before[0][1] if before else stream.descriptor
            now = max(self._now(), self._last_time + step_at(self._last_time))
            page = stream.event_page(table, descriptor, now, **columns)
        with self._sink.whole():
            documents = before if page is None else [*before, ("event_page", page)]
            for part, doc in self._sink.take(documents) if documents else []:
                if part == "descriptor":
                    stream.descriptor = doc
            self._streams[stream.descriptor["name"]] = stream
            if table is not None and page is not None:
                stream.add(table, page)
                if self._sink.takes_pieces:
                    stream.note_integers(table)
                self._last_time = max(self._last_time, page["time"][-1])
