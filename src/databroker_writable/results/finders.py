"""Find results again: those of a raw run, and the latest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import InvalidMetadataError, NotFoundError, warn_user
from ..runs import upstream
from ..runs.packed_headers import place_in_time
from ..runs.shown_text import shown_time
from ..runs.start_document import reference
from ..runs.upstream_entries import is_deleted
from ..storage.backend import label_of
from ..tables.wording import short
from .header_search import check_status, headers_superseding, refresh
from .impact import successors
from .references import no_such_input
from .remarks import RETRACTED, remarks_to_select_by, retractions
from .run_uids import open_run
from .selection import select, source_uid, sources_in, unknown_keys, warn_of_unknown_keys, with_keywords
from .time_arguments import moment_of


def results_of(catalog: Any, raw: Any, query: Mapping[str, Any], status: str | None, role: str | None) -> Any:
    """A search result of the runs that were derived from a raw run, newest first."""
    if role is not None and (not isinstance(role, str) or not role):
        raise InvalidMetadataError(f"role must be text such as 'dark', or None for any, not {short(role)}")
    refresh(catalog)
    query = with_keywords(None, query, "results_of")
    uid = source_uid(catalog, raw, "results_of")
    if uid is None:
        uid = str(reference(raw, "results_of")["uid"])
        warn_user(no_such_input(catalog, uid))
    chosen = select(catalog, query, status, sources=[(uid, role)])
    uids = [header.uid for header, found in chosen if found != RETRACTED or status == RETRACTED]
    if not uids:
        warn_of_unknown_keys(catalog, query)
    results = upstream.search_known(catalog, uids)
    if upstream.is_in_memory(results):
        # MongoDB's results come newest first; those of files in the order of their names
        upstream.put_in_order(results, uids)
    return results


def latest(
    catalog: Any,
    query: Mapping[str, Any] | None,
    more: Mapping[str, Any],
    status: str | None,
    *,
    derived_from: Any,
    before: Any,
) -> Any:
    """The newest run with a status that no successful run superseded before a moment."""
    query = with_keywords(query, more, "latest")
    refresh(catalog)
    until = None if before is None else moment_of(catalog, before, "before")
    check_status(status)
    withdrawn = retractions([remarks_to_select_by(catalog, status)])
    superseding = (h for h in headers_superseding(catalog) if until is None or place_in_time(h.time) < until)
    superseded = successors(superseding, withdrawn)
    others = set()
    sources = sources_in(catalog, derived_from)
    for header, found in select(catalog, query, until=until, sources=sources):
        if header.uid in superseded:
            continue
        if found != status and (status is not None or found == RETRACTED):
            others.add(found)
        elif not is_deleted(catalog, header.uid):
            return open_run(catalog, header.uid)
    unknown = unknown_keys(catalog, query)
    if unknown:
        raise NotFoundError(f"no run fits {dict(query)}: {unknown}")
    asked = [str(dict(query))]
    asked += [f"derived_from {' and '.join(uid for uid, _ in sources)}"] if sources else []
    asked += [f"before {shown_time(until)}"] if until is not None else []
    wanted = "run" if status is None else f"run with the status {status!r}"
    hint = ""
    if others - {RETRACTED}:
        hint = f", but some with the status {' or '.join(sorted(others - {RETRACTED}))} do: status=None finds any"
    elif others:
        hint = ", but some that were retracted do: status='retracted' finds them"
    raise NotFoundError(f"no {wanted} in {label_of(catalog)!r} fits {', '.join(asked)}{hint}")
