"""Which upkeep a catalog has, by its backend."""

from __future__ import annotations

from typing import Any

from ..storage.file_backend import FileBackend
from ..storage.mongo_embedded import MongoEmbeddedBackend
from ..storage.mongo_normalized import MongoNormalizedBackend
from .backend_upkeep import BackendUpkeep
from .file_upkeep import FileUpkeep
from .mongo_upkeep import EmbeddedUpkeep, NormalizedUpkeep

_UPKEEP: dict[type, type[BackendUpkeep]] = {
    FileBackend: FileUpkeep,
    MongoNormalizedBackend: NormalizedUpkeep,
    MongoEmbeddedBackend: EmbeddedUpkeep,
}


def upkeep_of(catalog: Any) -> BackendUpkeep:
    """Give the upkeep of a writable catalog; that of `BackendUpkeep` for a backend of another package."""
    known = (_UPKEEP[cls] for cls in type(catalog._backend).__mro__ if cls in _UPKEEP)
    return next(known, BackendUpkeep)(catalog)
