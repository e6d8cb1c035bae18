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
from ..storage.assets import is_asset_resource
from ..storage.mongo_backend import MongoBackend, Owner, Part, has_any, remove, uids_of
from ..storage.mongo_embedded import MongoEmbeddedBackend
from ..storage.mongo_normalized import MongoNormalizedBackend
from .asset_findings import Assets, path_of_resource
from .backend_upkeep import CUT_OFF, STILL_THERE, BackendUpkeep, Deletion
from .check_report import Finding, Leftover, Report

_NO_RUN = (
    "document without a uid, so databroker cannot list this catalog: look at it in the database, and remove it there "
    "if it is not a start document"
)


class NormalizedUpkeep(BackendUpkeep):
    backend: MongoNormalizedBackend

    def look_through(self, report: Report, assets: Assets) -> None:
        """Read the uid of each start document, descriptor and resource. The server groups Events and Datums.

        References are read before their targets, so that what a writer publishes meanwhile is no leftover.
        """
        collections, owners = self.backend.collections, self.backend.owners
        referred = [_values(owner.pages, owner.name) for owner in owners]
        named = _values(collections.stops, "run_start")
        named_apart: set[str] = set()
        for owner in owners:
            (named_apart if owner.is_apart else named).update(_values(owner.documents, "run_start"))
        assets.refer(collections.resources.find({}, {"_id": False}))
        known = [uids_of(owner.documents) for owner in owners]
        published = uids_of(collections.starts)
        report.looked_at["runs"] = len(published)
        report.findings += [
            Finding("start-without-uid", f"run_start/{doc['_id']}", _NO_RUN)
            for doc in collections.starts.find({"uid": {"$exists": False}}, {"_id": True})
        ]
        for runs, is_apart in ((named - published, False), (named_apart - published - named, True)):
            for run in sorted(runs):
                what = "documents of a run without a start document" + (" in this database" if is_apart else "")
                parts = list(self.backend.parts_of_run(run, with_apart=is_apart))
                is_published = partial(self.backend.has_run, run)
                where = f"run_start/{run}"
                report.findings.append(_leftover("documents-without-start", where, what, parts, is_published, is_apart))
        elsewhere = self.backend.owners_in_other_layout()
        for owner, orphans in zip(owners, map(set.difference, referred, known, elsewhere), strict=True):
            for uid in sorted(orphans):
                is_published = partial(has_any, owner.documents, {"uid": uid})
                report.findings.append(_orphans(owner, uid, owner.name, "is missing", is_published))
        report.findings += _cut_off_deletions(self.backend)

    def deletion_of(self, uid: str) -> Deletion | None:
        collections = self.backend.collections
        is_there = self.backend.has_run(uid) or self.backend.is_in_deletion(uid)
        parts = (collections.stops, collections.descriptors)
        has_parts = is_there or any(has_any(part, {"run_start": uid}) for part in parts)
        return NormalizedDeletion(self.catalog, uid) if has_parts else None


class EmbeddedUpkeep(BackendUpkeep):
    backend: MongoEmbeddedBackend

    def look_through(self, report: Report, assets: Assets) -> None:
        """Read every header."""
        database, owners = self.backend.database, self.backend.owners
        orphans = {owner.name: _values(owner.pages, owner.name) for owner in owners}
        report.looked_at["runs"] = 0
        for header in database.header.find({}, {"start.uid": True, "descriptors.uid": True, "resources": True}):
            report.looked_at["runs"] += 1
            for name in orphans:
                orphans[name].difference_update(doc["uid"] for doc in header.get(f"{name}s") or [])
            assets.refer(header.get("resources") or [])
            if not any("uid" in start for start in header.get("start") or []):
                message = (
                    "header without a start document, so databroker cannot list this catalog: wait for its writer; if "
                    "the writer was killed, look at the header in the database before you remove it there"
                )
                report.findings.append(Finding("header-without-start", f"header/{header['_id']}", message))
        for owner, elsewhere in zip(owners, self.backend.owners_in_other_layout(), strict=True):
            for uid in sorted(orphans[owner.name] - elsewhere):
                is_published = partial(has_any, database.header, {f"{owner.name}s.uid": uid})
                report.findings.append(_orphans(owner, uid, "header", "is in no header", is_published))
        report.findings += _cut_off_deletions(self.backend)

    def deletion_of(self, uid: str) -> Deletion | None:
        is_there = self.backend.has_run(uid) or self.backend.is_in_deletion(uid)
        return EmbeddedDeletion(self.catalog, uid) if is_there else None


class MongoDeletion(Deletion):
    """The documents of a run, of which its start document, or its header, is removed first."""

    backend: MongoBackend

    def __init__(self, catalog: Any, uid: str) -> None:
        super().__init__(catalog, uid)
        self.is_visible = self.backend.has_run(uid)

    def parts(self) -> list[Part]:
        """What else there is of the run, in the order of its removal, as it is now."""
        raise NotImplementedError

    @property
    def size(self) -> str:
        return f"{1 + sum(collection.count_documents(query) for collection, query in self.parts()):,} documents"

    def remove_documents(self) -> None:
        remove(self.parts())
        self.backend.deletions.delete_one({"_id": self.uid})


