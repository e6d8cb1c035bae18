"""Assets that a Tiled server is to read in the files where they are."""

from __future__ import annotations

import math
import os
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlparse

import event_model
import numpy

from ..runs.document_parts import Document, NamedDocument
from ..storage.assets import HDF5_SPEC, chunking

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
        """Take note of a document."""
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
        """What is known after the last document."""
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
            for datum_id in data[key]:
                reference = self._datums.get(datum_id) if isinstance(datum_id, str) else None
                first = None if reference is None else Reference(*reference[:4], end=0)
                before = self._columns.get(column, first)
                follows = before is not None and reference is not None and before.followed_by(reference)
                self._columns[column] = reference if follows else None


def documents_of_references(
    references: References, descriptors: Mapping[str, Document], lengths: Mapping[str, int]
) -> Iterator[NamedDocument]:
    """Give the documents by which TiledWriter registers datasets of files; the mappings are by streams."""
    from tiled.utils import ensure_uri

    for (stream, key), reference in references.items():
        data_key, length = descriptors[stream]["data_keys"][key], lengths[stream]
        shape, itemsize = (length, *data_key["shape"]), numpy.dtype(data_key["dtype_numpy"]).itemsize
        chunks = chunking.dask_block(shape, chunking.file_chunks(shape, itemsize), itemsize)
        resource = str(uuid.uuid4())
        yield (
            "stream_resource",
            {
                "uid": resource,
                "run_start": descriptors[stream]["run_start"],
                "data_key": key,
                "mimetype": "application/x-hdf5",
                "uri": ensure_uri(reference.path),
                "parameters": {"dataset": reference.dataset, "chunk_shape": list(chunks), "swmr": False},
            },
        )
        yield (
            "stream_datum",
            {
                "uid": f"{resource}/0",
                "stream_resource": resource,
                "descriptor": descriptors[stream]["uid"],
                "indices": {"start": 0, "stop": length},
                "seq_nums": {"start": 1, "stop": length + 1},
            },
        )


def is_readable(node: Any) -> bool:
    """Whether the server can read a node that is registered; asked once, for Tiled's client tries for 45 s."""
    index = (0,) * len(node.shape)
    link = node.item["links"]["block"].format(*index)
    headers, params = {"Accept": "application/octet-stream"}, parse_qs(urlparse(link).query)
    response = node.context.http_client.get(link, headers=headers, params=params)
    size = node.dtype.itemsize * math.prod(sizes[0] for sizes in node.chunks)
    return bool(response.status_code == 200 and len(response.read()) == size)
