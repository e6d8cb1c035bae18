"""The serializer for `v1.insert`: it sorts documents by run, and publishes each run completely or not at all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ..errors import InvalidRunError, StoreError
from ..runs.checker import check_inserted
from ..runs.document_checks import a_document
from ..runs.document_parts import STREAM_DOCUMENTS
from ..runs.forks import begin_anew_in_children
from ..runs.interrupts import are_broken_off, deferred_interrupts
from ..runs.paging import unpacked
from ..runs.stream_resources import keep_of_acquisition
from .backend import Backend, RunWriter
from .failures import not_shown, raise_explained
from .file_writer import SerializerWriter

_OWNERS = {
    "event": "descriptor",
    "event_page": "descriptor",
    "datum": "resource",
    "datum_page": "resource",
    "stream_datum": "stream_resource",
}
"""The key of a document that names its owner."""


class CheckedDocument(dict[str, Any]):
    """A document of a run that is stored here: it was checked, and interrupts are deferred for the whole run."""


class RunSerializer:
    """Write the documents of any number of runs at a time.

    A run becomes visible when its stop document has been written. If anything fails, the run is dropped and its files
    or documents are removed, so that the same documents can be sent again.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        # of the latter an acquisition sends the documents, which may refer to no run, or begin one anew
        self.stored, self.acquired = OpenRuns(backend, self._open_stored), OpenRuns(backend, backend.open_writer)
        self.begin_anew()
        begin_anew_in_children(self)

    def begin_anew(self) -> None:
        """Create a new lock, and leave open runs to the process that began them."""
        self._lock = threading.RLock()
        for open_runs in (self.stored, self.acquired):
            open_runs.leave()

    def __call__(self, name: str, doc: dict[str, Any]) -> None:
        if type(doc) is CheckedDocument:
            with self._lock:
                self.stored.route(name, dict(doc))
            return
        with self._lock, deferred_interrupts(self._backend.patience):
            try:
                documents = [check_inserted(*item, self._backend.insert_limits) for item in unpacked(name, doc)]
            except StoreError:
                # otherwise a later stop document would publish the run without this document
                for run in self.acquired.meant_by(name, doc):
                    self.acquired.abandon(run)
                raise
            _each(self.acquired.route, documents)

    def abandon(self, run: str) -> None:
        """Drop an open run that is stored here, if there is one, and remove what was written of it."""
        with self._lock:
            self.stored.abandon(run)

    def _open_stored(self, start: dict[str, Any]) -> RunWriter:
        """Refuse a run that the driver leaves out, which an acquisition may send."""
        writer = self._backend.open_writer(start)
        if isinstance(writer, SerializerWriter) and writer.leaves_run_out:
            raise not_shown(start["uid"], self._backend)
        return writer


class OpenRuns:
    """Sends the documents of open runs to one `RunWriter` for each run."""

    def __init__(self, backend: Backend, open_writer: Callable[[dict[str, Any]], RunWriter]) -> None:
        self._backend, self._open_writer = backend, open_writer
        self.leave()

    def leave(self) -> None:
        """Forget the open runs, without removing what was written of them."""
        self._writers: dict[str, RunWriter] = {}
        # uid of a descriptor or resource -> uids of the runs that it belongs to
        self._runs: dict[str, list[str]] = {}

    def abandon(self, run: str) -> None:
        """Drop an open run, if there is one, and remove what was written of it."""
        writer = self._writers.get(run)
        self._forget(run)
        if writer is not None and not are_broken_off():
            writer.abandon()

    def route(self, name: str, doc: dict[str, Any]) -> None:
        """Write a document into each run that it belongs to."""
        runs = list(self._runs_of(name, doc))
        if name in STREAM_DOCUMENTS and not keep_of_acquisition(name, doc, runs[0], self._backend.insert_limits):
            return
        _each(self._write, [(run, name, doc) for run in runs])

    def _write(self, run: str, name: str, doc: dict[str, Any]) -> None:
        try:
            if name == "start":
                self.abandon(run)
                self._writers[run] = self._open_writer(doc)
            writer = self._writers[run]
            writer(name, doc)
            if name == "stop":
                writer.publish()
                self._forget(run)
        except BaseException as exc:
            self.abandon(run)
            raise_explained(exc, f"the run {run!r}", self._backend)

    def _runs_of(self, name: str, doc: dict[str, Any]) -> Iterator[str]:
        if name == "start":
            yield doc["uid"]
        elif name in ("descriptor", "resource", "stream_resource", "stop"):
            # resources of old runs do not say which run they belong to: like event_model's RunRouter,
            # send them to every open run
            runs = [doc["run_start"]] if "run_start" in doc else list(self._writers)
            if not runs or runs[0] not in self._writers:
                raise _unknown(name, "run", doc.get("run_start"))
            if name != "stop":
                self._runs[doc["uid"]] = runs
            yield from runs
        else:
            owner = _OWNERS[name]
            if doc.get(owner) not in self._runs:
                raise _unknown(name, owner, doc.get(owner))
            yield from self._runs[doc[owner]]

    def meant_by(self, name: Any, doc: Any) -> list[str]:
        """The open runs of a refused document; if it names none, all for a resource, otherwise the only open one."""
        keys = ("run_start", *sorted(set(_OWNERS.values())))
        texts = [doc[key] for key in keys if isinstance(doc.get(key), str)] if isinstance(doc, Mapping) else []
        if not texts:
            is_resource = isinstance(name, str) and name == "resource"
            return list(self._writers) if is_resource or len(self._writers) == 1 else []
        return [run for uid in texts for run in self._runs.get(uid, [uid]) if run in self._writers]

    def _forget(self, run: str) -> None:
        self._writers.pop(run, None)
        self._runs = {
            uid: left for uid, runs in self._runs.items() if (left := [other for other in runs if other != run])
        }


def _each(function: Callable[..., None], arguments: Iterable[tuple[Any, ...]]) -> None:
    """Call a function with each of the arguments, also after an error; raise the first one."""
    error: Exception | None = None
    for each in arguments:
        try:
            function(*each)
        except Exception as exc:
            error = error or exc
    if error is not None:
        try:
            raise error
        finally:
            del error  # it refers to this frame


def _unknown(name: str, owner: str, uid: Any) -> InvalidRunError:
    return InvalidRunError(
        f"{a_document(name)} refers to the {owner} {uid!r}, which is not open; insert its start document first (after "
        "an error start again with the start document)"
    )
