"""Compose the documents of a run that is built in pieces."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy

from ..errors import InvalidRunError, InvalidTableError
from ..tables import StreamSchema, StreamTable
from ..tables.exact_numbers import narrowest_float
from ..tables.layout import find_layout
from ..tables.wording import counted, cut, short
from .declarations import check_configuration, check_declared, with_objects
from .document_checks import check_exit_status, check_time, check_times
from .document_parts import Document, NamedDocument

MICROSECOND = 1e-6
_VARIANTS = bytes.maketrans(b"0123456789abcdef", b"89ab" * 4)


@dataclass
class BuiltStream:
    """A stream's latest descriptor, and where its Events end."""

    descriptor: Document
    schema: StreamSchema | None = None  # of its first table; later tables must agree with it
    units: Mapping[Any, str] | None = None  # from the user
    length: int = 0
    rows: int = 0
    last_seq_num: int = 0
    last_time: float = -math.inf
    floats: dict[str, str | None] = field(default_factory=dict[str, str | None])
    """For each column of integers the narrowest floats that hold them, None if float64 does not."""

    def fitted(self, table: StreamTable) -> StreamTable:
        """Fit a later table to the first one; refuse it if it does not fit."""
        name, data_keys = self.descriptor["name"], self.descriptor["data_keys"]
        if self.schema is not None:
            given = table.schema
            table = table.fitted(self.schema)
            self.schema.check_agrees(table.schema, name)
            for key, data_key in self.schema.widened(table.schema).items():
                held, dtype = self.floats.get(key), numpy.dtype(data_key["dtype_numpy"])
                if key in self.floats and (held is None or numpy.dtype(held).itemsize > dtype.itemsize):
                    raise InvalidTableError(
                        f"column {key!r} of stream {name!r} began with integers that {dtype}, the type of this table, "
                        "may not hold exactly; make them all integers or all floats, or begin another stream"
                    )
            given.warn_of_nulls(self.schema, name)
        if set(table.data) != set(data_keys):
            raise InvalidTableError(
                f"the stream {name!r} has the columns {sorted(data_keys)}, but this table has {sorted(table.data)}"
            )
        check_declared(self._data_keys_with(table), table.schema, f"stream {name!r}")
        return table

    def descriptor_before(self, table: StreamTable, time: float) -> list[NamedDocument]:
        """The new descriptor for a later table in which integers become floats, or None."""
        if self.schema is None or not self.schema.widened(table.schema):
            return []
        old = self.descriptor
        # a stream that was defined by its data keys alone has no layout
        changed = {} if find_layout(old) is None else table.schema.configuration
        configuration = {**old["configuration"], **changed}
        schema = StreamSchema(self._data_keys_with(table), old["object_keys"], configuration, old["hints"])
        return [("descriptor", composed_descriptor(old["run_start"], old["name"], schema, time))]

    def _data_keys_with(self, table: StreamTable) -> dict[str, dict[str, Any]]:
        wider = {} if self.schema is None else self.schema.widened(table.schema)
        return {key: {**data_key, **wider.get(key, {})} for key, data_key in self.descriptor["data_keys"].items()}

    def reconfigured(self, configuration: Mapping[str, Any]) -> StreamSchema:
        """The schema with a changed configuration; objects that are not named keep theirs."""
        old = self.descriptor
        check_configuration(configuration, old["configuration"])
        merged = {**old["configuration"], **configuration}
        return with_objects(StreamSchema(old["data_keys"], old["object_keys"], merged, old["hints"]))

    def event_page(
        self,
        table: StreamTable,
        descriptor: Document,
        now: float,
        *,
        time: Any = None,
        timestamps: Any = None,
        seq_num: Any = None,
        uid: Any = None,
    ) -> Document:
        """Compose the page of the next table; its Events begin `now` unless a time is given."""
        times = self._times(table, time, now)
        return {
            "uid": event_uids(uid, table.length),
            "time": times,
            "seq_num": sequence_numbers(seq_num, table.length, self.last_seq_num),
            "data": table.data,
            "timestamps": timestamps_of(timestamps, times, list(table.data)),
            "filled": {},
            "descriptor": descriptor["uid"],
        }

    def add(self, table: StreamTable, page: Document) -> None:
        """Record that the page of a table was sent."""
        if self.schema is None or self.schema.widened(table.schema):
            self.schema = table.schema
        self.length += table.length
        self.rows += table.rows
        self.last_seq_num, self.last_time = page["seq_num"][-1], page["time"][-1]

    def note_integers(self, table: StreamTable) -> None:
        """Record which floats would hold the integers of a table, for floats in a later one."""
        for key, data_key in table.schema.data_keys.items():
            if data_key.get("dtype") == "integer" and not data_key["shape"] and self.floats.get(key, "") is not None:
                floats = narrowest_float(table.data[key])
                self.floats[key] = floats if floats is None else max(floats, self.floats.get(key) or floats)

    def _times(self, table: StreamTable, time: Any, now: float) -> list[float]:
        if time is None and table.time is None:
            return event_times(now, table.length)
        if time is None:
            return user_times(table.time, table.length, self.last_time)
        if not isinstance(time, list | tuple) and numpy.ndim(time) == 0:
            time = event_times(float(_times([time], 1, "time")[0]), table.length)
        times = user_times(time, table.length, self.last_time)
        if table.time is not None and not numpy.array_equal(times, table.time):
            raise InvalidTableError(
                "the table has a column 'time', which is the time of its Events, but the argument time says another; "
                "leave out the argument, or rename the column"
            )
        return times


