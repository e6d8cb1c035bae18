"""Store a run while it is built; as a failed run, if its process ends before it is closed."""

from __future__ import annotations

import atexit
import os
import weakref
from contextlib import AbstractContextManager
from typing import Any

from ..errors import InvalidRunError, StoreError, StoreFailedError, warn_user
from ..runs.builder import RunBuilder
from ..runs.document_parts import NamedDocument
from ..runs.interrupts import deferred_interrupts
from ..runs.sinks import DocumentSink
from ..storage.failures import not_shown
from .run_store import RunInsertion, RunStore

REASON = "the process ended before the run was closed"

_open: dict[RunBuilder, CatalogSink] = {}
"""The builders that are closed when the process ends."""

# the finalizers of unfinished files also run at the end of the process; atexit runs what is registered after them first
weakref.finalize(RunBuilder, bool).atexit = False


class CatalogSink(DocumentSink):
    """Stores a run while it is built: what is refused is not written, and earlier documents stay."""

    def __init__(self, store: RunStore) -> None:
        super().__init__()
        self._store = store
        self._plan = store.plan()
        self._insertion = RunInsertion(store, self._plan)
        self._checker = store.new_checker(self._plan)
        # if nothing is added to the builder, nothing is written
        self._waiting: list[NamedDocument] = []
        self._uid = ""
        self._process = os.getpid()
        self._stored_run: Any = None

    @property
    def is_lost(self) -> bool:
        return self._insertion.is_lost or os.getpid() != self._process

    @property
    def stored_run(self) -> Any:
        """The run as the catalog returns it, opened at the first access; None before it is stored."""
        if self._stored_run is None and self._checker.stop is not None and not self.is_lost:
            self._stored_run = self._store.backend.stored_run(self._uid)
        return self._stored_run

    @property
    def has_begun(self) -> bool:
        """Whether anything was written."""
        return not self._waiting

    def whole(self) -> AbstractContextManager[None]:
        return deferred_interrupts(self._store.backend.patience)

    def check_kept(self) -> None:
        if os.getpid() != self._process:
            raise InvalidRunError(
                f"the run {self._uid!r} belongs to the process {self._process}, from which this one was forked; build "
                "another run here"
            )
        if self.is_lost:
            raise InvalidRunError(
                f"the run {self._uid!r} was not stored: an earlier error removed it; "
                f"{self._store.backend.remedy_for_lost_builder}"
            )

    def take(self, documents: list[NamedDocument]) -> list[NamedDocument]:
        self.check_kept()
        with self._plan.unchanged_on_error():
            checked = self._checker.all_or_none(documents)
            if checked[0][0] == "start":
                self._waiting = checked
                self._uid = checked[0][1]["uid"]
                return checked
            self._write(checked)
        if checked[-1][0] == "stop" and not self._store.backend.shows_stored(self._uid):
            # it may be stored, and shown elsewhere: its assets stay
            self._insertion.is_lost = True
            raise not_shown(self._uid, self._store.backend)
        return checked

    def _write(self, checked: list[NamedDocument]) -> None:
        if self._waiting:
            self._store.claim(self._uid, self._insertion)
        waiting, self._waiting = self._waiting, []
        try:
            for name, doc in [*waiting, *checked]:
                self._insertion.write(name, doc)
        except BaseException as exc:
            # for example, an array cannot be computed: the run continues without these documents
            self._checker.forget(checked)
            for name, doc in checked:
                if name == "descriptor":
                    self._insertion.forget_descriptor(doc["uid"])
            if isinstance(exc, StoreFailedError):
                remedy = self._store.backend.remedy_for_lost_builder
                raise StoreFailedError(f"{exc}; this builder has ended: {remedy}") from exc
            raise

    def get_run(self, **kwargs: Any) -> Any:
        if self.stored_run is None:
            self.check_kept()
            raise InvalidRunError(f"the run {self._uid!r} is not stored yet; close its builder first")
        return self.stored_run

    def abandon(self) -> None:
        if not self.is_lost:
            self._insertion.abandon()


def close_at_exit(builder: RunBuilder, sink: CatalogSink) -> None:
    """Close a builder when the process ends, if it is still open."""
    for known, its_sink in list(_open.items()):
        if not _is_unfinished(known, its_sink):
            _open.pop(known, None)
    _open[builder] = sink
    # registered last, so it runs first, before finalizers remove what the run has written
    atexit.unregister(_close_all)
    atexit.register(_close_all)


def _is_unfinished(builder: RunBuilder, sink: CatalogSink) -> bool:
    return not builder.closed and not sink.is_lost


def _close_all() -> None:
    for builder, sink in list(_open.items()):
        if not _is_unfinished(builder, sink) or not sink.has_begun:
            continue
        try:
            builder.close("fail", REASON)
        except StoreError as exc:
            warn_user(f"the run {builder.uid!r} was not closed before the process ended, and could not be kept: {exc}")
        else:
            warn_user(
                f"the run {builder.uid!r} was not closed before the process ended; it is stored as a failed run. "
                "Use the builder in a with block, or close() it"
            )
