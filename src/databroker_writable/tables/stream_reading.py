"""Read the documents of one stream."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import dask.array
import event_model
import numpy

from ..errors import NotFoundError, StoreError, UnreadableAssetError, is_of_this_process

STREAM_EXTERNAL = "STREAM:"
"""The value of ``external`` in the data keys of columns in a stream_resource."""


def stream_columns(descriptor: Mapping[str, Any]) -> list[str]:
    """The data keys of columns in a stream_resource."""
    return [key for key, data_key in descriptor["data_keys"].items() if data_key.get("external") == STREAM_EXTERNAL]


def counts_by_stream(stop: Mapping[str, Any] | None, key: str = "num_events") -> dict[str, int]:
    """The counts in a stop document; anything else, which other programs may have there, is left out."""
    counts = (stop or {}).get(key)
    if not isinstance(counts, Mapping):
        return {}
    return {stream: count for stream, count in counts.items() if isinstance(count, int)}


def _is_header(value: Any) -> bool:
    """Whether this is a Header, as databroker's v1 interface gives it."""
    return hasattr(value.__class__, "stream_names") and hasattr(value, "db")


def catalog_of(run: Any) -> Any:
    """The catalog of a run or a Header; None if it has none."""
    return run.db.v2 if _is_header(run) else getattr(run, "catalog_object", None)


def run_of(value: Any) -> Any:
    """The run of a Header; anything else as it is."""
    if not _is_header(value):
        return value
    uid = value.start["uid"]
    try:
        return value.db.v2[uid]
    except KeyError:
        raise NotFoundError(
            f"the catalog {value.db.name!r} has no run {uid!r} any more: it was removed after its Header was made"
        ) from None


def read_documents(run: Any, stream: str, *, fill: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Read the event pages and descriptors of one stream."""
    source = run[stream]
    pages: list[dict[str, Any]] = []
    descriptors: dict[str, dict[str, Any]] = {}
    with naming_the_run(run, stream):
        docs = partitions(source, fill) if hasattr(source, "read_partition") else run.documents(fill=fill)
        for name, doc in docs:
            if name == "descriptor" and doc.get("name") == stream:
                descriptors.setdefault(doc["uid"], doc)
            elif name == "event_page" and doc["descriptor"] in descriptors:
                pages.append(doc)
    return pages, list(descriptors.values())


@contextlib.contextmanager
def naming_the_run(run: Any, stream: str) -> Iterator[None]:
    """Raise what event-model and handlers say of arrays in other files as an error that names run and remedy."""
    try:
        yield
    except StoreError:
        raise
    except (event_model.EventModelError, OSError) as error:
        # event-model raises an error of its own from that of a handler which cannot open a file
        reason = error.__cause__ or error
        if is_of_this_process(reason):
            raise reason from None
        said = error if isinstance(error, OSError) or not error.args else getattr(error, "message", error.args[0])
        remedy = "restore the files or the documents that it names"
        if isinstance(error, event_model.UndefinedAssetSpecification):
            remedy = (
                "install the package with the handler of this spec, or open the catalog with "
                "handler_registry={spec: handler}"
            )
        raise UnreadableAssetError(
            f"stream {stream!r} of the run {run.metadata['start']['uid']!r} cannot be read ({said}); {remedy}"
        ) from error


def with_assets(
    run: Any, stream: str, pages: list[dict[str, Any]], data_keys: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The same event pages with dask arrays of the columns that are in other files."""
    in_files = any(data_key.get("external") for data_key in data_keys.values())
    return read_documents(run, stream, fill="delayed")[0] if in_files else pages


def partitions(source: Any, fill: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read the documents of one stream of a databroker run.

    Not run.documents(), which reads every stream, and whose NoFiller (event-model 1.24) unpacks each page.
    """
    filler: Any = (lambda name, doc: (name, doc)) if fill == "no" else fill
    for index in itertools.count():
        partition = source.read_partition({"index": index, "fill": filler, "partition_size": "auto"})
        if not partition:
            return
        yield from partition


def joined(parts: list[Any]) -> Any:
    """Concatenate the parts of one column, each an array or a list with one item per Event."""
    parts = [_stacked(part) for part in parts]
    if any(isinstance(part, dask.array.Array) for part in parts):
        return parts[0] if len(parts) == 1 else dask.array.concatenate(parts)
    if all(isinstance(part, numpy.ndarray) for part in parts):
        # A copy: arrays unpacked from msgpack are read-only views of its buffer.
        return numpy.concatenate(parts)
    return [item for part in parts for item in part]


def _stacked(part: Any) -> Any:
    if isinstance(part, list | tuple) and part and isinstance(part[0], numpy.ndarray | dask.array.Array):
        return dask.array.stack(part) if isinstance(part[0], dask.array.Array) else numpy.stack(part)
    return part
