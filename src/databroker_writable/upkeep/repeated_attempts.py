"""Whether what a killed writer left of a run adds anything to the run that was stored under its uid afterwards."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import event_model
import numpy

from ..runs.comparison import as_text
from ..runs.document_parts import PRIMARY, Document, NamedDocument
from ..storage.assets import format_of, is_asset_resource

if TYPE_CHECKING:
    import dask.array

Locate = Callable[[Document], str | None]
"""Gives the path of the asset file of a resource."""


def adds_nothing(
    attempt: Iterable[NamedDocument], path_in_attempt: Locate, stored: Iterable[NamedDocument], path_in_stored: Locate
) -> bool:
    """Whether a stored run has all that an attempt to store it had written.

    A table that is stored again has other uids and times. So uids are not compared, nor when a table was stored: the
    times of a stream that was written at once. Those of Events that were added one after the other are measured.
    """
    try:
        return _Content(attempt, path_in_attempt).is_in(_Content(stored, path_in_stored))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        # an array cannot be read, or documents break the rules
        return False


class _Content:
    """What the documents of a run say, apart from uids."""

    def __init__(self, documents: Iterable[NamedDocument], path: Locate) -> None:
        self._path = path
        self._start: Document = {}
        self._end: Document | None = None
        self._others: list[str] = []  # the types of other documents, which are not compared
        self._descriptors: dict[str, list[Document]] = {}
        self._pages: dict[str, list[Document]] = {}
        self._resources: dict[str, Document] = {}
        self._datums: dict[str, Document] = {}
        for name, doc in documents:
            if name == "start":
                self._start = doc
            elif name == "stop":
                self._end = doc
            elif name == "descriptor":
                self._descriptors.setdefault(doc.get("name", PRIMARY), []).append(doc)
            elif name == "event_page":
                self._pages.setdefault(doc["descriptor"], []).append(doc)
            elif name == "resource" and is_asset_resource(doc):
                self._resources[doc["uid"]] = doc
            elif name == "datum_page":
                self._datums.update((datum["datum_id"], datum) for datum in event_model.unpack_datum_page(doc))
            else:
                self._others.append(name)

    def is_in(self, other: _Content) -> bool:
        """Whether another run says all of this, too."""
        return (
            not self._others
            and _text(self._start, "uid", "time") == _text(other._start, "uid", "time")
            and (self._end is None or _ending(self._end) == _ending(other._end))
            and all(
                self._has_part(mine, theirs, other)
                for stream, descriptors in self._descriptors.items()
                for mine, theirs in _pairs(descriptors, other._descriptors.get(stream, []))
            )
        )

    def _has_part(self, mine: Document, theirs: Document | None, other: _Content) -> bool:
        """Whether the Events of a descriptor are the first ones of the other run's."""
        if theirs is None or _described(mine) != _described(theirs):
            return False
        pages = self._pages.get(mine["uid"], [])
        columns = {key for key, data_key in mine["data_keys"].items() if "external" in data_key}
        left_out = {"uid", "descriptor", "filled", *(["time", "timestamps"] if len(pages) == 1 else [])}
        own, others = _events(pages), _events(other._pages.get(theirs["uid"], []))
        return all(
            event is not None
            and _row(page, columns, left_out) == _row(event, columns, left_out)
            and all(self._has_array(page["data"][key], event["data"][key], other) for key in columns)
            for page, event in _pairs(own, others)
        )

    def _has_array(self, mine: Any, theirs: Any, other: _Content) -> bool:
        first, second = self._array(mine), other._array(theirs)
        return first is not None and second is not None and _are_equal(first, second)

    def _array(self, datum_id: Any) -> dask.array.Array | None:
        """The value of one Event in an asset file; None if it is elsewhere."""
        datum = self._datums.get(datum_id, {})
        resource = self._resources.get(datum.get("resource", ""))
        path = None if resource is None else self._path(resource)
        if resource is None or path is None or not os.path.isfile(path):
            return None
        array: dask.array.Array = format_of(resource).handler(path, **resource["resource_kwargs"])(
            **datum["datum_kwargs"]
        )
        return array


def _pairs(first: Iterable[Any], second: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    """Each item of the first with that in the same place of the second, or None."""
    others = iter(second)
    return ((item, next(others, None)) for item in first)


def _events(pages: list[Document]) -> Iterator[Document]:
    return (event for page in pages for event in event_model.unpack_event_page(page))


def _text(doc: Document, *left_out: str) -> str:
    return as_text({key: value for key, value in doc.items() if key not in left_out})


def _ending(stop: Document | None) -> tuple[Any, Any]:
    return ((stop or {}).get("exit_status"), (stop or {}).get("reason"))


def _described(descriptor: Document) -> str:
    """A descriptor without uids and times."""
    configuration = {
        name: {**values, "timestamps": None} for name, values in descriptor.get("configuration", {}).items()
    }
    return _text({**descriptor, "configuration": configuration}, "uid", "run_start", "time")


def _row(event: Document, columns: set[str], left_out: set[str]) -> str:
    """An Event without the references of its external columns."""
    data = {key: value for key, value in event["data"].items() if key not in columns}
    return _text({**event, "data": data}, *left_out)


def _are_equal(first: dask.array.Array, second: dask.array.Array) -> bool:
    """Whether two arrays have the same bytes, block by block."""
    import dask

    if (first.shape, first.dtype) != (second.shape, second.dtype):
        return False
    second = second.rechunk(first.chunks)
    blocks = (dask.compute(first.blocks[i], second.blocks[i], scheduler="sync") for i in numpy.ndindex(first.numblocks))
    return all(one.tobytes() == other.tobytes() for one, other in blocks)
