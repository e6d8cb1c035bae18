"""Store a finished or incomplete run as it is, though its documents may break the rules of `store_run`."""

from __future__ import annotations

import contextlib
from typing import Any

from ..errors import InvalidMetadataError, InvalidRunError
from ..runs.document_parts import NamedDocument
from ..storage.failures import explaining


def store_as_it_is(catalog: Any, documents: list[NamedDocument]) -> None:
    """Store a regular run as usual, and irregular documents, which `v1.insert` takes, as the backend can hold them."""
    if documents[-1][0] == "stop":
        with contextlib.suppress(InvalidRunError, InvalidMetadataError):
            catalog.store_run(documents)
            return
    with catalog._store.lock, explaining(catalog._backend):
        writer = catalog._backend.open_writer(documents[0][1])
        try:
            for name, doc in documents:
                writer(name, doc)
            writer.publish()
        except BaseException:
            writer.abandon()
            raise
        catalog.force_reload()
