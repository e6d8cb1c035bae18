"""Build runs in memory from tables, on bluesky-live's builder."""

from __future__ import annotations

import dataclasses
import math
import threading
import time as time_module
from collections.abc import Mapping, Sequence
from typing import Any

import bluesky_live.run_builder
import event_model
import numpy
from bluesky_live.bluesky_run import DocumentCache
from bluesky_live.run_builder import StreamDoesNotExist, StreamExists

from ..errors import InvalidRunError, InvalidTableError
from ..tables import StreamSchema, StreamTable, read_table
from ..tables.private_copy import private_copy
from ..tables.wording import short
from .built_run import BuiltRun
from .declarations import check_columns, check_configuration, check_declared, with_declarations, with_objects
from .documents import check_descriptor, check_start, check_stop
from .events import after, event_times, event_uids, new_uids, sequence_numbers, times_from, timestamps_of, user_times
from .provenance import start_metadata
from .schema import NamedDocument
from .templates import without_templates

EXIT_STATUSES = ("success", "abort", "fail")
MAX_REASON = 10_000
MANY_ROWS = 5_000
"""From here on databroker's reader takes minutes: it makes one dask array per Event and column."""


class RunBuilder(bluesky_live.run_builder.RunBuilder):
    """Build a run of several streams from tables, in pieces.

    Parameters
    ----------
    metadata : dict, optional
        Goes into the start document: JSON-like values, numpy scalars and arrays.
    uid : str, optional
        The run's uid; a UUID4 by default.
    time : float, optional
        POSIX seconds. By default the current time; where it is given, Events follow it microsecond by
        microsecond instead of carrying the time at which they were added.
    one_event : bool, optional
        Each table that is added is one Event whose columns are arrays, instead of one Event per row.
    derived_from, supersedes : run, uid, or a list of these, optional
        The runs that this one was made from, and the earlier results that it replaces.
    versions : list of str, optional
        Names of installed packages whose versions are recorded, as those of python, databroker and this package are.
    parameters : dict, optional
        The parameters of the analysis.
    handler_registry : dict, optional
        For reading external data through ``get_run()``; by default those that are installed.

    Raises
    ------
    InvalidMetadataError
        A key or value of the metadata that cannot be stored.
    InvalidRunError
        A uid that is not safe.

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
        time: float | None = None,
        *,
        one_event: bool = False,
        derived_from: Any = None,
        supersedes: Any = None,
        versions: Sequence[str] = (),
        parameters: Mapping[str, Any] | None = None,
        handler_registry: Mapping[str, Any] | None = None,
    ) -> None:
        if not isinstance(one_event, bool | numpy.bool_):
            raise InvalidTableError(f"one_event is True or False, not {short(one_event)}")
        metadata = start_metadata(
            metadata,
            uid,
            time,
            derived_from=derived_from,
            supersedes=supersedes,
            versions=versions,
            parameters=parameters,
        )
        self._fixed_time = metadata.get("time")
        metadata.setdefault("uid", new_uids(1)[0])
        metadata.setdefault("time", time_module.time())
        start = check_start(metadata)
        # as bluesky-live 0.0.8 does, but for a second validation of what check_start has validated
        self._run_bundle = event_model.compose_run(
            uid=start.pop("uid"), time=start.pop("time"), metadata=start, validate=False
        )
        self._documents: list[NamedDocument] = []
        self._cache: DocumentCache | None = None
        self._cache_lock = threading.RLock()  # listeners may ask for the run
        self._streams: dict[str, Any] = {}
        self._one_event = bool(one_event)
        self._handler_registry = handler_registry
        self._last_time = self._run_bundle.start_doc["time"]
        self._first_tables: dict[str, StreamSchema] = {}  # what the later ones must agree with, by stream
        self._ends: dict[str, tuple[int, float]] = {}  # last seq_num and last Event's time, by stream
        self._emit("start", self._run_bundle.start_doc)

    @property
    def uid(self) -> str:
        """The run's uid."""
        return self._run_bundle.start_doc["uid"]

    @property
    def closed(self) -> bool:
        """Whether the run is complete."""
        return self._documents[-1][0] == "stop"

    def add_stream(
        self,
        name: str,
        *,
        data: Any = None,
        data_keys: Mapping[str, Mapping[str, Any]] | None = None,
        uid: str | None = None,
        time: float | None = None,
        object_keys: Mapping[str, Sequence[str]] | None = None,
        configuration: Mapping[str, Any] | None = None,
        hints: Mapping[str, Any] | None = None,
    ) -> None:
        """Define a stream and, where `data` is given, add its first table.

        Parameters
        ----------
        name : str
            ``"primary"`` by convention for the table of most interest.
        data : dict of lists or arrays, DataFrame or Dataset, optional
            Equally long columns; one row is one Event unless the builder has ``one_event``.
        data_keys : dict, optional
            What is known of the columns; it wins over what is inferred from `data`. Without `data` each entry
            needs ``source``, ``dtype`` and ``shape``.
        uid, time : optional
            Of the descriptor.
        object_keys, configuration, hints : dict, optional
            As in bluesky-live; they win over what is inferred.

        Raises
        ------
        StreamExists
            The name is in use; `add_data` adds to it.
        InvalidTableError
            A column that cannot be stored, or neither `data` nor `data_keys`.
        """
        self._check_open()
        if not isinstance(name, str) or not name:
            raise InvalidTableError(f"the name of a stream is a string, not {name!r}")
        if name in self._streams:
            raise StreamExists(f"The stream {name!r} exists; add_data({name!r}, ...) adds to it.")
        if data is None and not data_keys:
            raise InvalidTableError(f"the stream {name!r} has neither data nor data_keys; give at least one of them")
        table = None if data is None else self._read(data)
        schema = table.schema if table else StreamSchema({}, {}, {}, {})
        schema = with_declarations(schema, table is not None, data_keys, object_keys, configuration, hints)
        self._compose_descriptor(name, schema, time=time, uid=uid)
        if table is not None:
            self._add_table(name, table, time=time)

    def add_data(
        self,
        name: str,
        data: Any,
        time: Any = None,
        timestamps: Any = None,
        seq_num: Any = None,
        uid: Any = None,
    ) -> None:
        """Add a table to a stream.

        Parameters
        ----------
        name : str
            Of a stream that `add_stream` has defined.
        data : dict of lists or arrays, DataFrame or Dataset
            With the columns, types and shapes of the first table. Its arrays may be filled again for the next piece.
        time : array of float, shape (number of Events,), optional
            POSIX seconds, rising. By default 1 microsecond apart, so that readers keep the order.
        timestamps : dict of arrays of float, optional
            POSIX seconds per column; by default those of the Events.
        seq_num : array of int, optional
            By default it goes on from the last table.
        uid : list of str, optional
            One per Event; UUID4 by default.

        Raises
        ------
        StreamDoesNotExist
            `add_stream` defines it.
        InvalidTableError
            A table that does not agree with the first one, or times of the wrong length or order.
        """
        self._check_open()
        if name not in self._streams:
            raise StreamDoesNotExist(f"There is no stream {name!r} yet; add_stream({name!r}, ...) defines it.")
        table = self._read(data)
        data_keys = self._streams[name].descriptor_doc["data_keys"]
        if name in self._first_tables:
            self._first_tables[name].check_agrees(table.schema, name)
        check_columns(data_keys, table, name)
        check_declared(data_keys, table.schema, f"stream {name!r}")
        self._add_table(name, table, time=time, timestamps=timestamps, seq_num=seq_num, uid=uid)

    def update_configuration(self, name: str, configuration: Mapping[str, Any]) -> None:
        """Give a stream another configuration from here on, by a new descriptor.

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
        self._check_open()
        if name not in self._streams:
            raise StreamDoesNotExist(f"There is no stream {name!r} yet; add_stream({name!r}, ...) defines it.")
        old = self._streams[name].descriptor_doc
        check_configuration(configuration, old["configuration"])
        schema = StreamSchema(
            old["data_keys"], old["object_keys"], {**old["configuration"], **configuration}, old["hints"]
        )
        self._compose_descriptor(name, with_objects(schema))

    def close(
        self,
        exit_status: str = "success",
        reason: str = "",
        uid: str | None = None,
        time: float | None = None,
    ) -> None:
        """Mark the run as complete.

        Parameters
        ----------
        exit_status : {"success", "abort", "fail"}
        reason : str
        uid, time : optional
            Of the stop document.

        Raises
        ------
        InvalidRunError
            Another exit status, or the run is closed.
        """
        self._check_open()
        check_exit_status(exit_status)
        if time is None:
            time = self._now()
        stop = self._run_bundle.compose_stop(
            exit_status=exit_status, reason=str(reason), uid=uid, time=time, validate=False
        )
        try:
            stop = check_stop(stop)
        except InvalidRunError:
            # event-model 1.24 counts the stop document as composed
            self._run_bundle.compose_stop.poison_pill.clear()
            raise
        self._emit("stop", stop)

    def __exit__(self, type: Any, value: Any, traceback: Any) -> None:
        if self.closed:
            return
        if value is None:
            self.close()
        else:
            self.close("fail", without_templates(short(value, MAX_REASON)))

    def get_run(self, **kwargs: Any) -> BuiltRun:
        """Give the run in memory; it may be called at any point.

        Parameters
        ----------
        **kwargs
            As for bluesky-live's: ``handler_registry``, ``root_map``, ``filler_class``, ``transforms``.
        """
        kwargs.setdefault("handler_registry", self._handler_registry)
        with self._cache_lock:
            if self._cache is None:
                # bluesky-live's signals, of which it is full, cost as much as all else: not where nobody listens
                cache = DocumentCache()
                for item in self._documents:
                    cache(*item)
                self._cache = cache
        return BuiltRun(self._cache, **kwargs)

    def _read(self, data: Any) -> StreamTable:
        """Read a table, whose arrays may be filled anew for the next one."""
        table = read_table(data, one_event=self._one_event)
        return dataclasses.replace(table, data=private_copy(table.data))

    def _emit(self, name: str, doc: dict[str, Any]) -> None:
        """Pass a finished document on."""
        with self._cache_lock:
            self._documents.append((name, doc))
            if self._cache is not None:
                self._cache(name, doc)

    def _check_open(self) -> None:
        if self.closed:
            raise InvalidRunError(f"the run {self.uid!r} is closed; build another one")

    def _now(self) -> float:
        """The current time, or the next moment after the last Event if that is later."""
        now = self._last_time if self._fixed_time is not None else time_module.time()
        return max(now, self._last_time)

    def _compose_descriptor(
        self, name: str, schema: StreamSchema, *, time: float | None = None, uid: str | None = None
    ) -> None:
        bundle = self._run_bundle.compose_descriptor(
            name=name,
            data_keys=dict(schema.data_keys),
            object_keys=dict(schema.object_keys),
            configuration=dict(schema.configuration),
            hints=dict(schema.hints),
            time=self._now() if time is None else time,
            uid=uid,
            validate=False,
        )
        self._emit("descriptor", check_descriptor(bundle.descriptor_doc))
        self._streams[name] = bundle

    def _add_table(
        self,
        name: str,
        table: StreamTable,
        *,
        time: Any = None,
        timestamps: Any = None,
        seq_num: Any = None,
        uid: Any = None,
    ) -> None:
        if not table.length:
            return
        last_seq_num, last_event = self._ends.get(name, (0, -math.inf))
        times = self._event_times(table, time, last_event)
        seq_nums = sequence_numbers(seq_num, table.length, last_seq_num)
        page = self._streams[name].compose_event_page(
            data=table.data,
            time=times,
            timestamps=timestamps_of(timestamps, times, list(table.data)),
            seq_num=seq_nums,
            filled={},
            uid=event_uids(uid, table.length),
            validate=False,
        )
        try:
            self._emit("event_page", page)
        except BaseException:
            # event-model counts Events when it composes them
            self._run_bundle.compose_stop.event_counters[name] -= table.length
            raise
        self._first_tables.setdefault(name, table.schema)
        self._ends[name] = (seq_nums[-1], times[-1])
        self._last_time = max(self._last_time, times[-1])

    def _event_times(self, table: StreamTable, time: Any, last_event: float) -> list[float]:
        if time is None and table.time is None:
            return event_times(max(self._now(), after(self._last_time)), table.length)
        if time is None:
            return user_times(table.time, table.length, last_event)
        times = times_from(time, table.length) if numpy.ndim(time) == 0 else time
        return user_times(times, table.length, last_event)


def check_exit_status(exit_status: Any) -> None:
    if exit_status not in EXIT_STATUSES:
        raise InvalidRunError(f"exit_status is one of {', '.join(EXIT_STATUSES)}, not {exit_status!r}")
