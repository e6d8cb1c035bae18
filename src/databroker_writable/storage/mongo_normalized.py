"""Store into databroker's normalized MongoDB layout: one collection for each type of document."""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Iterator
from typing import Any

import bson
import event_model
import pymongo.errors
import suitcase.mongo_normalized
from pymongo import ASCENDING, DESCENDING

from ..errors import RunExistsError
from ..runs import upstream
from ..runs.comparison import as_text, same_run
from ..runs.upstream_entries import entry_of_start
from ..tables.document_values import to_builtin
from .assets import FORMATS
from .mongo_backend import (
    PROVENANCE,
    Index,
    MongoBackend,
    Owner,
    Part,
    has_any,
    insert_new,
    no_place_for,
    remove,
    removed_meanwhile,
    used_elsewhere,
)

BATCH = 10_000
CLAIM_SECONDS = 2.0
"""Seconds to wait for the last steps of another writer of the same uid, which take milliseconds."""


class WriterIds:
    """ObjectIds that tell the documents of one writer from those of others.

    They have the fields of MongoDB's own: the time in seconds, a random value, here of the writer, and a counter.
    """

    def __init__(self) -> None:
        self._random = os.urandom(5)
        self._count = itertools.count()

    def new(self) -> bson.ObjectId:
        count = next(self._count) % 2**24
        return bson.ObjectId(int(time.time()).to_bytes(4, "big") + self._random + count.to_bytes(3, "big"))

    def is_ours(self, made: Any) -> bool:
        return isinstance(made, bson.ObjectId) and made.binary[4:9] == self._random


