"""What must be known about a run before it is copied to Tiled: which columns are in files, or too large."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import event_model
import numpy

from ..errors import InvalidRunError
from ..runs.document_parts import Document, NamedDocument
from ..runs.run_or_table import documents_of
from ..storage.assets import HDF5_SPEC, chunking
from ..tables.classifier import is_lazy

PIECE = 2**24
"""Bytes of Events that are sent together."""


ColumnOfStream = tuple[str, str]
"""A stream and the name of one of its columns."""


class Reference(NamedTuple):
    """A dataset of a file that holds all Events of a column, one after the other."""

    root: str
    path: str
    dataset: str
    rows: int  # of the dataset that are one Event; 0 where a row is one
    end: int  # how many rows there are

    def followed_by(self, other: Reference) -> bool:
        """Whether another reference, to one Event, is to what comes next in the same dataset."""
        return self[:4] == other[:4] and self.end + max(1, self.rows) == other.end


References = Mapping[ColumnOfStream, Reference]


class ReferencedColumns:
    """Which columns of a run are each one dataset of a file, as its documents say that are given one by one."""

    def __init__(self, root_map: Mapping[str, str]) -> None:
        self._root_map = root_map
        self._resources: dict[str, Document] = {}
        self._datums: dict[str, Reference] = {}
        self._descriptors: dict[str, Document] = {}
        self._columns: dict[ColumnOfStream, Reference | None] = {}

    def add(self, name: str, doc: Document) -> None:
        if name == "resource" and doc.get("spec") == HDF5_SPEC:  # Tiled reads HDF5 in place
            self._resources[doc["uid"]] = doc
        elif name == "datum":
            self._add_datum(doc)
        elif name == "datum_page":
            for datum in event_model.unpack_datum_page(doc):
                self._add_datum(datum)
        elif name == "descriptor":
            self._descriptors[doc["uid"]] = doc
        elif name == "event_page":
            self._add_events(self._descriptors[doc["descriptor"]], doc["data"])

    def columns(self) -> dict[ColumnOfStream, Reference]:
        return {column: reference for column, reference in self._columns.items() if reference is not None}

    def _add_datum(self, datum: Document) -> None:
        resource = self._resources.get(datum["resource"])
        if resource is None:
            return
        root = str(self._root_map.get(str(resource["root"]), resource["root"]))
        path = os.path.join(root, str(resource["resource_path"]))
        where = datum["datum_kwargs"]
        dataset = where.get("key") or resource["resource_kwargs"]["key"]
        if where.get("index") is not None:
            rows, end = 0, where["index"] + 1
        else:
            rows, end = where["stop"] - where["start"], where["stop"]
        self._datums[datum["datum_id"]] = Reference(root, path, dataset, rows, end)

    def _add_events(self, descriptor: Document, data: Mapping[str, Any]) -> None:
        for key, data_key in descriptor["data_keys"].items():
            # bluesky-tiled-plugins 2.0.12 takes values of this shape for numbers
            if "external" not in data_key or list(data_key["shape"]) == [1]:
                continue
            column = descriptor["name"], key
            # of a stream_resource, Events have nothing
            for datum_id in data.get(key, ()):
                reference = self._datums.get(datum_id) if isinstance(datum_id, str) else None
                first = None if reference is None else Reference(*reference[:4], end=0)
                before = self._columns.get(column, first)
                follows = before is not None and reference is not None and before.followed_by(reference)
                self._columns[column] = reference if follows else None


class Block(NamedTuple):
    """A part of a column of one Event, and where it is in Tiled's array, which holds the Events one after the other."""

    column: ColumnOfStream
    number: tuple[int, ...]  # which of the chunks it is
    place: tuple[Any, ...]
    values: numpy.ndarray


