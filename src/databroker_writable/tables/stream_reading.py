"""Read the documents of one stream, and streams that were not made from a table."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import event_model
import numpy
import xarray

from ..errors import InvalidRunError, StoreError, UnreadableAssetError, is_of_this_process, warn_user
from .wording import cut

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


def as_databroker_reads(run: Any, stream: str, descriptors: Sequence[Mapping[str, Any]]) -> xarray.Dataset:
    """A stream that was not made from a table; an error says what databroker cannot read, and in which column."""
    try:
        with naming_the_run(run, stream):
            dataset: xarray.Dataset = without_stream_resources(run, stream, descriptors).read()
    except StoreError:
        raise
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        pages, descriptors = read_documents(run, stream, fill="delayed")
        why = _what_cannot_be_read(pages, descriptors[0].get("data_keys", {}))
        where = f"stream {stream!r} of the run {run.metadata['start']['uid']!r}"
        what = (
            f"column {why[0]!r} of {where} has {why[1]}"
            if why
            else f"{where} cannot be read by databroker ({type(error).__name__}: {cut(str(error), 200)})"
        )
        raise InvalidRunError(f"{what}; read its Events one by one, with run.documents(fill='yes')") from error
    return dataset


def without_stream_resources(run: Any, stream: str, descriptors: Sequence[Mapping[str, Any]]) -> Any:
    """The stream without columns in a stream_resource, at which databroker fails if the stream has Events."""
    columns = sorted({key for descriptor in descriptors for key in stream_columns(descriptor)})
    if not columns:
        return run[stream]
    where = (
        f"the column{'s' * (len(columns) > 1)} {', '.join(map(repr, columns))} of stream {stream!r} of the run "
        f"{run.metadata['start']['uid']!r} {'are' if len(columns) > 1 else 'is'} in a stream_resource"
    )
    if not hasattr(run[stream], "configure_new"):
        raise InvalidRunError(f"{where}, which a run in memory does not hold; store its documents, and read that run")
    warn_user(f"{where}, which databroker 1 cannot read, and left out; read the file that it names")
    return run[stream].configure_new(exclude=columns)


def _what_cannot_be_read(
    pages: list[dict[str, Any]], data_keys: Mapping[str, dict[str, Any]]
) -> tuple[str, str] | None:
    """The first column that databroker cannot make an array of, and what it has."""
    lengths: dict[str, tuple[int, str]] = {}
    for key in pages[0]["data"] if pages else ():
        if key == "time":
            return key, "the name of the times of Events, so databroker cannot read it"
        try:
            shapes = list(dict.fromkeys(numpy.shape(value) for page in pages for value in page["data"].get(key, ())))
        except ValueError:
            return key, "rows of unequal length, which fit in no Dataset"
        if len(shapes) > 1:
            return key, f"arrays of different shapes, {shapes[0]} and {shapes[1]}, which fit in no Dataset"
        [shape] = shapes
        data_key = data_keys.get(key, {})
        part = "dims" if "dims" in data_key else "shape"
        declared = data_key.get(part)
        if not isinstance(declared, Sequence) or len(shape) != len(declared):
            return key, f"arrays of the shape {shape} and, in its data key, the {part} {declared}, which do not fit"
        for dim, length in zip(declared, shape, strict=True) if part == "dims" else ():
            other, column = lengths.setdefault(dim, (length, key))
            if other != length:
                return key, f"{length} values along the dim {dim!r}, along which column {column!r} has {other}"
    return None
