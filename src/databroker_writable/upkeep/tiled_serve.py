"""A catalog on Tiled's own server, to read; tried with tiled 0.2.20 and bluesky-tiled-plugins 2.0.12."""

from __future__ import annotations

import copy
import functools
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import uvicorn
from bluesky_tiled_plugins.queries import _PartialUID
from fastapi import APIRouter, HTTPException, Security
from starlette.responses import StreamingResponse
from tiled import queries
from tiled.adapters.mapping import MapAdapter
from tiled.config import Authentication
from tiled.media_type_registration import default_serialization_registry
from tiled.serialization import register_builtin_serializers
from tiled.server.app import build_app
from tiled.server.authentication import check_scopes
from tiled.structures.core import Spec
from tiled.utils import OneShotCachedMap, safe_json_dump

from ..errors import NotWritableError
from ..results.headers import Header, headers, open_run, value_at
from ..runs.upstream_entries import release_run
from .tiled_streams import plain, stream_node

OPEN_RUNS = 16
"""How many runs are held in memory, beside the start and stop documents of all."""

SECONDS_BETWEEN = 2.0
"""After which the catalog is looked at again; a catalog that takes long is looked at less often."""

SHARE = 0.1
"""Of the time, at most, goes to looking for new runs."""

MAY_READ = Security(check_scopes, scopes=["read:data", "read:metadata"])


def serve(catalog: Any, *, port: int, public: bool, ready: Callable[[str, str | None], None]) -> None:
    """Serve a catalog, to read, until the process is interrupted.

    ``ready`` is called with the server's address, and the key unless it is public, once requests are taken. Port 0 is
    one that is free. Raises NotWritableError if the port cannot be listened on.
    """
    runs = _ServedRuns(catalog)
    key = secrets.token_hex(32)
    app = build_app(
        CatalogNode(runs, specs=[Spec("CatalogOfBlueskyRuns", version="1")]),
        Authentication(allow_anonymous_access=public, single_user_api_key=key),
        serialization_registry=_serializers(),
        include_routers=[_documents_route(runs)],
    )
    host = "0.0.0.0" if public else "127.0.0.1"
    try:
        listener = socket.create_server((host, port))
    except OSError as exc:
        raise NotWritableError(
            f"the server cannot listen on port {port} ({os.strerror(exc.errno or 0)}); give another port, or 0 for a "
            "free one"
        ) from exc
    with listener:
        ready(f"http://{host}:{listener.getsockname()[1]}", None if public else key)
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


class _ServedRuns:
    """The runs of a catalog; of a few, those asked for last, the contents are in memory."""

    def __init__(self, catalog: Any) -> None:
        self.catalog = catalog
        self.streams = functools.lru_cache(OPEN_RUNS)(self._streams)
        self._lock = threading.Lock()
        self._nodes: dict[str, MapAdapter] = {}
        self._looks = 0
        self._next_look = 0.0
        self.current()

    def current(self) -> dict[str, MapAdapter]:
        """The runs as they were a moment ago, oldest first; the dict stays as it is.

        One request looks for new runs, and those that come meanwhile do not wait for it.
        """
        if self._lock.acquire(blocking=False):
            try:
                begin = time.monotonic()
                if begin >= self._next_look:
                    self._look()
                    end = time.monotonic()
                    self._next_look = end + max(SECONDS_BETWEEN, (end - begin) / SHARE)
            finally:
                self._lock.release()
        return self._nodes

    def _look(self) -> None:
        self.catalog.force_reload()
        self._looks += 1
        oldest_first = sorted(headers(self.catalog), key=lambda header: header.start["time"])
        self._nodes = {header.uid: self._node(header) for header in oldest_first}

    def opened(self, uid: str) -> Any:
        """A run that nothing else holds."""
        with self._lock:
            run = open_run(self.catalog, uid)
            release_run(run)
        return run

    def _node(self, header: Header) -> MapAdapter:
        """One run, of which only the start and stop documents are held."""
        known = self._nodes.get(header.uid)
        if known is not None and known.metadata()["stop"] is not None:
            return known
        metadata = {"start": plain(header.start), "stop": header.stop and plain(header.stop)}
        node = MapAdapter({}, metadata=metadata, specs=[Spec("BlueskyRun", version="1")])
        # its constructor would ask for the streams; the contents of an unfinished run are read anew after each look
        node._mapping = _Streams(functools.partial(self.streams, header.uid, self._looks))
        return node

    def _streams(self, uid: str, look: int) -> Mapping[str, MapAdapter]:
        """The streams of a run, each read when it is asked for."""
        run = self.opened(uid)
        return OneShotCachedMap({name: functools.partial(stream_node, run, name) for name in run})