class ColumnInBlocks(NamedTuple):
    """A column, of which each Event is one array."""

    events: int
    shape: tuple[int, ...]
    dtype: numpy.dtype
    chunks: tuple[tuple[int, ...], ...]  # the lengths of the blocks along each axis

    @classmethod
    def of(cls, events: int, data_key: Document, piece: int) -> ColumnInBlocks:
        """The column with blocks of a number of bytes at most, each of neighbours in memory."""
        from dask.array.core import normalize_chunks

        shape, dtype = tuple(data_key["shape"]), numpy.dtype(data_key["dtype_numpy"])
        chunk = chunking.dask_block(shape, (1,) * len(shape), dtype.itemsize, piece)
        return cls(events, shape, dtype, normalize_chunks(chunk, shape))

    def array_in(self, stream: Any, key: str, data_key: Document) -> Any:
        """Make the array in a container of Tiled's, without values."""
        from tiled.structures.array import ArrayStructure, BuiltinDtype
        from tiled.structures.core import StructureFamily
        from tiled.structures.data_source import DataSource

        structure = ArrayStructure(
            shape=(self.events, *self.shape),
            chunks=((1,) * self.events, *self.chunks),
            dims=("time", *(f"dim_block_{length}" for length in self.shape)),
            data_type=BuiltinDtype.from_numpy_dtype(self.dtype),
        )
        source = DataSource(structure=structure, structure_family=StructureFamily.array)
        return stream.new(StructureFamily.array, [source], key=key, metadata=data_key)

    def parts(self, value: Any) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...], numpy.ndarray]]:
        """The parts of one Event, with the number of each along all axes, and its slices."""
        from dask.array.core import slices_from_chunks

        array: Any = value if hasattr(value, "shape") else numpy.array(value, dtype=self.dtype)
        if tuple(array.shape) != self.shape:
            raise InvalidRunError(f"an array of shape {tuple(array.shape)} where its data key says {self.shape}")
        for number, slices in zip(numpy.ndindex(*map(len, self.chunks)), slices_from_chunks(self.chunks), strict=True):
            values = array[slices]
            yield number, slices, numpy.asarray(values.compute() if is_lazy(values) else values, dtype=self.dtype)


class Survey(NamedTuple):
    """What must be known about a run before its first document is sent."""

    run: Any
    # streams and names of the columns that hold null
    nulls: set[ColumnOfStream]
    # the `dtype` and `dtype_numpy` of each column in its last descriptor: Tiled keeps the data keys of the first, and
    # integers may have become floats
    dtypes: dict[ColumnOfStream, Document]
    # how many Events each stream has, by its name
    lengths: dict[str, int]
    # bytes of the largest Event, at 8 for each element
    event_size: int
    # whether some arrays are in files
    has_resources: bool
    # where columns are in files of this package, each a dataset that has nothing else
    references: References
    # the arrays of streams whose Events are larger than a piece
    in_blocks: dict[ColumnOfStream, ColumnInBlocks]

    @property
    def batch_size(self) -> int:
        """How many Events fit into a piece: TiledWriter holds so many in memory, and 10,000 unless told otherwise."""
        return min(10_000, max(1, PIECE // self.event_size))

    def documents(self) -> Iterator[NamedDocument]:
        """Give the documents of the run, with lazy arrays in place of references."""
        if not self.has_resources:
            yield from documents_of(self.run)
            return
        for name, doc in self.run.documents(fill="delayed"):
            yield name, doc.to_dict() if hasattr(doc, "to_dict") else doc


def survey(run: Any, root_map: Mapping[str, str]) -> Survey:
    """Look through the documents of a run once."""
    nulls: set[ColumnOfStream] = set()
    dtypes: dict[ColumnOfStream, Document] = {}
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
    return Survey(run, nulls, dtypes, lengths, event_size, has_resources, referenced.columns(), in_blocks)


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


def blocks(surveyed: Survey, columns: Mapping[ColumnOfStream, ColumnInBlocks]) -> Iterator[Block]:
    """Give the blocks of some columns of a run, one after the other."""
    for _, doc, place in with_places(surveyed.documents()) if columns else ():
        if place is not None:
            stream, start, _ = place
            for key, values in doc["data"].items():
                column = columns.get((stream, key))
                for event, value in enumerate(values if column else (), start):
                    for number, slices, part in column.parts(value):  # type: ignore[union-attr]
                        yield Block((stream, key), (event, *number), (event, *slices), part)


def with_places(documents: Iterable[NamedDocument]) -> Iterator[tuple[str, Document, tuple[str, int, int] | None]]:
    """Give each document, and of a page of Events its stream and where the page begins and ends there."""
    streams: dict[str, str] = {}
    ends: dict[str, int] = {}
    for name, doc in documents:
        place = None
        if name == "descriptor":
            streams[doc["uid"]] = doc["name"]
        elif name == "event_page":
            stream = streams[doc["descriptor"]]
            start = ends.get(stream, 0)
            end = ends[stream] = start + len(doc["uid"])
            place = stream, start, end
        yield name, doc, place
