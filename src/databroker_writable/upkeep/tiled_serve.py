"""A catalog on Tiled's own server, to read; tried with tiled 0.2.20 and bluesky-tiled-plugins 2.0.12."""

from __future__ import annotations

import contextlib
import copy
import functools
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy
import orjson
import pandas
import pyarrow
import uvicorn
import xarray
from bluesky_tiled_plugins.queries import _PartialUID
from fastapi import APIRouter, HTTPException, Security
from starlette.responses import JSONResponse, StreamingResponse
from starlette.staticfiles import StaticFiles
from tiled import queries
from tiled.adapters.mapping import MapAdapter
from tiled.adapters.table import TableAdapter
from tiled.adapters.xarray import DatasetAdapter
from tiled.config import Authentication
from tiled.media_type_registration import default_serialization_registry
from tiled.server.app import build_app
from tiled.server.authentication import check_scopes
from tiled.structures.core import Spec
from tiled.structures.table import TableStructure
from tiled.utils import OneShotCachedMap, safe_json_dump

from ..errors import NotWritableError, StoreError
from ..results.header_search import Header, headers, value_at
from ..results.remarks import RETRACTED, retractions_in
from ..results.run_uids import open_run
from ..runs import upstream
from ..runs.document_parts import PRIMARY
from ..runs.packed_headers import place_in_time
from ..runs.upstream_entries import release_run
from ..tables import to_dataset, with_text_names
from ..tables.acquired_streams import as_databroker_reads
from ..tables.layout import find_layout
from ..tables.stream_reading import read_documents, stream_columns
from ..tables.tiled_columns import with_nulls_announced, without_objects

PAGE = Path(__file__).with_name("page")
OPEN_RUNS = 16  # are in memory with their contents, all others with their start and stop documents
SECONDS_BETWEEN = 2.0  # after which the catalog is looked at again; one that takes long is looked at less often
PATIENCE = 0.02  # seconds that a request waits for what it has begun to look for
SHARE = 0.1  # the largest part of the time that is spent on looking for new runs


def serve(catalog: Any, *, port: int, public: bool, ready: Callable[[str, str | None], None]) -> None:
    """Serve a catalog, to read, until the process is interrupted.

    ``ready`` is called with the server's address, and the key unless it is public, once requests are taken. Port 0 is
    one that is free. Raises NotWritableError if the port cannot be listened on.
    """
    os.environ["TILED_UI_SETTINGS"] = str(PAGE / "settings.yml")
    runs = _ServedRuns(catalog)
    key = secrets.token_hex(32)
    app = build_app(
        CatalogNode(runs.current, specs=[Spec("CatalogOfBlueskyRuns", version="1")]),
        Authentication(allow_anonymous_access=public, single_user_api_key=key),
        serialization_registry=_serializers(),
        include_routers=[_documents_route(runs)],
    )
    app.add_exception_handler(StoreError, lambda _, exc: JSONResponse({"detail": str(exc)}, 422))
    app.mount("/page", StaticFiles(directory=PAGE))
    host = "0.0.0.0" if public else "127.0.0.1"
    try:
        listener = socket.create_server((host, port))
    except OSError as exc:
        raise NotWritableError(
            f"cannot listen on port {port} ({os.strerror(exc.errno or 0)}); give another port, or 0 for a free one"
        ) from exc
    with listener:
        ready(f"http://{host}:{listener.getsockname()[1]}", None if public else key)
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


