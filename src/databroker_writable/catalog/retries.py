"""What happens if a run with the same uid is stored already: a retry finds it, and another run is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import RunExistsError
from ..runs import upstream
from ..runs.checker import RunDocuments
from ..runs.comparison import same_but_for_assets, same_run, transformed
from ..runs.document_parts import Document
from ..runs.run_or_table import documents_of
from ..storage.failures import explaining_reads, raise_explained

if TYPE_CHECKING:
    from .run_store import RunStore


def result_of_retry(store: RunStore, documents: RunDocuments, failure: Exception | None) -> Any:
    """Return the stored run with these documents, or raise the error that says why there is none.

    They were not stored this time, because of a failure, or because a run with their uid is visible.
    """
    uid, catalog, backend = documents.uid, store.catalog, store.backend
    try:
        existing = catalog[uid] if backend.has_run(uid) else None
    except Exception:
        # the failure can also be one after the run was published
        if failure is None or isinstance(failure, RunExistsError):
            raise
        existing = None
    if existing is None:
        obstacle = backend.obstacle(uid) if failure is None or isinstance(failure, RunExistsError) else ""
        if failure is None or obstacle:
            raise RunExistsError.in_the_way(uid, backend.label, obstacle)
        raise_explained(failure, f"the run {uid!r}", backend)
    if not same_but_for_assets(documents_of(existing), transformed(documents, upstream.transforms_of(catalog))):
        raise RunExistsError.of_uid(uid, backend.label, existing) from failure
    return existing


def refuse_taken_uid(store: RunStore, uid: str) -> None:
    """Raise `RunExistsError` if a run with this uid is stored: a run that is built in pieces is never a retry."""
    with explaining_reads(store.backend):
        if store.backend.has_run(uid):
            raise RunExistsError.of_uid(uid, store.backend.label, store.catalog[uid])


def is_published(store: RunStore, start: Document) -> bool:
    """Whether a run with this start document is stored, though its storing was reported as failed."""
    try:
        if not store.backend.has_run(start["uid"]):
            return False
        stored = store.catalog[start["uid"]].metadata["start"]
    except Exception:
        return False
    return same_run([("start", stored)], transformed([("start", start)], upstream.transforms_of(store.catalog)))
