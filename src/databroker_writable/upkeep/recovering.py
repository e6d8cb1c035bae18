"""Publish the incomplete runs that killed writers left."""

from __future__ import annotations

import contextlib
import functools
import itertools
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..catalog.wrapping import check_is_writable
from ..errors import NotWritableError, RunExistsError, StoreError, errors_end_here, warn_user
from ..results.run_uids import open_run
from ..runs.built_stream import new_uids
from ..runs.comparison import as_text, same_run
from ..runs.document_parts import Document, NamedDocument
from ..runs.run_or_table import documents_of
from ..storage.failures import explaining
from ..storage.file_backend import FileBackend
from ..storage.file_locks import locked
from ..storage.run_file_readers import READERS, why_unreadable
from ..tables.public_types import Broker
from ..tables.wording import counted
from .asset_findings import path_of_resource
from .file_upkeep import EventNumbers, left_files
from .leftover_comparison import adds_nothing
from .partial_assets import PartialAssets, remove_recovered
from .storing_as_is import store_as_it_is

WRONG_DOCUMENTS = (ValueError, TypeError, KeyError, AttributeError)
"""The errors of documents that nobody can publish."""


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
    removed when the run is stored. A file that cannot be published stays. A file whose whole content was stored under
    the same uid by a later attempt is removed.

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

    Warns
    -----
    StoreWarning
        A partial file stays, or is removed without a run.

    Notes
    -----
    O(size of the partial files), which are read to their end. If a call is interrupted, the next one continues.

    Examples
    --------
    >>> recover(catalog)
    []
    """
    with errors_end_here:
        check_is_writable(catalog, "recover")
        return recovered_and_left(catalog)[0]


def recovered_and_left(catalog: Any) -> tuple[list[RecoveredRun], list[str]]:
    """Recover what can be; give the runs, and the damaged files, which stay as they are; a warning names each."""
    backend = catalog._backend
    if not isinstance(backend, FileBackend):
        raise NotWritableError(
            f"nothing is left in {backend.label!r}: only catalogs of files keep what a killed writer has written"
        )
    catalog._store.check_writable("open it without that to recover runs")
    runs, left = [], []
    for path in [entry.path for entry in left_files(backend.directory, lambda name: name.endswith(backend.suffix))]:
        with locked(path) as is_left:
            try:
                documents = _whole_documents(path, backend.suffix) if is_left else []
                if documents and documents[0][0] == "start":
                    run = _recovered(catalog, documents)
                    remove_recovered(path)
                    if run is not None:
                        runs.append(run)
                        continue
                    stored = f"the run {documents[0][1]['uid']!r} was stored meanwhile, with all that it held"
                    warn_user(f"the partial file {path} is removed: {stored}")
            except NotWritableError:
                raise
            except PermissionError as exc:
                # another user can recover it
                warn_user(f"the partial file {path} is not recovered: it {why_unreadable(path, exc)}")
            except (RunExistsError, *WRONG_DOCUMENTS) as exc:
                # which may not hold for the others
                no_run = f"its documents do not make a run ({type(exc).__name__}: {exc})"
                why = str(exc) if isinstance(exc, StoreError) else no_run
                warn_user(f"the partial file {path} is not recovered, and stays as it is: {why}")
                left.append(path)
    return runs, left


def _whole_documents(path: str, suffix: str) -> list[NamedDocument]:
    """The documents of an incomplete file; none if another process has recovered or removed it."""
    documents: list[NamedDocument] = []
    # the last one is incomplete
    with contextlib.suppress(ValueError, FileNotFoundError):
        for document in READERS[suffix](path):
            documents.append(document)
    return documents


def _recovered(catalog: Any, documents: list[NamedDocument]) -> RecoveredRun | None:
    """The run of an attempt to store it; None if it adds nothing to the run that was stored by another attempt."""
    written = len(documents)
    assets = PartialAssets(documents, getattr(catalog, "root_map", None) or {})
    uid = documents[0][1]["uid"]
    if _is_stored(catalog, uid, documents, assets):
        assets.remove()
        return RecoveredRun(uid, written, 0, uid)
    kept, left_out = _readable(documents, assets)
    if left_out and kept[-1][0] == "stop":
        del kept[-1]  # it counts the Events that are left out
    if catalog._backend.has_run(uid) and not _is_stored(catalog, uid, kept, assets):
        if adds_nothing(kept, assets.path_of, documents_of(catalog[uid]), functools.partial(path_of_resource, catalog)):
            assets.remove()
            return None
        # the same each time, so that a recovery that was cut off is finished
        kept = _renamed(kept, str(uuid.uuid5(uuid.NAMESPACE_OID, as_text(documents))))
    new_uid = kept[0][1]["uid"]
    if kept[-1][0] != "stop":
        kept.append(("stop", _stop(kept, written, left_out, uid)))
    if not _is_stored(catalog, new_uid, kept[:-1], assets):
        with explaining(catalog._backend):
            assets.publish(doc["uid"] for name, doc in kept if name == "resource")
        store_as_it_is(catalog, [assets.located(name, doc) for name, doc in kept])
    assets.remove()
    return RecoveredRun(new_uid, written, left_out, uid)


def _readable(documents: list[NamedDocument], assets: PartialAssets) -> tuple[list[NamedDocument], int]:
    """The documents without Events whose assets are incomplete, and the number of these Events.

    A resource that no Event needs is left out, too: its file may hold nothing yet.
    """
    kept: list[NamedDocument] = []
    unreadable: set[str] = set()
    needed: set[str] = set()
    left_out = 0
    for name, doc in documents:
        if name == "datum_page" and not assets.holds(doc):
            unreadable.update(doc["datum_id"])
        elif name in ("event", "event_page") and unreadable.intersection(_references(name, doc)):
            left_out += len(_event_times(name, doc))
        else:
            if name in ("datum", "datum_page"):
                needed.add(doc["resource"])
            kept.append((name, doc))
    unneeded = assets.resources.keys() - needed
    return [(name, doc) for name, doc in kept if name != "resource" or doc["uid"] not in unneeded], left_out


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
    stored = [(name, doc) for name, doc in documents_of(open_run(catalog, uid)) if name != "stop"]
    return same_run(stored, [assets.located(name, doc) for name, doc in documents if name != "stop"])


def _renamed(documents: list[NamedDocument], uid: str) -> list[NamedDocument]:
    return [
        (name, {**doc, "uid": uid} if name == "start" else {**doc, "run_start": uid} if "run_start" in doc else doc)
        for name, doc in documents
    ]


def _stop(documents: list[NamedDocument], written: int, left_out: int, uid: str) -> Document:
    start, numbers = documents[0][1], EventNumbers()
    for name, doc in documents:
        numbers.add(name, doc)
    times = [_event_times(name, doc) for name, doc in documents if name in ("event", "event_page")]
    moments = [moment for moment in itertools.chain.from_iterable(times) if isinstance(moment, int | float)]
    reason = f"recovered: the writer was killed after {counted(written, 'document')}"
    if left_out:
        reason += f"; {counted(left_out, 'Event')} left out because of incomplete assets"
    if uid != start["uid"]:
        reason += f"; another run has its uid, {uid}"
    return {
        "uid": new_uids(1)[0],
        "time": max(start["time"], time.time(), *moments),
        "run_start": start["uid"],
        "exit_status": "abort",
        "reason": reason,
        "num_events": numbers.counts(),
    }