class _Streams(Mapping[str, MapAdapter]):
    """The streams of a run that is opened when they are asked for."""

    def __init__(self, opened: Callable[[], Mapping[str, MapAdapter]]) -> None:
        self._opened = opened

    def __iter__(self) -> Iterator[str]:
        return iter(self._opened())

    def __len__(self) -> int:
        return len(self._opened())

    def __getitem__(self, name: str) -> MapAdapter:
        return self._opened()[name]


class CatalogNode(MapAdapter):
    """The runs of a catalog, or those that fit queries; Tiled's own search and sort fail where runs differ in keys."""

    @property
    def _mapping(self) -> dict[str, MapAdapter]:
        return self._source.current() if isinstance(self._source, _ServedRuns) else self._source

    @_mapping.setter
    def _mapping(self, source: Any) -> None:
        self._source = source

    def search(self, query: Any) -> CatalogNode:
        """Give the runs that fit a query."""
        if isinstance(query, _PartialUID):
            return self._where(lambda uid, _: uid.startswith(tuple(query.partial_uids)))
        key: Any = getattr(query, "key", None)
        if isinstance(query, queries.KeyPresent):  # Tiled 0.2.20 looks for the value in the name of the key
            return self._where(lambda _, node: (value_at(node.metadata(), key) is not None) == query.exists)
        if key is None:
            return super().search(query)
        with_key = self._where(lambda _, node: value_at(node.metadata(), key) is not None)
        if isinstance(query, queries.Comparison):
            with_key = with_key._where(
                lambda _, node: _rank(value_at(node.metadata(), key))[0] == _rank(query.value)[0]
            )
        return super(CatalogNode, with_key).search(query)

    def sort(self, sorting: Any) -> CatalogNode:
        """Sort by keys of the metadata with dots, such as start.time; what has no such key comes last."""
        nodes = list(self._mapping.items())
        for key, direction in reversed(sorting):
            if key != "_":
                nodes.sort(key=lambda item: _rank(value_at(item[1].metadata(), key)), reverse=direction < 0)
                nodes.sort(key=lambda item: value_at(item[1].metadata(), key) is None)
            elif direction < 0:
                nodes.reverse()
        return self.new_variation(mapping=dict(nodes), sorting=sorting)

    def _where(self, fits: Callable[[str, MapAdapter], bool]) -> CatalogNode:
        return self.new_variation(mapping={uid: node for uid, node in self._mapping.items() if fits(uid, node)})


def _rank(value: Any) -> tuple[str, Any]:
    """What can be compared with what: numbers, text, and nothing else."""
    if isinstance(value, int | float):
        return "number", value
    return ("text", value) if isinstance(value, str) else ("other", "")


def _documents_route(runs: _ServedRuns) -> APIRouter:
    """The route by which databroker 2's clients ask for a run's documents."""
    router = APIRouter()

    @router.get("/documents/{uid}")
    def documents(uid: str, fill: bool = False, _: Any = MAY_READ) -> Any:
        if uid not in runs.current():
            raise HTTPException(404, f"There is no run {uid!r}.")
        named = runs.opened(uid).documents(fill="yes" if fill else "no")
        lines = (safe_json_dump({"name": name, "doc": plain(doc)}) + b"\n" for name, doc in named)
        return StreamingResponse(lines, media_type="application/json-seq")

    return router


def _serializers() -> Any:
    """Tiled's own, but for the records of tables, whose separator the web page of Tiled 0.2.20 cannot read."""
    register_builtin_serializers()
    registry = copy.deepcopy(default_serialization_registry)
    tiled_records = registry.dispatch("table", "application/json-seq")

    def records(*args: Any, **options: Any) -> Iterator[bytes]:
        for record in tiled_records(*args, **options):
            yield record.lstrip(b"\x1e")

    registry.register("table", "application/json-seq", records)
    return registry
