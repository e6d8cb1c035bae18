"""What ``derived_from`` and ``supersedes`` name, as references to runs of a catalog."""

from __future__ import annotations

from typing import Any

from ..errors import InvalidMetadataError, warn_user
from ..runs.provenance import listed, reference, references, sources_of
from ..storage.backend import label_of
from .headers import complete_uid, has_run, header_of, headers_naming


def resolve(catalog: Any, runs: Any, argument: str, uid: str | None = None) -> list[dict[str, Any]] | None:
    """Give references to runs, with the uids of this catalog in full and with its name.

    Parameters
    ----------
    catalog : WritableMixin
    runs : run, uid, beginning of a uid, reference, list of these, or None
    argument : str
        What they were given as, ``"derived_from"`` or ``"supersedes"``.
    uid : str, optional
        That of the run that refers to them, if it was chosen.

    Returns
    -------
    list of dict, or None

    Raises
    ------
    InvalidMetadataError
        What is no run, the beginning of several uids, or a run that would be one of its own inputs.

    Warns
    -----
    StoreWarning
        The catalog does not have a run, and it is not said which one does.

    Notes
    -----
    O(1) in the number of runs that the catalog holds; in MongoDB by the indexes that are made on the first store.
    """
    if runs is None:
        return None
    resolved = references([_resolved(catalog, run, argument) for run in listed(runs)], argument)
    if uid is not None:
        _refuse_cycle(catalog, uid, resolved, argument)
    return resolved


def known_uid(catalog: Any, text: str, argument: str) -> str | None:
    """The uid of the run of a catalog that is a text, or begins with it; None where there is none.

    Raises
    ------
    InvalidMetadataError
        The text is empty, or the beginning of several uids.
    """
    if not text:
        raise InvalidMetadataError(f"{argument} takes the uid of a run, and not an empty one")
    try:
        return complete_uid(catalog, text)
    except ValueError:
        raise ambiguous(text, argument) from None


def ambiguous(text: str, argument: str) -> InvalidMetadataError:
    """Give the error that says that a text is the beginning of several uids."""
    return InvalidMetadataError(
        f"{argument} names {text!r}, with which the uids of several runs begin; give more of the uid"
    )


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
    if all(source["uid"] != uid for source in resolved) and not _is_a_source(catalog, uid):
        return
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


def _is_a_source(catalog: Any, uid: str) -> bool:
    """Whether a run names this one as its input: without such a run, no way leads from a run back to itself."""
    return any(uid == source["uid"] for header in headers_naming(catalog, [uid]) for source in sources_of(header.start))