class NormalizedRunWriter:
    """Writes one run so that it appears with its start document, last of all.

    Events, datums and resources are written as they arrive, because readers find them only through descriptors. Then
    follow the stop document, whose unique ``run_start`` keeps out other writers of the same uid, the descriptors, and
    the start document.
    """

    def __init__(self, backend: MongoNormalizedBackend, start: dict[str, Any]) -> None:
        backend.check_free(start["uid"])
        self._backend = backend
        self._collections = backend.collections
        self._uid = start["uid"]
        self._start = start
        self._stop: dict[str, Any] = {}
        self._descriptors: list[dict[str, Any]] = []
        # the number of Events of each descriptor, and of Datums of each resource
        self._counts: dict[str, dict[str, int]] = {owner.name: {} for owner in backend.owners}
        self._resources_found: set[str] = set()
        self._ids = WriterIds()
        self._has_found_owned = False

    def __call__(self, name: str, doc: dict[str, Any]) -> None:
        if name == "descriptor":
            self._check_descriptor(doc)
            self._descriptors.append(doc)
            self._counts["descriptor"][doc["uid"]] = 0
        elif name == "stop":
            self._stop = doc
        elif name == "resource":
            self._insert_resource(to_builtin(doc))
        elif name in ("event", "event_page", "datum", "datum_page"):
            self._insert(name, to_builtin(doc))
        elif name != "start":
            raise no_place_for(name)

    def publish(self) -> None:
        if self._stop:  # without one the run is unfinished, and is copied unchanged
            self._claim()
        # suitcase-mongo 0.7.0 passes descriptors through JSON, which has no bytes
        insert_new(self._collections.descriptors, [to_builtin(dict(doc)) for doc in self._descriptors], "uid")
        if self._has_found_owned:
            self._check_still_there()
        try:
            self._collections.starts.insert_one(to_builtin(dict(self._start)))
        except pymongo.errors.DuplicateKeyError:
            raise RunExistsError.of_uid(self._uid, self._backend.label) from None
        self._remove_leftovers()
        self._backend.last_counts = self._uid, self._counts["descriptor"]

    def abandon(self) -> None:
        """Remove what this writer inserted, unless a published run, or another writer of the same run, uses it."""
        published = self._collections.starts.find_one({"uid": self._uid}, {"_id": False})
        if published is not None and same_run([("start", published)], [("start", self._start)]):
            return
        for owner in () if self._has_found_owned else self._backend.owners:
            uids = sorted(self._counts[owner.name].keys() - self._resources_found)
            owner.pages.delete_many({owner.name: {"$in": uids}})
            of_run = {} if owner.name == "resource" else {"run_start": self._uid}
            owner.documents.delete_many({"uid": {"$in": uids}, **of_run})
        if self._stop:
            self._collections.stops.delete_many({"uid": self._stop["uid"], "run_start": self._uid})

    def _check_descriptor(self, doc: dict[str, Any]) -> None:
        """Refuse the descriptor of another run, whose readers would see the Events of this one."""
        if has_any(self._collections.descriptors, {"uid": doc["uid"], "run_start": {"$ne": self._uid}}):
            raise used_elsewhere("uid", doc["uid"])

    def _insert_resource(self, doc: dict[str, Any]) -> None:
        # in old databases resources are not unique, and runs share them
        resources = self._collections.resources
        existing = resources.find_one({"uid": doc["uid"]}, {"_id": False})
        is_known = doc["uid"] in self._counts["resource"]
        self._counts["resource"].setdefault(doc["uid"], 0)
        if existing is None:
            resources.insert_one(doc)
            return
        if not is_known:
            self._resources_found.add(doc["uid"])
        if as_text(existing) != as_text(doc):
            raise used_elsewhere("uid", doc["uid"])

    def _insert(self, name: str, doc: dict[str, Any]) -> None:
        """Insert Events or Datums, also from a page."""
        # suitcase-mongo 0.7.0 compares a document that exists already with ==, which NaN never passes,
        # and passes every page through JSON
        owner = next(owner for owner in self._backend.owners if owner.name in doc)
        counts, uid = self._counts[owner.name], doc[owner.name]
        before = counts[uid]
        key = "uid" if owner.name == "descriptor" else "datum_id"
        unpack = {"event_page": event_model.unpack_event_page, "datum_page": event_model.unpack_datum_page}
        documents = list(unpack[name](doc)) if name in unpack else [doc]
        for first in range(0, len(documents), BATCH):
            batch = [{"_id": self._ids.new(), **doc} for doc in documents[first : first + BATCH]]
            self._has_found_owned |= not all(map(self._ids.is_ours, insert_new(owner.pages, batch, key)))
        counts[uid] = before + len(documents)

    def _check_still_there(self) -> None:
        """Refuse to publish without documents that another writer of the same run has removed since they were found."""
        for owner in self._backend.owners:
            counts = self._counts[owner.name]
            if owner.documents.count_documents({"uid": {"$in": list(counts)}}) < len(counts) or any(
                owner.pages.count_documents({owner.name: uid}) < count for uid, count in counts.items()
            ):
                raise removed_meanwhile(self._uid, owner)

    def _claim(self) -> None:
        """Insert the stop document; if another writer has the uid, wait until it has published or is gone."""
        stops = self._collections.stops
        until = time.monotonic() + CLAIM_SECONDS
        while True:
            if self._backend.has_run(self._uid):
                raise RunExistsError.of_uid(self._uid, self._backend.label)
            try:
                stops.insert_one(to_builtin(dict(self._stop)))
                return
            except pymongo.errors.DuplicateKeyError:
                claim = stops.find_one({"run_start": self._uid}, {"_id": False})
                if claim is not None and claim["uid"] == self._stop["uid"]:
                    return
                if has_any(stops, {"uid": self._stop["uid"], "run_start": {"$ne": self._uid}}):
                    raise used_elsewhere("uid", self._stop["uid"]) from None
            if time.monotonic() > until:
                # left by an interrupted writer
                stops.delete_many({"run_start": self._uid, "uid": (claim or {}).get("uid")})
            else:
                time.sleep(0.02)

    def _remove_leftovers(self) -> None:
        """Remove what interrupted attempts left: descriptors of the same run, resources, and their documents."""
        for owner in self._backend.owners:
            uids = list(self._counts[owner.name])
            if uids or owner.name == "descriptor":
                # in a shared registry, other resources may belong to a copy of this run elsewhere
                ours = {"spec": {"$in": list(FORMATS)}} if owner.is_apart else {}
                remove(owner.parts({"run_start": self._uid, "uid": {"$nin": uids}, **ours}))
        if self._stop:
            # a writer that waited too long may have removed this one's claim
            stop = to_builtin(dict(self._stop))
            self._collections.stops.replace_one({"run_start": self._uid}, stop, upsert=True)


