"""Delete runs for good, with their assets and remarks.

A run disappears whole, in one step. What is left of it then is removed; if the process is killed in between, deleting
the run once more finishes that, and `check` names it.
"""

from __future__ import annotations

import contextlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import humanize

from ..errors import InvalidRunError, NotWritableError, PickledRunError
from ..results.headers import complete_uid
from ..storage.assets import is_our_asset
from ..storage.assets.asset_paths import is_asset
from ..storage.durable_file import sync_directories
from ..storage.files import FileBackend
from ..storage.mongo_embedded import MongoEmbeddedBackend
from ..storage.mongo_normalized import MongoNormalizedBackend
from .findings import Leftover, age_of
from .mongo_leftovers import parts_of_run
from .run_files import UNREADABLE, neighbours, read_run_file, reader_of, run_files

Document = dict[str, Any]

DELETED = ".deleted"
"""The end of the hidden name that a run file has while what belongs to it is removed."""

DELETIONS = "deletions"
"""The collection of what is left to be removed of runs of the embedded layout."""


class Deletion(ABC):
    """The deletion of one run, which begins or goes on.

    Attributes
    ----------
    uid : str
    is_visible : bool
        Whether the run is still there; False where an earlier deletion was cut off.
    assets : list of str
        Paths of the asset files that go with it.
    kept : list of str
        Paths of asset files that stay, because another run uses them or they lie outside of the asset root.
    """

    def __init__(self, catalog: Any, uid: str) -> None:
        self.catalog = catalog
        self.backend = catalog._backend
        self.uid = uid
        self.assets: list[str] = []
        self.kept: list[str] = []

    is_visible: bool

    @property
    @abstractmethod
    def size(self) -> str:
        """How much the documents are, for people."""

    @abstractmethod
    def hide(self) -> None:
        """Take the run out of sight in one step, so that its deletion can be found again."""

    @abstractmethod
    def remove_documents(self) -> None:
        """Remove the documents, and last of all that by which the deletion is found again."""

    @abstractmethod
    def used_by_others(self, resources: list[Document]) -> set[str]:
        """Real paths of the assets that other runs refer to."""

    def execute(self) -> None:
        """Delete the run, or go on with it."""
        if self.is_visible:
            self.hide()
        for path in self.assets:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        sync_directories(path for path in self.assets if os.path.isdir(os.path.dirname(path)))
        self.backend.remove_remarks(self.uid)
        self.remove_documents()

    def find_assets(self, resources: list[Document]) -> None:
        """Sort the files that resources name into those that go and those that stay."""
        own = [resource for resource in resources if is_our_asset(resource)]
        root = self.catalog._store.asset_root()
        used = self.used_by_others(own) if own else set()
        for path in sorted({self.path_of(resource) for resource in own}):
            is_below = root is not None and path.startswith(os.path.realpath(root) + os.sep)
            if is_below and path not in used and os.path.isfile(path) and is_asset(path):
                self.assets.append(path)
            elif os.path.exists(path):
                self.kept.append(path)

    def path_of(self, resource: Document) -> str:
        """Where the file of a resource is."""
        root = str(resource.get("root", ""))
        root_map = getattr(self.catalog, "root_map", None) or {}
        return os.path.realpath(os.path.join(root_map.get(root, root), str(resource["resource_path"])))


class FileDeletion(Deletion):
    """A run file: it gets a hidden name, and goes last."""

    def __init__(self, catalog: Any, uid: str, path: str, *, is_visible: bool) -> None:
        super().__init__(catalog, uid)
        self.is_visible = is_visible
        self._hidden = path if not is_visible else hidden_name(path)
        self._path = path
        self.find_assets(read_run_file(path, self.backend.read_file).resources)

    @property
    def size(self) -> str:
        return str(humanize.naturalsize(os.path.getsize(self._path)))

    def hide(self) -> None:
        os.utime(self._path)  # the age that a check goes by
        os.replace(self._path, self._hidden)
        sync_directories([self._path])

    def remove_documents(self) -> None:
        os.unlink(self._hidden)
        sync_directories([self._hidden])

    def used_by_others(self, resources: list[Document]) -> set[str]:
        others = neighbours(self.catalog)
        paths = [path for path in (*run_files(self.catalog), *others) if path != self._path]
        used: set[str] = set()
        for path in paths:
            file = read_run_file(path, reader_of(path) if path in others else self.backend.read_file)
            used.update(self.path_of(resource) for resource in file.resources if is_our_asset(resource))
        return used


class NormalizedDeletion(Deletion):
    """The documents of a run in the normalized layout: without its start document no reader sees them.

    Resources and Datums in a registry of their own stay, with the assets: another catalog can use them.
    """

    backend: MongoNormalizedBackend

    def __init__(self, catalog: Any, uid: str) -> None:
        super().__init__(catalog, uid)
        self.is_visible = self.backend.has_run(uid)
        resources = list(self.backend.collections.resources.find({"run_start": uid}, {"_id": False}))
        if self.backend.has_registry_apart:
            self.kept = [self.path_of(resource) for resource in resources if is_our_asset(resource)]
        else:
            self.find_assets(resources)

    @property
    def size(self) -> str:
        return _shown_count(collection.count_documents(query) for collection, query in self._parts())

    def hide(self) -> None:
        self.backend.collections.starts.delete_many({"uid": self.uid})

    def remove_documents(self) -> None:
        for collection, query in self._parts():
            collection.delete_many(query)

    def used_by_others(self, resources: list[Document]) -> set[str]:
        names = [resource["resource_path"] for resource in resources]
        others = {"resource_path": {"$in": names}, "run_start": {"$ne": self.uid}}
        return {self.path_of(other) for other in self.backend.collections.resources.find(others)}

    def _parts(self) -> list[tuple[Any, Document]]:
        return list(
            parts_of_run(self.backend.collections, self.uid, with_resources=not self.backend.has_registry_apart)
        )


