"""Uids of runs: complete them from their first characters, shorten them, and open the run with one."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from ..runs import upstream
from ..runs.shown_text import SHORT_UID
from ..runs.upstream_entries import is_deleted, loaded_start_documents
from .header_search import header_of, headers

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
LAST_CHARACTER = "\U0010ffff"


def complete_uid(catalog: Any, text: str, others: Collection[str] = ()) -> str | None:
    """The uid of a catalog's run, or of the others, that is this text or begins with it, taken literally; else None.

    The driver gets full uids only: databroker treats other text as a scan_id, a position or a regular expression.
    """
    if header_of(catalog, text) is not None:
        return text
    return uid_among(others, text, _uids_beginning_with(catalog, text))


def uid_among(uids: Collection[str], text: str, more: Iterable[str] = ()) -> str | None:
    """The one of some uids that is this text, or begins with it; raises ValueError if several begin so.

    Further uids that begin so are looked up only if they are needed. An empty text, which a shell gives for a variable
    that is not set, means no run, also if there is only one.
    """
    if text in uids:
        return text
    if not text or is_complete(text):
        return None
    fitting = sorted({*more, *(uid for uid in uids if uid.startswith(text))})
    if len(fitting) > 1:
        shown = ", ".join(fitting[:3]) + (", ..." if len(fitting) > 3 else "")
        raise ValueError(f"Multiple matches to {text!r}: {shown}; give more characters of the uid")
    return fitting[0] if fitting else None


def is_complete(text: str) -> bool:
    """Whether a text is a UUID, and so no beginning of one, though a uid that was made from it can begin so."""
    return _UUID.fullmatch(text) is not None


def unambiguous_length(uids: Collection[str]) -> int:
    """How many characters are needed to distinguish uids."""
    length = SHORT_UID
    while len({uid[:length] for uid in uids}) < len(set(uids)):
        length += 1
    return length


def _uids_beginning_with(catalog: Any, text: str) -> Iterator[str]:
    if upstream.is_in_memory(catalog):
        beginning = [uid for uid in list(loaded_start_documents(catalog)) if uid.startswith(text)]
        yield from (uid for uid in beginning if not is_deleted(catalog, uid))
        return
    drivers = upstream.stock_drivers()
    if isinstance(catalog, drivers.mongo_normalized | drivers.mongo_embedded):
        between = headers(catalog, {"uid": {"$gte": text, "$lt": text + LAST_CHARACTER}})
        known: Iterable[str] = (header.uid for header in itertools.islice(between, 4))
    else:
        known = catalog
    yield from (uid for uid in known if uid.startswith(text))


def open_run(catalog: Any, uid: str) -> Any:
    """Open the run with exactly this uid, also if databroker would read it as a scan_id or a regular expression."""
    if not is_number(uid) and not isinstance(catalog, upstream.stock_drivers().mongo_embedded):
        return catalog[uid]
    try:
        run = catalog.search({"uid": uid})[-1]
    except IndexError:
        raise KeyError(uid) from None
    run.catalog_object = run.cat = catalog
    return run


def is_number(text: str) -> bool:
    """Whether databroker treats a text as a scan_id or a position."""
    try:
        int(text)
    except ValueError:
        return False
    return True