class _ServedRuns:
    """The runs of a catalog, with the contents of those that were asked for last in memory."""

    def __init__(self, catalog: Any) -> None:
        self.catalog = catalog
        self.streams = functools.lru_cache(OPEN_RUNS)(self._streams)
        self._looking, self._opening = threading.Lock(), threading.Lock()
        self._nodes: dict[str, MapAdapter] = {}
        self._looking.acquire()
        self._look()

    def current(self) -> dict[str, MapAdapter]:
        """The runs as they were a moment ago, oldest first; the dict stays as it is.

        A request begins another look if the last one is some time ago, and waits for it only briefly.
        """
        if time.monotonic() >= self._next_look and self._looking.acquire(blocking=False):
            look = threading.Thread(target=self._look, daemon=True)
            look.start()
            look.join(PATIENCE)
        return self._nodes

    def _look(self) -> None:
        begin = time.monotonic()
        try:
            self.catalog.force_reload()
            oldest_first = sorted(headers(self.catalog), key=lambda header: place_in_time(header.time))
            retracted = retractions_in(self.catalog)
            self._nodes = {header.uid: self._node(header, retracted.get(header.uid)) for header in oldest_first}
        finally:
            self._next_look = time.monotonic() + max(SECONDS_BETWEEN, (time.monotonic() - begin) / SHARE)
            self._looking.release()

    def opened(self, uid: str) -> Any:
        """A run that nothing else holds; one that may change waits for a look, which reads it anew."""
        stays = self._nodes[uid].metadata()["stop"] is not None
        with contextlib.nullcontext() if stays else self._looking, self._opening:
            run = open_run(self.catalog, uid)
            release_run(run)
        return run

    def _node(self, header: Header, retraction: str | None) -> MapAdapter:
        """One run, of which only the start and stop documents are held, and why it is retracted."""
        known = self._nodes.get(header.uid)
        if known is not None and known.metadata()["stop"] is not None and known.metadata().get(RETRACTED) == retraction:
            return known
        metadata = {"start": plain(header.start), "stop": header.stop and plain(header.stop)}
        if retraction is not None:
            metadata[RETRACTED] = retraction
        node = LazyNode({}, metadata=metadata, specs=[Spec("BlueskyRun", version="1")])
        # its constructor would ask for the streams; the contents of an unfinished run are read anew after each look
        node._mapping = functools.partial(self.streams, header.uid, time.monotonic())
        return node

    def _streams(self, uid: str, seen: float) -> Mapping[str, MapAdapter]:
        """The streams of a run, each read when it is asked for."""
        run = self.opened(uid)
        return OneShotCachedMap({name: functools.partial(_stream_node, run, name) for name in run})


class LazyNode(MapAdapter):
    """A node whose children are looked up each time that they are asked for."""

    @property
    def _mapping(self) -> Mapping[str, MapAdapter]:
        return self._children()

    @_mapping.setter
    def _mapping(self, children: Any) -> None:
        self._children = children if callable(children) else lambda: children


class CatalogNode(LazyNode):
    """The runs of a catalog, or those that fit queries; Tiled's own search and sort fail where runs differ in keys."""

    def search(self, query: Any) -> CatalogNode:
        """Give the runs that fit a query."""
        if isinstance(query, _PartialUID):
            whole = self._where("start.uid", lambda uid: uid in query.partial_uids)
            return (
                whole if len(whole) else self._where("start.uid", lambda uid: uid.startswith(tuple(query.partial_uids)))
            )
        key = getattr(query, "key", None)
        if key is None:
            return super().search(query)
        if isinstance(query, queries.KeyPresent):  # Tiled 0.2.20 looks for the value in the name of the key
            return self._where(key, lambda value: (value is not None) == query.exists)
        rank = _rank(query.value)[0] if isinstance(query, queries.Comparison) else None
        with_key = self._where(key, lambda value: value is not None and rank in (None, _rank(value)[0]))
        return super(CatalogNode, with_key).search(query)

    def sort(self, sorting: Any) -> CatalogNode:
        """Sort by the status, or by keys of the metadata with dots, such as start.time; without one comes last."""
        items = list(self._mapping.items())
        for key, direction in reversed(sorting):
            if key != "_":
                value_of = status_of if key == "status" else functools.partial(value_at, name=key)
                items.sort(key=lambda item: _rank(value_of(item[1].metadata())), reverse=direction < 0)
                items.sort(key=lambda item: value_of(item[1].metadata()) is None)
            elif direction < 0:
                items.reverse()
        return self.new_variation(mapping=dict(items), sorting=sorting)

    def _where(self, key: str, fits: Callable[[Any], bool]) -> CatalogNode:
        fitting = {uid: node for uid, node in self._mapping.items() if fits(value_at(node.metadata(), key))}
        return self.new_variation(mapping=fitting)


def status_of(metadata: Mapping[str, Any]) -> Any:
    """The status of a run as the page shows it; None of one that is not finished."""
    return RETRACTED if metadata.get(RETRACTED) is not None else value_at(metadata, "stop.exit_status")


def _rank(value: Any) -> tuple[int, Any]:
    """What can be compared with what: numbers, text, and nothing else."""
    if isinstance(value, int | float | str):
        return 2 if isinstance(value, str) else 1, value
    return 0, None


def _documents_route(runs: _ServedRuns) -> APIRouter:
    """The route by which databroker 2's clients ask for a run's documents."""
    router = APIRouter()

    @router.get("/documents/{uid}", dependencies=[Security(check_scopes, scopes=["read:data", "read:metadata"])])
    def documents(uid: str, fill: bool = False) -> Any:
        if uid not in runs.current():
            raise HTTPException(404, f"There is no run {uid!r}.")
        named = runs.opened(uid).documents(fill="yes" if fill else "no")
        lines = (safe_json_dump({"name": name, "doc": plain(doc)}) + b"\n" for name, doc in named)
        return StreamingResponse(lines, media_type="application/json-seq")

    return router


