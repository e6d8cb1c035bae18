"""Remarks on stored runs: notes, tags and verdicts. They are added, never changed."""

from __future__ import annotations

import getpass
import os
import time
import uuid
from collections.abc import Iterable
from typing import Any

from ..errors import InvalidMetadataError, NotWritableError, warn_user
from ..runs.run_or_table import is_run
from ..runs.start_document import reference
from ..storage.backend import label_of
from ..storage.failures import explaining
from ..tables.document_values import document_value
from ..tables.wording import short
from .references import known_uid, no_such_run, not_in_this

MAX_TEXT = 10_000
MAX_TAG = 100
"""The largest numbers of characters in a remark and in a tag."""

RETRACTED, RESTORED = "retracted", "restored"

Remark = dict[str, Any]
"""``uid``, ``time``, ``run`` (a uid), ``catalog`` (a name or None), ``user``, ``text``, ``tags`` and ``verdict``."""


def check_tags(catalog: Any, tags: Any) -> None:
    """Refuse tags that `annotate` would refuse, before there is a run."""
    _checked_tags(tags)
    with explaining(catalog._backend):
        catalog._backend.check_takes_remarks()


def annotate(catalog: Any, run: Any, text: Any, tags: Any) -> Remark:
    """Add a note to a run."""
    text, tags = _checked_text(text, "text"), _checked_tags(tags)
    if not text and not tags:
        raise InvalidMetadataError("a remark needs a text or tags; give at least one of them")
    return _add(catalog, _remarked_run(catalog, run, "annotate"), text=text, tags=tags, verdict=None)


def retract(catalog: Any, run: Any, reason: Any) -> Remark:
    """Add the verdict that a run is wrong, with the reason."""
    text = _checked_text(reason, "reason")
    if not text:
        raise InvalidMetadataError("a retraction needs a reason; say what is wrong with the run: reason='...'")
    return _add(catalog, _remarked_run(catalog, run, "retract"), text=text, tags=[], verdict=RETRACTED)


def restore(catalog: Any, run: Any, reason: Any) -> Remark:
    """Undo a retraction."""
    text = _checked_text(reason, "reason")
    named = _remarked_run(catalog, run, "restore")
    if named["uid"] not in retractions([needed_remarks(catalog)]):
        raise InvalidMetadataError(
            f"the run {named['uid']!r} is not retracted in {label_of(catalog)!r}, so there is nothing to restore; a "
            "retraction is undone in the catalog that keeps it"
        )
    return _add(catalog, named, text=text, tags=[], verdict=RESTORED)


def remarks_on(catalog: Any, run: Any) -> list[Remark]:
    """The remarks on a run that are kept in a catalog, oldest first."""
    kept = needed_remarks(catalog)  # before the run is looked up, so that a server that is away is named as such
    uid = _remarked_run(catalog, run, "annotations")["uid"]
    return [remark for remark in kept if remark["run"] == uid]


def remark_facts(catalog: Any, uid: str) -> list[tuple[str, str]]:
    """The remarks on a run for its displays: its retraction, its tags, its notes."""
    kept = [remark for remark in remarks(catalog) if remark["run"] == uid]
    facts = [(RETRACTED, _quoted(remark)) for remark in retractions([kept]).values()]
    facts += [("tags", ", ".join(tags)) for tags in tags_by_run(kept).values()]
    return facts + [("remark", _quoted(remark)) for remark in kept if remark["text"] and not remark["verdict"]]


def status_beside(facts: Iterable[tuple[str, str]], status: str) -> str:
    """The status of a run for its displays, beside its remarks: a retraction takes the place of the exit status."""
    return RETRACTED if RETRACTED in dict(facts) else status


def retractions_in(catalog: Any) -> dict[str, str]:
    """Why runs are retracted in a catalog, and by whom, by their uids; empty without a catalog."""
    return {uid: _quoted(remark) for uid, remark in retractions([remarks(catalog)]).items()}


def tags_of(catalog: Any) -> dict[str, list[str]]:
    """The tags of runs, by uid, in the order in which they were first given."""
    return tags_by_run(remarks(catalog))


def retractions(kept: Iterable[list[Remark]]) -> dict[str, Remark]:
    """The retractions that were not undone, by uid, from the remarks of several catalogs."""
    verdicts = [remark for listed in kept for remark in listed if remark.get("verdict")]
    last = {remark["run"]: remark for remark in sorted(verdicts, key=_when)}
    return {uid: remark for uid, remark in last.items() if remark["verdict"] == RETRACTED}


