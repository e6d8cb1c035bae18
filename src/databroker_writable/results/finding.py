"""Find results again: those of a raw run, and the latest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..runs import upstream
from ..runs.provenance import reference, sources_of, superseded_by
from ..storage.backend import label_of
from .headers import (
    NO_PROBES,
    check_query,
    check_status,
    header_of,
    headers,
    made_from,
    only_one,
    open_run,
)
from .references import ambiguous


def results_of(catalog: Any, raw: Any, query: Mapping[str, Any], status: str | None = None) -> Any:
    """A search result of the runs that were derived from a raw run, newest first."""
    check_status(status)
    uid = _source(catalog, raw)
    conditions: dict[str, Any] = {"$and": [NO_PROBES, made_from(uid), check_query(query)]}
    if status is not None:
        uids = [header.uid for header in headers(catalog, conditions) if header.status == status]
        conditions = {"uid": {"$in": uids}}
    return _newest_first(catalog.search(conditions))


def latest(catalog: Any, query: Mapping[str, Any], status: str | None = "success") -> Any:
    """The newest run of a status that no successful run supersedes."""
    check_status(status)
    if upstream.is_in_memory(catalog):
        catalog.force_reload()
    superseding = headers(catalog, {"supersedes": {"$exists": True}})
    superseded = {uid for header in superseding if header.status == "success" for uid in superseded_by(header.start)}
    others = set()
    for header in headers(catalog, {"$and": [NO_PROBES, check_query(query)]}):
        if header.uid in superseded:
            continue
        if status in (None, header.status):
            return open_run(catalog, header.uid)
        others.add(header.status)
    wanted = "run" if status is None else f"run of the status {status!r}"
    hint = f", but some of the status {' or '.join(sorted(others))} do: status=None takes any" if others else ""
    raise KeyError(f"no {wanted} in {label_of(catalog)!r} fits {dict(query)}{hint}")


def _source(catalog: Any, raw: Any) -> str:
    """The uid of a run whose results are asked for; it need not be in this catalog."""
    uid = str(reference(raw, "results_of")["uid"])
    if not isinstance(raw, str) or header_of(catalog, uid) is not None:
        return uid
    derived = headers(catalog, {"derived_from": {"$exists": True}})
    named = {source["uid"] for header in derived for source in sources_of(header.start)}
    if uid in named:
        return uid
    try:
        return only_one([source for source in named if source.startswith(uid)], uid) or uid
    except ValueError:
        raise ambiguous(uid, "results_of") from None


def _newest_first(results: Any) -> Any:
    """MongoDB's results come newest first; those of files in the order of their names."""
    if upstream.is_in_memory(results):
        upstream.put_in_order(results, [header.uid for header in headers(results)])
    return results
