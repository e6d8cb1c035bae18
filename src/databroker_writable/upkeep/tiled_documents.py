"""The documents of a run as bluesky-tiled-plugins 2.0.12 takes them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import numpy

from ..errors import InvalidRunError
from ..runs.document_parts import Document, NamedDocument
from ..storage.assets import chunking
from ..tables.classifier import is_lazy
from ..tables.layout import find_layout
from ..tables.stream_reading import STREAM_EXTERNAL
from . import tiled_survey
from .tiled_survey import References, Survey, ends_in_nul, has_nulls

_ROWS = ("uid", "time", "seq_num")
_NUMBERS = ("boolean", "integer", "number")


def documents_for_tiled(surveyed: Survey, references: References) -> Iterator[NamedDocument]:
    """Give the documents of a run with arrays in memory, in pieces of pages that fit into it, but for references.

    Raises `InvalidRunError` for a column that Tiled would lose or refuse.
    """
    descriptors: dict[str, Document] = {}
    elsewhere = {*references, *surveyed.in_blocks}
    for name, doc in surveyed.documents():
        if name == "descriptor":
            stays = {key for stream, key in references if stream == doc["name"]}
            doc = descriptors[doc["uid"]] = _descriptor(doc, surveyed, stays)
            yield name, doc
        elif name == "event_page":
            descriptor = descriptors[doc["descriptor"]]
            stream = descriptor["name"]
            data = {key: values for key, values in doc["data"].items() if (stream, key) not in elsewhere}
            for piece in _pieces({**doc, "data": data}, descriptor["data_keys"]):
                yield name, piece
        elif name not in ("resource", "datum", "datum_page"):
            if name == "stop":
                by_stream = {descriptor["name"]: descriptor for descriptor in descriptors.values()}
                yield from _documents_of_references(references, by_stream, surveyed.lengths)
            yield name, dict(doc)


def _documents_of_references(
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


def _descriptor(doc: Document, surveyed: Survey, stays: set[str]) -> Document:
    """A descriptor of a stream whose columns are in its Events, but for those that stay in files.

    The dtypes hold the nulls.
    """
    names = [key.lower() for key in doc["data_keys"]]
    layout = find_layout(doc) or {"variables": []}
    unannounced = {entry["key"] for entry in layout["variables"] if "nulls" not in entry}
    data_keys, nulls = {}, surveyed.nulls
    for key, data_key in doc["data_keys"].items():
        data_key = {**data_key, **surveyed.dtypes[doc["name"], key]}
        dtype = numpy.dtype(data_key.get("dtype_numpy") or "O")
        why = _why_refused(dtype, data_key["shape"], key.startswith("_") or names.count(key.lower()) > 1)
        if key in unannounced and (doc["name"], key) in nulls:
            why = why or (
                "has missing values that the layout of its stream does not announce, as in runs of older versions; "
                "store to_dataset(run) as a new run, and copy that"
            )
        if why:
            raise InvalidRunError(f"column {key!r} of stream {doc['name']!r} {why}")
        data_key = {part: value for part, value in data_key.items() if part != "external" or value == STREAM_EXTERNAL}
        if key in stays:
            data_key |= {"external": STREAM_EXTERNAL}
        is_number = dtype.kind in "biu" or (dtype.kind == "O" and data_key["dtype"] in _NUMBERS)
        if (doc["name"], key) in nulls and is_number:
            data_key |= {"dtype_numpy": "<f8"}
        data_keys[key] = data_key
    return {**doc, "data_keys": data_keys}


def _why_refused(dtype: numpy.dtype, shape: list[int], has_bad_name: bool) -> str:
    """Why Tiled does not take a column, and what to do; empty if it does."""
    if dtype.kind == "c" or dtype == numpy.float16:
        return f"is of dtype {dtype}, which Tiled does not take; store it as float64 columns"
    if has_bad_name:
        return "has a name that begins with '_' or differs from another by case only; rename it for Tiled"
    return f"is of shape {shape}, and Tiled takes no empty arrays; leave it out" if 0 in shape else ""


def _pieces(page: Document, data_keys: Document) -> Iterator[Document]:
    length = len(page["uid"])
    size = sum(int(getattr(values, "nbytes", 64 * length)) for values in page["data"].values())
    rows = max(1, length * tiled_survey.PIECE // max(size, 1))
    for start in range(0, length, rows):
        part = slice(start, start + rows)
        yield {
            **page,
            **{name: page[name][part] for name in _ROWS},
            "data": {key: _computed(values[part], key, data_keys[key]) for key, values in page["data"].items()},
            "timestamps": {key: times[part] for key, times in page["timestamps"].items()},
            "filled": {},
        }


def _computed(values: Any, key: str, data_key: Document) -> Any:
    """Values of a column that a server can be sent: arrays in memory, and NaN for null among numbers."""
    if ends_in_nul(values):
        raise InvalidRunError(
            f"column {key!r} has text that ends in a NUL character, which Tiled leaves out; store it without"
        )
    if is_lazy(values):
        return values.compute()
    if isinstance(values, list) and any(map(is_lazy, values)):
        return [value.compute() for value in values]
    if has_nulls(values) and numpy.dtype(data_key.get("dtype_numpy") or "O").kind == "f":
        return _exact(numpy.array(values, dtype=object).astype(data_key["dtype_numpy"]), values, key)
    if data_key["dtype"] == "number" and not data_key["shape"]:
        return _exact(numpy.asarray(values, dtype=data_key.get("dtype_numpy")), values, key)
    return values


def _exact(numbers: numpy.ndarray, values: Any, key: str) -> numpy.ndarray:
    """The numbers of a column; refuse integers that its type does not hold."""
    if numbers.dtype.kind == "f" and not (isinstance(values, numpy.ndarray) and values.dtype.kind == "f"):
        for value, number in zip(list(values), numbers.tolist(), strict=True):
            if isinstance(value, int | numpy.integer) and int(value) != number:
                raise InvalidRunError(
                    f"column {key!r} has missing values and the integer {value}, and Tiled keeps such columns as "
                    f"{numbers.dtype}, which does not hold it; store the integers as text, or without missing values"
                )
    return numbers
