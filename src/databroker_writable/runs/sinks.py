"""Runs in memory, and sinks: where the documents of a run go while it is built."""

from __future__ import annotations

import functools
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NoReturn

from bluesky_live.bluesky_run import BlueskyRun, DocumentCache, discover_handlers

from ..errors import InvalidRunError, errors_end_here
from ..tables.classifier import is_lazy
from ..tables.wording import short
from .checker import RunChecker, RunDocuments
from .document_parts import NamedDocument
from .forks import begin_anew_in_children
from .interrupts import deferred_interrupts
from .run_display import display_of


class BuiltRun(BlueskyRun):
    """A run in memory; bluesky-live's, whose ``documents()`` needs no argument."""

    def documents(self, *, fill: str = "no") -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the documents of the run as pairs (name, document).

        Parameters
        ----------
        fill : {"no", "yes", "delayed"}
            Whether to replace references to external data by the data: not, by arrays in memory, or by dask arrays.
        """
        for name, doc in super().documents(fill=fill):
            if name == "event_page" and any(map(is_lazy, doc["data"].values())):
                data = {key: v.compute() if is_lazy(v) else v for key, v in doc["data"].items()}
                doc = {**doc, "data": data}
            yield name, doc

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy the documents so far, so that a process can build a run which another one stores."""
        with self.write_lock:
            documents = list(self._document_cache)
        return _built_again, (documents, self._handler_registry, self._root_map, self._filler_class, self._transforms)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(display_of(self).text())

    def _repr_html_(self) -> str:
        return display_of(self).html()


class BuilderStep:
    """The context of a public method of a builder; one thread at a time is in it, and its errors end there."""

    def __init__(self) -> None:
        self.begin_anew()
        begin_anew_in_children(self)

    def begin_anew(self) -> None:
        """Take a new lock in a forked child, which does not have the thread that holds it."""
        self.lock = threading.RLock()

    def __reduce__(self) -> NoReturn:
        """Refuse to pickle or copy the builder: two would write one run."""
        raise InvalidRunError(
            "a builder cannot be copied, or sent to another process; add its data here, or send the catalog, and build "
            "another run there"
        )

    def __enter__(self) -> None:
        self.lock.acquire()

    def __exit__(self, *error: Any) -> None:
        self.lock.release()
        errors_end_here.__exit__(*error)


class DocumentSink(ABC):
    """Accepts the documents of one run, each when it is complete."""

    keeps_arrays = False  # whether it keeps a table's arrays, which the user may fill again
    takes_pieces = True  # whether more tables can follow in a stream

    def __init__(self) -> None:
        self._step = BuilderStep()

    @property
    def step(self) -> AbstractContextManager[None]:
        """The context of a public method of a builder."""
        return self._step

    @property
    def stored_run(self) -> Any:
        """The run as a catalog returns it, once it is closed; None for a run in memory."""
        return None

    @property
    def is_lost(self) -> bool:
        """Whether its documents are lost after a failure."""
        return False

    def whole(self) -> AbstractContextManager[None]:
        """The context of a builder's step that an interrupt must not leave incomplete."""
        return deferred_interrupts()

    @abstractmethod
    def take(self, documents: list[NamedDocument]) -> list[NamedDocument]:
        """Check documents and accept all or, if one is refused, none; return them as they are kept."""

    @abstractmethod
    def get_run(self, **kwargs: Any) -> Any:
        """Return the run."""

    def check_kept(self) -> None:  # noqa: B027 (in memory they are, and a forked child has its own copy)
        """Raise `InvalidRunError` if the documents are lost, or in a forked child, to which the run does not belong."""

    def abandon(self) -> None:  # noqa: B027 (of a run in memory nothing was written)
        """Drop a run that cannot be completed."""


class MemorySink(DocumentSink):
    """Keeps a run in memory; a `checker` decides what may be kept, by default what any backend can hold."""

    keeps_arrays = True

    def __init__(self, handler_registry: Mapping[str, Any] | None, checker: RunChecker | None = None) -> None:
        super().__init__()
        if handler_registry is not None and not isinstance(handler_registry, Mapping):
            raise InvalidRunError(
                f"handler_registry must be a dict of handlers by their spec, or None for those that are installed, not "
                f"{short(handler_registry)}"
            )
        self.documents = RunDocuments()
        self._checker = checker or RunChecker()
        self._handler_registry = handler_registry
        self._cache: DocumentCache | None = None

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
                self._cache = _cache_of(self.documents)
        return BuiltRun(self._cache, handler_registry=_installed_handlers() if handlers is None else handlers, **kwargs)


class TableSink(MemorySink):
    """Keeps a run that is complete when the call returns, and shares the arrays of its tables."""

    keeps_arrays = False
    takes_pieces = False
    step = nullcontext()  # its builder is known to one thread

    def whole(self) -> AbstractContextManager[None]:
        return nullcontext()  # an interrupt also ends the builder


def _built_again(documents: list[NamedDocument], *options: Any) -> BuiltRun:
    """The run of a pickle, or of a copy."""
    names = ("handler_registry", "root_map", "filler_class", "transforms")
    return BuiltRun(_cache_of(documents), **dict(zip(names, options, strict=True)))


def _cache_of(documents: list[NamedDocument]) -> DocumentCache:
    cache = DocumentCache()
    for item in documents:
        cache(*item)
    return cache


@functools.cache
def _installed_handlers() -> Mapping[str, Any]:
    """The handlers that are installed; bluesky-live would look through all packages for them, for each run."""
    handlers: Mapping[str, Any] = discover_handlers()
    return handlers