def remarks(catalog: Any) -> list[Remark]:
    """All remarks that are kept in a catalog, oldest first; a catalog that is not writable has none.

    This lists the directory and reads new files; MongoDB needs one query. Where they cannot be read, this warns:
    runs can be listed and read without them.
    """
    try:
        return needed_remarks(catalog)
    except NotWritableError as exc:
        warn_user(
            f"the remarks on runs of {label_of(catalog)!r} are not known: {exc}; until then retracted runs look like "
            "good ones, and tags do not show"
        )
        return []


def remarks_to_select_by(catalog: Any, status: str | None, tags: Any = None) -> list[Remark]:
    """All remarks, to select runs by; if the selection depends on them, they must be readable."""
    return remarks(catalog) if tags is None and status != RETRACTED else needed_remarks(catalog)


def needed_remarks(catalog: Any) -> list[Remark]:
    """All remarks, for what cannot be done without them: raise `NotWritableError` if they cannot be read."""
    backend = getattr(catalog, "_backend", None)
    return [] if backend is None else sorted(backend.remarks(), key=_when)


def tags_by_run(kept: list[Remark]) -> dict[str, list[str]]:
    """The tags in remarks, by the uids of runs, in the order in which they were first given."""
    tags: dict[str, dict[str, None]] = {}
    for remark in kept:
        if remark["tags"]:
            tags.setdefault(remark["run"], {}).update(dict.fromkeys(remark["tags"]))
    return {uid: list(names) for uid, names in tags.items()}


def _quoted(remark: Remark) -> str:
    return f"{remark['text']} ({remark['user']})"


def _when(remark: Remark) -> tuple[float, str]:
    return remark["time"], remark["uid"]


def _add(catalog: Any, named: dict[str, Any], **content: Any) -> Remark:
    backend = catalog._backend
    earlier = [remark["time"] for remark in backend.remarks() if remark["run"] == named["uid"]]
    remark = {
        "uid": str(uuid.uuid4()),
        # later than all existing remarks, whatever the clocks of computers say, because the last verdict counts
        "time": max([time.time(), *(moment + 1e-6 for moment in earlier)]),
        "run": named["uid"],
        "catalog": named["catalog"],
        "user": _user(),
        **content,
    }
    backend.add_remark(remark)
    return remark


def _remarked_run(catalog: Any, run: Any, argument: str) -> dict[str, Any]:
    """A reference to a run of this catalog, of the catalog that its object names, or with earlier remarks here."""
    named = reference(run, argument)
    if named["catalog"] not in (None, catalog.name):
        return named
    if catalog._backend.has_run(named["uid"]):
        return {"uid": named["uid"], "catalog": catalog.name}
    for remark in needed_remarks(catalog):
        if remark["run"] == named["uid"]:
            return {"uid": remark["run"], "catalog": remark["catalog"]}
    uid = known_uid(catalog, named["uid"], argument) if isinstance(run, str) else None
    if uid is not None and catalog._backend.has_run(uid):
        return {"uid": uid, "catalog": catalog.name}
    if named["catalog"] is not None:
        raise InvalidMetadataError(not_in_this(catalog, named["uid"]))
    raise InvalidMetadataError(no_such_run(catalog, named["uid"]))


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, for example in a container
        return str(os.getuid())


def _checked_text(text: Any, argument: str) -> str:
    if not isinstance(text, str):
        order = " (the run comes first)" if is_run(text) else ""
        what = "a remark" if argument == "text" else f"the {argument} of a remark"
        raise InvalidMetadataError(f"{what} must be text, not {short(text)}{order}")
    if len(text) > MAX_TEXT:
        raise InvalidMetadataError(
            f"the {argument} of a remark can have at most {MAX_TEXT:,} characters, but this one has {len(text):,}; "
            "store longer text as an attachment of a run"
        )
    return str(document_value(text, f"the {argument} of a remark", InvalidMetadataError)).strip()


def _checked_tags(tags: Any) -> list[str]:
    if isinstance(tags, str):
        tags = [tags]
    if not isinstance(tags, list | tuple | set | frozenset):
        raise InvalidMetadataError(f"tags must be a list of strings, such as ['bad-frames'], not {short(tags)}")
    for tag in tags:
        if not isinstance(tag, str) or not tag.strip() or not tag.isprintable():
            raise InvalidMetadataError(f"a tag must be one line of text, such as 'bad-frames', not {short(tag)}")
        if len(tag) > MAX_TAG:
            raise InvalidMetadataError(
                f"a tag can have at most {MAX_TAG} characters, but {short(tag)} has {len(tag)}; put it into the text"
            )
    return list(dict.fromkeys(str.__str__(tag.strip()) for tag in tags))
