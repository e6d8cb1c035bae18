"""A catalog on Tiled's own server, to read; tried with tiled 0.2.20 and bluesky-tiled-plugins 2.0.12."""

from __future__ import annotations

import copy
import functools
import operator
import re
import secrets
import socket
import threading
import time
from collections import OrderedDict
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
from ..results.headers import Header, headers, open_run
from .tiled_streams import plain, stream_node

LOOPBACK = "127.0.0.1"
OPEN_RUNS = 16
"""How many runs are held in memory, beside the start and stop documents of all."""

SECONDS_BETWEEN = 2.0
"""After which the catalog is looked at again; a catalog that takes long is looked at less often."""

SHARE = 0.1
"""Of the time, at most, goes to looking for new runs."""

MAY_READ = Security(check_scopes, scopes=["read:data", "read:metadata"])


def serve(
    catalog: Any,
    *,
    host: str = LOOPBACK,
    port: int = 0,
    public: bool = False,
    ready: Callable[[str, str | None], None] = lambda address, key: None,
) -> None:
    """Serve a catalog, to read, until the process is interrupted.

    ``ready`` is called with the server's address, and the key unless it is public, once requests are taken. Port 0 is
    one that is free. Raises NotWritableError if the address cannot be listened on.
    """
    tree = CatalogNode(_ServedRuns(catalog), specs=[Spec("CatalogOfBlueskyRuns", version="1")])
    key = secrets.token_hex(32)
    app = build_app(
        tree,
        Authentication(allow_anonymous_access=public, single_user_api_key=key),
        serialization_registry=_serializers(),
        include_routers=[_documents_route(tree)],
    )
    with _listening(host, port) as listener:
        name = f"[{host}]" if ":" in host else host
        ready(f"http://{name}:{listener.getsockname()[1]}", None if public else key)
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


class _ServedRuns(Mapping[str, MapAdapter]):
    """The runs of a catalog, oldest first; of a few, those asked for last, the contents are in memory."""

    def __init__(self, catalog: Any) -> None:
        self.catalog = catalog
        self._lock = threading.RLock()
        self._nodes: dict[str, MapAdapter] = {}
        self._streams: OrderedDict[str, OneShotCachedMap] = OrderedDict()
        self._next_look = 0.0
        self._look()

    def __iter__(self) -> Iterator[str]:
        self._look()
        return iter(list(self._nodes))

    def __len__(self) -> int:
        self._look()
        return len(self._nodes)

    def __getitem__(self, uid: str) -> MapAdapter:
        self._look()
        return self._nodes[uid]

    def streams(self, uid: str) -> OneShotCachedMap:
        """The streams of a run, each read when it is asked for."""
        with self._lock:
            if uid not in self._streams:
                run = open_run(self.catalog, uid)
                self._streams[uid] = OneShotCachedMap({name: functools.partial(stream_node, run, name) for name in run})
            self._streams.move_to_end(uid)
            while len(self._streams) > OPEN_RUNS:
                self._streams.popitem(last=False)
            return self._streams[uid]

    def _look(self) -> None:
        with self._lock:
            begin = time.monotonic()
            if begin < self._next_look:
                return
            self.catalog.force_reload()
            known = self._nodes
            self._nodes = {}
            for header in sorted(headers(self.catalog), key=lambda header: header.start["time"]):
                node = known.get(header.uid)
                if node is None or node.metadata()["stop"] is None:
                    node = _run_node(self, header)
                    self._streams.pop(header.uid, None)
                self._nodes[header.uid] = node
            for uid in known.keys() - self._nodes.keys():
                self._streams.pop(uid, None)
            took = time.monotonic() - begin
            self._next_look = time.monotonic() + max(SECONDS_BETWEEN, took / SHARE)


class _Streams(Mapping[str, MapAdapter]):
    """The streams of a run that is opened when one of them is asked for."""

    def __init__(self, runs: _ServedRuns, uid: str, names: list[str] | None) -> None:
        self._runs, self._uid, self._names = runs, uid, names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names or self._runs.streams(self._uid))

    def __len__(self) -> int:
        return len(self._names or self._runs.streams(self._uid))

    def __getitem__(self, name: str) -> MapAdapter:
        return self._runs.streams(self._uid)[name]


