"""MongoDB documents of runs that were never published: no start document, or no header, leads to them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import bson

from ..runs.upstream import NormalizedCollections
from ..storage.mongo_embedded import MongoEmbeddedBackend
from ..storage.mongo_normalized import MongoNormalizedBackend
from .findings import Finding, Leftover
from .leftover_files import shown_age

Document = dict[str, Any]


def normalized_findings(
    backend: MongoNormalizedBackend, refer: Callable[[Iterable[Document]], None]
) -> tuple[int, list[Finding]]:
    """Look through the normalized layout; give the number of runs, and leftovers.

    Reads the uid of each start document and descriptor and each resource, and one grouping by the server of Events
    and of Datums. What refers is read before what it refers to: what a writer publishes meanwhile is no leftover.
    """
    collections = backend.collections
    events, datums = collections.events, collections.datums
    event_owners, datum_owners = _owners(events, "descriptor"), _owners(datums, "resource")
    of_runs = (collections.descriptors, collections.stops, collections.resources)
    runs_named = [_owners(collection, "run_start") for collection in of_runs]
    refer(collections.resources.find({}, {"_id": False}))
    descriptors = _uids(collections.descriptors)
    resources = _uids(collections.resources)
    published = _uids(collections.starts)
    registry_is_apart = backend.has_registry_apart
    findings: list[Finding] = []
    for run in sorted(set().union(*runs_named[:2]) - published):
        parts = list(_parts_of_run(collections, run, with_resources=not registry_is_apart))
        findings.append(_documents_of_run(backend, run, parts))
    for run in sorted(runs_named[2] - published - set().union(*runs_named[:2])):
        parts = list(_parts_of_run(collections, run, with_resources=True))
        findings.append(_documents_of_run(backend, run, parts, may_be_shared=registry_is_apart))
    for uid in sorted(event_owners - descriptors):
        parts = [(events, {"descriptor": uid})]
        findings.append(_pages("Events", uid, parts, collections.descriptors))
    for uid in sorted(datum_owners - resources):
        parts = [(datums, {"resource": uid})]
        findings.append(_pages("Datums", uid, parts, collections.resources, may_be_shared=registry_is_apart))
    return len(published), findings


def embedded_findings(
    backend: MongoEmbeddedBackend, refer: Callable[[Iterable[Document]], None]
) -> tuple[int, list[Finding]]:
    """Look through the embedded layout; give the number of runs, and leftovers. Reads every header."""
    database = backend.database
    event_owners, datum_owners = _owners(database.event, "descriptor"), _owners(database.datum, "resource")
    descriptors: set[str] = set()
    resources: set[str] = set()
    findings: list[Finding] = []
    count = 0
    for header in database.header.find({}, {"start.uid": True, "descriptors.uid": True, "resources": True}):
        count += 1
        descriptors.update(doc["uid"] for doc in header.get("descriptors") or [])
        resources.update(doc["uid"] for doc in header.get("resources") or [])
        refer(header.get("resources") or [])
        if not header.get("start"):
            findings.append(
                Finding(
                    "header-without-start",
                    f"header/{header['_id']}",
                    "header without a start document, which keeps databroker from listing this catalog: wait for its "
                    "writer; if that was ended, look at the header in the database before you remove it there",
                )
            )
    for name, collection, kind, orphans in (
        ("Events", database.event, "descriptor", event_owners - descriptors),
        ("Datums", database.datum, "resource", datum_owners - resources),
    ):
        for uid in sorted(orphans):
            findings.append(_embedded_pages(name, uid, collection, kind, database.header))
    return count, findings


def _parts_of_run(
    collections: NormalizedCollections, run: str, *, with_resources: bool
) -> Iterator[tuple[Any, Document]]:
    """Collections and queries of what belongs to a run, in the order in which it is to be removed."""
    of_run = {"run_start": run}
    for owners, pages, kind in (
        (collections.descriptors, collections.events, "descriptor"),
        (collections.resources, collections.datums, "resource"),
    ):
        if kind == "resource" and not with_resources:
            continue
        uids = [doc["uid"] for doc in owners.find(of_run, {"uid": True})]
        if uids:
            yield pages, {kind: {"$in": uids}}
            yield owners, of_run
    yield collections.stops, of_run


def _documents_of_run(
    backend: MongoNormalizedBackend, run: str, parts: list[tuple[Any, Document]], *, may_be_shared: bool = False
) -> Leftover:
    age = _age(parts)
    shared = " in this database" if may_be_shared else ""
    return Leftover(
        "documents-without-start",
        f"run_start/{run}",
        f"documents of a run without a start document{shared}, {shown_age(age)}",
        age=age,
        may_be_shared=may_be_shared,
        remove=_remover(parts, lambda: backend.has_run(run)),
    )


def _pages(
    name: str, uid: str, parts: list[tuple[Any, Document]], owners: Any, *, may_be_shared: bool = False
) -> Leftover:
    age = _age(parts)
    (collection, query), *_ = parts
    (kind,) = query
    return Leftover(
        f"{name.lower()}-without-{kind}",
        f"{collection.name}/{uid}",
        f"{name} whose {kind} {uid} is not there, {shown_age(age)}",
        age=age,
        may_be_shared=may_be_shared,
        remove=_remover(parts, lambda: owners.find_one({"uid": uid}, {"_id": True}) is not None),
    )


def _embedded_pages(name: str, uid: str, collection: Any, kind: str, headers: Any) -> Leftover:
    parts = [(collection, {kind: uid})]
    age = _age(parts)
    in_header = f"{kind}s.uid"
    return Leftover(
        f"{name.lower()}-without-header",
        f"{collection.name}/{uid}",
        f"{name} whose {kind} {uid} is in no header, {shown_age(age)}",
        age=age,
        remove=_remover(parts, lambda: headers.find_one({in_header: uid}, {"_id": True}) is not None),
    )


def _remover(parts: list[tuple[Any, Document]], is_published: Callable[[], bool]) -> Callable[[float], bool]:
    def remove(grace: float) -> bool:
        age = _age(parts)
        if is_published() or (grace and (age is None or age < grace)):
            return False
        for collection, query in parts:
            collection.delete_many(query)
        return True

    return remove


def _age(parts: list[tuple[Any, Document]]) -> float | None:
    """Seconds since the youngest of some documents was made; None where one does not tell."""
    youngest = None
    for collection, query in parts:
        for doc in collection.find(query, {"_id": True}).sort("_id", -1).limit(1):
            # the pages of the embedded layout have names for ids, and times of measurement, which may be long ago
            if not isinstance(doc["_id"], bson.ObjectId):
                return None
            made = doc["_id"].generation_time.timestamp()
            youngest = made if youngest is None else max(youngest, made)
    return None if youngest is None else max(0.0, time.time() - youngest)


def _owners(collection: Any, field: str) -> set[str]:
    """The values of a field, grouped by the server."""
    return {doc["_id"] for doc in collection.aggregate([{"$group": {"_id": f"${field}"}}]) if doc["_id"] is not None}


def _uids(collection: Any) -> set[str]:
    return {doc["uid"] for doc in collection.find({}, {"uid": True})}
