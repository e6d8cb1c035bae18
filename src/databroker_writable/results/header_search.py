"""Start and stop documents of a catalog's runs, newest first, without opening the runs."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, NamedTuple

import pymongo

from ..errors import InvalidMetadataError
from ..runs import upstream
from ..runs.document_parts import EXIT_STATUSES, UNFINISHED, ending_of
from ..runs.packed_headers import PackedHeader, fitting, place_in_time, with_keys
from ..runs.start_document import REFERRING, sources_of, superseded_uids
from ..runs.upstream_entries import (
    is_deleted,
    loaded_header,
    loaded_since,
    loaded_start_documents,
    loaded_state,
    may_have_deleted_runs,
)
from ..storage.embedded_query import header_query
from ..storage.mongo_errors import away_as_error
from ..tables.argument_checks import is_one_of
from ..tables.wording import short
from .queries import check_query, naming_a_refused_query, naming_a_wrong_query, with_compiled_patterns

PROBE = "databroker_writable_probe"
"""Key of start documents that marks the runs of ``check --write-test``."""

NO_PROBES = {PROBE: {"$exists": False}}

STATUSES = (*EXIT_STATUSES, UNFINISHED, "retracted")
"""The values of ``exit_status``, and two more: a run without a stop document, and one that was retracted."""

BATCHES = (100, 1_000, 10_000, 100_000)
"""How many stop documents are requested at once: first few, as often only the newest runs matter, at most 16 MB."""


class Header(NamedTuple):
    """The start document of a run, and its stop document, None if it has none yet."""

    start: Mapping[str, Any]
    stop: Mapping[str, Any] | None

    @property
    def uid(self) -> str:
        return self.start["uid"]

    @property
    def time(self) -> Any:
        """The time of the start document, None if another program stored it without one."""
        return self.start.get("time")

    @property
    def status(self) -> str:
        return ending_of(self.stop)[0]


def value_at(metadata: Mapping[str, Any], name: str) -> Any:
    """The value of a name with dots, or None if there is none."""
    value: Any = metadata
    for key in name.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """The values of nested dicts, by their keys with dots."""
    if not isinstance(value, Mapping):
        return {} if value is None and not prefix else {prefix: value}
    if not value and prefix:
        return {prefix: value}
    return {
        inner: item
        for key, nested in value.items()
        for inner, item in flat(nested, f"{prefix}.{key}" if prefix else str(key)).items()
    }


def headers(catalog: Any, query: Mapping[str, Any] | None = None) -> Iterator[Header]:
    """Headers of the runs that match a query on start documents, newest first.

    MongoDB needs one query, and in the normalized layout more for the stop documents: of 100 runs, then of 1,000,
    10,000 and each 100,000 more. Catalogs of files hold their headers in memory; `refresh` looks for new ones.
    """
    query = check_query(query or {})
    if upstream.is_in_memory(catalog):
        yield from _in_memory(catalog, _fitting(loaded_start_documents(catalog).newest_first(), query))
        return
    with away_as_error(), naming_a_refused_query():
        yield from _elsewhere(catalog, query)


def _fitting(headers: Iterable[PackedHeader], query: Mapping[str, Any]) -> Iterator[PackedHeader]:
    """The headers that fit a query."""
    with naming_a_wrong_query():
        yield from fitting(headers, with_compiled_patterns(query))


def _in_memory(catalog: Any, found: Iterable[PackedHeader]) -> Iterator[Header]:
    """Headers of the runs of a catalog in memory, one at a time: for the first, the others are not compared."""
    transforms, documents_of = upstream.transforms_of(catalog), upstream.loaded_documents(catalog)
    changed_start, changed_stop = (_on_copies(transforms[name]) for name in ("start", "stop"))
    if may_have_deleted_runs(catalog):
        found = (header for header in found if not is_deleted(catalog, header.uid))
    for header in found:
        start, stop = documents_of(header)
        yield Header(changed_start(start), stop and changed_stop(stop))


def _on_copies(transform: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Copy the document for a transform, which may change it, so that databroker's searches do not change."""
    if upstream.changes_nothing(transform):
        return transform
    return lambda doc: transform(copy.copy(doc))


def _elsewhere(catalog: Any, query: Mapping[str, Any]) -> Iterator[Header]:
    drivers = upstream.stock_drivers()
    if isinstance(catalog, drivers.mongo_normalized):
        stored = _normalized(catalog, {"$and": [upstream.query_of(catalog), query]})
    elif isinstance(catalog, drivers.mongo_embedded):
        stored = _embedded(catalog, {"$and": [upstream.query_of(catalog), header_query(query)]})
    else:
        yield from _of_any_driver(catalog.search(query) if query else catalog)
        return
    transforms = upstream.transforms_of(catalog)
    for start, stop in stored:
        yield Header(transforms["start"](start), stop and transforms["stop"](stop))


def _of_any_driver(catalog: Any) -> list[Header]:
    """Headers of all runs of a driver that may give them in any order; it applies the transforms itself."""
    metadata = [catalog[uid].metadata for uid in catalog]
    found = [Header(documents["start"], documents["stop"]) for documents in metadata]
    return sorted(found, key=lambda header: place_in_time(header.time), reverse=True)


Documents = Iterator[tuple[Mapping[str, Any], Mapping[str, Any] | None]]
"""Start and stop documents as they are stored."""


