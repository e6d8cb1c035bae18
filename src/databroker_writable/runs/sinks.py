"""Sinks: where the documents of a run go while it is built."""

from __future__ import annotations

import functools
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from bluesky_live.bluesky_run import DocumentCache, discover_handlers

from ..tables.tracebacks import errors_end_here
from .built_run import BuiltRun
from .checker import RunChecker, RunDocuments
from .document_parts import NamedDocument
from .forks import begin_anew_in_children
from .interrupts import deferred_interrupts


class DocumentSink(Protocol):
    """Accepts the documents of one run, each when it is complete.

    Attributes
    ----------
    keeps_arrays : bool
        Whether it keeps a table's arrays, which the user may fill again.
    takes_pieces : bool
        Whether more tables can follow in a stream.
    step : context manager
        In which a public method of a builder runs: of one thread at a time, and where its errors end.
    is_lost : bool
        Whether its documents are lost after a failure.
    stored_run : databroker.core.BlueskyRun or None
        The run as a catalog returns it, once it is closed.
    """

    keeps_arrays: bool
    takes_pieces: bool

    @property
    def step(self) -> AbstractContextManager[None]: ...

    @property
    def stored_run(self) -> Any: ...

    @property
    def is_lost(self) -> bool: ...

    def whole(self) -> AbstractContextManager[None]:
        """The context of a builder's step that an interrupt must not leave incomplete."""

    def take(self, documents: list[NamedDocument]) -> list[NamedDocument]:
        """Check documents and accept all or, if one is refused, none; return them as they are kept."""

    def get_run(self, **kwargs: Any) -> Any:
        """Return the run."""

    def check_kept(self) -> None:
        """Raise `InvalidRunError` if the documents are lost, or in a forked child, to which the run does not belong."""

    def abandon(self, exc: BaseException) -> None:
        """Drop a run that cannot be completed."""


class BuilderStep:
    """The context of a public method of a builder; one thread at a time is in it, and its errors end there.

    Attributes
    ----------
    lock : threading.RLock
        The lock alone.
    """

    def __init__(self) -> None:
        self.begin_anew()
        begin_anew_in_children(self)

    def begin_anew(self) -> None:
        """Take a new lock in a forked child, which does not have the thread that holds it."""
        self.lock = threading.RLock()

    def __enter__(self) -> None:
        self.lock.acquire()

    def __exit__(self, *error: Any) -> None:
        self.lock.release()
        errors_end_here.__exit__(*error)


class MemorySink:
    """Keeps a run in memory.

    Parameters
    ----------
    handler_registry : dict or None
        For reading external data through ``get_run()``; by default the handlers that are installed.
    checker : RunChecker, optional
        Decides what may be kept; by default, what any backend can hold.
    """

    keeps_arrays = True
    takes_pieces = True
    is_lost = False
    stored_run = None

    def __init__(self, handler_registry: Mapping[str, Any] | None, checker: RunChecker | None = None) -> None:
        self.documents = RunDocuments()
        self._checker = checker or RunChecker()
        self._handler_registry = handler_registry
        self._cache: DocumentCache | None = None
        self._step = BuilderStep()

    @property
    def step(self) -> AbstractContextManager[None]:
        return self._step

    def whole(self) -> AbstractContextManager[None]:
        return deferred_interrupts()

    def take(self, documents: list[NamedDocument]) -> list[NamedDocument]:
        checked = self._checker.all_or_none(documents)
        with self._step.lock:
            self.documents += checked
            if self._cache is not None:
                for item in checked:
                    self._cache(*item)
        return checked

    def get_run(self, **kwargs: Any) -> BuiltRun:
        handlers = kwargs.pop("handler_registry", self._handler_registry)
        with self._step.lock:
            if self._cache is None:
                # bluesky-live's many signals cost as much as everything else, so they are sent only if somebody listens
                cache = DocumentCache()
                for item in self.documents:
                    cache(*item)
                self._cache = cache
        return BuiltRun(self._cache, handler_registry=_installed_handlers() if handlers is None else handlers, **kwargs)

    def check_kept(self) -> None:
        """They are, and a forked child has its own copy."""

    def abandon(self, exc: BaseException) -> None:
        """Nothing was written."""


class TableSink(MemorySink):
    """Keeps a run that is complete when the call returns, and shares the arrays of its tables."""

    keeps_arrays = False
    takes_pieces = False
    step = nullcontext()  # its builder is known to one thread

    def whole(self) -> AbstractContextManager[None]:
        return nullcontext()  # an interrupt also ends the builder


@functools.cache
def _installed_handlers() -> Mapping[str, Any]:
    """The handlers that are installed; bluesky-live would look through all packages for them, for each run."""
    handlers: Mapping[str, Any] = discover_handlers()
    return handlers
