"""Take apart the documents that pages have replaced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy

from ..errors import InvalidRunError
from .schema import NamedDocument


def unpacked(name: Any, doc: Any) -> Iterator[NamedDocument]:
    """Give ``bulk_events`` and ``bulk_datum`` as Events and Datums, others as they are, and no page without rows.

    databroker's documents() cannot read a page without rows back.
    """
    if not isinstance(name, str):
        yield name, doc  # refused where names are checked; an array equals nothing in one word
    elif name == "bulk_events":
        yield from _events(doc)
    elif name == "bulk_datum":
        yield from _datums(doc)
    elif not (name in ("event_page", "datum_page") and _is_empty(doc, "uid" if name == "event_page" else "datum_id")):
        yield name, doc


def _is_empty(page: Any, key: str) -> bool:
    rows = page.get(key) if isinstance(page, Mapping) else None
    if isinstance(rows, numpy.ndarray):
        return rows.shape[:1] == (0,)
    return isinstance(rows, list | tuple) and not rows


def _events(doc: Any) -> Iterator[NamedDocument]:
    if not isinstance(doc, Mapping) or not all(map(_is_sequence, doc.values())):
        raise InvalidRunError("a bulk_events document is a dict of lists of events, one list a descriptor")
    for events in doc.values():
        for event in events:
            yield "event", event


def _datums(doc: Any) -> Iterator[NamedDocument]:
    parts: list[Any] = [doc.get(key) for key in ("datum_ids", "datum_kwarg_list")] if isinstance(doc, Mapping) else []
    if not parts or not all(map(_is_sequence, parts)) or len(parts[0]) != len(parts[1]) or "resource" not in doc:
        raise InvalidRunError(
            "a bulk_datum document has a 'resource', and lists of one length, 'datum_ids' and 'datum_kwarg_list'"
        )
    for datum_id, kwargs in zip(*parts, strict=True):
        yield "datum", {"resource": doc["resource"], "datum_id": datum_id, "datum_kwargs": kwargs}


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)
