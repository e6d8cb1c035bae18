"""A stream that is built: its descriptor, and pages of Events that go on where the last one ended."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy

from ..tables import StreamSchema, StreamTable
from .documents import check_descriptor, check_exit_status, check_stop
from .events import event_times, event_uids, new_uids, sequence_numbers, times_from, timestamps_of, user_times
from .schema import Document


@dataclass
class BuiltStream:
    """A stream's latest descriptor, and where its Events end."""

    descriptor: Document
    schema: StreamSchema | None = None  # of its first table, with which the later ones must agree
    length: int = 0
    last_seq_num: int = 0
    last_time: float = -math.inf

    def event_page(
        self,
        table: StreamTable,
        now: float,
        *,
        time: Any = None,
        timestamps: Any = None,
        seq_num: Any = None,
        uid: Any = None,
    ) -> Document:
        """Compose the page of a table that follows; its Events begin `now` unless a time is given."""
        times = self._times(table, time, now)
        return {
            "uid": event_uids(uid, table.length),
            "time": times,
            "seq_num": sequence_numbers(seq_num, table.length, self.last_seq_num),
            "data": table.data,
            "timestamps": timestamps_of(timestamps, times, list(table.data)),
            "filled": {},
            "descriptor": self.descriptor["uid"],
        }

    def add(self, table: StreamTable, page: Document) -> None:
        """Note that the page of a table was passed on."""
        self.schema = self.schema or table.schema
        self.length += table.length
        self.last_seq_num, self.last_time = page["seq_num"][-1], page["time"][-1]

    def _times(self, table: StreamTable, time: Any, now: float) -> list[float]:
        if time is None and table.time is None:
            return event_times(now, table.length)
        if time is None:
            time = table.time
        elif numpy.ndim(time) == 0:
            time = times_from(time, table.length)
        return user_times(time, table.length, self.last_time)


def composed_descriptor(
    run_uid: str, stream: str, schema: StreamSchema, time: float, uid: str | None = None
) -> Document:
    """Compose the descriptor of a stream, and check it."""
    return check_descriptor(
        {
            "configuration": dict(schema.configuration),
            "data_keys": dict(schema.data_keys),
            "name": stream,
            "object_keys": dict(schema.object_keys),
            "run_start": run_uid,
            "time": time,
            "uid": new_uids(1)[0] if uid is None else uid,
            "hints": dict(schema.hints),
        }
    )


def composed_stop(
    run_uid: str, streams: Mapping[str, BuiltStream], exit_status: str, reason: str, time: float, uid: str | None
) -> Document:
    """Compose the stop document of a run, and check it."""
    check_exit_status(exit_status)
    return check_stop(
        {
            "uid": new_uids(1)[0] if uid is None else uid,
            "time": time,
            "run_start": run_uid,
            "exit_status": exit_status,
            "reason": str(reason),
            "num_events": {name: stream.length for name, stream in streams.items()},
        }
    )
