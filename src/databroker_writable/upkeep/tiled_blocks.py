"""Columns of Events that are larger than a piece, which go to a Tiled server in blocks and are read back in them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy

from ..errors import InvalidRunError
from ..runs.document_parts import Document, NamedDocument
from ..tables.classifier import is_lazy
from .tiled_references import ColumnOfStream


class Block(NamedTuple):
    """A part of a column of one Event.

    Attributes
    ----------
    number : tuple of int
        Which of the chunks of Tiled's array it is.
    place : tuple
        Where it is in Tiled's array, which holds the Events one after the other.
    """

    column: ColumnOfStream
    number: tuple[int, ...]
    place: tuple[Any, ...]
    values: numpy.ndarray


class ColumnInBlocks(NamedTuple):
    """A column, of which each Event is one array.

    Attributes
    ----------
    chunk : tuple of int
        The shape of a block.
    """

    events: int
    shape: tuple[int, ...]
    dtype: numpy.dtype
    chunk: tuple[int, ...]

    @classmethod
    def of(cls, events: int, data_key: Document, piece: int) -> ColumnInBlocks:
        """The column with blocks of a number of bytes at most, each of neighbours in memory."""
        shape, dtype = tuple(data_key["shape"]), numpy.dtype(data_key["dtype_numpy"])
        room, chunk = max(1, piece // dtype.itemsize), list[int]()
        for length in reversed(shape):
            chunk.insert(0, max(1, min(length, room)))
            room //= chunk[0]
        return cls(events, shape, dtype, tuple(chunk))

    def array_in(self, stream: Any, key: str, data_key: Document) -> Any:
        """Make the array in a container of Tiled's, without values."""
        from tiled.structures.array import ArrayStructure, BuiltinDtype
        from tiled.structures.core import StructureFamily
        from tiled.structures.data_source import DataSource

        sizes = zip(self.shape, self.chunk, strict=True)
        structure = ArrayStructure(
            shape=(self.events, *self.shape),
            chunks=((1,) * self.events, *(_lengths(length, part) for length, part in sizes)),
            dims=("time", *(f"dim_block_{length}" for length in self.shape)),
            data_type=BuiltinDtype.from_numpy_dtype(self.dtype),
        )
        source = DataSource(structure=structure, structure_family=StructureFamily.array)
        return stream.new(StructureFamily.array, [source], key=key, metadata=data_key)

    def parts(self, value: Any) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...], numpy.ndarray]]:
        """The parts of one Event, with the number of each along all axes, and its slices."""
        array: Any = value if hasattr(value, "shape") else numpy.array(value, dtype=self.dtype)
        if tuple(array.shape) != self.shape:
            raise InvalidRunError(f"an array of shape {tuple(array.shape)} where its data key says {self.shape}")
        for number in numpy.ndindex(*map(math.ceil, numpy.divide(self.shape, self.chunk))):
            slices = tuple(slice(i * part, (i + 1) * part) for i, part in zip(number, self.chunk, strict=True))
            values = array[slices]
            yield number, slices, numpy.asarray(values.compute() if is_lazy(values) else values, dtype=self.dtype)


def blocks(documents: Iterable[NamedDocument], columns: Mapping[ColumnOfStream, ColumnInBlocks]) -> Iterator[Block]:
    """Give the blocks of some columns from the documents of a run, one after the other."""
    if not columns:
        return
    for _, doc, place in with_places(documents):
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


def _lengths(length: int, part: int) -> tuple[int, ...]:
    """The lengths of the parts of an axis."""
    return tuple(min(part, length - begin) for begin in range(0, length, part))
