"""The stream_resources and stream_datums of a run: arrays of whole streams, as ophyd-async emits them."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ..errors import InvalidRunError, warn_user
from ..tables.backend_limits import Limits
from ..tables.stream_reading import stream_columns
from ..tables.wording import short
from .document_parts import Document


def keep_of_acquisition(name: str, doc: Document, run: str, limits: Limits) -> bool:
    """Whether the backend holds a stream_resource or a stream_datum that `v1.insert` got; warn of each resource.

    An acquisition goes on where the backend cannot hold it.
    """
    if name == "stream_resource":
        what = f"the run {run!r} has the stream_resource {doc['uid']!r} of column {doc.get('data_key')!r}"
        if limits.stream_documents:
            warn_user(f"{what}: it is stored, but databroker 1 cannot read its arrays; read the file that it names")
        else:
            warn_user(
                f"{what}, which databroker 1 cannot read and {limits.backend} cannot hold: the run is stored without "
                "it; also insert the run into a catalog of files, which keeps it"
            )
    return limits.stream_documents


def check_streams_have_their_columns(
    resources: Iterable[Document], descriptors: Iterable[Document], streams: Collection[str]
) -> None:
    """Refuse a run if a stream with Events has external columns without a stream_resource."""
    columns = {resource.get("data_key") for resource in resources}
    for descriptor in descriptors if None not in columns else ():  # an old stream_resource names no column
        for key in stream_columns(descriptor):
            if key not in columns and descriptor["name"] in streams:
                raise lost_column(key, descriptor["name"])


def lost_column(column: str, stream: str) -> InvalidRunError:
    """The error for a column whose stream_resource is missing."""
    return InvalidRunError(
        f"the arrays of column {column!r} of stream {stream!r} are in a stream_resource, which is missing from the "
        "documents of the run; databroker's own catalogs lose it: give the documents as they were acquired"
    )


def counted_numbers(pages: Iterable[Iterable[int]], ranges: Iterable[range]) -> int:
    """How many different sequence numbers there are in pages of Events and in the ranges of stream_datums."""
    merged: list[range] = []
    for numbers in sorted(ranges, key=lambda numbers: numbers.start):
        if merged and numbers.start <= merged[-1].stop:
            merged[-1] = range(merged[-1].start, max(merged[-1].stop, numbers.stop))
        else:
            merged.append(numbers)
    single = {number for page in pages for number in page}
    return sum(map(len, merged)) + sum(not any(number in numbers for numbers in merged) for number in single)


def covered_numbers(doc: Document) -> range:
    """The sequence numbers that a stream_datum covers."""
    numbers = doc.get("seq_nums")
    if not isinstance(numbers, dict):
        return range(0)  # earlier versions of event-model have none
    start, stop = numbers.get("start"), numbers.get("stop")
    if type(start) is int and type(stop) is int and start <= stop:
        return range(start, stop)
    raise InvalidRunError(
        f"the stream_datum {doc['uid']!r} has {short(numbers)} as 'seq_nums', which must be a dict of two integers, "
        "'start' and a 'stop' that is not below it"
    )
