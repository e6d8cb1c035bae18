"""Compare runs by their documents, independent of how the backend stores pages and types."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import event_model
import numpy

from .document_parts import EVENT_KEYS, PRIMARY, Document, NamedDocument


def same_run(first: Iterable[NamedDocument], second: Iterable[NamedDocument]) -> bool:
    """Whether two sequences of documents are the same run, however they are paged."""
    first, second = list(first), list(second)
    # before any value is read: there may be gigabytes, and dask may have to compute them
    if _uids(first) != _uids(second):
        return False
    pages = _pages_by_descriptor(second)
    same = {uid for uid, own in _pages_by_descriptor(first).items() if _are_same_events(own, pages.get(uid, []))}
    return _canonical(_but_events_of(first, same)) == _canonical(_but_events_of(second, same))


def same_but_for_assets(stored: Iterable[NamedDocument], built: Iterable[NamedDocument]) -> bool:
    """Whether a run is stored, perhaps with arrays as assets.

    The Events' uids are random and new for every built run, so equal uids mean equal arrays.
    """
    stored = list(stored)
    external = {
        (doc["uid"], key)
        for name, doc in stored
        if name == "descriptor"
        for key, data_key in doc["data_keys"].items()
        if "external" in data_key
    }
    return same_run(_without(stored, external), _without(built, external))


def transformed(documents: Iterable[NamedDocument], transforms: Mapping[str, Any]) -> Iterator[NamedDocument]:
    """The documents as a catalog with these transforms would read them."""
    for name, doc in documents:
        transform = transforms.get(name)
        yield name, doc if transform is None else transform(doc)


def _without(documents: Iterable[NamedDocument], columns: set[tuple[str, str]]) -> Iterator[NamedDocument]:
    for name, doc in documents:
        if name == "descriptor":
            kept = {key: value for key, value in doc["data_keys"].items() if (doc["uid"], key) not in columns}
            yield name, {**doc, "data_keys": kept}
        elif name == "event_page":
            parts = {
                part: {key: value for key, value in doc[part].items() if (doc["descriptor"], key) not in columns}
                for part in ("data", "timestamps")
            }
            # a page without columns would unpack to no Events
            yield name, {**doc, **parts, "data": {**parts["data"], "": doc["uid"]}}
        elif name not in ("resource", "datum_page", "datum"):
            yield name, doc


def _uids(documents: Iterable[NamedDocument]) -> set[str]:
    """The uids of all documents except resources and datums, however they are paged."""
    found: set[str] = set()
    for name, doc in documents:
        if name not in ("resource", "datum", "datum_page"):
            found.update([doc["uid"]] if isinstance(doc["uid"], str) else doc["uid"])
    return found


def _pages_by_descriptor(documents: Iterable[NamedDocument]) -> dict[str, list[Document]]:
    """The documents with Events, by their descriptor."""
    pages: dict[str, list[Document]] = {}
    for name, doc in documents:
        if name in ("event", "event_page"):
            pages.setdefault(doc["descriptor"], []).append(doc)
    return pages


def _but_events_of(documents: Iterable[NamedDocument], descriptors: set[str]) -> Iterator[NamedDocument]:
    for name, doc in documents:
        if name not in ("event", "event_page") or doc["descriptor"] not in descriptors:
            yield name, doc


def _are_same_events(first: list[Document], second: list[Document]) -> bool:
    """Whether pages have the same Events in the same order, column by column; false also where only Events tell."""
    columns, others = _columns(first), _columns(second)
    if columns is None or others is None or columns.keys() != others.keys():
        return False
    return all(_is_same_column(values, others[key]) for key, values in columns.items())


def _columns(pages: list[Document]) -> dict[tuple[str, ...], Any] | None:
    """The columns of several pages, each in one piece; None if they are no such pages."""
    parts: list[dict[tuple[str, ...], Any]] = []
    for page in pages:
        if not isinstance(page["uid"], list):
            return None
        columns: dict[tuple[str, ...], Any] = {(name,): page[name] for name in ("uid", "time", "seq_num")}
        columns |= {(part, key): values for part in ("data", "timestamps") for key, values in page[part].items()}
        length = len(page["uid"])
        if any(not hasattr(values, "__len__") or len(values) != length for values in columns.values()):
            return None
        parts.append(columns)
    if not parts or any(columns.keys() != parts[0].keys() for columns in parts):
        return None
    whole = {key: _in_one_piece([columns[key] for columns in parts]) for key in parts[0]}
    return None if any(values is None for values in whole.values()) else whole


def _in_one_piece(parts: list[Any]) -> Any:
    """The parts of a column; None if they are of different kinds."""
    if len(parts) == 1:
        return parts[0]
    if all(type(part) is list for part in parts):
        return list(itertools.chain.from_iterable(parts))
    if all(type(part) is numpy.ndarray for part in parts) and len({(p.dtype, p.shape[1:]) for p in parts}) == 1:
        return numpy.concatenate(parts)
    return None


def _is_same_column(first: Any, second: Any) -> bool:
    numbers = _numbers(first), _numbers(second)
    if numbers[0] is None or numbers[1] is None:
        return as_text(first) == as_text(second)
    return numbers[0].dtype == numbers[1].dtype and numpy.array_equal(*numbers)


def _numbers(values: Any) -> Any:
    """Bools, integers or floats as an array that is equal for columns of equal text; None for other values."""
    array = _array_of(values) if type(values) is list else values
    if type(array) is not numpy.ndarray or array.dtype.itemsize > 8 or array.dtype == numpy.uint64:
        return None
    dtype = {"b": "?", "i": "i8", "u": "i8", "f": "f8"}.get(array.dtype.kind)
    if dtype != "f8":
        return None if dtype is None else array.astype(dtype)
    # the text of 0.0 and of -0.0 differs, but not that of one NaN and another
    return numpy.where(numpy.isnan(array), numpy.nan, array.astype(dtype)).view("u8")


def _array_of(values: list[Any]) -> Any:
    """The array of a list of numbers of one type."""
    types = set(map(type, values))
    if len(types) != 1:
        return None
    [item] = types
    if item not in _DTYPES and not issubclass(item, numpy.generic):
        return None
    try:
        return numpy.array(values, _DTYPES.get(item))
    except OverflowError:
        return None


_DTYPES: dict[Any, str] = {bool: "?", int: "i8", float: "f8"}
"""The types of numbers in documents as dtypes."""


def _canonical(documents: Iterable[NamedDocument]) -> dict[str, Any]:
    """Documents in a form that does not depend on the backend: no paging, no order between streams."""
    result: dict[Any, Any] = {}
    events: dict[str, list[Any]] = {}
    for name, doc in documents:
        if name in ("event", "event_page"):
            pages = [doc] if name == "event" else event_model.unpack_event_page(doc)
            events.setdefault(doc["descriptor"], []).extend(as_text({k: page[k] for k in EVENT_KEYS}) for page in pages)
        elif name in ("datum", "datum_page"):
            for datum in [doc] if name == "datum" else event_model.unpack_datum_page(doc):
                result["datum", datum["datum_id"]] = as_text(datum)
        else:
            # a stream without a name is stored and read with the name of old bluesky's only stream
            named = {"name": PRIMARY, **doc} if name == "descriptor" else doc
            result[name, doc["uid"]] = as_text(named)
    for descriptor, items in events.items():
        result["events", descriptor] = sorted(items)
    return result


def as_text(doc: Any) -> str:
    """A form of a document that is equal for equal documents, also if they hold NaN or numpy arrays."""
    return json.dumps(doc, sort_keys=True, default=_json_default)


def _json_default(value: Any) -> Any:
    if isinstance(value, numpy.ndarray | numpy.generic) or hasattr(value, "dask"):
        return numpy.asarray(value).tolist()
    if isinstance(value, bytes | complex):
        return repr(value)
    return list(value) if not isinstance(value, Mapping) else dict(value)
