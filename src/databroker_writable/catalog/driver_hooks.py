"""The hooks that databroker and intake call while a catalog is opened, loaded and written to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..runs.upstream_entries import unrendered_entries
from ..storage.assets import FORMATS
from ..storage.backend import Backend
from ..storage.serializer import RunSerializer
from .run_store import RunStore


class DriverHooks:
    """The hooks of a driver's writable class, which replace the driver's."""

    handler_registry: Mapping[str, Any]
    _backend_class: type[Backend]
    _store: RunStore

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        self = super().__new__(cls, *args, **kwargs)
        self._store = RunStore(self, cls._backend_class(self, lambda: super(DriverHooks, self)._get_serializer()))  # type: ignore[misc]
        return self

    @property
    def _backend(self) -> Backend:
        return self._store.backend

    def _register_asset_handler(self) -> None:
        """Register our handlers also if the user gave handlers; the user's entries take precedence."""
        for spec, known in FORMATS.items():
            if spec not in self.handler_registry:
                self.register_handler(spec, known.handler)  # type: ignore[attr-defined]

    def _make_entries_container(self) -> Any:
        return unrendered_entries(super()._make_entries_container(), self)  # type: ignore[misc]

    def _load(self) -> None:
        self._backend.load(super()._load)  # type: ignore[misc]

    def _get_serializer(self) -> RunSerializer:
        """The serializer for databroker's v1.insert."""
        return self._store.new_serializer()
