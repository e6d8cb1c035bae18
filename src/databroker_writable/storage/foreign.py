"""A facility's own drivers: whatever serializer they bring is what runs are stored through."""

from __future__ import annotations

from typing import Any

from ..errors import NotWritableError
from ..runs import upstream
from ..tables.backend_limits import ANY_BACKEND, Limits
from ..tables.document_values import private_copy
from .backend import Backend, Document
from .files import publish_through
from .serializer import callbacks_of


class ForeignRunWriter:
    """Writes one run with the driver's own serializer.

    Where that is one of suitcase's for files they are published whole; how other serializers publish is theirs.
    """

    def __init__(self, backend: ForeignBackend, start: Document) -> None:
        serializer = backend.driver_serializer()
        if not callable(serializer):
            raise NotWritableError(
                f"the driver {upstream.driver_name(backend.catalog)} of the catalog {backend.label!r} gives no "
                "serializer; its _get_serializer() must return a callable with the signature (name, document)"
            )
        self._callbacks = callbacks_of(serializer, start)
        self._managers = publish_through(self._callbacks)

    def __call__(self, name: str, doc: Document) -> None:
        if name in ("event", "event_page"):
            # some serializers hold what they are given until the stop document; other documents are copies already
            doc = private_copy(doc)
        for callback in self._callbacks:
            callback(name, doc)

    def publish(self) -> None:
        for manager in self._managers:
            manager.publish()

    def abandon(self) -> None:
        for manager in self._managers:
            manager.abandon()


class ForeignBackend(Backend):
    """The ``_get_serializer`` of a `Broker` that is none of databroker's own."""

    limits = Limits("this catalog's driver")
    insert_limits = ANY_BACKEND  # the driver says itself what it cannot write

    def open_writer(self, start: Document) -> ForeignRunWriter:
        return ForeignRunWriter(self, start)

    def has_run(self, uid: str) -> bool:
        try:
            run: Any = self.catalog[uid]
        except (KeyError, ValueError):  # there is none, or several begin with this uid
            return False
        return run.metadata["start"]["uid"] == uid
