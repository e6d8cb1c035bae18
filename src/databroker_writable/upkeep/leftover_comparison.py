"""Whether what a killed writer left of a run adds anything to the run that was stored under its uid afterwards."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import event_model
import numpy

from ..runs.comparison import as_text
from ..runs.document_parts import PRIMARY, Document, NamedDocument
from ..storage.assets import format_of, is_asset_resource

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
        mine, theirs = _Content(attempt, path_in_attempt), _Content(stored, path_in_stored)
        return mine.said.items() <= theirs.said.items() and all(
            event == other
            for part, pages in mine.pages.items()
            for event, other in _pairs(mine.events(part, len(pages) > 1), theirs.events(part, len(pages) > 1))
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        # an array cannot be read, or documents break the rules
        return False


class _Content:
    """What the documents of a run say, apart from uids."""

    def __init__(self, documents: Iterable[NamedDocument], path: Locate) -> None:
        self.said: dict[Any, str] = {}  # by documents other than Events
        self.pages: dict[Any, list[Document]] = {}  # of each descriptor, by its stream and its number there
        self._path = path
        self._columns: dict[Any, set[str]] = {}  # that are in files, by the same
        self._resources: dict[str, Document] = {}
        self._datums: dict[str, Document] = {}
        parts: dict[str, Any] = {}  # of descriptors, by their uids
        streams: dict[str, int] = defaultdict(int)
        for name, doc in documents:
            if name == "start":
                self.said[name] = _text(doc, "uid", "time")
            elif name == "stop":
                self.said[name] = as_text([doc.get("exit_status"), doc.get("reason")])
            elif name == "descriptor":
                stream = doc.get("name", PRIMARY)
                part = parts[doc["uid"]] = stream, streams[stream]
                streams[stream] += 1
                self.said[part], self.pages[part] = _described(doc), []
                self._columns[part] = {key for key, data_key in doc["data_keys"].items() if "external" in data_key}
            elif name == "event_page":
                self.pages[parts[doc["descriptor"]]].append(doc)
            elif name == "resource" and is_asset_resource(doc):
                self._resources[doc["uid"]] = doc
            elif name == "datum_page":
                self._datums.update((datum["datum_id"], datum) for datum in event_model.unpack_datum_page(doc))
            else:
                # others are not compared, and so equal none
                self.said[object()] = name

    def events(self, part: Any, with_times: bool) -> Iterator[str]:
        """The Events of a descriptor, with the values of arrays in files in place of references."""
        left_out = ["uid", "descriptor", "filled", *([] if with_times else ["time", "timestamps"])]
        for page in self.pages[part]:
            for event in event_model.unpack_event_page(page):
                arrays = {key: self._digest(event["data"][key]) for key in self._columns[part]}
                yield _text({**event, "data": {**event["data"], **arrays}}, *left_out)

    def _digest(self, datum_id: str) -> str:
        """A digest of an array in a file; raise KeyError or FileNotFoundError if it is not there."""
        datum = self._datums[datum_id]
        resource = self._resources[datum["resource"]]
        path = self._path(resource)
        if path is None or not os.path.isfile(path):
            raise FileNotFoundError(path)
        array = format_of(resource).handler(path, **resource["resource_kwargs"])(**datum["datum_kwargs"]).rechunk()
        digest = hashlib.sha256(as_text([array.dtype.str, array.shape]).encode())
        for index in numpy.ndindex(array.numblocks):
            digest.update(array.blocks[index].compute(scheduler="sync").tobytes())
        return digest.hexdigest()


def _pairs(first: Iterable[str], second: Iterator[str]) -> Iterator[tuple[str, str | None]]:
    """Each item of the first with that in the same place of the second, or None."""
    return ((item, next(second, None)) for item in first)


def _text(doc: Document, *left_out: str) -> str:
    return as_text({key: value for key, value in doc.items() if key not in left_out})


def _described(descriptor: Document) -> str:
    configuration = {
        name: {**values, "timestamps": None} for name, values in descriptor.get("configuration", {}).items()
    }
    return _text({**descriptor, "configuration": configuration}, "uid", "run_start", "time")
