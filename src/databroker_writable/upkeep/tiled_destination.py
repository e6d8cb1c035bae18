"""Runs in a Tiled server, as bluesky-tiled-plugins 2.0.12 writes them, each whole."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urlparse

import numpy

from ..errors import InvalidRunError, ServerAwayError, StoreFailedError, warn_user
from ..results.header_search import Header
from ..results.run_uids import open_run
from ..runs.document_parts import Document, NamedDocument
from ..tables.encoded_column import is_null
from ..tables.tiled_columns import read_stream
from .tiled_documents import documents_for_tiled
from .tiled_marks import MARK, MarkingContainer, is_marked, is_whole, new_mark, who_may_write
from .tiled_survey import References, Survey, blocks, survey, with_places

_PROXY_WITHOUT_SERVER = (502, 503, 504)
"""With these a proxy answers while the server behind it is away."""


def is_tiled_client(destination: Any) -> bool:
    """Whether runs are to go to a server of Tiled."""
    # of its type, because a catalog in MongoDB asks the server whether such a name is a run
    return all(hasattr(type(destination), name) for name in ("structure_family", "context"))


class _Written:
    """A run in Tiled; the server is asked once for each stream, and once for the arrays and tables in it."""

    def __init__(self, uid: str, run: Any) -> None:
        self.uid, self.run = uid, run
        self.stream: Callable[[str], Any] = functools.cache(run.__getitem__)
        self.nodes = functools.cache(lambda stream: dict(self.stream(stream).base.items()))


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
            written = _Written(uid, self._client[uid])
            self._check_readable(written, references)
            self._compare(documents_for_tiled(surveyed, {}), written)
            self._compare_blocks(written, surveyed)
            self._warn_of_unreadable(written, data_keys, references)
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
        written = functools.cache(self._client[uid].__getitem__)
        arrays = {
            (stream, key): in_blocks.array_in(written(stream).base, key, data_keys[stream][key])
            for (stream, key), in_blocks in columns.items()
        }
        for block in blocks(surveyed, columns):
            arrays[block.column].write_block(block.values[numpy.newaxis], block.number)

    def _compare_blocks(self, written: _Written, surveyed: Survey) -> None:
        columns = surveyed.in_blocks
        arrays = {(stream, key): written.nodes(stream)[key] for stream, key in columns}
        for block in blocks(surveyed, columns):
            if not _is_same(block.values, arrays[block.column][block.place]):
                raise _other_values(*block.column, written.uid)

    def _check_readable(self, written: _Written, references: References) -> None:
        for (stream, key), reference in references.items():
            if not _is_readable(written.nodes(stream)[key]):
                self._unreadable.add(reference.root)
                raise StoreFailedError(f"Tiled cannot read {reference.path}")

    def _warn_of_unreadable(self, written: _Written, data_keys: Mapping[str, Document], references: References) -> None:
        """Warn of arrays that an acquisition has in files, which databroker 1 cannot read, so that they stay there."""
        for stream, keys in data_keys.items():
            for key in keys:
                is_in_file = "external" in keys[key] and (stream, key) not in references
                node = written.nodes(stream).get(key) if is_in_file else None
                if hasattr(node, "chunks") and not _is_readable(node):
                    warn_user(
                        f"the run {written.uid!r} is in Tiled, but the server cannot read the arrays of column {key!r} "
                        f"of stream {stream!r}: they stay in the files of the acquisition; let the server read their "
                        "directory (readable_storage in its configuration)"
                    )

    def _compare(self, documents: Iterable[NamedDocument], written: _Written) -> None:
        """Compare values piece by piece; of what Tiled gives, only columns of scalars are in memory whole."""
        columns: dict[tuple[str, str], Any] = {}
        arrays: set[tuple[str, str]] = set()
        for name, doc, place in with_places(documents):
            if name == "descriptor":
                arrays.update((doc["name"], key) for key, value in doc["data_keys"].items() if value["shape"])
            elif name == "stop" and doc["uid"] != written.run.metadata["stop"]["uid"]:
                raise StoreFailedError(
                    f"Tiled returns another stop document for the run {written.uid!r}; copy it again"
                )
            elif place is not None:
                stream, start, end = place
                for key, values in doc["data"].items():
                    if (stream, key) not in columns:
                        is_array = (stream, key) in arrays
                        columns[stream, key] = (
                            written.nodes(stream)[key]
                            if is_array
                            else read_stream(written.stream(stream), key)[key].values
                        )
                    if not _is_same(values, columns[stream, key][start:end]):
                        raise _other_values(stream, key, written.uid)

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