class MongoNormalizedBackend(MongoBackend):
    """The layout of `databroker._drivers.mongo_normalized.BlueskyMongoCatalog`."""

    uri_arguments = ("metadatastore_db", "asset_registry_db")
    # the uid of the last published run, and its Events by descriptor
    last_counts: tuple[str, dict[str, int]] = ("", {})

    @property
    def collections(self) -> Any:
        return upstream.normalized_collections(self.catalog)

    @property
    def database(self) -> Any:
        return upstream.normalized_databases(self.catalog)[0]

    def is_in_other_layout(self, uid: str) -> bool:
        return has_any(self.database["header"], {"start.uid": uid})

    def owners_in_other_layout(self) -> list[set[str]]:
        headers = list(self.database["header"].find({}, {"descriptors.uid": True, "resources.uid": True}))
        parts = ("descriptors", "resources")
        return [{doc["uid"] for header in headers for doc in header.get(part) or []} for part in parts]

    @property
    def has_registry_apart(self) -> bool:
        """Whether resources and datums are in a separate database, which other catalogs may share."""
        documents, registry = upstream.normalized_databases(self.catalog)
        return bool(documents != registry)

    @property
    def owners(self) -> list[Owner]:
        collections = self.collections
        return [
            Owner("descriptor", "Events", collections.events, collections.descriptors),
            Owner("resource", "Datums", collections.datums, collections.resources, self.has_registry_apart),
        ]

    def parts_of_run(self, run: str, *, with_apart: bool = False) -> Iterator[Part]:
        """The documents of a run without its start document, in the order of their removal."""
        for owner in self.owners:
            if with_apart or not owner.is_apart:
                yield from owner.parts({"run_start": run})
        yield self.collections.stops, {"run_start": run}

    def open_writer(self, start: dict[str, Any]) -> NormalizedRunWriter:
        self.prepare()
        return NormalizedRunWriter(self, start)

    def has_run(self, uid: str) -> bool:
        return has_any(self.collections.starts, {"uid": uid})

    def stored_run(self, uid: str) -> Any:
        """The run, with the Events counted at insertion, so that databroker does not let the server count them."""
        published, counts = self.last_counts
        if published == uid:
            entry = entry_of_start(self.catalog, self.collections.starts.find_one({"uid": uid}))
            if entry is not None:
                return upstream.open_entry(entry, self.catalog, get_event_count=counts.__getitem__)
        return super().stored_run(uid)

    def indexes(self) -> list[Index]:
        collections = self.collections
        return [
            Index(collections.starts, "uid", True),
            Index(collections.starts, "scan_id"),
            *(Index(collections.starts, key, is_sparse=True) for key in PROVENANCE),
            Index(collections.starts, [("time", DESCENDING), ("scan_id", DESCENDING)]),
            Index(collections.stops, "run_start", True),
            Index(collections.stops, "uid", True),
            Index(collections.descriptors, "uid", True),
            Index(collections.descriptors, [("run_start", DESCENDING), ("time", DESCENDING)]),
            Index(collections.events, "uid", True),
            Index(collections.events, [("descriptor", DESCENDING), ("time", ASCENDING)]),
            Index(collections.resources, "uid"),
            # suitcase-mongo 0.7.0 has none for databroker's look-up of the resources of a run
            Index(collections.resources, "run_start"),
            Index(collections.datums, "datum_id", True),
            Index(collections.datums, "resource"),
        ]

    def create_indexes(self) -> None:
        # databroker 1.2.5 never calls create_indexes(), and without indexes duplicates are not detected. Without text
        # indexes in the server, or with one index in another form, it stops half-way.
        with contextlib.suppress(pymongo.errors.OperationFailure):
            suitcase.mongo_normalized.Serializer(*upstream.normalized_databases(self.catalog)).create_indexes()
        super().create_indexes()
