"""Resolve ``derived_from`` and ``supersedes`` to references to runs of a catalog."""

from __future__ import annotations

import functools
from collections.abc import Collection
from typing import Any

from ..errors import InvalidMetadataError, warn_user
from ..runs.start_document import reference, references, sources_of
from ..storage.backend import label_of
from .header_search import header_of, headers_naming
from .run_uids import complete_uid, is_complete


def resolve(catalog: Any, runs: Any, argument: str, uid: str | None = None) -> list[dict[str, Any]]:
    """Return references to runs, with complete uids and the name of this catalog for its own runs.

    A run is given as an object, its uid, its first characters, or a reference. `argument` is the name of the argument,
    and `uid` that of the referring run. O(1) in the number of stored runs; in MongoDB thanks to the indexes that the
    first store creates.
    """
    resolved = references(runs, argument, functools.partial(_resolved, catalog, uid))
    if uid is not None:
        _refuse_cycle(catalog, uid, resolved, argument)
    return resolved


OR_THE_RUN = ", or give the run itself, as its own catalog gives it: other_catalog[uid]"
_REMEDY = f"check the uid{OR_THE_RUN}"


def no_such_run(catalog: Any, uid: str) -> str:
    """The message that a catalog has no run with a uid."""
    return f"the catalog {label_of(catalog)!r} has no run {uid!r}; {_REMEDY}"


def no_such_input(catalog: Any, uid: str) -> str:
    """The message that a catalog has neither a run with a uid, nor one that was made from it."""
    return f"the catalog {label_of(catalog)!r} has no run {uid!r}, and no run that was made from it; {_REMEDY}"


def names_no_run(argument: str, catalog: Any, uid: str, remedy: str = _REMEDY) -> str:
    """The message that an argument names a run that a catalog does not have."""
    return f"{argument} names the run {uid!r}, which the catalog {label_of(catalog)!r} does not have; {remedy}"


def not_in_this(catalog: Any, uid: str) -> str:
    """The message that a run says to be in a catalog of this name, but is not in this one."""
    name = label_of(catalog)
    return (
        f"the catalog {name!r} has no run {uid!r}: it was deleted, or is in another catalog called {name!r}, which "
        "references cannot tell from this one; open one of the two with another name, e.g. "
        "open_directory(PATH, name='raw')"
    )


def known_uid(catalog: Any, text: str, argument: str, others: Collection[str] = ()) -> str | None:
    """The uid of a catalog's run, or of the others, that equals a text, or begins with it; None if there is none."""
    try:
        return complete_uid(catalog, text, others)
    except ValueError:
        raise ambiguous(text, argument) from None


def completed(catalog: Any, run: Any, argument: str) -> dict[str, Any]:
    """A reference to a run, with the uid of a catalog's run if it is given by that, or by its first characters."""
    named = reference(run, argument)
    if isinstance(run, str):
        named["uid"] = known_uid(catalog, named["uid"], argument) or named["uid"]
    return named


def ambiguous(text: str, argument: str) -> InvalidMetadataError:
    return InvalidMetadataError(f"{argument} names {text!r}, and several uids begin with it; give more characters")


def _resolved(catalog: Any, uid: str | None, run: Any, argument: str) -> dict[str, Any]:
    named = reference(run, argument)
    if named["uid"] == uid:
        others = "that it replaces" if argument == "supersedes" else "that it was made from"
        raise InvalidMetadataError(f"{argument} names the run {uid!r} itself; name the runs {others}")
    if named["catalog"] not in (None, catalog.name):
        return named
    if catalog._backend.has_run(named["uid"]):
        return {**named, "catalog": catalog.name}
    if named["catalog"] is not None:
        warn_user(f"{argument}: {not_in_this(catalog, named['uid'])}")
        return named
    # an input from elsewhere is named in full, also if the uids of its results begin with its own
    is_whole = not isinstance(run, str) or is_complete(named["uid"]) or any(headers_naming(catalog, [named["uid"]]))
    known = None if is_whole else known_uid(catalog, named["uid"], argument)
    if known is not None:
        return {**named, "uid": known, "catalog": catalog.name}
    warn_user(names_no_run(argument, catalog, named["uid"]))
    return named


def _refuse_cycle(catalog: Any, uid: str, resolved: list[dict[str, Any]], argument: str) -> None:
    """Refuse a run that would be among its own inputs, as far as this catalog knows them."""
    naming = headers_naming(catalog, [uid])
    is_source = any(source["uid"] == uid for header in naming for source in sources_of(header.start))
    if all(source["uid"] != uid for source in resolved) and not is_source:
        return  # if no run names this one as its input, there is no cycle
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
