"""Compare runs by their documents, independent of how the backend stores pages and types."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import event_model
import numpy

from .document_parts import EVENT_KEYS, PRIMARY, NamedDocument


def same_run(first: Iterable[NamedDocument], second: Iterable[NamedDocument]) -> bool:
    """Whether two sequences of documents are the same run, however they are paged."""
    first, second = list(first), list(second)
    # before any value is read: there may be gigabytes, and dask may have to compute them
    return _uids(first) == _uids(second) and _canonical(first) == _canonical(second)


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