def _run_node(runs: _ServedRuns, header: Header) -> MapAdapter:
    """One run, of which only the start and stop documents are held."""
    start, stop = plain(header.start), header.stop and plain(header.stop)
    names = list((stop or {}).get("num_events") or ()) or None
    summary = {
        "uid": header.uid,
        "scan_id": start.get("scan_id"),
        "timestamp": start["time"],
        "plan_name": start.get("plan_name"),
        "stream_names": names or [],
        "duration": stop and stop["time"] - start["time"],
    }
    metadata = {"start": start, "stop": stop, "summary": summary}
    node = MapAdapter({}, metadata=metadata, specs=[Spec("BlueskyRun", version="1")])
    node._mapping = _Streams(runs, header.uid, names)  # its constructor would ask for the streams
    return node


class CatalogNode(MapAdapter):
    """The runs of a catalog, or those that fit queries."""

    def search(self, query: Any) -> Any:
        """Give the runs that fit a query; Tiled's own search of values fails where runs differ in their keys."""
        if isinstance(query, _PartialUID):
            uids = tuple(query.partial_uids)
            return self.new_variation(
                mapping={uid: self._mapping[uid] for uid in self._mapping if uid.startswith(uids)}
            )
        fits = _FITS.get(type(query))
        if fits is None:
            return super().search(query)
        nodes = self._mapping.items()
        return self.new_variation(mapping={uid: node for uid, node in nodes if fits(query, _value(node, query.key))})

    def sort(self, sorting: Any) -> CatalogNode:
        """Sort by keys of the metadata with dots, such as start.time; what has no such key comes last."""
        nodes = list(self._mapping.items())
        for key, direction in reversed(sorting):
            if key == "_":
                nodes = nodes[::-1] if direction < 0 else nodes
                continue
            ranked = [(_rank(_value(item[1], key)), item) for item in nodes]
            comparable = [pair for pair in ranked if pair[0] is not None]
            comparable.sort(key=operator.itemgetter(0), reverse=direction < 0)
            nodes = [item for _, item in comparable] + [item for rank, item in ranked if rank is None]
        return self.new_variation(mapping=dict(nodes), sorting=sorting)


def _value(node: MapAdapter, key: str) -> Any:
    """What the metadata have under a key with dots, or None."""
    value: Any = node.metadata()
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _rank(value: Any) -> tuple[str, Any] | None:
    """Numbers before text, and only what can be compared."""
    if isinstance(value, int | float):
        return "number", value
    return ("text", value) if isinstance(value, str) else None


def _compares(query: Any, value: Any) -> bool:
    rank, limit = _rank(value), _rank(query.value)
    if rank is None or limit is None or rank[0] != limit[0]:
        return False
    fits: bool = getattr(operator, query.operator)(value, query.value)
    return fits


_FITS: dict[type, Callable[[Any, Any], bool]] = {
    queries.Eq: lambda query, value: value == query.value,
    queries.NotEq: lambda query, value: value is not None and value != query.value,
    queries.Comparison: _compares,
    queries.Contains: lambda query, value: isinstance(value, list) and query.value in value,
    queries.In: lambda query, value: value in query.value,
    queries.NotIn: lambda query, value: value is not None and value not in query.value,
    queries.KeyPresent: lambda query, value: (value is not None) == query.exists,
    queries.Regex: lambda query, value: (
        isinstance(value, str)
        and re.search(query.pattern, value, 0 if query.case_sensitive else re.IGNORECASE) is not None
    ),
}
"""Whether a value of the metadata fits a query that names its key."""


def _documents_route(tree: CatalogNode) -> APIRouter:
    """The route by which databroker 2's clients ask for a run's documents."""
    router = APIRouter()

    @router.get("/documents/{uid}")
    def documents(uid: str, fill: bool = False, _: Any = MAY_READ) -> Any:
        runs = tree._mapping
        if uid not in runs:
            raise HTTPException(404, f"There is no run {uid!r}.")
        run = open_run(runs.catalog, uid)
        lines = (
            safe_json_dump({"name": name, "doc": plain(doc)}) + b"\n"
            for name, doc in run.documents(fill="yes" if fill else "no")
        )
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


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as exc:
        raise NotWritableError(
            f"the server cannot listen on {host}, port {port} ({exc.strerror or exc}); "
            "give another port, or 0 for one that is free"
        ) from exc