class NormalizedDeletion(MongoDeletion):
    """Resources and Datums in a separate registry are kept, with the assets, because another catalog can use them."""

    backend: MongoNormalizedBackend

    def __init__(self, catalog: Any, uid: str) -> None:
        super().__init__(catalog, uid)
        resources = list(self.backend.collections.resources.find({"run_start": uid}, {"_id": False}))
        if self.backend.has_registry_apart:
            self.kept = [path_of_resource(catalog, doc) for doc in resources if is_asset_resource(doc)]
        else:
            self.find_assets(resources)

    def parts(self) -> list[Part]:
        return list(self.backend.parts_of_run(self.uid))

    def hide(self) -> None:
        self.backend.deletions.replace_one({"_id": self.uid}, {"_id": self.uid}, upsert=True)
        self.backend.collections.starts.delete_many({"uid": self.uid})

    def used_by_others(self, resources: list[Document]) -> set[str]:
        names = [resource["resource_path"] for resource in resources]
        others = {"resource_path": {"$in": names}, "run_start": {"$ne": self.uid}}
        return {path_of_resource(self.catalog, other) for other in self.backend.collections.resources.find(others)}


class EmbeddedDeletion(MongoDeletion):
    """What belongs to the documents in the header is listed before the header is removed."""

    backend: MongoEmbeddedBackend

    def __init__(self, catalog: Any, uid: str) -> None:
        super().__init__(catalog, uid)
        parts = [f"{owner.name}s" for owner in self.backend.owners]
        found = [
            *self.backend.database.header.find({"start.uid": uid}, parts),
            *self.backend.deletions.find({"_id": uid}, parts),
        ]
        self._listed: Document = {part: [doc for header in found for doc in header.get(part) or []] for part in parts}
        self.find_assets(self._listed["resources"])

    def parts(self) -> list[Part]:
        return [
            self.backend.unused_pages(owner, [doc["uid"] for doc in self._listed[f"{owner.name}s"]], but_of=self.uid)
            for owner in self.backend.owners
        ]

    def hide(self) -> None:
        noted = {**self._listed, "descriptors": [{"uid": doc["uid"]} for doc in self._listed["descriptors"]]}
        self.backend.deletions.replace_one({"_id": self.uid}, noted, upsert=True)
        headers = self.backend.database.header
        for header in headers.find({"start.uid": self.uid}, {"_id": True}):
            headers.delete_one(header)  # FerretDB 1.24 on PostgreSQL deletes nothing by start.uid

    def used_by_others(self, resources: list[Document]) -> set[str]:
        names = [resource["resource_path"] for resource in resources]
        others = {"resources.resource_path": {"$in": names}, "start.uid": {"$ne": self.uid}}
        headers = self.backend.database.header.find(others, {"resources": True})
        found = (resource for header in headers for resource in header["resources"])
        return {path_of_resource(self.catalog, resource) for resource in found if is_asset_resource(resource)}


def _cut_off_deletions(backend: MongoBackend) -> Iterator[Leftover]:
    for doc in backend.deletions.find({}, {"_id": True}):
        message = STILL_THERE if backend.has_run(doc["_id"]) else f"{CUT_OFF} {doc['_id']} finishes it"
        yield Leftover("cut-off-deletion", f"{backend.deletions.name}/{doc['_id']}", message)


def _orphans(owner: Owner, uid: str, lacking: str, where_it_is: str, is_published: Callable[[], bool]) -> Leftover:
    """What belongs to a document that is missing."""
    category, what = f"{owner.owned.lower()}-without-{lacking}", f"{owner.owned} whose {owner.name} {uid} {where_it_is}"
    parts = [(owner.pages, {owner.name: uid})]
    return _leftover(category, f"{owner.pages.name}/{uid}", what, parts, is_published, owner.is_apart)


def _leftover(
    category: str, where: str, what: str, parts: list[Part], is_published: Callable[[], bool], may_be_shared: bool
) -> Leftover:
    def remove_if_old(grace: float) -> bool:
        age = _age(parts)
        if is_published() or (grace and (age is None or age < grace)):
            return False
        remove(parts)
        return True

    return Leftover.of_age(category, where, what, _age(parts), may_be_shared=may_be_shared, remove=remove_if_old)


def _age(parts: list[Part]) -> float | None:
    """Seconds since the youngest of some documents was written; None if one has no time."""
    newest = (collection.find(query, {"_id": True}).sort("_id", -1).limit(1) for collection, query in parts)
    ids = [doc["_id"] for found in newest for doc in found]
    # pages of the embedded layout have text as ids, and times of measurement, which may be long ago
    if not ids or not all(isinstance(made, bson.ObjectId) for made in ids):
        return None
    return max(0.0, time.time() - max(made.generation_time.timestamp() for made in ids))


def _values(collection: Any, field: str) -> set[str]:
    """The values of a field, grouped by the server."""
    return {doc["_id"] for doc in collection.aggregate([{"$group": {"_id": f"${field}"}}]) if doc["_id"] is not None}