class EmbeddedDeletion(Deletion):
    """The header of a run in the embedded layout, and what it leads to, which is noted before the header goes."""

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
        return _shown_count([1, *(collection.count_documents(query) for collection, query in self._pages())])

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
            self.path_of(resource) for header in headers for resource in header["resources"] if is_our_asset(resource)
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


def deletion_of(catalog: Any, uid: str) -> Deletion:
    """Prepare the deletion of a run; nothing is changed before its `execute`.

    Parameters
    ----------
    catalog : WritableMixin
    uid : str
        The uid of a run, in full or its beginning, or in full that of a run whose deletion was cut off.

    Raises
    ------
    InvalidRunError
        There is no such run.
    NotWritableError
        A catalog that must not be written to, or whose driver deletes nothing.

    Notes
    -----
    Reads the run file; where the run has assets, also the other run files of the directory, to see whether another run
    uses them.

    Examples
    --------
    >>> run = catalog.store_run({"x": [1, 2, 3]}, uid="run-1")
    >>> deletion = deletion_of(catalog, "run-1")
    >>> deletion.execute()
    >>> "run-1" in databroker_writable.open_directory("results")
    False
    """
    catalog._store.check_writable()
    backend = catalog._backend
    try:
        full = complete_uid(catalog, uid) or uid
    except ValueError as exc:
        raise InvalidRunError(str(exc)) from exc
    deletion: Deletion | None
    if isinstance(backend, FileBackend):
        deletion = _file_deletion(catalog, full)
    elif isinstance(backend, MongoNormalizedBackend):
        collections = backend.collections
        query = {"run_start": full}
        has_parts = backend.has_run(full) or any(
            part.find_one(query, {"_id": True}) for part in (collections.stops, collections.descriptors)
        )
        deletion = NormalizedDeletion(catalog, full) if has_parts else None
    elif isinstance(backend, MongoEmbeddedBackend):
        has_parts = backend.has_run(full) or backend.database[DELETIONS].find_one({"_id": full}) is not None
        deletion = EmbeddedDeletion(catalog, full) if has_parts else None
    else:
        raise NotWritableError(
            f"the driver of the catalog {backend.label!r} has no way to delete a run; use the facility's own tools"
        )
    if deletion is None:
        raise InvalidRunError(
            f"the catalog {backend.label!r} has no run {uid!r}, and no deletion of one that was cut off; "
            "databroker-writable ls lists the runs (give the uid in full to finish a deletion)"
        )
    return deletion


def hidden_name(path: str) -> str:
    """The name of a run file while its run is deleted."""
    directory, name = os.path.split(path)
    return os.path.join(directory, f".{name}{DELETED}")


def cut_off_deletions(catalog: Any) -> Iterator[Leftover]:
    """Deletions that were cut off, of catalogs of files and of the embedded layout."""
    backend = catalog._backend
    advice = "its assets and remarks may be left; databroker-writable delete CATALOG"
    if isinstance(backend, FileBackend) and os.path.isdir(backend.directory):
        for entry in sorted(os.scandir(backend.directory), key=lambda entry: entry.name):
            if _is_hidden_run(entry.name, backend):
                uid = _uid_in(entry.path, backend)
                message = f"run that a deletion took away and did not finish: {advice} {uid} finishes it"
                yield Leftover("cut-off-deletion", entry.path, message, age=age_of(entry.path))
    elif isinstance(backend, MongoEmbeddedBackend):
        for doc in backend.database[DELETIONS].find({}, {"_id": True}):
            message = f"run that a deletion took away and did not finish: {advice} {doc['_id']} finishes it"
            yield Leftover("cut-off-deletion", f"{DELETIONS}/{doc['_id']}", message)


def _file_deletion(catalog: Any, uid: str) -> FileDeletion | None:
    backend = catalog._backend
    usual = backend.run_file(uid)
    files = run_files(catalog)
    visible = usual if usual in files else next((path for path in files if _uid_in(path, backend) == uid), None)
    if visible is not None:
        return FileDeletion(catalog, uid, visible, is_visible=True)
    if os.path.isdir(backend.directory):
        for name in os.listdir(backend.directory):
            path = os.path.join(backend.directory, name)
            if _is_hidden_run(name, backend) and (path == hidden_name(usual) or _uid_in(path, backend) == uid):
                return FileDeletion(catalog, uid, path, is_visible=False)
    return None


def _is_hidden_run(name: str, backend: FileBackend) -> bool:
    return name.startswith(".") and name.endswith(backend.suffix + DELETED)


def _uid_in(path: str, backend: FileBackend) -> str | None:
    """The uid of the run in a file; None where its beginning cannot be read."""
    try:
        name, doc = next(iter(backend.read_file(path)), ("", {}))
        return str(doc["uid"]) if name == "start" else None
    except (*UNREADABLE, PickledRunError):
        return None


def _shown_count(counts: Any) -> str:
    return f"{sum(counts):,} documents"
