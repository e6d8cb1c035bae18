"""Catalogs as a facility writes them: its own subclasses of databroker's."""

from __future__ import annotations

import glob
import json
import os
from typing import Any

import event_model
import suitcase.msgpack
from databroker import core
from databroker._drivers.msgpack import BlueskyMsgpackCatalog
from databroker.in_memory import BlueskyInMemoryCatalog
from databroker.v2 import Broker
from mongoquery import Query

from databroker_writable import Backend


def name_the_beamline(start: dict[str, Any]) -> dict[str, Any]:
    """Patch start documents, when they are read, with what the beamline forgot to record."""
    return {"beamline": "BL7", **start}


class PrefixedCatalog(BlueskyMsgpackCatalog):
    """Msgpack files under the facility's own names."""

    name = "bl7-prefixed-catalog"

    def _get_serializer(self) -> event_model.RunRouter:
        directory = os.path.dirname(self.paths[0])

        def factory(name: str, doc: dict[str, Any]) -> tuple[list[Any], list[Any]]:
            return [suitcase.msgpack.Serializer(directory, file_prefix="bl7-{start[uid]}")], []

        return event_model.RunRouter([factory])


class PatchingCatalog(BlueskyMsgpackCatalog):
    """Msgpack files whose start documents are patched when they are read."""

    name = "bl7-patching-catalog"

    def __init__(self, paths: Any, *, transforms: Any = None, **kwargs: Any) -> None:
        super().__init__(paths, transforms={"start": name_the_beamline, **(transforms or {})}, **kwargs)


class CycleCatalog(BlueskyMsgpackCatalog):
    """Msgpack files in a directory for each cycle of a beamline."""

    name = "bl7-cycle-catalog"

    def __init__(self, paths: Any = None, *, root: str = "", cycle: str = "", **kwargs: Any) -> None:
        super().__init__(os.path.join(root, cycle, "*.msgpack") if paths is None else paths, **kwargs)


class CollectingCatalog(BlueskyInMemoryCatalog):
    """One JSON file per run, written by a callable that knows nothing of suitcase."""

    name = "bl7-collecting-catalog"

    def __init__(self, directory: str, **kwargs: Any) -> None:
        self._root = directory
        self._seen: set[str] = set()
        super().__init__(**kwargs)

    def _load(self) -> None:
        for path in set(glob.glob(os.path.join(glob.escape(self._root), "*.json"))) - self._seen:
            documents = read_documents(path)
            self.upsert(documents[0][1], documents[-1][1], read_documents, (path,), {})
            self._seen.add(path)

    def search(self, query: dict[str, Any]) -> Any:
        query = {"$and": [self._query, query]} if self._query else dict(query)
        return type(self)(self._root, query=query, handler_registry=self._handler_registry, name="search results")

    def _get_serializer(self) -> Any:
        documents: list[tuple[str, dict[str, Any]]] = []

        def insert(name: str, doc: dict[str, Any]) -> None:
            documents.append((name, doc))
            if name == "stop":
                write_documents(self._root, documents)

        return insert


def read_documents(path: str) -> list[tuple[str, dict[str, Any]]]:
    with open(path, encoding="utf-8") as file:
        return [(name, doc) for name, doc in json.load(file)]


def write_documents(directory: str, documents: list[tuple[str, dict[str, Any]]]) -> None:
    path = os.path.join(directory, documents[0][1]["uid"] + ".json")
    with open(path + ".part", "w", encoding="utf-8") as file:
        json.dump(documents, file, cls=event_model.NumpyEncoder)
    os.replace(path + ".part", path)


class CollectingWriter:
    """Collects the documents of one run, and writes its file when it is published."""

    def __init__(self, directory: str, start: dict[str, Any]) -> None:
        self._directory = directory
        self._documents: list[tuple[str, dict[str, Any]]] = []
        self.path = os.path.join(directory, start["uid"] + ".json")

    def __call__(self, name: str, doc: dict[str, Any]) -> None:
        # as the file has it: the caller may change its arrays
        self._documents.append((name, json.loads(json.dumps(doc, cls=event_model.NumpyEncoder))))

    def publish(self) -> None:
        write_documents(self._directory, self._documents)

    def abandon(self) -> None:
        self._documents.clear()


class CollectingBackend(Backend):
    """Stores the same files, and knows a place for assets."""

    def open_writer(self, start: dict[str, Any]) -> CollectingWriter:
        return CollectingWriter(self.catalog.directory, start)

    def has_run(self, uid: str) -> bool:
        return os.path.exists(os.path.join(self.catalog.directory, uid + ".json"))

    def default_asset_root(self) -> str:
        return os.path.join(self.catalog.directory, "arrays")


class OwnBackendCatalog(CollectingCatalog):
    """The same catalog with a backend of its own instead of a serializer."""

    name = "bl7-own-backend-catalog"
    writable_backend = CollectingBackend

    @property
    def directory(self) -> str:
        return self._root


class ListingCatalog(Broker):
    """The same files, in the order of their names, without the start documents in memory."""

    name = "bl7-listing-catalog"

    def __init__(self, directory: str, query: dict[str, Any] | None = None, **kwargs: Any) -> None:
        self._root, self._query = directory, query or {}
        super().__init__(**kwargs)

    def _load(self) -> None:
        for path in sorted(glob.glob(os.path.join(glob.escape(self._root), "*.json"))):
            (_, start), *_, (_, stop) = read_documents(path)
            if not Query(self._query).match(start):
                continue
            self._entries[start["uid"]] = core.Entry(
                name=start["uid"],
                description={},
                driver="databroker.core.BlueskyRunFromGenerator",
                args={
                    "gen_func": read_documents,
                    "gen_args": (path,),
                    "gen_kwargs": {},
                    "get_filler": self._get_filler,
                    "transforms": self._transforms,
                },
                metadata={"start": start, "stop": stop},
                catalog=self,
            )

    def search(self, query: dict[str, Any]) -> Any:
        given = {"handler_registry": self._handler_registry, "transforms": self._transforms, "name": "search results"}
        return type(self)(self._root, {"$and": [self._query, query]}, **given)

    _get_serializer = CollectingCatalog._get_serializer


class ReadOnlyCatalog(BlueskyInMemoryCatalog):
    """A catalog that brings no serializer: nothing can be stored through it."""

    name = "bl7-read-only-catalog"
