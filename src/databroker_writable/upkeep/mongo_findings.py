"""Find MongoDB documents of runs that were never published: no start document or header leads to them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import bson

from ..runs.document_parts import Document
from ..runs.upstream import NormalizedCollections
from ..storage.mongo_embedded import MongoEmbeddedBackend
from ..storage.mongo_normalized import MongoNormalizedBackend
from .findings import Finding, Leftover, shown_age


def normalized_findings(
    backend: MongoNormalizedBackend, refer: Callable[[Iterable[Document]], None]
) -> tuple[int, list[Finding]]:
    """Check the normalized layout; return the number of runs, and leftovers.

    Reads the uid of each start document, descriptor and resource. The server groups Events and Datums. References are
    read before their targets, so that what a writer publishes meanwhile is not mistaken for a leftover.
    """
    collections = backend.collections
    events, datums = collections.events, collections.datums
    event_owners, datum_owners = _owners(events, "descriptor"), _owners(datums, "resource")
    with_descriptors = _owners(collections.descriptors, "run_start")
    with_stop = _owners(collections.stops, "run_start")
    with_resources = _owners(collections.resources, "run_start")
    refer(collections.resources.find({}, {"_id": False}))
    descriptors = _uids(collections.descriptors)
    resources = _uids(collections.resources)
    published = _uids(collections.starts)
    apart = backend.has_registry_apart
    findings: list[Finding] = []
    unpublished = (with_descriptors | with_stop) - published
    for run in [*sorted(unpublished), *sorted(with_resources - published - unpublished)]:
        only_resources = run not in unpublished
        may_be_shared = apart and only_resources
        parts = list(parts_of_run(collections, run, with_resources=only_resources or not apart))
        what = "documents of a run without a start document" + (" in this database" if may_be_shared else "")
        is_published = partial(backend.has_run, run)
        findings.append(
            _leftover("documents-without-start", f"run_start/{run}", what, parts, is_published, may_be_shared)
        )
    for uid in sorted(event_owners - descriptors):
        is_published = partial(_has, collections.descriptors, {"uid": uid})
        what = f"Events whose descriptor {uid} is missing"
        parts = [(events, {"descriptor": uid})]
        findings.append(_leftover("events-without-descriptor", f"{events.name}/{uid}", what, parts, is_published))
    for uid in sorted(datum_owners - resources):
        is_published = partial(_has, collections.resources, {"uid": uid})
        what = f"Datums whose resource {uid} is missing"
        parts = [(datums, {"resource": uid})]
        findings.append(_leftover("datums-without-resource", f"{datums.name}/{uid}", what, parts, is_published, apart))
    return len(published), findings


def embedded_findings(
    backend: MongoEmbeddedBackend, refer: Callable[[Iterable[Document]], None]
) -> tuple[int, list[Finding]]:
    """Check the embedded layout; return the number of runs, and leftovers. Reads every header."""
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
                    "header without a start document, so databroker cannot list this catalog: wait for its writer; if "
                    "the writer was killed, look at the header in the database before you remove it there",
                )
            )
    for name, collection, owner, orphans in (
        ("Events", database.event, "descriptor", event_owners - descriptors),
        ("Datums", database.datum, "resource", datum_owners - resources),
    ):
        for uid in sorted(orphans):
            is_published = partial(_has, database.header, {f"{owner}s.uid": uid})
            what = f"{name} whose {owner} {uid} is in no header"
            parts = [(collection, {owner: uid})]
            findings.append(
                _leftover(f"{name.lower()}-without-header", f"{collection.name}/{uid}", what, parts, is_published)
            )
    return count, findings


def parts_of_run(
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
    youngest = None
    for collection, query in parts:
        for doc in collection.find(query, {"_id": True}).sort("_id", -1).limit(1):
            # pages of the embedded layout have text as ids, and times of measurement, which may be long ago
            if not isinstance(doc["_id"], bson.ObjectId):
                return None
            made = doc["_id"].generation_time.timestamp()
            youngest = made if youngest is None else max(youngest, made)
    return None if youngest is None else max(0.0, time.time() - youngest)


def _has(collection: Any, query: Document) -> bool:
    return collection.find_one(query, {"_id": True}) is not None


def _owners(collection: Any, field: str) -> set[str]:
    """The values of a field, grouped by the server."""
    return {doc["_id"] for doc in collection.aggregate([{"$group": {"_id": f"${field}"}}]) if doc["_id"] is not None}


def _uids(collection: Any) -> set[str]:
    return {doc["uid"] for doc in collection.find({}, {"uid": True})}
