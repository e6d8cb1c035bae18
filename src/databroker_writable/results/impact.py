"""Find what was made from a run, and results whose inputs were retracted or superseded."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from typing import Any, NamedTuple

import pandas

from ..errors import NotFoundError
from ..runs.document_parts import name_of
from ..runs.packed_headers import place_in_time
from ..runs.provenance import reference, sources_of, start_of, superseded_uids
from .header_search import PROBE, Header, headers, headers_superseding
from .named_catalogs import NamedCatalogs
from .references import known_uid, no_such_input
from .remarks import RETRACTED, SUPERSEDED, remarks, retractions
from .time_arguments import local_times

IMPACT_COLUMNS = ("time", "catalog", "name", "status", "steps", "verdict")
STALE_COLUMNS = ("time", "name", "status", "input", "verdict", "reason")


class Result(NamedTuple):
    """A run that was made from another one, and in how many steps."""

    catalog: str | None
    header: Header
    steps: int
    verdict: str | None


def impact(catalog: Any, run: Any) -> pandas.DataFrame:
    """All runs that were made from a run, nearest first."""
    return _frame(
        IMPACT_COLUMNS,
        [
            (header.uid, header.start["time"], where, name_of(header.start), header.status, steps, verdict)
            for where, header, steps, verdict in results_made_from(catalog, run)
        ],
    )


def results_made_from(catalog: Any, run: Any) -> list[Result]:
    """The runs that were made from a run, directly or indirectly, across catalogs; nearest first."""
    first = reference(run, "impact")
    uid = (known_uid(catalog, run, "impact") if isinstance(run, str) else None) or first["uid"]
    reached = NamedCatalogs(catalog)
    _, known = reached.find(uid, first["catalog"])
    found = _follow(reached, [uid], _inputs)
    if known is None and not found.results and start_of(run) is None:
        raise NotFoundError(no_such_input(catalog, uid))
    withdrawn = retractions(reached.ask_each(remarks))
    replaced = successors(found.naming, withdrawn)
    verdicts = {**dict.fromkeys(replaced, SUPERSEDED), **dict.fromkeys(withdrawn, RETRACTED)}
    return sorted(
        (
            Result(name, header, found.steps[result], verdicts.get(result))
            for result, (name, header) in found.results.items()
        ),
        key=lambda result: (result.steps, place_in_time(result.header.start["time"])),
    )


def stale(catalog: Any) -> pandas.DataFrame:
    """The results that were made from runs that are retracted or superseded, newest first."""
    reached = NamedCatalogs(catalog)
    _reach_inputs(reached)
    withdrawn = retractions(reached.ask_each(remarks))
    superseding = [
        header for found in reached.ask_each(lambda catalog: list(headers_superseding(catalog))) for header in found
    ]
    reasons = {uid: (SUPERSEDED, successor) for uid, successor in successors(superseding, withdrawn).items()}
    reasons.update({uid: (RETRACTED, remark["text"]) for uid, remark in withdrawn.items()})
    found = _follow(reached, reasons, _inputs_not_replaced)
    rows = []
    for uid, (name, header) in found.results.items():
        if name == catalog.name and uid not in reasons and PROBE not in header.start:
            cause = found.origin[uid]
            said = header.start["time"], name_of(header.start), header.status
            rows.append((uid, *said, cause, *reasons[cause]))
    return _frame(STALE_COLUMNS, sorted(rows, key=lambda row: -row[1]))


class _Followed(NamedTuple):
    """What was made from some runs: its catalog, the number of steps, and from which of the runs.

    ``naming`` has the headers of all runs that name one of these runs.
    """

    results: dict[str, tuple[str | None, Header]]
    steps: dict[str, int]
    origin: dict[str, str]
    naming: list[Header]


def _inputs(header: Header) -> list[str]:
    return [source["uid"] for source in sources_of(header.start)]


def _inputs_not_replaced(header: Header) -> list[str]:
    """The inputs of a run, without the runs that it supersedes."""
    replaced = superseded_uids(header.start)
    return [uid for uid in _inputs(header) if uid not in replaced]


def _follow(reached: NamedCatalogs, uids: Iterable[str], inputs_of: Callable[[Header], list[str]]) -> _Followed:
    found = _Followed({}, dict.fromkeys(uids, 0), {uid: uid for uid in uids}, [])
    while named := list(reached.naming(found.steps)):
        for name, header in named:
            found.naming.append(header)
            for source in sources_of(header.start):
                reached.reach(source["catalog"])
            inputs = [uid for uid in inputs_of(header) if uid in found.steps]
            nearest = min(inputs, key=found.steps.__getitem__, default=None)
            if nearest is not None and header.uid not in found.results:
                found.results[header.uid] = name, header
                if header.uid not in found.steps:
                    found.steps[header.uid] = found.steps[nearest] + 1
                    found.origin[header.uid] = found.origin[nearest]
    return found


def _reach_inputs(reached: NamedCatalogs) -> None:
    """Open the catalogs that hold the inputs of results, and the inputs of those."""

    def catalogs_of_inputs(catalog: Any) -> set[str | None]:
        results = headers(catalog, {"derived_from": {"$exists": True}})
        return {source["catalog"] for header in results for source in sources_of(header.start)}

    names = [reached.first]
    for name in names:  # also of those that are added meanwhile
        names += [other for other in reached.ask(name, catalogs_of_inputs) or () if other not in (None, *names)]


def successors(superseding: Iterable[Header], withdrawn: Container[str]) -> dict[str, str]:
    """The superseded uids, each with the newest run that supersedes it, is successful and is not retracted."""
    valid = [header for header in superseding if header.status == "success" and header.uid not in withdrawn]
    return {uid: header.uid for header in reversed(valid) for uid in superseded_uids(header.start)}


def _frame(columns: Sequence[str], rows: list[tuple[Any, ...]]) -> pandas.DataFrame:
    table = pandas.DataFrame([row[1:] for row in rows], [row[0] for row in rows], columns, dtype=object)
    table["time"] = local_times(table["time"])
    if "steps" in table:
        table["steps"] = table["steps"].astype(int)
    return table.rename_axis("uid")
