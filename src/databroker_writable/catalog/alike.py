"""The documents of many small tables: where they are alike all but values, uids and times is built once."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import msgpack
import numpy

from ..runs.checker import RunDocuments
from ..runs.events import after, event_times, new_uids, sequence_numbers, timestamps_of

MOST_FORMS = 16
"""So many kinds of tables are remembered at a time: series of runs alternate between few."""

_DTYPE_KINDS = {float: "f", int: "iu", bool: "b"}


class AlikeTables:
    """Gives the documents of tables, each as `build` would give them.

    Parameters
    ----------
    build : callable
        ``build(table) -> RunDocuments`` of one stream.
    defaults : callable
        ``defaults()`` gives the metadata that `build` puts into each run.
    """

    def __init__(self, build: Callable[[Any], RunDocuments], defaults: Callable[[], Mapping[str, Any]]) -> None:
        self._build = build
        self._defaults = defaults
        self._known: dict[Hashable, bytes] = {}

    def __call__(self, table: Any) -> RunDocuments:
        form = form_of(table, self._defaults())
        if form in self._known:
            return documents_like(self._known[form], table)
        documents = self._build(table)
        if form is not None:
            if len(self._known) == MOST_FORMS:
                self._known.clear()
            # unpacking is the fastest way to copy nested documents; all else of a page is new
            self._known[form] = msgpack.packb(
                [{**dict.fromkeys(doc), "filled": {}} if name == "event_page" else doc for name, doc in documents]
            )
        return documents


def form_of(table: Any, defaults: Mapping[str, Any]) -> Hashable:
    """What a table and the metadata must have in common with others for their documents to be alike.

    None where that depends on the values: for strings, times and objects, and for a column ``time``, which can
    become that of the Events.
    """
    if type(table) is not dict or "time" in table or not defaults.keys().isdisjoint(("uid", "time")):
        return None
    columns: list[Hashable] = []
    lengths = set()
    for name, values in table.items():
        array = _numbers(values)
        if type(name) is not str or array is None:
            return None
        lengths.add(len(array))
        columns.append((name, type(values), array.dtype.str, array.shape[1:]))
    if len(lengths) != 1 or lengths == {0}:
        return None
    try:
        return msgpack.packb(dict(defaults)), *columns
    except (TypeError, ValueError, OverflowError):
        return None


def _numbers(values: Any) -> numpy.ndarray | None:
    """A column of numbers of one type as an array; None for any other."""
    if type(values) is list:
        types = set(map(type, values))
        kinds = _DTYPE_KINDS.get(types.pop(), "") if len(types) == 1 else ""
        array = numpy.asarray(values) if kinds else None
    else:
        kinds, array = "biuf", values
    is_plain = type(array) is numpy.ndarray and array.ndim and array.dtype.kind in kinds and array.dtype.isnative
    return array if is_plain else None


def documents_like(known: bytes, table: dict[str, Any]) -> RunDocuments:
    """The documents of a table, from those of one that is like it, packed."""
    start, descriptor, page, stop = msgpack.unpackb(known)
    data = {name: values if type(values) is list else numpy.ascontiguousarray(values) for name, values in table.items()}
    length = len(next(iter(data.values())))
    run_uid, descriptor_uid, stop_uid, *event_uids = new_uids(3 + length)
    now = time.time()
    times = event_times(after(now), length)
    start.update(uid=run_uid, time=now)
    descriptor.update(uid=descriptor_uid, run_start=run_uid, time=now)
    for configured in descriptor["configuration"].values():
        configured["timestamps"] = dict.fromkeys(configured["timestamps"], now)
    page.update(
        descriptor=descriptor_uid,
        data=data,
        time=times,
        timestamps=timestamps_of(None, times, list(data)),
        seq_num=sequence_numbers(None, length, 0),
        uid=event_uids,
    )
    stop.update(uid=stop_uid, run_start=run_uid, time=max(time.time(), times[-1]), num_events={"primary": length})
    return RunDocuments([("start", start), ("descriptor", descriptor), ("event_page", page), ("stop", stop)])