def _embedded(catalog: Any, query: Mapping[str, Any]) -> Documents:
    newest_first = [("start.time", pymongo.DESCENDING)]
    collection = upstream.embedded_database(catalog).header
    for header in collection.find(query, {"start": True, "stop": True}, sort=newest_first):
        if header.get("start") and "uid" in header["start"][0]:
            yield header["start"][0], (header.get("stop") or [None])[0]


def _normalized(catalog: Any, query: Mapping[str, Any]) -> Documents:
    options = {"sort": [("time", pymongo.DESCENDING)], **upstream.find_options(catalog)}
    collections = upstream.normalized_collections(catalog)
    # another program may have put something else there
    cursor = (start for start in collections.starts.find(query, **options) if "uid" in start)
    sizes = itertools.chain(BATCHES, itertools.repeat(BATCHES[-1]))
    while batch := list(itertools.islice(cursor, next(sizes))):
        uids = [start["uid"] for start in batch]
        stops = collections.stops.find({"run_start": {"$in": uids}}, {"_id": False})
        stop_of = {stop["run_start"]: stop for stop in stops}
        for start in batch:
            start.pop("_id", None)
            yield start, stop_of.get(start["uid"])


def check_status(status: Any) -> None:
    """Refuse a status that no run has."""
    if status is not None and not is_one_of(status, set(STATUSES)):
        raise InvalidMetadataError(f"status must be one of {', '.join(STATUSES)}, or None for any, not {short(status)}")


def header_of(catalog: Any, uid: str) -> Header | None:
    """The header of the run with exactly this uid, if the catalog has it."""
    if upstream.is_in_memory(catalog):
        header = loaded_header(catalog, uid)
        return None if header is None or is_deleted(catalog, uid) else next(_in_memory(catalog, [header]))
    return next(headers(catalog, {"uid": uid}), None)


def headers_naming(catalog: Any, uids: Sequence[str]) -> Iterator[Header]:
    """Headers of the runs that name some runs as inputs or as superseded, newest first."""
    if upstream.is_in_memory(catalog):
        runs_by_name = _naming(catalog).runs_by_name
        naming = dict.fromkeys(itertools.chain.from_iterable(runs_by_name.get(uid, ()) for uid in uids))
        yield from _in_memory(catalog, _loaded(catalog, naming))
        return
    among = {"$in": list(uids)}
    yield from headers(catalog, {"$or": [made_from(among), {"supersedes": among}]})


def headers_made_from(catalog: Any, uids: Sequence[str], query: Mapping[str, Any]) -> Iterator[Header]:
    """Headers of the runs that match a query and were made from each of some runs, newest first."""
    if uids and upstream.is_in_memory(catalog):
        runs_by_name = _naming(catalog).runs_by_name
        naming = _loaded(catalog, set.intersection(*(set(runs_by_name.get(uid, ())) for uid in uids)))
        made = [h for h in naming if {source["uid"] for source in sources_of(h.start)}.issuperset(uids)]
        return _in_memory(catalog, _fitting(made, query))
    return headers(catalog, {"$and": [query, *map(made_from, uids)]} if uids else query)


def named_inputs(catalog: Any) -> Iterator[dict[str, Any]]:
    """The inputs of all runs, as these name them."""
    for header in headers(catalog, {"derived_from": {"$exists": True}}):
        yield from sources_of(header.start)


def headers_superseding(catalog: Any) -> Iterator[Header]:
    """Headers of the runs that supersede others, newest first."""
    if upstream.is_in_memory(catalog):
        return _in_memory(catalog, _loaded(catalog, _naming(catalog).superseding))
    return headers(catalog, {"supersedes": {"$exists": True}})


def refresh(catalog: Any) -> Any:
    """The catalog; that of files looks for runs of other processes. MongoDB is queried each time anyway."""
    if upstream.is_in_memory(catalog):
        catalog.force_reload()
        if loaded_state(catalog)[1] is None:
            catalog.__dict__.pop("_naming", None)
    return catalog


def made_from(uid: str | Mapping[str, Any]) -> dict[str, Any]:
    """A query for the results of a run; other programs store only uids."""
    return {"$or": [{"derived_from.uid": uid}, {"derived_from": uid}]}


@dataclass
class _Naming:
    """Which runs of a catalog in memory name others; it is read from each start document once."""

    replacements: int | None  # with the count, the state of the start documents from which it was read
    count: int = 0
    # for each uid, the runs that name it as an input or as superseded
    runs_by_name: dict[str, dict[str, None]] = field(default_factory=dict)
    superseding: dict[str, None] = field(default_factory=dict)


def _naming(catalog: Any) -> _Naming:
    count, replacements = loaded_state(catalog)
    naming: _Naming | None = catalog.__dict__.get("_naming")
    if naming is None or naming.replacements != replacements or naming.count > count:
        naming = catalog.__dict__["_naming"] = _Naming(replacements)
    if naming.count == count:
        return naming
    known = naming.count
    added = loaded_since(catalog, known)
    for header in with_keys(added, REFERRING):
        start = header.start
        for uid in [source["uid"] for source in sources_of(start)] + superseded_uids(start):
            naming.runs_by_name.setdefault(uid, {})[header.uid] = None
        if "supersedes" in start:
            naming.superseding[header.uid] = None
    naming.count = known + len(added)
    return naming


def _loaded(catalog: Any, uids: Iterable[str]) -> list[PackedHeader]:
    """The headers of some runs of a catalog in memory, newest first."""
    found = filter(None, (loaded_header(catalog, uid) for uid in uids))
    return sorted(found, key=attrgetter("time"), reverse=True)
