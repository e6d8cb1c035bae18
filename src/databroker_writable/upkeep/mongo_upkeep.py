"""The upkeep of catalogs in MongoDB, of the normalized and of the embedded layout."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..runs.document_parts import Document
from ..storage.assets import is_our_asset
from ..storage.mongo_backend import MongoBackend
from ..storage.mongo_embedded import MongoEmbeddedBackend
from ..storage.mongo_normalized import MongoNormalizedBackend
from .asset_findings import Assets, asset_path
from .backend_upkeep import CUT_OFF, BackendUpkeep, Deletion, Look
from .findings import Finding, Leftover
from .mongo_findings import embedded_findings, normalized_findings, parts_of_run

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
    """The upkeep of the normalized layout."""

    backend: MongoNormalizedBackend

    def __init__(self, catalog: Any) -> None:
        super().__init__(catalog)
        self.database = self.backend.collections.starts.database

    def look_through(self, assets: Assets) -> Look:
        return Look(*normalized_findings(self.backend, assets.refer))

    def deletion_of(self, uid: str) -> Deletion | None:
        collections = self.backend.collections
        query = {"run_start": uid}
        has_parts = self.backend.has_run(uid) or any(
            part.find_one(query, {"_id": True}) for part in (collections.stops, collections.descriptors)
        )
        return NormalizedDeletion(self.catalog, uid) if has_parts else None


class EmbeddedUpkeep(MongoUpkeep):
    """The upkeep of the embedded layout."""

    backend: MongoEmbeddedBackend

    def __init__(self, catalog: Any) -> None:
        super().__init__(catalog)
        self.database = self.backend.database

    def look_through(self, assets: Assets) -> Look:
        return Look(*embedded_findings(self.backend, assets.refer))

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
            parts_of_run(self.backend.collections, self.uid, with_resources=not self.backend.has_registry_apart)
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
