"""What ``derived_from`` and ``supersedes`` name, as references to runs of a catalog."""

from __future__ import annotations

import functools
from typing import Any

from ..errors import InvalidMetadataError, warn_user
from ..runs.provenance import reference, references, sources_of
from ..storage.backend import label_of
from .headers import complete_uid, has_run, header_of, headers_naming


def resolve(catalog: Any, runs: Any, argument: str, uid: str | None = None) -> list[dict[str, Any]]:
    """Give references to runs, with the uids of this catalog in full and with its name.

    A run is given as such, as its uid, as the beginning of that or as a reference; `argument` is what it was given as,
    and `uid` that of the run which refers to it. Costs O(1) in the number of runs that the catalog holds; in MongoDB by
    the indexes that are made on the first store.
    """
    resolved = references(runs, argument, functools.partial(_resolved, catalog))
    if uid is not None:
        _refuse_cycle(catalog, uid, resolved, argument)
    return resolved


def known_uid(catalog: Any, text: str, argument: str) -> str | None:
    """The uid of the run of a catalog that is a text, or begins with it; None where there is none."""
    if not text:
        raise InvalidMetadataError(f"{argument} takes the uid of a run, and not an empty one")
    try:
        return complete_uid(catalog, text)
    except ValueError:
        raise ambiguous(text, argument) from None


def ambiguous(text: str, argument: str) -> InvalidMetadataError:
    return InvalidMetadataError(f"{argument} names {text!r}, and several uids begin with it; give more characters")


def _resolved(catalog: Any, run: Any, argument: str) -> dict[str, Any]:
    named = reference(run, argument)
    if named["catalog"] is not None:
        return named
    if has_run(catalog, named["uid"]):
        return {**named, "catalog": catalog.name}
    uid = known_uid(catalog, named["uid"], argument) if isinstance(run, str) else None
    if uid is not None:
        return {**named, "uid": uid, "catalog": catalog.name}
    warn_user(
        f"{argument} names the run {named['uid']!r}, which the catalog {label_of(catalog)!r} does not have; "
        "give the run as its own catalog gives it, catalog[uid], and the name of that catalog is recorded too"
    )
    return named


def _refuse_cycle(catalog: Any, uid: str, resolved: list[dict[str, Any]], argument: str) -> None:
    """Refuse a run that is among its own inputs, as far as this catalog knows them."""
    naming = headers_naming(catalog, [uid])
    is_source = any(source["uid"] == uid for header in naming for source in sources_of(header.start))
    if all(source["uid"] != uid for source in resolved) and not is_source:
        return  # without a run that names this one as its input, no way leads back to it
    waiting, seen = [source["uid"] for source in resolved], set()
    while waiting:
        ancestor = waiting.pop()
        if ancestor == uid:
            raise InvalidMetadataError(
                f"{argument} would make the run {uid!r} one of its own inputs; name the runs that it was made from"
            )
        if ancestor not in seen:
            seen.add(ancestor)
            header = header_of(catalog, ancestor)
            waiting += [source["uid"] for source in sources_of(header.start)] if header is not None else []
