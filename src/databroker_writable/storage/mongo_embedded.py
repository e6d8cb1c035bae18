"""Store into databroker's embedded MongoDB layout: one header per run, and pages of Events and Datums.

The documents are those of suitcase.mongo_embedded 0.7.0. Its serializer is not used: it starts three threads for
each run, which keep Python from exiting after a failure, and it writes the header first, in pieces.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import event_model
import pymongo.errors
from pymongo import ASCENDING, DESCENDING

from ..errors import InvalidRunError, RunExistsError
from ..runs import upstream
from ..runs.document_parts import listed, other_datum_kwargs
from ..tables.backend_limits import bson_size
from ..tables.document_values import private_copy, to_builtin
from .embedded_query import mended
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
    uids_of,
    used_elsewhere,
)

PAGE_BYTES = 5_000_000


class EmbeddedRunWriter:
    """Writes pages as they arrive, and at the end the header, which makes the run visible."""

    def __init__(self, backend: MongoEmbeddedBackend, start: dict[str, Any]) -> None:
        backend.check_free(start["uid"])
        self._backend = backend
        self._database = backend.database
        self._owners = {owner.name: owner for owner in backend.owners}
        self._uid = start["uid"]
        self._header: dict[str, Any] = {
            # the same _id for every writer of this uid, so that only one can insert it
            "_id": start["uid"],
            "run_id": start["uid"],
            # databroker 1.2.5 looks up a run by this key, or, without it, by a regular expression on start.uid
            "uid": start["uid"],
            "start": [to_builtin(start)],
            **{f"{name}s": [] for name in self._owners},
        }
        self._counts: dict[str, int] = {}
        self._has_found_pages = False
        self._waiting: dict[str, list[dict[str, Any]]] = {}

    def __call__(self, name: str, doc: dict[str, Any]) -> None:
        if name in self._owners:
            self._header[f"{name}s"].append(to_builtin(doc))
        elif name == "stop":
            self._header["stop"] = [to_builtin(doc)]
        elif name == "event":
            self._wait(event_model.pack_event_page(private_copy(doc)))
        elif name == "datum":
            self._wait(event_model.pack_datum_page(doc))
        elif name in ("event_page", "datum_page"):
            self._flush(doc[self._owner_of(doc).name])
            self._insert_page(doc)
        elif name != "start":
            raise no_place_for(name)

    def publish(self) -> None:
        for uid in list(self._waiting):
            self._flush(uid)
        counts = {f"count_{uid}": count for uid, count in self._counts.items()}
        for owner in self._owners.values():
            counts[f"{owner.pages.name}_count"] = sum(self._counts.get(uid, 0) for uid in self._uids_of(owner))
        if self._has_found_pages:
            self._check_still_there()
        try:
            self._database.header.insert_one({**self._header, **counts})
        except pymongo.errors.DuplicateKeyError:
            raise RunExistsError.of_uid(self._uid, self._backend.label) from None

    def abandon(self) -> None:
        """Remove the pages, unless a published run, or another writer of the same run, uses them."""
        for owner in () if self._has_found_pages else self._owners.values():
            remove([self._backend.unused_pages(owner, self._uids_of(owner))])

    def _uids_of(self, owner: Owner) -> list[str]:
        return [doc["uid"] for doc in self._header[f"{owner.name}s"]]

    def _owner_of(self, page: dict[str, Any]) -> Owner:
        return next(owner for owner in self._owners.values() if owner.name in page)

    def _wait(self, page: dict[str, Any]) -> None:
        """Collect single Events or Datums into pages."""
        uid = page[self._owner_of(page).name]
        waiting = self._waiting.setdefault(uid, [])
        _check_fits(waiting, page)
        waiting.append(page)
        if len(waiting) >= 1000 or bson_size(waiting[0]) * len(waiting) > PAGE_BYTES / 2:
            self._flush(uid)

    def _flush(self, uid: str) -> None:
        pages = self._waiting.pop(uid, [])
        if pages:
            merge = event_model.merge_event_pages if "descriptor" in pages[0] else event_model.merge_datum_pages
            self._insert_page(merge(pages))

    def _insert_page(self, page: dict[str, Any]) -> None:
        """Insert a page in pieces that MongoDB can hold, each with an _id that a retry uses, too."""
        page, owner = to_builtin(dict(page)), self._owner_of(page)
        uid, length = page[owner.name], len(page["uid" if owner.name == "descriptor" else "datum_id"])
        rows = max(1, int(length * PAGE_BYTES / max(bson_size(page), 1)))
        for first in range(0, length, rows):
            piece = _rows(page, first, min(first + rows, length))
            done = self._counts.get(uid, 0)
            count = min(rows, length - first)
            piece.update(
                _id=f"{uid}/{done}",
                first_index=done,
                last_index=done + count - 1,
                size=bson_size(piece),
            )
            if insert_new(owner.pages, [piece], "_id"):
                self._has_found_pages = True
                if owner.name == "descriptor":
                    self._check_descriptor(uid)
            self._counts[uid] = done + count

    def _check_still_there(self) -> None:
        """Refuse to publish without pages that another writer of the same run has removed since they were found."""
        for owner in self._owners.values():
            uids = self._uids_of(owner)
            pages = owner.pages.find({owner.name: {"$in": uids}}, {"first_index": True, "last_index": True})
            there = sum(page["last_index"] + 1 - page["first_index"] for page in pages)
            if there < sum(self._counts.get(uid, 0) for uid in uids):
                raise removed_meanwhile(self._uid, owner)

    def _check_descriptor(self, uid: str) -> None:
        """Refuse the descriptor of another run, which has its Events already."""
        if has_any(self._database.header, {"descriptors.uid": uid, "run_id": {"$ne": self._uid}}):
            raise used_elsewhere("uid", uid)


class MongoEmbeddedBackend(MongoBackend):
    """The layout of `databroker._drivers.mongo_embedded.BlueskyMongoCatalog`, which has no serializer."""

    uri_arguments = ("datastore_db",)

    def driver_arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any], asset_root: str | None) -> dict[str, Any]:
        """Check the URI, and correct the query that databroker 1.2.5 makes for its search results."""
        kwargs = super().driver_arguments(args, kwargs, asset_root)
        return {**kwargs, "query": mended(kwargs.get("query") or {})}

    @property
    def database(self) -> Any:
        return upstream.embedded_database(self.catalog)

    def is_in_other_layout(self, uid: str) -> bool:
        return has_any(self.database["run_start"], {"uid": uid})

    def owners_in_other_layout(self) -> list[set[str]]:
        return [uids_of(self.database[name]) for name in ("event_descriptor", "resource")]

    @property
    def owners(self) -> list[Owner]:
        return [
            Owner("descriptor", "Events", self.database.event),
            Owner("resource", "Datums", self.database.datum),
        ]

    def unused_pages(self, owner: Owner, uids: list[str], but_of: str | None = None) -> Part:
        """The pages of documents with these uids that no header lists, or none but that of the run `but_of`."""
        part = f"{owner.name}s"
        having = {f"{part}.uid": {"$in": uids}, **({} if but_of is None else {"start.uid": {"$ne": but_of}})}
        headers = self.database.header.find(having, {f"{part}.uid": True})
        used = {doc["uid"] for header in headers for doc in header[part]}
        return owner.pages, {owner.name: {"$in": sorted(set(uids) - used)}}

    def open_writer(self, start: dict[str, Any]) -> EmbeddedRunWriter:
        self.prepare()
        return EmbeddedRunWriter(self, start)

    def has_run(self, uid: str) -> bool:
        return has_any(self.database.header, {"start.uid": uid})

    def indexes(self) -> list[Index]:
        header, event, datum = self.database.header, self.database.event, self.database.datum
        return [
            Index(header, "run_id"),
            Index(header, "uid"),
            *(Index(header, f"start.{key}", is_sparse=True) for key in PROVENANCE),
            Index(header, [("start.uid", DESCENDING)]),
            Index(header, [("start.time", DESCENDING), ("start.scan_id", DESCENDING)]),
            Index(event, [("descriptor", DESCENDING), ("last_index", ASCENDING)]),
            Index(datum, "resource"),
            Index(datum, "datum_id"),
        ]


def _check_fits(waiting: list[dict[str, Any]], row: dict[str, Any]) -> None:
    """Refuse an Event or Datum that is no row of the same page: event-model 1.24 drops what the first row lacks."""
    first = waiting[0] if waiting else row
    if "resource" in row:
        if row["datum_kwargs"].keys() != first["datum_kwargs"].keys():
            raise other_datum_kwargs(row["resource"], first["datum_kwargs"], row["datum_kwargs"])
        return
    where, remedy = f"the event {row['uid'][0]!r}", "the embedded layout of MongoDB keeps events as rows of one table"
    if row["data"].keys() != row["timestamps"].keys():
        raise InvalidRunError(
            f"{where} has the data keys {_listed(row['data'])}, but timestamps of {_listed(row['timestamps'])}; "
            f"give each data key its timestamp: {remedy}"
        )
    for part, what in (("data", "data keys"), ("filled", "keys in 'filled'")):
        if row[part].keys() != first[part].keys():
            raise InvalidRunError(
                f"{where} has the {what} {_listed(row[part])}, and one before it has {_listed(first[part])}; give "
                f"all events of a descriptor the same ones: {remedy}"
            )


def _listed(keys: Iterable[Any]) -> str:
    return listed(keys) or "none"


def _rows(value: Any, first: int, last: int) -> Any:
    """The given rows of a page, or of the columns in it."""
    if isinstance(value, dict):
        return {key: _rows(part, first, last) for key, part in value.items()}
    return value[first:last] if isinstance(value, list) else value
