"""Which backend stores into the catalogs of a driver."""

from __future__ import annotations

from ..errors import NotWritableError
from ..runs import upstream
from .backend import Backend
from .file_backend import JSONLBackend, MsgpackBackend
from .foreign_backend import ForeignBackend
from .mongo_embedded import MongoEmbeddedBackend
from .mongo_normalized import MongoNormalizedBackend


def backend_class(cls: type) -> type[Backend]:
    """The backend for a driver: the one that it names, or else the one for the layout that it reads."""
    backend: type[Backend] | None = getattr(cls, "writable_backend", None)
    if backend is not None:
        return backend
    stock = upstream.stock_drivers()
    serializer = getattr(cls, "_get_serializer", None)
    if issubclass(cls, stock.msgpack):
        return MsgpackBackend
    if issubclass(cls, stock.jsonl):
        return JSONLBackend
    if serializer is None and issubclass(cls, stock.mongo_embedded):
        return MongoEmbeddedBackend
    if serializer is not None and serializer is getattr(stock.mongo_normalized, "_get_serializer", None):
        return MongoNormalizedBackend
    if serializer is not None:
        return ForeignBackend
    raise NotWritableError(
        f"the driver {cls.__module__}.{cls.__qualname__} has no _get_serializer method, so nothing can be stored "
        "through it; add one that returns a callable with the signature (name, document)"
    )
