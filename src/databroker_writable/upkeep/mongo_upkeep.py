"""The upkeep of catalogs in MongoDB, of the normalized and of the embedded layout.

Documents of runs that were never published are leftovers: no start document or header leads to them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import bson

from ..runs.document_parts import Document
from ..runs.upstream import NormalizedCollections
from ..storage.assets import is_our_asset
from ..storage.mongo_backend import MongoBackend
from ..storage.mongo_embedded import MongoEmbeddedBackend
from ..storage.mongo_normalized import MongoNormalizedBackend
from .asset_findings import Assets, asset_path
from .backend_upkeep import CUT_OFF, BackendUpkeep, Deletion, Look
from .findings import Finding, Leftover, shown_age

DELETIONS = "deletions"
"""The collection that lists what is still to be removed of runs in the embedded layout."""


class MongoUpkeep(BackendUpkeep):
    """What is the same in both layouts."""

    backend: MongoBackend
    needs_runs = False

    def missing_indexes(self) -> Iterator[Finding]:
        for index in self.backend.indexes():
            known = index.collection.index_information().values()
            present = [other for other in known if other["key"][0][0] == index.field]
            if not any(other.get("unique") or not index.is_unique for other in present):
                what = "there is no unique index" if index.is_unique else "there is no index"
                advice = "let a user with the role readWrite store a run, or create it in the database"
                yield Finding("index-missing", f"{index.collection.name}.{index.field}", f"{what}; {advice}")


class NormalizedUpkeep(MongoUpkeep):
    backend: MongoNormalizedBackend

    def __init__(self, catalog: Any) -> None:
        super().__init__(catalog)
        self.database = self.backend.collections.starts.database

    def look_through(self, assets: Assets) -> Look:
        """Read the uid of each start document, descriptor and resource. The server groups Events and Datums.

        References are read before their targets, so that what a writer publishes meanwhile is no leftover.
        """
        collections = self.backend.collections
        events, datums = collections.events, collections.datums
        event_owners, datum_owners = _owners(events, "descriptor"), _owners(datums, "resource")
        with_descriptors = _owners(collections.descriptors, "run_start")
        with_stop = _owners(collections.stops, "run_start")
        with_resources = _owners(collections.resources, "run_start")
        assets.refer(collections.resources.find({}, {"_id": False}))
        descriptors = _uids(collections.descriptors)
        resources = _uids(collections.resources)
        published = _uids(collections.starts)
        apart = self.backend.has_registry_apart
        findings: list[Finding] = []
        unpublished = (with_descriptors | with_stop) - published
        for run in [*sorted(unpublished), *sorted(with_resources - published - unpublished)]:
            only_resources = run not in unpublished
            may_be_shared = apart and only_resources
            parts = list(_parts_of_run(collections, run, with_resources=only_resources or not apart))
            what = "documents of a run without a start document" + (" in this database" if may_be_shared else "")
            is_published = partial(self.backend.has_run, run)
            findings.append(
                _leftover("documents-without-start", f"run_start/{run}", what, parts, is_published, may_be_shared)
            )
        for name, pages, owner, owners, orphans, may_be_shared in (
            ("Events", events, "descriptor", collections.descriptors, event_owners - descriptors, False),
            ("Datums", datums, "resource", collections.resources, datum_owners - resources, apart),
        ):
            for uid in sorted(orphans):
                is_published = partial(_has, owners, {"uid": uid})
                category, where = f"{name.lower()}-without-{owner}", f"{pages.name}/{uid}"
                what, parts = f"{name} whose {owner} {uid} is missing", [(pages, {owner: uid})]
                findings.append(_leftover(category, where, what, parts, is_published, may_be_shared))
        return Look(len(published), findings)

    def deletion_of(self, uid: str) -> Deletion | None:
        collections = self.backend.collections
        query = {"run_start": uid}
        has_parts = self.backend.has_run(uid) or any(
            part.find_one(query, {"_id": True}) for part in (collections.stops, collections.descriptors)
        )
        return NormalizedDeletion(self.catalog, uid) if has_parts else None


class EmbeddedUpkeep(MongoUpkeep):
    backend: MongoEmbeddedBackend

    def __init__(self, catalog: Any) -> None:
        super().__init__(catalog)
        self.database = self.backend.database

    def look_through(self, assets: Assets) -> Look:
        """Read every header."""
        database = self.database
        event_owners, datum_owners = _owners(database.event, "descriptor"), _owners(database.datum, "resource")
        descriptors: set[str] = set()
        resources: set[str] = set()
        findings: list[Finding] = []
        count = 0
        for header in database.header.find({}, {"start.uid": True, "descriptors.uid": True, "resources": True}):
            count += 1
            descriptors.update(doc["uid"] for doc in header.get("descriptors") or [])
            resources.update(doc["uid"] for doc in header.get("resources") or [])
            assets.refer(header.get("resources") or [])
            if not header.get("start"):
                message = (
                    "header without a start document, so databroker cannot list this catalog: wait for its writer; if "
                    "the writer was killed, look at the header in the database before you remove it there"
                )
                findings.append(Finding("header-without-start", f"header/{header['_id']}", message))
        for name, pages, owner, orphans in (
            ("Events", database.event, "descriptor", event_owners - descriptors),
            ("Datums", database.datum, "resource", datum_owners - resources),
        ):
            for uid in sorted(orphans):
                is_published = partial(_has, database.header, {f"{owner}s.uid": uid})
                category, where = f"{name.lower()}-without-header", f"{pages.name}/{uid}"
                what, parts = f"{name} whose {owner} {uid} is in no header", [(pages, {owner: uid})]
                findings.append(_leftover(category, where, what, parts, is_published))
        return Look(count, findings)

    def cut_off_deletions(self) -> Iterator[Leftover]:
        for doc in self.database[DELETIONS].find({}, {"_id": True}):
            message = f"run whose deletion was interrupted: {CUT_OFF} {doc['_id']} finishes it"
            yield Leftover("cut-off-deletion", f"{DELETIONS}/{doc['_id']}", message)

    def deletion_of(self, uid: str) -> Deletion | None:
        deletions = self.database[DELETIONS]
        has_parts = self.backend.has_run(uid) or deletions.find_one({"_id": uid}) is not None
        return EmbeddedDeletion(self.catalog, uid) if has_parts else None


class NormalizedDeletion(Deletion):
    """The documents of a run in the normalized layout, which no reader sees without its start document.

    Resources and Datums in a separate registry are kept, with the assets, because another catalog can use them.
    """

    backend: MongoNormalizedBackend

    def __init__(self, catalog: Any, uid: str) -> None:
        super().__init__(catalog, uid)
        self.is_visible = self.backend.has_run(uid)
        resources = list(self.backend.collections.resources.find({"run_start": uid}, {"_id": False}))
        if self.backend.has_registry_apart:
            self.kept = [asset_path(self.catalog, resource) for resource in resources if is_our_asset(resource)]
        else:
            self.find_assets(resources)

    @property
    def size(self) -> str:
        return f"{sum(collection.count_documents(query) for collection, query in self._parts()):,} documents"

    def hide(self) -> None:
        self.backend.collections.starts.delete_many({"uid": self.uid})

    def remove_documents(self) -> None:
        for collection, query in self._parts():
            collection.delete_many(query)

    def used_by_others(self, resources: list[Document]) -> set[str]:
        names = [resource["resource_path"] for resource in resources]
        others = {"resource_path": {"$in": names}, "run_start": {"$ne": self.uid}}
        return {asset_path(self.catalog, other) for other in self.backend.collections.resources.find(others)}

    def _parts(self) -> list[tuple[Any, Document]]:
        return list(
            _parts_of_run(self.backend.collections, self.uid, with_resources=not self.backend.has_registry_apart)
        )


class EmbeddedDeletion(Deletion):
    """The header of a run in the embedded layout; its other documents are listed before the header is removed."""

    backend: MongoEmbeddedBackend

    def __init__(self, catalog: Any, uid: str) -> None:
        super().__init__(catalog, uid)
        self.is_visible = self.backend.has_run(uid)
        parts = {"descriptors": True, "resources": True}
        found = [
            *self.backend.database.header.find({"start.uid": uid}, parts),
            *self.backend.database[DELETIONS].find({"_id": uid}, parts),
        ]
        self._descriptors = [doc for header in found for doc in header.get("descriptors") or []]
        self._resources = [doc for header in found for doc in header.get("resources") or []]
        self.find_assets(self._resources)

    @property
    def size(self) -> str:
        return f"{1 + sum(collection.count_documents(query) for collection, query in self._pages()):,} documents"

    def hide(self) -> None:
        noted = {"descriptors": [{"uid": doc["uid"]} for doc in self._descriptors], "resources": self._resources}
        self.backend.database[DELETIONS].replace_one({"_id": self.uid}, noted, upsert=True)
        headers = self.backend.database.header
        for header in headers.find({"start.uid": self.uid}, {"_id": True}):
            headers.delete_one(header)  # FerretDB 1.24 on PostgreSQL deletes nothing by start.uid

    def remove_documents(self) -> None:
        for collection, query in self._pages():
            collection.delete_many(query)
        self.backend.database[DELETIONS].delete_one({"_id": self.uid})

    def used_by_others(self, resources: list[Document]) -> set[str]:
        names = [resource["resource_path"] for resource in resources]
        others = {"resources.resource_path": {"$in": names}, "start.uid": {"$ne": self.uid}}
        headers = self.backend.database.header.find(others, {"resources": True})
        return {
            asset_path(self.catalog, resource)
            for header in headers
            for resource in header["resources"]
            if is_our_asset(resource)
        }

    def _pages(self) -> Iterator[tuple[Any, Document]]:
        database = self.backend.database
        for part, owner, docs, collection in (
            ("descriptors", "descriptor", self._descriptors, database.event),
            ("resources", "resource", self._resources, database.datum),
        ):
            uids = {doc["uid"] for doc in docs}
            others = {f"{part}.uid": {"$in": list(uids)}, "start.uid": {"$ne": self.uid}}
            used = {
                doc["uid"] for header in database.header.find(others, {f"{part}.uid": True}) for doc in header[part]
            }
            yield collection, {owner: {"$in": sorted(uids - used)}}


def _parts_of_run(
    collections: NormalizedCollections, run: str, *, with_resources: bool
) -> Iterator[tuple[Any, Document]]:
    """The collections and queries for the documents of a run, in the order of their removal."""
    of_run = {"run_start": run}
    owners_and_pages = [("descriptor", collections.descriptors, collections.events)]
    if with_resources:
        owners_and_pages.append(("resource", collections.resources, collections.datums))
    for owner, owners, pages in owners_and_pages:
        uids = [doc["uid"] for doc in owners.find(of_run, {"uid": True})]
        if uids:
            yield pages, {owner: {"$in": uids}}
            yield owners, of_run
    yield collections.stops, of_run


def _leftover(
    category: str,
    where: str,
    what: str,
    parts: list[tuple[Any, Document]],
    is_published: Callable[[], bool],
    may_be_shared: bool = False,
) -> Leftover:
    def remove(grace: float) -> bool:
        age = _age(parts)
        if is_published() or (grace and (age is None or age < grace)):
            return False
        for collection, query in parts:
            collection.delete_many(query)
        return True

    age = _age(parts)
    message = f"{what}, {shown_age(age)}"
    return Leftover(category, where, message, age=age, may_be_shared=may_be_shared, remove=remove)


def _age(parts: list[tuple[Any, Document]]) -> float | None:
    """Seconds since the youngest of some documents was written; None if one has no time."""
    newest = (collection.find(query, {"_id": True}).sort("_id", -1).limit(1) for collection, query in parts)
    ids = [doc["_id"] for found in newest for doc in found]
    # pages of the embedded layout have text as ids, and times of measurement, which may be long ago
    if not ids or not all(isinstance(made, bson.ObjectId) for made in ids):
        return None
    return max(0.0, time.time() - max(made.generation_time.timestamp() for made in ids))


def _has(collection: Any, query: Document) -> bool:
    return collection.find_one(query, {"_id": True}) is not None


def _owners(collection: Any, field: str) -> set[str]:
    """The values of a field, grouped by the server."""
    return {doc["_id"] for doc in collection.aggregate([{"$group": {"_id": f"${field}"}}]) if doc["_id"] is not None}


def _uids(collection: Any) -> set[str]:
    return {doc["uid"] for doc in collection.find({}, {"uid": True})}