def composed_descriptor(
    run_uid: str, stream: str, schema: StreamSchema, time: float, uid: str | None = None
) -> Document:
    check_time(time, "time", InvalidRunError)
    return {
        "configuration": dict(schema.configuration),
        "data_keys": dict(schema.data_keys),
        "name": stream,
        "object_keys": dict(schema.object_keys),
        "run_start": run_uid,
        "time": time,
        "uid": new_uids(1)[0] if uid is None else uid,
        "hints": dict(schema.hints),
    }


def composed_stop(
    run_uid: str, streams: Mapping[str, BuiltStream], exit_status: str, reason: str, time: float, uid: str | None
) -> Document:
    check_exit_status(exit_status)
    check_time(time, "time", InvalidRunError)
    num_rows = {name: stream.rows for name, stream in streams.items() if stream.rows != stream.length}
    return {
        "uid": new_uids(1)[0] if uid is None else uid,
        "time": time,
        "run_start": run_uid,
        "exit_status": exit_status,
        "reason": str(reason),
        "num_events": {name: stream.length for name, stream in streams.items()},
        **({"num_rows": num_rows} if num_rows else {}),
    }


def event_times(first: float, length: int) -> list[float]:
    """Times for Events, in POSIX seconds, each at least 1 microsecond after the one before.

    Readers sort by time alone. A step is a whole number of the spacing of floats, so that no rounding brings
    two times closer together.
    """
    times: list[float] = (first + numpy.arange(length) * step_at(first)).tolist()
    return times


def user_times(values: Any, length: int, last: float) -> list[float]:
    """Check the user's times of Events."""
    times = _times(values, length, "time")
    falls = numpy.diff(times, prepend=last) <= 0 if length and math.isfinite(last) else numpy.diff(times) <= 0
    if falls.any():
        raise InvalidTableError(
            f"time does not increase at {times[int(numpy.argmax(falls))]}; readers sort Events by time, "
            "so sort the rows first"
        )
    rising: list[float] = times.tolist()
    return rising


def timestamps_of(timestamps: Any, times: list[float], keys: list[str]) -> dict[str, list[float]]:
    """Timestamps per data key: those of the Events, or the user's, checked."""
    if timestamps is None:
        return dict.fromkeys(keys, times)
    if not isinstance(timestamps, Mapping):
        raise InvalidTableError(f"timestamps must be a dict of an array for each column, not {cut(timestamps)!r}")
    columns = dict(timestamps)
    if set(columns) != set(keys):
        raise InvalidTableError(f"timestamps has the columns {[*columns]}, but the data have {[*keys]}")
    return {key: _times(columns[key], len(times), f"timestamps[{key!r}]").tolist() for key in keys}


def sequence_numbers(seq_num: Any, length: int, last: int) -> list[int]:
    """Sequence numbers that continue from the last one, or the user's, checked."""
    if seq_num is None:
        return list(range(last + 1, last + 1 + length))
    try:
        numbers = numpy.asarray(seq_num)
    except ValueError:  # of lists of different lengths
        numbers = numpy.empty(0)
    if numbers.shape != (length,) or numbers.dtype.kind not in "iu":
        raise InvalidTableError(f"seq_num must be an array of {counted(length, 'integer')}, not {cut(seq_num)!r}")
    if (numpy.diff(numbers, prepend=last) <= 0).any():
        raise InvalidTableError(f"seq_num must increase, and start above the last one, {last}")
    rising: list[int] = numbers.tolist()
    return rising


def event_uids(uid: Any, length: int) -> list[str]:
    """Uids for Events: new ones, or the user's, counted."""
    if uid is None:
        return new_uids(length)
    try:
        uids = [uid] if isinstance(uid, str) else [str.__str__(one) for one in uid]
    except TypeError:
        raise InvalidTableError(f"uid must be a list of texts, one for each Event, not {short(uid)}") from None
    if len(uids) != length:
        raise InvalidTableError(f"uid has {counted(len(uids), 'value')} for {counted(length, 'Event')}")
    return uids


def new_uids(number: int) -> list[str]:
    """Random (version 4) UUIDs, RFC 9562 section 5.4, from one read of the system's random source."""
    text = bytearray(os.urandom(18 * number).hex(), "ascii")
    for place, character in ((8, b"-"), (13, b"-"), (14, b"4"), (18, b"-"), (23, b"-")):
        text[place::36] = character * number
    text[19::36] = text[19::36].translate(_VARIANTS)
    uids = text.decode()
    return [uids[i : i + 36] for i in range(0, 36 * number, 36)]


def new_run_uid() -> str:
    """A new uid whose first characters databroker does not read as a scan_id, as it does with eight digits."""
    (uid,) = new_uids(1)
    return new_run_uid() if uid[:8].isdigit() else uid


def step_at(time: float) -> float:
    """The least time from one Event to the next."""
    spacing = math.ulp(abs(time) + 1.0)
    return math.ceil(MICROSECOND / spacing) * spacing


def _times(values: Any, length: int, what: str) -> numpy.ndarray[Any, numpy.dtype[numpy.float64]]:
    try:
        given = numpy.asarray(values)
        is_number = given.dtype.kind not in "mMUSc"
        times = given.astype(float) if is_number else numpy.empty(0)
    except (TypeError, ValueError):
        raise InvalidTableError(f"{what} must be an array of POSIX seconds, not {cut(values)!r}") from None
    if not is_number:
        raise InvalidTableError(
            f"{what} must be an array of POSIX seconds, not of {given.dtype}; convert it, "
            "e.g. times.astype('M8[us]').astype('int64') / 1e6"
        )
    if times.shape != (length,):
        raise InvalidTableError(f"{what} has shape {times.shape}, but there are {length} Events")
    check_times(times, what, InvalidTableError)
    return times
