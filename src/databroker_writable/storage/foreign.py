"""A facility's own drivers: whatever serializer they bring is what runs are stored through."""

from __future__ import annotations

from typing import Any

from ..errors import NotWritableError
from ..tables.backend_limits import ANY_BACKEND, Limits
from ..tables.private_copy import private_copy
from .files import publish_through
from .serializer import callbacks_of


class ForeignRunWriter:
    """Writes one run with the driver's own serializer.

    Where that is one of suitcase's for files they are published whole; how other serializers publish is theirs.
    """

    def __init__(self, catalog: Any, start: dict[str, Any]) -> None:
        serializer = catalog._driver_serializer()
        if not callable(serializer):
            raise NotWritableError(
                f"the driver {catalog._driver_name()} of the catalog {catalog._label!r} gives no serializer; "
                "its _get_serializer() must return a callable with the signature (name, document)"
            )
        self._callbacks = callbacks_of(serializer, start)
        self._managers = publish_through(self._callbacks)

    def __call__(self, name: str, doc: dict[str, Any]) -> None:
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


class ForeignBackend:
    """Storing through the ``_get_serializer`` of a `Broker` that is none of databroker's own."""

    _limits = Limits("this catalog's driver")
    _insert_limits = ANY_BACKEND  # the driver says itself what it cannot write

    def _open_writer(self, start: dict[str, Any]) -> ForeignRunWriter:
        return ForeignRunWriter(self, start)

    def _check_backend(self: Any) -> None:
        """Nothing is known of the driver that could be checked beforehand."""

    def _has_run(self: Any, uid: str) -> bool:
        try:
            run = self[uid]
        except (KeyError, ValueError):  # there is none, or several begin with this uid
            return False
        return run.metadata["start"]["uid"] == uid
