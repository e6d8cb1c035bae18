"""Publish the incomplete runs that killed writers left."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ..catalog.wrapping import check_is_writable
from ..errors import NotWritableError, warn_user
from ..runs.built_stream import new_uids
from ..runs.comparison import as_text, same_run
from ..runs.document_parts import Document, NamedDocument
from ..runs.run_or_table import documents_of
from ..storage.assets import format_of, is_our_asset
from ..storage.assets.asset_paths import free_path, taken_paths
from ..storage.durable_file import NewFile
from ..storage.failures import explaining
from ..storage.file_backend import FileBackend
from ..storage.file_locks import locked
from ..storage.file_rights import why_not_removed
from ..storage.run_file_readers import why_unreadable
from ..tables.public_types import Broker
from ..tables.tracebacks import errors_end_here
from .file_upkeep import READERS, EventNumbers, left_files


@dataclass(frozen=True)
class RecoveredRun:
    """A run that was published.

    Attributes
    ----------
    uid : str
        The uid of the run, or a new one if another run has it already.
    documents : int
        How many documents its writer had written completely.
    events_left_out : int
        How many Events were left out because their assets were incomplete.
    written_uid : str
        The uid with which it was written.
    """

    uid: str
    documents: int
    events_left_out: int
    written_uid: str


def recover(catalog: Broker) -> list[RecoveredRun]:
    """Publish the runs of killed writers, up to the last complete document.

    Every complete document in a partial file becomes part of a run with ``exit_status="abort"`` and a reason, if the
    writer of the file is no longer running. Assets are kept up to the last complete Event. The partial files are
    removed when the run is stored.

    Parameters
    ----------
    catalog : WritableMixin
        A catalog of files. In MongoDB there is nothing to recover, because descriptors are written at the end of a run.

    Returns
    -------
    list of RecoveredRun

    Raises
    ------
    NotWritableError
        Nothing can be stored in the catalog, or it is not a catalog of files.
    StoreFailedError
        For example, the disk is full. What was not published can be recovered later.

    Notes
    -----
    Reads the partial files to their end. If a call is interrupted, the next one continues where it ended.

    Examples
    --------
    >>> recover(catalog)
    []
    """
    with errors_end_here:
        check_is_writable(catalog, "recover")
        backend = catalog._backend
        if not isinstance(backend, FileBackend):
            raise NotWritableError(
                f"nothing can be recovered in {backend.label!r}: only catalogs of files keep what a killed writer has "
                "written; store the run again"
            )
        catalog._store.check_writable()
        recovered = []
        for path in [entry.path for entry in left_files(backend.directory, lambda name: name.endswith(backend.suffix))]:
            with locked(path) as is_left:
                documents = _left_documents(path, backend.suffix) if is_left else []
                if documents and documents[0][0] == "start":
                    recovered.append(_recovered(catalog, documents))
                    remove_recovered(path)
        return recovered


def _left_documents(path: str, suffix: str) -> list[NamedDocument]:
    try:
        return list(_whole_documents(path, suffix))
    except FileNotFoundError:
        return []  # another process has recovered or removed it
    except PermissionError as exc:
        warn_user(f"the partial file {path} is not recovered: it {why_unreadable(path, exc)}")
        return []


def _whole_documents(path: str, suffix: str) -> Iterator[NamedDocument]:
    """The documents of an incomplete file."""
    with contextlib.suppress(ValueError):  # the last one is incomplete
        yield from READERS[suffix](path)


def _recovered(catalog: Any, documents: list[NamedDocument]) -> RecoveredRun:
    written = len(documents)
    assets = PartialAssets(documents)
    kept, left_out = _readable(documents, assets)
    uid = documents[0][1]["uid"]
    if catalog._backend.has_run(uid) and not _is_stored(catalog, uid, kept, assets):
        kept = _renamed(kept, _other_uid(documents))
    new_uid = kept[0][1]["uid"]
    if kept[-1][0] != "stop":
        kept.append(("stop", _stop(kept, written, left_out, uid)))
    if not _is_stored(catalog, new_uid, kept[:-1], assets):
        with explaining(catalog._backend):
            assets.publish()
        catalog.store_run([assets.located(name, doc) for name, doc in kept])
    assets.remove()
    return RecoveredRun(new_uid, written, left_out, uid)


def _readable(documents: list[NamedDocument], assets: PartialAssets) -> tuple[list[NamedDocument], int]:
    """The documents without Events whose assets are incomplete, and the number of these Events."""
    kept: list[NamedDocument] = []
    unreadable: set[str] = set()
    left_out = 0
    for name, doc in documents:
        if name == "datum_page" and not assets.holds(doc):
            unreadable.update(doc["datum_id"])
        elif name in ("event", "event_page") and unreadable.intersection(_references(name, doc)):
            left_out += len(_event_times(name, doc))
        else:
            kept.append((name, doc))
    return kept, left_out


def _references(name: str, doc: Document) -> Iterator[str]:
    """The datums that an Event, or a page of them, refers to."""
    for key in doc.get("filled", {}):
        values = [doc["data"][key]] if name == "event" else doc["data"][key]
        yield from (value for value in values if isinstance(value, str))


def _event_times(name: str, doc: Document) -> list[float]:
    return [doc["time"]] if name == "event" else doc["time"]


def _is_stored(catalog: Any, uid: str, documents: list[NamedDocument], assets: PartialAssets) -> bool:
    """Whether a run was published before, apart from its stop document."""
    if not catalog._backend.has_run(uid):
        return False
    stored = [(name, doc) for name, doc in documents_of(catalog[uid]) if name != "stop"]
    return same_run(stored, [assets.located(name, doc) for name, doc in documents if name != "stop"])


def _other_uid(documents: list[NamedDocument]) -> str:
    """A new uid for a run whose uid is taken: the same each time, so that a recovery that was cut off is finished."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, as_text(documents)))


