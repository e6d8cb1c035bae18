"""The hooks that databroker and intake call while a catalog is opened, loaded and written to."""

from __future__ import annotations

import inspect
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

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """List this package's methods in the docstring of each writable class, for ``catalog?`` and ``help``."""
        super().__init_subclass__(**kwargs)
        if hasattr(cls, "_driver_class") and cls.__doc__:
            lines = [f"{name}\n    {summary}" for name, summary in _summaries(cls).items()]
            cls.__doc__ = "\n".join([cls.__doc__.partition("\n\nMethods\n")[0], "", "Methods", "-------", *lines])

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


def _summaries(cls: type) -> dict[str, str]:
    """A one-line summary of each method of this package's classes."""
    package = __name__.rpartition(".")[0]
    return {
        name: inspect.cleandoc(method.__doc__).partition("\n")[0]
        for base in cls.__mro__
        if base.__module__.startswith(package)
        for name, method in vars(base).items()
        if inspect.isfunction(method) and name == method.__name__ and not name.startswith("_") and method.__doc__
    }
