"""Runs in a Tiled server, as bluesky-tiled-plugins 2.0.12 writes them, each whole."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urlparse

import numpy

from ..errors import InvalidRunError, ServerAwayError, StoreFailedError, warn_user
from ..results.header_search import Header
from ..results.run_uids import open_run
from ..runs.document_parts import Document, NamedDocument
from ..tables.classifier import is_lazy
from ..tables.layout import find_layout
from ..tables.missing_values import is_null
from ..tables.stream_reading import STREAM_EXTERNAL
from ..tables.tiled_columns import read_stream
from . import tiled_survey
from .tiled_marks import MARK, MarkingContainer, is_marked, is_whole, new_mark, who_may_write
from .tiled_survey import (
    References,
    Survey,
    blocks,
    documents_of_references,
    ends_in_nul,
    has_nulls,
    survey,
    with_places,
)

_ROWS = ("uid", "time", "seq_num")
_NUMBERS = ("boolean", "integer", "number")

_PROXY_WITHOUT_SERVER = (502, 503, 504)
"""With these a proxy answers while the server behind it is away."""


def is_tiled_client(destination: Any) -> bool:
    """Whether runs are to go to a server of Tiled."""
    # of its type, because a catalog in MongoDB asks the server whether such a name is a run
    return all(hasattr(type(destination), name) for name in ("structure_family", "context"))


class TiledDestination:
    """A container of a Tiled server, as ``tiled.client.from_uri`` or ``from_profile`` gives it."""

    label = "Tiled"

    def __init__(self, client: Any) -> None:
        from tiled.client.container import Container

        # a catalog of bluesky-tiled-plugins takes a uid for the beginning of others
        self._client = Container(client.context, item=client.item, structure_clients=client.structure_clients)
        self._unreadable: set[str] = set()

    def has_run(self, uid: str, header: Header | None) -> bool:
        """Whether a run is there, whole; what an interrupted copy has left of one that is finished is removed.

        Raises `StoreFailedError` where it may still be written.
        """
        with tiled_away_as_error(self._client.context.api_uri):
            if uid not in self._client:
                return False
            metadata = self._client[uid].metadata
            if is_whole(metadata):
                return True
            if header is None or not header.stop:
                return False
            writer = who_may_write(metadata, header.stop["time"])
            if writer is not None:
                raise StoreFailedError(
                    f"{writer} is writing the run {uid!r} to Tiled, or was killed; copy it again later: after a day "
                    "what is left of it is removed and copied again. If it was killed, client["
                    f"{uid!r}].delete(recursive=True, external_only=False) of the Tiled client removes it now"
                )
            self._remove(uid)
            return False

    def stop_document(self, uid: str) -> Mapping[str, Any] | None:
        with tiled_away_as_error(self._client.context.api_uri):
            stop: Mapping[str, Any] | None = self._client[uid].metadata.get("stop")
        return stop

    def copy(self, source: Any, uid: str) -> None:
        """Copy a run, compare what is there with it, and remove it if anything differs or fails.

        Assets stay in the files where they are if the server reads them there, and gives what they hold.
        """
        from tiled.client import DELETE_KEY

        surveyed = survey(open_run(source, uid), getattr(source, "root_map", None) or {})
        known = surveyed.references.items()
        references = {column: reference for column, reference in known if reference.root not in self._unreadable}
        with tiled_away_as_error(self._client.context.api_uri):
            for attempt in (references, {}) if references else ({},):
                try:
                    with new_mark() as mark:
                        self._write(uid, surveyed, attempt, mark)
                        self._client[uid].update_metadata({MARK: DELETE_KEY}, drop_revision=True)
                    return
                except StoreFailedError:
                    if not attempt:
                        raise

    def _write(self, uid: str, surveyed: Survey, references: References, mark: Document) -> None:
        """Write a run with a mark, and compare it."""
        import httpx
        from bluesky_tiled_plugins import TiledWriter

        # arrays of up to 16 elements would become text of 8 digits
        writer = TiledWriter(self._client, max_array_size=0, batch_size=surveyed.batch_size)
        writer.client = MarkingContainer(writer.client, mark)
        try:
            data_keys: dict[str, Document] = {}
            for name, doc in documents_for_tiled(surveyed, references):
                if name == "stop":
                    self._write_blocks(uid, surveyed, references, data_keys)
                elif name == "descriptor":
                    data_keys[doc["name"]] = doc["data_keys"]
                writer(name, doc)
            self._check_readable(uid, references)
            self._compare(documents_for_tiled(surveyed, {}), uid)
            self._compare_blocks(uid, surveyed)
            self._warn_of_unreadable(uid, data_keys, references)
        except httpx.ConnectError:
            # what is left there is removed by the next attempt
            raise
        except BaseException as exc:
            if uid in self._client and is_marked(self._client[uid].metadata, mark):
                self._remove(uid)
            if not isinstance(exc, Exception) or isinstance(exc, InvalidRunError | StoreFailedError):
                raise
            raise StoreFailedError(f"Tiled did not take the run {uid!r} ({type(exc).__name__}: {exc})") from exc

    def _write_blocks(
        self, uid: str, surveyed: Survey, references: References, data_keys: Mapping[str, Document]
    ) -> None:
        columns = {column: in_blocks for column, in_blocks in surveyed.in_blocks.items() if column not in references}
        arrays = {
            (stream, key): in_blocks.array_in(self._client[uid][stream].base, key, data_keys[stream][key])
            for (stream, key), in_blocks in columns.items()
        }
        for block in blocks(surveyed, columns):
            arrays[block.column].write_block(block.values[numpy.newaxis], block.number)

    def _compare_blocks(self, uid: str, surveyed: Survey) -> None:
        columns = surveyed.in_blocks
        arrays = {(stream, key): self._client[uid][stream][key] for stream, key in columns}
        for block in blocks(surveyed, columns):
            if not _is_same(block.values, arrays[block.column][block.place]):
                raise _other_values(*block.column, uid)

    def _check_readable(self, uid: str, references: References) -> None:
        for (stream, key), reference in references.items():
            if not _is_readable(self._client[uid][stream].base[key]):
                self._unreadable.add(reference.root)
                raise StoreFailedError(f"Tiled cannot read {reference.path}")

    def _warn_of_unreadable(self, uid: str, data_keys: Mapping[str, Document], references: References) -> None:
        """Warn of arrays that an acquisition has in files, which databroker 1 cannot read, so that they stay there."""
        for stream, keys in data_keys.items():
            node = self._client[uid][stream].base
            for key in keys:
                is_in_file = "external" in keys[key] and (stream, key) not in references and key in node
                if is_in_file and hasattr(node[key], "chunks") and not _is_readable(node[key]):
                    warn_user(
                        f"the run {uid!r} is in Tiled, but the server cannot read the arrays of column {key!r} of "
                        f"stream {stream!r}: they stay in the files of the acquisition; let the server read their "
                        "directory (readable_storage in its configuration)"
                    )

    def _compare(self, documents: Iterable[NamedDocument], uid: str) -> None:
        """Compare values piece by piece; of what Tiled gives, only columns of scalars are in memory whole."""
        written = self._client[uid]
        columns: dict[tuple[str, str], Any] = {}
        arrays: set[tuple[str, str]] = set()
        for name, doc, place in with_places(documents):
            if name == "descriptor":
                arrays.update((doc["name"], key) for key, value in doc["data_keys"].items() if value["shape"])
            elif name == "stop" and doc["uid"] != written.metadata["stop"]["uid"]:
                raise StoreFailedError(f"Tiled returns another stop document for the run {uid!r}; copy it again")
            elif place is not None:
                stream, start, end = place
                for key, values in doc["data"].items():
                    if (stream, key) not in columns:
                        node = written[stream]
                        is_array = (stream, key) in arrays
                        columns[stream, key] = node[key] if is_array else read_stream(node, key)[key].values
                    if not _is_same(values, columns[stream, key][start:end]):
                        raise _other_values(stream, key, uid)

    def _remove(self, uid: str) -> None:
        self._client[uid].delete(recursive=True, external_only=False)


@contextlib.contextmanager
def tiled_away_as_error(address: Any) -> Iterator[None]:
    """Raise `ServerAwayError` if a server of Tiled does not answer, or a proxy says so."""
    import httpx

    try:
        yield
    except (httpx.TransportError, httpx.HTTPStatusError) as exc:
        if isinstance(exc, httpx.HTTPStatusError) and exc.response.status_code not in _PROXY_WITHOUT_SERVER:
            raise
        raise ServerAwayError(
            f"no Tiled server answers at {address} ({exc}); check that it runs, and that this computer reaches it"
        ) from exc


def _other_values(stream: str, key: str, uid: str) -> StoreFailedError:
    return StoreFailedError(
        f"Tiled returns other values for column {key!r} of stream {stream!r} of the run {uid!r}; the copy was removed"
    )


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
                yield from documents_of_references(references, by_stream, surveyed.lengths)
            yield name, dict(doc)


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


def _is_same(sent: Any, read: numpy.ndarray) -> bool:
    one = numpy.asarray(sent)
    if one.dtype.kind == "O" or read.dtype.kind in "OUT":
        pairs = zip(one.ravel().tolist(), read.ravel().tolist(), strict=True)
        return one.shape == read.shape and all(a == b or (is_null(a) and is_null(b)) for a, b in pairs)
    return one.shape == read.shape and numpy.array_equal(one, read, equal_nan=one.dtype.kind in "fc")


def _is_readable(node: Any) -> bool:
    """Whether the server can read a node that is registered; asked once, for Tiled's client tries for 45 s."""
    index = (0,) * len(node.shape)
    link = node.item["links"]["block"].format(*index)
    # after a failure the server ends the connection
    headers, params = {"Accept": "application/octet-stream", "Connection": "close"}, parse_qs(urlparse(link).query)
    response = node.context.http_client.get(link, headers=headers, params=params)
    size = node.dtype.itemsize * math.prod(sizes[0] for sizes in node.chunks)
    return bool(response.status_code == 200 and len(response.read()) == size)
