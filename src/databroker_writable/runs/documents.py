"""Check documents by themselves, one function for each type: what of them no backend, or this one, can hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import InvalidMetadataError, InvalidRunError, StoreError
from ..tables.backend_limits import ANY_BACKEND, Limits
from ..tables.document_values import check_key, check_metadata_keys, document_value
from ..tables.wording import short
from .paging import DATUM_PARTS, check_mappings, check_parts
from .posix_times import check_time
from .schema import CheckedDocument, Document, check_schema
from .templates import check_templates
from .uids import check_run_uid

STREAM_EXTERNAL = "STREAM:"
"""What the data keys of columns say in ``external`` that stand in a stream_resource."""

PRIMARY = "primary"
"""The stream of descriptors without a name: old bluesky had no other."""

EXIT_STATUSES = ("success", "abort", "fail")


_EVENT_KEYS = ("uid", "time", "seq_num", "data", "timestamps")

REQUIRED_KEYS = {
    "start": ("uid", "time"),
    "descriptor": ("uid", "run_start", "data_keys"),
    "event": _EVENT_KEYS,
    "event_page": _EVENT_KEYS,
    "resource": ("uid",),
    "datum": ("datum_id", "datum_kwargs"),
    "datum_page": ("datum_id", "datum_kwargs"),
    "stream_resource": ("uid", "run_start"),
    "stream_datum": ("uid", "stream_resource"),
    "stop": ("uid", "run_start"),
}

_TEXTS = ("run_start", "descriptor", "resource", "stream_resource", "datum_id")
_MAPPINGS = ("data", "timestamps", "filled", "datum_kwargs", "data_keys")


def check_start(doc: Mapping[str, Any], limits: Limits = ANY_BACKEND) -> CheckedDocument:
    """Check a start document, or metadata with ``uid`` and ``time``, and give a copy in plain Python."""
    start = document_value(doc, "metadata", InvalidMetadataError, limits=limits)
    check_metadata_keys(start, "metadata", InvalidMetadataError)
    check_templates(start, "metadata", InvalidMetadataError)
    check_run_uid(start.get("uid"))
    return _checked("start", start, limits)


def check_descriptor(doc: Mapping[str, Any], limits: Limits = ANY_BACKEND) -> CheckedDocument:
    """Check a descriptor and give a copy in plain Python, with a name."""
    descriptor = document_value(doc, "the descriptor", InvalidRunError, limits=limits)
    checked = _checked("descriptor", {"name": PRIMARY, **descriptor}, limits)
    check_stream_name(checked["name"], limits)
    return checked


def check_stop(doc: Mapping[str, Any], limits: Limits = ANY_BACKEND) -> CheckedDocument:
    """Check a stop document and give a copy in plain Python."""
    stop = document_value(doc, "the stop document", InvalidRunError, limits=limits)
    check_templates(stop, "the stop document", InvalidRunError)
    return _checked("stop", stop, limits)


def check_exit_status(exit_status: Any) -> None:
    """Refuse an exit status that bluesky does not know."""
    if exit_status not in EXIT_STATUSES:
        raise InvalidRunError(f"exit_status is one of {', '.join(EXIT_STATUSES)}, not {exit_status!r}")


def check_resource(doc: Mapping[str, Any], limits: Limits) -> CheckedDocument:
    """Check a resource and give a copy in plain Python."""
    return _checked("resource", document_value(doc, "the resource", InvalidRunError, limits=limits), limits)


def check_datum_page(doc: Mapping[str, Any], limits: Limits) -> CheckedDocument:
    """Check a page of Datums and give a copy in plain Python."""
    check_parts("a datum_page", doc, DATUM_PARTS)
    return _checked("datum_page", document_value(doc, "the datum_page", InvalidRunError, limits=limits), limits)


def check_stream_document(name: str, doc: Mapping[str, Any], limits: Limits) -> CheckedDocument:
    """Check a stream_resource or a stream_datum, whose forms event-model has changed, and give a plain copy."""
    if not limits.stream_assets:
        raise InvalidRunError(
            f"the run has the {name} {short(doc.get('uid'))}, for which {limits.backend} has no place; "
            "store the run in a catalog of files, of msgpack or JSONL"
        )
    check_form(name, doc)
    check_dropped_keys(doc, name)
    checked: Document = document_value(doc, called(name), InvalidRunError, limits=limits)
    check_document_size(name, checked, limits)
    return CheckedDocument(checked)


def check_form(name: str, doc: Mapping[str, Any]) -> None:
    """Refuse a document of any type that lacks what it is found by, or has it in another form."""
    where = f"{called(name)} {short(doc.get('uid', doc.get('datum_id')))}"
    for key in REQUIRED_KEYS[name]:
        if key not in doc:
            raise InvalidRunError(f"{where} lacks {key!r}")
    texts = _TEXTS if name.endswith("_page") else (*_TEXTS, "uid")
    for key in texts:
        if key in doc and not isinstance(doc[key], str) and (key, name) != ("datum_id", "datum_page"):
            raise InvalidRunError(f"{where} has {short(doc[key])} as {key!r}, which is a string")
    check_mappings(where, doc, _MAPPINGS)


def check_stream_name(name: Any, limits: Limits = ANY_BACKEND) -> None:
    """Refuse a name of a stream that would be read back as another, or that a reader or the backend cannot take."""
    where = "the name of a stream"
    if not isinstance(name, str) or not name:
        raise InvalidRunError(f"{where} is text of at least one character, not {name!r}")
    if any(not character.isprintable() for character in name):
        raise InvalidRunError(f"{where}, {name!r}, holds a character that is not shown; leave it out")
    check_templates(name, where, InvalidRunError)
    # the stop document has it as a key
    check_key(name, "the stop document, which counts Events by stream,", InvalidRunError, limits)


def check_backend_holds(name: str, doc: CheckedDocument, limits: Limits) -> None:
    """Refuse a document, found good when it was built, that this backend cannot hold."""
    if not limits.allow_any_value:
        document_value(doc, called(name), error_for(name), limits=limits)
        if name == "descriptor":
            check_stream_name(doc["name"], limits)
    check_document_size(name, doc, limits)


def check_document_size(name: str, doc: Document, limits: Limits) -> None:
    """Refuse any document but a page of Events that is larger than the backend can hold."""
    if limits.event_bytes is None:
        return
    sizes = {key: limits.size_of(value) for key, value in doc.items()}
    total = sum(sizes.values()) + 200
    if total > limits.event_bytes:
        largest = max(sizes, key=sizes.__getitem__)
        raise error_for(name)(
            f"{called(name)} takes up to {total / 1e6:.1f} MB, of which {sizes[largest] / 1e6:.1f} MB in {largest!r}; "
            f"{limits.backend} holds {limits.event_bytes / 1e6:.1f} MB: store large values as columns of a stream"
        )


def check_dropped_keys(doc: Mapping[str, Any], name: str) -> None:
    """Refuse the key under which MongoDB numbers its documents, which databroker takes off when it reads them."""
    if "_id" in doc:
        raise error_for(name)(
            f"{called(name)} has the key '_id', which MongoDB keeps for itself and which would not be read back; "
            "rename it, for example to 'id'"
        )


def called(name: str) -> str:
    """What messages call a document of this type."""
    return "metadata" if name == "start" else f"the {name} document"


def error_for(name: str) -> type[StoreError]:
    """The error that a document of this type raises."""
    return InvalidMetadataError if name == "start" else InvalidRunError


def _checked(name: str, doc: Document, limits: Limits) -> CheckedDocument:
    error = error_for(name)
    check_dropped_keys(doc, name)
    check_schema(name, doc, error)
    if "time" in doc:
        check_time(doc["time"], f"{called(name)}['time']", error)
    check_document_size(name, doc, limits)
    return CheckedDocument(doc)
