"""Check a document that comes directly to `v1.insert`, for example from an acquisition; refuse only what is unreadable.

That is what would be written as a pickle (msgpack-numpy 0.4.8 pickles arrays of objects), be read back as one, be
written outside the directory, stop the serializer half-way, or make the catalog permanently unreadable.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import InvalidMetadataError, InvalidRunError, InvalidTableError
from ..tables.backend_limits import Limits
from ..tables.document_values import check_event_values, document_value
from ..tables.wording import short
from .document_checks import called, check_dropped_keys, check_form, check_safe_uid, check_time, error_for
from .document_parts import PRIMARY, REQUIRED_KEYS, Document, NamedDocument
from .event_page_checks import check_rows, plain_flag, plain_flags

_ROWS = {"event_page": "uid", "datum_page": "datum_id"}
"""The key of pages with one item for each row."""


def check_inserted(name: Any, doc: Any, limits: Limits) -> NamedDocument:
    """Return the name and the document in the form to write; raise if it could not be written, or read again.

    Examples
    --------
    >>> from databroker_writable.tables.backend_limits import ANY_BACKEND
    >>> check_inserted("stop", {"uid": "a", "run_start": "b", "reason": ("done",)}, ANY_BACKEND)
    ('stop', {'uid': 'a', 'run_start': 'b', 'reason': ['done']})
    """
    if not isinstance(name, str):
        # databroker 1.2.5 compares it with "stop" to decide when to show the run
        raise InvalidRunError(f"the name of a document is {short(name)}; give the name as a string, as in 'start'")
    if name not in REQUIRED_KEYS:
        raise InvalidRunError(f"databroker 1 cannot read documents of type {short(name)} back")
    if not isinstance(doc, Mapping):
        raise InvalidRunError(f"the {name} document is {short(doc)}; documents are dicts")
    check_dropped_keys(name, doc)
    if name == "start":
        check_safe_uid(doc.get("uid"))
        start: Document = document_value(doc, "metadata", InvalidMetadataError, limits=limits)
        check_time(start.get("time"), "metadata['time']", InvalidMetadataError)
        return name, start
    check_form(name, doc)
    if name in _ROWS:
        check_rows(called(name), doc, _ROWS[name])
    if name in ("event", "event_page"):
        event = {**doc, **{part: {**doc[part]} for part in ("data", "timestamps", "filled") if part in doc}}
        if event.get("filled"):
            filled = event["filled"]
            is_page = name == "event_page"
            event["filled"] = plain_flags(filled) if is_page else {key: plain_flag(filled[key]) for key in filled}
        for part, value in event.items():
            if part == "data":
                for key, column in value.items():
                    check_event_values({key: column}, "the data of an event", InvalidTableError, limits)
            else:
                check_event_values({part: value}, called(name), InvalidRunError, limits)
        return name, event
    plain: Document = document_value(doc, called(name), error_for(name), limits=limits)
    # old bluesky wrote descriptors without a name, and databroker 1.2.5 reads no Events of these
    return name, {"name": PRIMARY, **plain} if name == "descriptor" else plain