def _renamed(documents: list[NamedDocument], uid: str) -> list[NamedDocument]:
    """The documents of the run under another uid."""
    return [
        (name, {**doc, "uid": uid} if name == "start" else {**doc, "run_start": uid} if "run_start" in doc else doc)
        for name, doc in documents
    ]


def _stop(documents: list[NamedDocument], written: int, left_out: int, uid: str) -> Document:
    start, numbers = documents[0][1], EventNumbers()
    for name, doc in documents:
        numbers.add(name, doc)
    times = [_event_times(name, doc) for name, doc in documents if name in ("event", "event_page")]
    reason = f"recovered: the writer was killed after {written} documents"
    if left_out:
        reason += f"; {left_out} Events are left out because their assets were incomplete"
    if uid != start["uid"]:
        reason += f"; another run has its uid, {uid}"
    return {
        "uid": new_uids(1)[0],
        "time": max(start["time"], *itertools.chain.from_iterable(times), time.time()),
        "run_start": start["uid"],
        "exit_status": "abort",
        "reason": reason,
        "num_events": numbers.counts(),
    }


class PartialAssets:
    """The asset files of one attempt to store a run, according to its documents.

    Another attempt can have left, or published, files of the same names.
    """

    def __init__(self, documents: Iterable[NamedDocument]) -> None:
        documents = list(documents)
        self._descriptors = {doc["uid"] for name, doc in documents if name == "descriptor"}
        self._resources = {doc["uid"]: doc for name, doc in documents if name == "resource" and is_our_asset(doc)}
        self._rows: dict[tuple[str, str], int] = {}
        # by the path of the resources, below their root
        self._published: dict[str, str] = {}
        self._partial: dict[str, list[str]] = {}
        for doc in self._resources.values():
            root, relative = doc["root"], doc["resource_path"]
            if relative in self._partial:
                continue
            published = next((path for path in taken_paths(root, relative) if self._is_of(_path(root, path), doc)), "")
            self._partial[relative] = []
            if published:
                self._published[relative] = published
            else:
                left = _partial_files(_path(root, relative))
                self._partial[relative] = [path for path in left if self._is_of(path, doc)]

    def holds(self, datum_page: Document) -> bool:
        """Whether the file has the rows that a page of datums refers to."""
        resource = self._resources.get(datum_page["resource"])
        if resource is None:
            # of another package
            return True
        kwargs = datum_page["datum_kwargs"]
        keys = kwargs.get("key") or [resource["resource_kwargs"]["key"]]
        needed = max(kwargs["stop"]) if "stop" in kwargs else max(kwargs["index"]) + 1
        return all(self._rows_of(resource, key) >= needed for key in set(keys))

    def publish(self) -> None:
        """Give the files free names, durably."""
        for doc in self._resources.values():
            root, relative = doc["root"], doc["resource_path"]
            if relative in self._published or not self._partial[relative]:
                continue
            free = free_path(root, relative)
            with NewFile(_path(root, free)) as copy, open(self._partial[relative][0], "rb") as left:
                shutil.copyfileobj(left, copy, 2**24)
                copy.publish()
            self._published[relative] = free

    def located(self, name: str, doc: Document) -> NamedDocument:
        """A document that says where its file is."""
        if name != "resource" or doc["uid"] not in self._resources:
            return name, doc
        return name, {**doc, "resource_path": self._published.get(doc["resource_path"], doc["resource_path"])}

    def remove(self) -> None:
        """Remove the partial files after their contents are published."""
        for partial in itertools.chain.from_iterable(self._partial.values()):
            remove_recovered(partial)

    def _is_of(self, path: str, resource: Document) -> bool:
        """Whether a file is of this attempt, or does not say of which."""
        descriptor = format_of(resource).descriptor_of(path)
        return descriptor is None or descriptor in self._descriptors

    def _rows_of(self, resource: Document, key: str) -> int:
        """The number of rows of a dataset; 0 if the file cannot be read."""
        root, relative = resource["root"], resource["resource_path"]
        if (relative, key) not in self._rows:
            published = self._published.get(relative)
            paths = [_path(root, published)] if published else self._partial[relative]
            self._rows[relative, key] = format_of(resource).rows_of(paths[0], key) if paths else 0
        return self._rows[relative, key]


def remove_recovered(path: str) -> None:
    """Remove a partial file whose contents are published; warn if that is not possible, because the run is stored."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as exc:
        warn_user(f"the partial file {path} is recovered, but could not be removed: {why_not_removed(path, exc)}")


def _path(root: str, relative: str) -> str:
    return os.path.join(root, *relative.split("/"))


def _partial_files(path: str) -> list[str]:
    """Partial files of dead writers for a path, the newest first."""
    directory, file_name = os.path.split(path)
    left = left_files(directory, file_name.__eq__)
    return [entry.path for entry in sorted(left, key=lambda entry: entry.stat().st_mtime, reverse=True)]
