"""Convert Events and Datums: single, in bulk as in old bluesky, and in pages."""

from __future__ import annotations

import dataclasses
import itertools
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import event_model
import numpy

from ..errors import InvalidRunError
from ..tables.document_values import are_single, private_copy
from ..tables.wording import short
from .document_parts import (
    DATUM_PARTS,
    EVENT_KEYS,
    EVENT_PARTS,
    Document,
    NamedDocument,
    check_parts,
    other_datum_kwargs,
)

_WAITING = ("event", "event_page", "datum")
"""Documents that are passed on, or packed together with the next ones."""


def unpacked(name: Any, doc: Any) -> Iterator[NamedDocument]:
    """Convert ``bulk_events`` and ``bulk_datum`` to Events and Datums; drop pages without rows.

    databroker's documents() cannot read a page without rows back.
    """
    if not isinstance(name, str):
        yield name, doc  # refused where names are checked; an array equals nothing in one word
    elif name == "bulk_events":
        if not isinstance(doc, Mapping) or not all(map(_is_sequence, doc.values())):
            raise InvalidRunError(
                "a bulk_events document must be a dict of lists of events, one list for each descriptor"
            )
        yield from (("event", event) for events in doc.values() for event in events)
    elif name == "bulk_datum":
        yield from _bulk_datums(doc)
    elif not (name in ("event_page", "datum_page") and _is_empty(doc, "uid" if name == "event_page" else "datum_id")):
        yield name, doc


def packed(items: Iterable[Any]) -> Iterator[NamedDocument]:
    """Pack consecutive Events, pages of one Event, and Datums into pages."""
    documents = (named_document(document) for item in items for document in unpacked(*named_document(item)))
    if not isinstance(items, list | tuple):
        # between two documents the code that gives them goes on; of these the others are copied when they are checked
        documents = ((name, private_copy(doc) if name in _WAITING else doc) for name, doc in documents)
    for (name, *_), group in itertools.groupby(map(_with_owner, documents), operator.itemgetter(0)):
        if name in ("event", "datum"):
            yield _page_of(name, [doc for _, doc in group])
        else:
            yield from ((name, doc) for _, doc in group)


def _with_owner(named: NamedDocument) -> tuple[tuple[str, str | int, tuple[str, ...]], Document]:
    """A document, of a page of one Event this Event, after what those have in common that can be one page."""
    name, doc = named
    keys: tuple[str, ...] = ()
    if name == "event_page" and _is_one_event(doc):
        name, doc, keys = "event", next(event_model.unpack_event_page(doc)), tuple(doc["data"])
    uid = doc.get("descriptor" if name == "event" else "resource")
    return (name, uid if isinstance(uid, str) else id(uid), keys), doc  # anything may be given, also arrays


def named_document(item: Any) -> NamedDocument:
    """A document with its name; refuse anything else."""
    try:
        name, doc = item
    except (TypeError, ValueError):
        name, doc = None, None
    if isinstance(name, event_model.DocumentNames):
        name = name.name
    if not isinstance(name, str) or not isinstance(doc, Mapping):
        last = item[-1] if isinstance(item, tuple) and item else item  # of a group, the table behind its key
        if any(hasattr(type(last), attribute) for attribute in ("columns", "data_vars")):
            remedy = "if these are tables, store a run for each, with store_runs"
        elif isinstance(item, Mapping) or hasattr(item, "_fields") or dataclasses.is_dataclass(item):
            remedy = "if these are rows, make a table of them: pandas.DataFrame(rows)"
        else:
            remedy = "if these are the values of a column, give it a name, as in {'x': [1, 2, 3]}"
            if isinstance(item, list | tuple):
                remedy += "; if these are rows, name their columns: pandas.DataFrame(rows, columns=['x', 'y'])"
        raise InvalidRunError(f"the documents of a run are pairs (name, document), not {short(item)}; {remedy}")
    return name, dict(doc)


def _is_one_event(page: Document) -> bool:
    """Whether a page is one Event of single values: databroker's documents() give such a page for each Event."""
    if page.keys() - {"filled"} != {"descriptor", *EVENT_KEYS} or page.get("filled"):
        return False
    columns = [page[part] for part in ("uid", "time", "seq_num")]
    for part in ("data", "timestamps"):
        columns += page[part].values() if isinstance(page[part], Mapping) else [None]
    return all(type(column) is list and len(column) == 1 for column in columns) and are_single(
        column[0] for column in columns
    )


def _page_of(name: str, batch: list[Document]) -> NamedDocument:
    is_event = name == "event"
    for doc in batch:
        where = f"the {name} document {short(doc.get('uid', doc.get('datum_id')))}"
        check_parts(where, doc, EVENT_PARTS if is_event else DATUM_PARTS)
        if not is_event and set(doc["datum_kwargs"]) != set(batch[0]["datum_kwargs"]):
            raise other_datum_kwargs(doc["resource"], batch[0]["datum_kwargs"], doc["datum_kwargs"])
        if is_event and set(doc["data"]) != set(batch[0]["data"]):
            raise InvalidRunError(f"the event {doc['uid']!r} has other data keys than the one before it")
    if not is_event:
        return "datum_page", dict(event_model.pack_datum_page(*batch))
    events = [{"filled": {}, **doc} for doc in batch]
    if len({tuple(event["filled"]) for event in events}) > 1:
        raise InvalidRunError(f"the event {events[0]['uid']!r} and the next differ in the keys of 'filled'")
    return "event_page", dict(event_model.pack_event_page(*events))


def _is_empty(page: Any, key: str) -> bool:
    rows = page.get(key) if isinstance(page, Mapping) else None
    if isinstance(rows, numpy.ndarray):
        return len(rows) == 0 if rows.ndim else False
    return isinstance(rows, list | tuple) and not rows


def _bulk_datums(doc: Any) -> Iterator[NamedDocument]:
    parts: list[Any] = [doc.get(key) for key in ("datum_ids", "datum_kwarg_list")] if isinstance(doc, Mapping) else []
    if not parts or not all(map(_is_sequence, parts)) or len(parts[0]) != len(parts[1]) or "resource" not in doc:
        raise InvalidRunError(
            "a bulk_datum document needs a 'resource', and lists 'datum_ids' and 'datum_kwarg_list' of equal length"
        )
    for datum_id, kwargs in zip(*parts, strict=True):
        yield "datum", {"resource": doc["resource"], "datum_id": datum_id, "datum_kwargs": kwargs}


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)
