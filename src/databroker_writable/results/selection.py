"""Select runs by metadata, status, time, inputs and remarks, as all finders do."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..errors import InvalidMetadataError, did_you_mean, warn_user
from ..runs.shown_text import shown_time
from ..runs.start_document import in_role, reference, sources_of, with_roles
from ..storage.backend import label_of
from ..tables.wording import short
from .header_search import NO_PROBES, Header, check_status, header_of, headers, headers_made_from, named_inputs
from .queries import check_query, plain_query
from .references import known_uid, names_no_run
from .remarks import RETRACTED, remarks_to_select_by, retractions, tags_by_run
from .time_arguments import moment_of

_LOOKED_AT = 1_000
"""How many runs are searched for keys, to find a misspelt one."""

OPTIONS = {
    "table": ("status", "since", "until", "derived_from", "tags", "limit"),
    "latest": ("derived_from", "status", "before"),
    "results_of": ("status", "role"),
}
"""The options of each method that takes conditions as keywords."""

TO_ADD_TAG = "annotate(run, tags=[...]) adds it to one"

Input = tuple[str, str | None]
"""The uid of an input, and the role in which it was used; None for any."""


def select(
    catalog: Any,
    query: Mapping[str, Any] | None = None,
    status: str | None = None,
    *,
    since: Any = None,
    until: Any = None,
    sources: Sequence[Input] = (),
    tags: Any = None,
) -> Iterator[tuple[Header, str]]:
    """Headers of the matching runs, each with its status, newest first, without probe runs."""
    check_status(status)
    conditions = [plain_query({} if query is None else query), NO_PROBES]
    span = _span(catalog, since, until)
    if span:
        conditions.append({"time": span})
    kept = remarks_to_select_by(catalog, status, tags)
    withdrawn = retractions([kept])
    if tags is not None:
        tagged = _tagged(catalog, tags, tags_by_run(kept))
        conditions.append({"uid": {"$in": tagged}})
    uids = list(dict.fromkeys(uid for uid, _ in sources))
    in_roles = {source for source in sources if source[1] is not None}
    candidates = headers_made_from(catalog, uids, {"$and": conditions})
    return (
        (header, found_status)
        for header in candidates
        for found_status in [RETRACTED if header.uid in withdrawn else header.status]
        if status in (None, found_status) and (not in_roles or in_roles <= _inputs(header))
    )


def with_keywords(query: Mapping[str, Any] | None, more: Mapping[str, Any], method: str) -> Mapping[str, Any]:
    """A query together with the conditions in keywords, none of which may be an option of another method."""
    if query is not None:
        check_query(query)
    for key in more:
        other = next((other for other, options in OPTIONS.items() if key in options), None)
        if other is not None:
            raise InvalidMetadataError(
                f"{method} has no option {key!r}; it has {', '.join(OPTIONS[method])}. "
                f"Use catalog.{other}(..., {key}=...)"
            )
        if key == "columns" and method == "table":
            raise InvalidMetadataError("table takes columns by position, after the query: table(None, 'scan_id')")
        if query is not None and key in query:
            raise InvalidMetadataError(f"{method} has conditions on {key!r} in the query and as a keyword; give one")
    return {**({} if query is None else query), **more}


def sources_in(catalog: Any, runs: Any) -> list[Input]:
    """The inputs in a search for results; an unknown uid is refused."""
    if runs is None:
        return []
    sources: list[Input] = []
    for run, role in with_roles(runs, "derived_from"):
        named = in_role(reference(run, "derived_from"), role, "derived_from")
        uid = source_uid(catalog, run, "derived_from")
        if uid is None:
            raise InvalidMetadataError(names_no_run("derived_from", catalog, named["uid"]))
        sources.append((uid, named.get("role")))
    return sources


def source_uid(catalog: Any, run: Any, argument: str) -> str | None:
    """The uid of a run here, or of an input of runs here, from an object, a uid or its first characters."""
    uid = str(reference(run, argument)["uid"])
    if not isinstance(run, str) or header_of(catalog, uid) is not None:
        return uid
    return known_uid(catalog, uid, argument, {source["uid"] for source in named_inputs(catalog)})


def _span(catalog: Any, since: Any, until: Any) -> dict[str, float]:
    span = {
        operator: moment_of(catalog, value, argument)
        for operator, value, argument in (("$gte", since, "since"), ("$lt", until, "until"))
        if value is not None
    }
    if len(span) == 2 and span["$gte"] > span["$lt"]:
        first, last = map(shown_time, span.values())
        raise InvalidMetadataError(
            f"since, {first}, is after until, {last}, so no run is in between; swap them, or leave one out"
        )
    return span


def _tagged(catalog: Any, tags: Any, given: Mapping[str, list[str]]) -> list[str]:
    """The uids of the runs that have all of some tags."""
    wanted = [tags] if isinstance(tags, str) else tags
    if not isinstance(wanted, list | tuple | set | frozenset) or not all(isinstance(tag, str) for tag in wanted):
        raise InvalidMetadataError(f"tags must be a tag or a list of tags, such as ['bad-frames'], not {short(tags)}")
    known = sorted({tag for names in given.values() for tag in names})
    unknown = [tag for tag in wanted if tag not in known]
    if unknown:
        choices = f"those given are {', '.join(known)}" if known else TO_ADD_TAG
        raise InvalidMetadataError(f"no run of {label_of(catalog)!r} has the tag {unknown[0]!r}; {choices}")
    return [uid for uid, names in given.items() if set(wanted) <= set(names)]


def _inputs(header: Header) -> set[Input]:
    return {(source["uid"], source.get("role")) for source in sources_of(header.start)}


def unknown_keys(catalog: Any, query: Mapping[str, Any]) -> str:
    """The message for a key of a query that no run has, with a suggestion; empty if all are known.

    Call it only if nothing was found: it reads the newest runs, and all runs for a key that they do not have.
    """
    for name in query:
        if name.startswith("$") or next(headers(catalog, {name: {"$exists": True}}), None) is not None:
            continue
        known = {key for header in itertools.islice(headers(catalog), _LOOKED_AT) for key in header.start}
        if known:
            hint = did_you_mean(name, sorted({*known, *OPTIONS["table"]}))
            return f"no run of {label_of(catalog)!r} has the key {name!r}{hint}"
    return ""


def warn_of_unknown_keys(catalog: Any, query: Mapping[str, Any]) -> None:
    """Warn if nothing was found because no run has a key of the query."""
    unknown = unknown_keys(catalog, query)
    if unknown:
        warn_user(f"nothing was found: {unknown}")
