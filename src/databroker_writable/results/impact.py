"""Find what was made from a run, and results whose inputs were retracted or superseded."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Container, Iterable, Sequence
from typing import Any, NamedTuple

import pandas

from ..errors import NotFoundError
from ..runs.document_parts import name_of
from ..runs.packed_headers import place_in_time
from ..runs.start_document import sources_of, start_of, superseded_uids
from .header_search import PROBE, Header, headers_superseding, named_inputs
from .named_catalogs import NamedCatalogs
from .references import completed, no_such_input
from .remarks import RETRACTED, remarks, retractions
from .time_arguments import local_times

SUPERSEDED = "superseded"
"""The verdict on an earlier run that a successful run supersedes; it is in the start document of the latter."""

IMPACT_COLUMNS = ("time", "catalog", "name", "status", "steps", "verdict")
STALE_COLUMNS = ("time", "name", "status", "input", "verdict", "reason")


class Result(NamedTuple):
    """A run that was made from others: in how many steps, and from which of them."""

    catalog: str | None
    header: Header
    steps: int
    origin: str


def impact(catalog: Any, run: Any) -> pandas.DataFrame:
    """All runs that were made from a run, nearest first."""
    results, verdicts = results_made_from(catalog, run)
    return _frame(
        IMPACT_COLUMNS,
        [
            (uid, header.time, where, name_of(header.start), header.status, steps, verdicts.get(uid))
            for uid, (where, header, steps, _) in results.items()
        ],
    )


def results_made_from(catalog: Any, run: Any) -> tuple[dict[str, Result], dict[str, str]]:
    """The runs that were made from a run, in any number of steps, across catalogs, nearest first, and the verdicts."""
    first = completed(catalog, run, "impact")
    uid = first["uid"]
    reached = NamedCatalogs(catalog)
    _, known = reached.find(uid, first["catalog"])
    results = _follow(reached, [uid], _inputs)
    if known is None and not results and start_of(run) is None:
        raise NotFoundError(no_such_input(catalog, uid))
    withdrawn = retractions(reached.ask_each(remarks))
    replaced = _superseded(reached, withdrawn)
    nearest_first = sorted(results.values(), key=lambda found: (found.steps, place_in_time(found.header.time)))
    verdicts = {**dict.fromkeys(replaced, SUPERSEDED), **dict.fromkeys(withdrawn, RETRACTED)}
    return {found.header.uid: found for found in nearest_first}, verdicts


def stale(catalog: Any) -> pandas.DataFrame:
    """The results that were made from runs that are retracted or superseded, newest first."""
    reached = NamedCatalogs(catalog)
    _reach_inputs(reached)
    withdrawn = retractions(reached.ask_each(remarks))
    reasons = {uid: (SUPERSEDED, successor) for uid, successor in _superseded(reached, withdrawn).items()}
    reasons.update({uid: (RETRACTED, remark["text"]) for uid, remark in withdrawn.items()})
    rows = []
    for uid, (name, header, _, cause) in _follow(reached, reasons, _inputs_not_replaced).items():
        if name == catalog.name and uid not in reasons and PROBE not in header.start:
            said = header.time, name_of(header.start), header.status
            rows.append((uid, *said, cause, *reasons[cause]))
    return _frame(STALE_COLUMNS, sorted(rows, key=lambda row: place_in_time(row[1]), reverse=True))


def _inputs(header: Header) -> list[str]:
    return [source["uid"] for source in sources_of(header.start)]


def _inputs_not_replaced(header: Header) -> list[str]:
    """The inputs of a run, without the runs that it supersedes."""
    replaced = superseded_uids(header.start)
    return [uid for uid in _inputs(header) if uid not in replaced]


def _follow(reached: NamedCatalogs, uids: Iterable[str], inputs_of: Callable[[Header], list[str]]) -> dict[str, Result]:
    """What was made from some runs."""
    results: dict[str, Result] = {}
    steps, origin = dict.fromkeys(uids, 0), {uid: uid for uid in uids}
    while named := list(reached.naming(steps)):
        for name, header in named:
            for source in sources_of(header.start):
                reached.reach(source["catalog"])
            inputs = [uid for uid in inputs_of(header) if uid in steps]
            nearest = min(inputs, key=steps.__getitem__, default=None)
            if nearest is not None and header.uid not in results:
                steps.setdefault(header.uid, steps[nearest] + 1)
                origin.setdefault(header.uid, origin[nearest])
                results[header.uid] = Result(name, header, steps[header.uid], origin[header.uid])
    return results


def _reach_inputs(reached: NamedCatalogs) -> None:
    """Open the catalogs that hold the inputs of results, and the inputs of those."""

    def catalogs_of_inputs(catalog: Any) -> set[str | None]:
        return {source["catalog"] for source in named_inputs(catalog)}

    names = [reached.first]
    for name in names:  # also of those that are added meanwhile
        names += [other for other in reached.ask(name, catalogs_of_inputs) or () if other not in (None, *names)]


def _superseded(reached: NamedCatalogs, withdrawn: Container[str]) -> dict[str, str]:
    found = reached.ask_each(lambda catalog: list(headers_superseding(catalog)))
    return successors(itertools.chain.from_iterable(found), withdrawn)


def successors(superseding: Iterable[Header], withdrawn: Container[str]) -> dict[str, str]:
    """The superseded uids, each with the newest run that takes its place."""
    return superseded_by(((h.uid, h.status, superseded_uids(h.start)) for h in superseding), withdrawn)


def superseded_by(
    replacements: Iterable[tuple[str, str | None, Sequence[str]]], retracted: Container[str]
) -> dict[str, str]:
    """The superseded uids, each with the first run that takes its place.

    The replacements are uids of runs with their status and the uids that they name as superseded. A run that did not
    succeed or was retracted takes no place; but the place of one that it names goes to the run that supersedes it.
    """
    known = list(replacements)
    named = {uid: others for uid, _, others in known}
    valid = dict.fromkeys(uid for uid, status, _ in known if status == "success" and uid not in retracted)
    found: dict[str, str] = {}
    for uid in valid:
        waiting = list(named[uid])
        for other in waiting:  # also of those that are added meanwhile
            if other not in found:
                found[other] = uid
                waiting += named.get(other, ()) if other not in valid else ()
    return found


def _frame(columns: Sequence[str], rows: list[tuple[Any, ...]]) -> pandas.DataFrame:
    table = pandas.DataFrame([row[1:] for row in rows], [row[0] for row in rows], columns, dtype=object)
    table["time"] = local_times(table["time"])
    if "steps" in table:
        table["steps"] = table["steps"].astype(int)
    return table.rename_axis("uid")