def _serializers() -> Any:
    """Tiled's own, but for the records of tables, whose separator the web page of Tiled 0.2.20 cannot read."""
    registry = copy.deepcopy(default_serialization_registry)
    write = registry.dispatch("table", "application/json-seq")

    def records(*args: Any, **options: Any) -> Iterator[bytes]:
        return (record.lstrip(b"\x1e") for record in write(*args, **options))

    registry.register("table", "application/json-seq", records)
    return registry


def _stream_node(run: Any, name: str) -> MapAdapter:
    """The node of one stream; its parts are read when they are asked for."""
    descriptors = [doc for doc in upstream.loaded_descriptors(run) if doc.get("name", PRIMARY) == name]
    read = functools.cache(lambda: as_databroker_reads(run, name, read_documents(run, name, fill="no")[0], descriptors))
    # to_dataset would load the images of others into memory
    is_of_others = find_layout(descriptors[0]) is None
    table = read if is_of_others else functools.cache(lambda: with_text_names(to_dataset(run, name)))
    config = run[name].config
    nodes = {
        "data": lambda: _arrays(with_nulls_announced(read(), descriptors[0]), descriptors[0]["data_keys"]),
        "timestamps": lambda: _arrays(_timestamps(run, descriptors)),
        "config": lambda: MapAdapter({key: _arrays(config[key].to_dask()) for key in config}),
        "dataset": lambda: _arrays(table()),
    }
    with contextlib.suppress(Exception):  # which is said where the data are asked for; Arrow has no complex numbers
        if len(table().sizes) == 1 and all(v.ndim == 1 and v.dtype.kind != "c" for v in table().data_vars.values()):
            nodes["table"] = lambda: _table(table())
    metadata = {"descriptors": list(map(plain, descriptors)), "stream_name": name}
    return MapAdapter(OneShotCachedMap(nodes), metadata=metadata, specs=[Spec("BlueskyEventStream", version="1")])


def plain(value: Any) -> Any:
    """The value as JSON has it; databroker's documents are classes of their own."""
    return orjson.loads(safe_json_dump(value.to_dict() if hasattr(value, "to_dict") else value))


def _timestamps(run: Any, descriptors: list[Any]) -> xarray.Dataset:
    uids, elsewhere = {descriptor["uid"] for descriptor in descriptors}, stream_columns(descriptors[0])
    keys = [key for key in descriptors[0]["data_keys"] if key not in elsewhere]
    pages = [doc for name, doc in run.documents(fill="no") if name == "event_page" and doc["descriptor"] in uids]
    columns = {key: ("time", [time for page in pages for time in page["timestamps"][key]]) for key in keys}
    return xarray.Dataset(columns, {"time": [time for page in pages for time in page["time"]]})


def _table(dataset: xarray.Dataset) -> TableAdapter:
    """A table with nulls, in Arrow's types; without dask, which would change the types of text."""
    frame = dataset.to_dataframe()
    if frame.index.name in dataset.coords:
        frame = frame.reset_index()
    frame = frame.assign(**{name: _as_arrow_has_it(frame[name]) for name in frame})
    return TableAdapter([frame], TableStructure.from_pandas(frame), specs=[Spec("dataframe")])


def _as_arrow_has_it(column: pandas.Series) -> Any:
    if column.dtype != object:  # pandas' own dtypes have no byte order
        return column.astype(column.dtype.newbyteorder("=")) if isinstance(column.dtype, numpy.dtype) else column
    for dtype in (None, pyarrow.uint64()):
        with contextlib.suppress(pyarrow.ArrowException, OverflowError):
            return pandas.arrays.ArrowExtensionArray(pyarrow.array(column, dtype, from_pandas=True))
    return column.map(str, na_action="ignore")  # values of several types


def _arrays(dataset: xarray.Dataset, data_keys: Mapping[str, Any] | None = None) -> DatasetAdapter:
    """The Dataset with the types that Tiled has arrays of: no objects, and none of pandas' own."""
    variables = {}
    for name, variable in dataset.variables.items():
        data = variable.data if variable.chunks and variable.dtype.kind != "O" else variable.values
        if data.dtype.kind == "O":
            declared = (data_keys or {}).get(str(name), {}).get("dtype_numpy")
            data = without_objects(data.ravel().tolist(), declared).reshape(variable.shape)
        native = data.astype(data.dtype.newbyteorder("="), copy=False)  # Arrow has no other
        variables[name] = xarray.Variable(variable.dims, native, plain(variable.attrs))
    coords = xarray.Coordinates({name: variables.pop(name) for name in dataset.coords}, indexes={})
    return DatasetAdapter.from_dataset(xarray.Dataset(variables, coords, plain(dataset.attrs)))
