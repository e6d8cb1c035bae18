"""Check a document that comes by itself, straight to `v1.insert`: `RunChecker` needs the whole run for its checks.

What is refused here would be written as a pickle (msgpack-numpy 0.4.8 pickles arrays of objects), be read back as
one, leave the directory, or stop the serializer half-way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import InvalidMetadataError, InvalidRunError, InvalidTableError
from ..tables.backend_limits import Limits
from ..tables.document_values import check_event_values, document_value
from ..tables.wording import short
from .schema import NamedDocument, check_safe_uid

_EVENT = ("uid", "time", "seq_num", "data", "timestamps")

_REQUIRED = {
    "start": ("time",),
    "descriptor": ("uid", "run_start", "data_keys"),
    "event": _EVENT,
    "event_page": _EVENT,
    "resource": ("uid",),
    "datum": ("datum_id", "datum_kwargs"),
    "datum_page": ("datum_id", "datum_kwargs"),
    "stream_resource": ("uid", "run_start"),
    "stream_datum": ("uid", "stream_resource"),
    "stop": ("uid", "run_start"),
}

_TEXTS = ("run_start", "descriptor", "resource", "stream_resource", "datum_id")
_MAPPINGS = ("data", "timestamps", "filled", "datum_kwargs", "data_keys")


def check_insertable(name: Any, doc: Any, limits: Limits) -> NamedDocument:
    """Give the name and the document in the form to write, or raise what this backend cannot write."""
    if not isinstance(name, str):
        # databroker 1.2.5 compares it with "stop" to know when to show the run
        raise InvalidRunError(f"the name of a document is {short(name)}; give the name as a string, as in 'start'")
    if name not in _REQUIRED:
        raise InvalidRunError(f"databroker 1 does not read documents of type {short(name)} back")
    if not isinstance(doc, Mapping):
        raise InvalidRunError(f"the {name} document is {short(doc)}; documents are dicts")
    if name == "start":
        check_safe_uid(doc.get("uid"))
        return name, document_value(doc, "metadata", InvalidMetadataError, limits=limits)
    _check_form(name, doc)
    if name not in ("event", "event_page"):
        return name, document_value(doc, f"the {name} document", InvalidRunError, limits=limits)
    for part, value in doc.items():
        if part == "data":
            for key, column in value.items():
                check_event_values({key: column}, "the data of an event", InvalidTableError, limits)
        else:
            check_event_values({part: value}, f"the {name} document", InvalidRunError, limits)
    return name, dict(doc)


def _check_form(name: str, doc: Mapping[str, Any]) -> None:
    where = f"the {name} document {short(doc.get('uid', doc.get('datum_id')))}"
    for key in _REQUIRED[name]:
        if key not in doc:
            raise InvalidRunError(f"{where} lacks {key!r}")
    texts = _TEXTS if name.endswith("_page") else (*_TEXTS, "uid")
    for key in texts:
        if key in doc and not isinstance(doc[key], str) and (key, name) != ("datum_id", "datum_page"):
            raise InvalidRunError(f"{where} has {short(doc[key])} as {key!r}, which is a string")
    for key in _MAPPINGS:
        if key in doc and not isinstance(doc[key], Mapping):
            raise InvalidRunError(f"{where} has {short(doc[key])} as {key!r}, which is a dict")
