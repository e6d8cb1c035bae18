"""A facility's own drivers: whatever serializer they bring is what runs are stored through."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..errors import NotWritableError
from ..runs import upstream
from ..runs.document_parts import Document
from ..tables.backend_limits import ANY_BACKEND, Limits
from ..tables.document_values import private_copy
from .backend import Backend
from .file_writer import SerializerWriter


class ForeignRunWriter(SerializerWriter):
    """Writes one run with the driver's own serializer."""

    def __call__(self, name: str, doc: Document) -> None:
        # some serializers hold what they are given until the stop document; other documents are copies already
        super().__call__(name, private_copy(doc) if name in ("event", "event_page") else doc)


class ForeignBackend(Backend):
    """The ``_get_serializer`` of a `Broker` that is none of databroker's own."""

    limits = Limits("this catalog's driver")
    # the driver says itself what it cannot write
    insert_limits = dataclasses.replace(ANY_BACKEND, numpy_metadata=True)

    def open_writer(self, start: Document) -> ForeignRunWriter:
        serializer = self.driver_serializer()
        if not callable(serializer):
            raise NotWritableError(
                f"the driver {upstream.driver_name(self.catalog)} of the catalog {self.label!r} gives no serializer; "
                "its _get_serializer() must return a callable with the signature (name, document)"
            )
        return ForeignRunWriter(serializer, start)

    def shows_stored(self, uid: str) -> bool:
        return uid in self.catalog

    def has_run(self, uid: str) -> bool:
        try:
            run: Any = self.catalog[uid]
        except (KeyError, ValueError):  # there is none, or several begin with this uid
            return False
        return bool(run.metadata["start"]["uid"] == uid)
