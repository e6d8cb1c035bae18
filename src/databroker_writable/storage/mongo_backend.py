"""The common parts of both MongoDB layouts: limits, indexes, and inserts that can be repeated."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, NamedTuple

import pymongo.errors

from ..errors import InvalidCatalogError, InvalidRunError, RunExistsError, StoreFailedError
from ..runs.comparison import as_text
from ..runs.document_checks import a_document
from ..runs.document_parts import Document
from ..tables.backend_limits import INT64, Limits, bson_size
from ..tables.wording import short
from .backend import Backend
from .catalog_paths import IN_DELETION, REMARKS
from .mongo_errors import away_as_error, is_unauthorized
from .remark_files import remark_in

LIMITS = Limits(
    "MongoDB",
    integers=INT64,
    mongo_keys=True,
    nul_in_keys=False,
    event_bytes=16 * 1024 * 1024,
    size_of=bson_size,
)

IN_OTHER_LAYOUT = (
    "a run of this uid is in the same database in another layout, which keeps Events and remarks in the same "
    "collections; store it in another database"
)

PROVENANCE = ("derived_from.uid", "derived_from", "supersedes")
"""Keys of start documents for finding the runs that name another one; most are raw data, and not in these indexes."""

DUPLICATE_KEY = 11000
_EXAMPLE = "mongodb://HOST:27017/DATABASE"


class Index(NamedTuple):
    """An index that a layout needs."""

    collection: Any
    keys: str | list[tuple[str, int]]
    is_unique: bool = False
    is_sparse: bool = False

    @property
    def field(self) -> str:
        """The first field, by which it is found among those that a database has."""
        return self.keys if isinstance(self.keys, str) else self.keys[0][0]


class Owner(NamedTuple):
    """The documents of a run to which others belong, which name them by their uid."""

    name: str  # of such a document, and of the key with its uid
    owned: str  # what belongs to it, for messages
    pages: Any  # the collection of what belongs to it
    documents: Any = None  # its own collection, if the layout has one
    is_apart: bool = False  # whether both are in a database that other catalogs may share

    def parts(self, query: Document) -> Iterator[Part]:
        """What belongs to the documents that a query finds, then these documents, as collections and queries."""
        uids = [doc["uid"] for doc in self.documents.find(query, {"uid": True})]
        if uids:
            yield self.pages, {self.name: {"$in": uids}}
            yield self.documents, query


Part = tuple[Any, Document]
"""A collection, and the query for some of its documents."""


class MongoBackend(Backend):
    """The common part of both layouts; the server checks permissions only when something is written."""

    limits = LIMITS
    place_of_remarks = f"in its database, in the collection {REMARKS!r}"
    # by default pymongo has no limit for waiting, and a network can drop its packets without a word
    patience = 2.0
    # servers accept bytes, and most accept such keys, so an acquisition can continue
    insert_limits = dataclasses.replace(LIMITS, mongo_keys=False, binary=True)
    uri_arguments: ClassVar[tuple[str, ...]]
    has_indexes = False

    def driver_arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any], asset_root: str | None) -> dict[str, Any]:
        arguments = dict(zip(self.uri_arguments, args, strict=False)) | kwargs
        for argument in self.uri_arguments:
            if argument in arguments:
                check_uri(arguments[argument], argument)
        return kwargs

    @property
    def owners(self) -> list[Owner]:
        """What is written of a run beside its start and stop documents, and so is checked, and deleted with it."""
        raise NotImplementedError

    @property
    def database(self) -> Any:
        raise NotImplementedError

    @property
    def remark_collection(self) -> Any:
        return self.database[REMARKS]

    @property
    def deletions(self) -> Any:
        """The collection that lists what is still to be removed of runs."""
        return self.database["deletions"]

    def is_in_other_layout(self, uid: str) -> bool:
        """Whether the other layout has a run of this uid in the same database."""
        raise NotImplementedError

    def owners_in_other_layout(self) -> list[set[str]]:
        """The uids of the descriptors and of the resources that the other layout has in the same database."""
        raise NotImplementedError

    def is_in_deletion(self, uid: str) -> bool:
        """Whether the deletion of a run is under way, or was interrupted."""
        return has_any(self.deletions, {"_id": uid})

    def obstacle(self, uid: str) -> str:
        if self.is_in_deletion(uid):
            return IN_DELETION
        return IN_OTHER_LAYOUT if self.is_in_other_layout(uid) else ""

    def check_free(self, uid: str) -> None:
        """Raise `RunExistsError` if the uid is taken, or if a new run would share Events or remarks with an old one."""
        if self.has_run(uid):
            raise RunExistsError.of_uid(uid, self.label)
        if obstacle := self.obstacle(uid):
            raise RunExistsError.in_the_way(uid, self.label, obstacle)

    def check_takes_remarks(self) -> None:
        self.check_writable()

    def add_remark(self, remark: Document) -> None:
        ensure_indexes([Index(self.remark_collection, "run")])
        with contextlib.suppress(pymongo.errors.DuplicateKeyError):
            self.remark_collection.insert_one({"_id": remark["uid"], **remark})

    def remarks(self) -> list[Document]:
        with away_as_error():
            return [remark for _, remark in self._remarks({})]

    def remove_remarks(self, run: str) -> None:
        self.remark_collection.delete_many({"_id": {"$in": [key for key, _ in self._remarks({"run": run})]}})

    def _remarks(self, query: Document) -> list[tuple[Any, Document]]:
        """The remarks that a query finds, after their keys; others may have a collection of this name."""
        found = [(document.pop("_id"), remark_in(document)) for document in self.remark_collection.find(query)]
        return [(key, remark) for key, remark in found if remark is not None]

    def prepare(self) -> None:
        """Make the indexes, once."""
        if not self.has_indexes:
            self.create_indexes()
            self.has_indexes = True

    def indexes(self) -> list[Index]:
        """The indexes for looking up the documents of runs, and for refusing a uid that is taken."""
        raise NotImplementedError

    def create_indexes(self) -> None:
        """Create those that are missing."""
        ensure_indexes(self.indexes())


def ensure_indexes(indexes: Iterable[Index]) -> None:
    """Create indexes; ignore existing ones, and those that the server cannot create."""
    for index in indexes:
        options = {"unique": index.is_unique, "sparse": index.is_sparse}
        try:
            index.collection.create_index(index.keys, **{name: True for name, is_set in options.items() if is_set})
        except pymongo.errors.OperationFailure as exc:
            if is_unauthorized(exc):
                raise


def has_any(collection: Any, query: Document) -> bool:
    """Whether a query finds a document."""
    return collection.find_one(query, {"_id": True}) is not None


def insert_new(collection: Any, documents: list[dict[str, Any]], key: str) -> list[Any]:
    """Insert documents; return the ``_id`` of those that were already there."""
    found: list[Any] = []
    if not documents:
        return found
    try:
        collection.insert_many(documents, ordered=False)
    except pymongo.errors.BulkWriteError as exc:
        errors = exc.details.get("writeErrors", [])
        if exc.details.get("writeConcernErrors") or any(e.get("code") != DUPLICATE_KEY for e in errors):
            raise
        repeated = {error["op"][key]: as_text({**error["op"], "_id": None}) for error in errors}
        for stored in collection.find({key: {"$in": list(repeated)}}):
            if repeated.pop(stored[key]) != as_text({**stored, "_id": None}):
                raise used_elsewhere(key, stored[key]) from None
            found.append(stored["_id"])
        if repeated:
            # another writer has removed it meanwhile
            raise
    return found


def remove(parts: Iterable[Part]) -> None:
    """Remove documents, part by part."""
    for collection, query in parts:
        collection.delete_many(query)


def uids_of(collection: Any) -> set[str]:
    """The uids of the documents in a collection."""
    return {doc["uid"] for doc in collection.find({}, {"uid": True}) if "uid" in doc}


def no_place_for(name: str) -> InvalidRunError:
    """Return the error for a document of a type that the layouts do not have."""
    return InvalidRunError(f"{a_document(name)} has no place in MongoDB; store the run in a catalog of files")


def removed_meanwhile(run: str, owner: Owner) -> StoreFailedError:
    """Return the error for documents of a run that were found, and that the other writer of the run took away again."""
    return StoreFailedError(
        f"another program that stored the run {run!r} at the same time has given up, and removed {owner.owned} of it; "
        "nothing was published and a retry is safe"
    )


def used_elsewhere(key: str, value: str) -> InvalidRunError:
    """Return the error for an id in a run that another document has."""
    return InvalidRunError(
        f"another document here has the same {key} {value!r} as a document of this run; it is in another run, or was "
        "left by an interrupted store. Use a new id, or remove what was left with databroker-writable check --clean"
    )


def check_uri(uri: Any, argument: str) -> None:
    """Refuse an empty URI, one without a database, and what is no URI, before a client uses it."""
    if not isinstance(uri, str) and hasattr(uri, "get_collection"):
        return  # a database object
    if uri is not None and not isinstance(uri, str):
        raise InvalidCatalogError(f"{argument} must be a URI like {_EXAMPLE}, not {short(uri)}")
    if uri is None or not uri.strip():
        raise InvalidCatalogError(
            f"{argument} is empty; give a URI like {_EXAMPLE} (in YAML: is its environment variable set?)"
        )
    wrong = ""
    try:
        database = pymongo.uri_parser.parse_uri(uri, validate=False, warn=False)["database"]
    except (pymongo.errors.PyMongoError, ValueError) as exc:
        wrong = type(exc).__name__
    if wrong:
        # not while pymongo's error is handled, which can repeat the URI with its password
        raise InvalidCatalogError(
            f"{argument} is not a MongoDB URI ({wrong}); give one like {_EXAMPLE}, with special characters of user "
            "name and password percent-encoded"
        ) from None
    if not database:
        raise InvalidCatalogError(f"{argument} names no database; add it at the end, like {_EXAMPLE}")
