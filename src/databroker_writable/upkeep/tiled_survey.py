"""What is to be known of a run before it is copied to a Tiled server."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy

from ..runs.document_parts import Document, NamedDocument
from ..runs.run_or_table import documents_of
from .tiled_blocks import ColumnInBlocks, with_places
from .tiled_references import ColumnOfStream, Reference, ReferencedColumns

PIECE = 2**24
"""Bytes of Events that are sent together."""


class Survey(NamedTuple):
    """What is to be known of a run before its first document is sent.

    Attributes
    ----------
    nulls : set of (str, str)
        Streams and names of the columns that hold null.
    dtypes : dict
        The ``dtype`` and ``dtype_numpy`` of each column, by stream and name, in its last descriptor: Tiled keeps the
        data keys of the first, and integers may have become floats.
    lengths : dict
        How many Events each stream has, by its name.
    event_size : int
        Bytes of the largest Event, at 8 for each element.
    has_resources : bool
        Whether some arrays are in files.
    references : dict
        Where columns are in files of this package, each a dataset that has nothing else.
    in_blocks : dict
        The arrays of streams whose Events are larger than a piece.
    """

    nulls: set[tuple[str, str]]
    dtypes: dict[tuple[str, str], Document]
    lengths: dict[str, int]
    event_size: int
    has_resources: bool
    references: dict[ColumnOfStream, Reference]
    in_blocks: dict[ColumnOfStream, ColumnInBlocks]

    @property
    def batch_size(self) -> int:
        """How many Events fit into a piece: TiledWriter holds so many in memory, and 10,000 unless told otherwise."""
        return min(10_000, max(1, PIECE // self.event_size))

    def documents(self, run: Any) -> Iterator[NamedDocument]:
        """Give the documents of the run, with lazy arrays in place of references."""
        if not self.has_resources:
            yield from documents_of(run)
            return
        for name, doc in run.documents(fill="delayed"):
            yield name, doc.to_dict() if hasattr(doc, "to_dict") else doc


def survey(run: Any, root_map: Mapping[str, str]) -> Survey:
    """Look through the documents of a run once."""
    nulls: set[tuple[str, str]] = set()
    dtypes: dict[tuple[str, str], Document] = {}
    data_keys: dict[str, Document] = {}
    lengths: dict[str, int] = {}
    event_size, has_resources = 1, False
    referenced = ReferencedColumns(root_map)
    for name, doc, place in with_places(documents_of(run)):
        referenced.add(name, doc)
        if name == "descriptor":
            data_keys[doc["name"]] = doc["data_keys"]
            for key, data_key in doc["data_keys"].items():
                dtypes[doc["name"], key] = {p: data_key[p] for p in ("dtype", "dtype_numpy") if p in data_key}
            sizes = (8 * math.prod(data_key.get("shape") or ()) for data_key in doc["data_keys"].values())
            event_size = max(event_size, sum(sizes))
        elif place is not None:
            stream, _, end = place
            lengths[stream] = end
            nulls.update((stream, key) for key, values in doc["data"].items() if has_nulls(values))
        elif name == "resource":
            has_resources = True
    in_blocks = {
        (stream, key): ColumnInBlocks.of(lengths[stream], data_key, PIECE)
        for stream in lengths
        for key, data_key in _arrays_of_large_events(data_keys[stream]).items()
        if (stream, key) not in nulls
    }
    return Survey(nulls, dtypes, lengths, event_size, has_resources, referenced.columns(), in_blocks)


def _arrays_of_large_events(data_keys: Document) -> Document:
    arrays = {
        key: data_key
        for key, data_key in data_keys.items()
        if data_key["shape"] and "dtype_numpy" in data_key and numpy.dtype(data_key["dtype_numpy"]).kind != "O"
    }
    sizes = (
        math.prod(data_key["shape"]) * numpy.dtype(data_key["dtype_numpy"]).itemsize for data_key in arrays.values()
    )
    return arrays if sum(sizes) > PIECE else {}


def has_nulls(values: Any) -> bool:
    return isinstance(values, list) and any(value is None for value in values)


def ends_in_nul(values: Any) -> bool:
    """Whether some text does, at any depth; numpy leaves such characters out."""
    if isinstance(values, str):
        return values.endswith("\0")
    return isinstance(values, list) and any(map(ends_in_nul, values))
