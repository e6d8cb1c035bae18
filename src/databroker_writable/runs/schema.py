"""Check documents one by one: event-model's schemas, and what databroker and file systems make of a text."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping
from typing import Any

import event_model
import jsonschema
import msgpack

from ..errors import InvalidMetadataError, InvalidRunError, StoreError
from ..tables.document_values import check_metadata_keys, document_value
from ..tables.wording import short

Document = dict[str, Any]
NamedDocument = tuple[str, Document]


class CheckedDocument(dict[str, Any]):
    """A document that has been checked with the whole of its run, which `v1.insert` need not check again."""


_SAFE_UIDS = "use a UUID4, or letters, digits and any of _-.+=@~"
_SAFE_UID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+=@~-]*\Z")

_VARYING = ("uid", "time", "run_start")

_TEMPLATE = re.compile(r"\{(?=[{%#])[{%#]")

_RESERVED_NAMES = {"con", "prn", "aux", "nul", *(f"{p}{n}" for p in ("com", "lpt") for n in range(1, 10))}

MAX_UID_LENGTH = 200


def check_start(doc: Mapping[str, Any]) -> Document:
    """Check a start document, or metadata with ``uid`` and ``time``, and give a plain copy."""
    start = document_value(doc, "metadata", InvalidMetadataError)
    check_metadata_keys(start, "metadata", InvalidMetadataError)
    _check_templates(start, "metadata", InvalidMetadataError)
    check_run_uid(start.get("uid"))
    validate("start", start, InvalidMetadataError)
    _check_time(start, "metadata", InvalidMetadataError)
    return start


def check_descriptor(doc: Mapping[str, Any]) -> Document:
    """Check a descriptor by itself and give a plain copy."""
    descriptor = document_value(doc, "the descriptor", InvalidRunError)
    validate("descriptor", descriptor, InvalidRunError)
    _check_time(descriptor, "the descriptor", InvalidRunError)
    _check_templates(descriptor.get("name"), "the name of a stream", InvalidRunError)
    return descriptor


def check_stop(doc: Mapping[str, Any]) -> Document:
    """Check a stop document by itself and give a plain copy."""
    stop = document_value(doc, "the stop document", InvalidRunError)
    validate("stop", stop, InvalidRunError)
    _check_time(stop, "the stop document", InvalidRunError)
    _check_templates(stop, "the stop document", InvalidRunError)
    return stop


def check_run_uid(uid: Any) -> None:
    """Refuse a run's uid that is unsafe as a file name or that databroker would not look up."""
    check_safe_uid(uid)
    try:
        int(uid)
    except ValueError:
        return
    raise InvalidRunError(f"databroker reads the uid {uid!r} as a scan_id; {_SAFE_UIDS}, with at least one letter")


def check_safe_uid(uid: Any) -> None:
    """Refuse a run's uid that is unsafe as a file name."""
    if not isinstance(uid, str):
        raise InvalidRunError(f"the uid of a run is a string, not {short(uid)}")
    if len(uid) > MAX_UID_LENGTH:
        raise InvalidRunError(f"the uid {uid[:40]!r}... has {len(uid)} characters, {MAX_UID_LENGTH} is the most")
    if not _SAFE_UID.match(uid) or uid.endswith(".") or uid.split(".")[0].lower() in _RESERVED_NAMES:
        raise InvalidRunError(f"the uid {uid!r} is not safe as the name of a file; {_SAFE_UIDS}")


def without_templates(text: str) -> str:
    """Separate the braces that intake would take for a template.

    Examples
    --------
    >>> without_templates("KeyError('{{x}}')")
    "KeyError('{ {x}}')"
    """
    return _TEMPLATE.sub(lambda found: " ".join(found.group()), text)


def validate(name: str, doc: Document, error: type[StoreError]) -> None:
    """Apply event-model's schema and turn its first finding into one sentence."""
    try:
        _apply_schema(name, msgpack.packb(_typical(doc), default=repr))
    except jsonschema.ValidationError as exc:
        finding = jsonschema.exceptions.best_match([exc]) or exc
        place = "".join(f"[{part!r}]" for part in exc.absolute_path)
        what = "metadata" if error is InvalidMetadataError else f"the {name} document"
        expected = finding.schema.get("type") if isinstance(finding.schema, dict) else None
        if exc.validator == "anyOf":
            expected = " or ".join(str(option.get("type")) for option in exc.validator_value)
        value: Any = doc
        for part in exc.absolute_path:
            value = value[part]
        if expected and exc.validator in ("type", "anyOf"):
            raise error(f"{what}{place} is {short(value)}; event-model expects {expected}") from None
        raise error(f"{what}{place}: {finding.message[:200]}") from None


def _check_time(doc: Document, where: str, error: type[StoreError]) -> None:
    if not math.isfinite(doc["time"]):
        raise error(f"{where}['time'] is {doc['time']}; give POSIX seconds")


def _check_templates(value: Any, where: str, error: type[StoreError]) -> None:
    """Refuse text that intake 0.6.4 would expand, and run, as a Jinja template when the run is read."""
    if isinstance(value, str):
        if _TEMPLATE.search(value):
            raise error(
                f"{where} is {value[:60]!r}: intake takes '{{{{', '{{%' and '{{#' for a template, which it would run "
                f"whenever the run is read; write for example {without_templates(value)[:60]!r}"
            )
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_templates(item, f"{where}[{key!r}]", error)
    elif isinstance(value, list):
        for i, item in enumerate(value):
            _check_templates(item, f"{where}[{i}]", error)


def _typical(doc: Document) -> Document:
    """The document with its uids and times, which differ from run to run, replaced by others of their type."""
    varying = {key: type(doc[key])() for key in _VARYING if key in doc}
    typical = {**varying, **doc, **varying}  # the first gives the order, the last the values
    configuration = doc.get("configuration") if "data_keys" in doc else None
    for name, configured in configuration.items() if isinstance(configuration, dict) else ():
        if isinstance(configured, dict) and isinstance(configured.get("timestamps"), dict):
            timestamps = {key: type(value)() for key, value in configured["timestamps"].items()}
            typical["configuration"] = {**typical["configuration"], name: {**configured, "timestamps": timestamps}}
    return typical


@functools.lru_cache(maxsize=64)
def _apply_schema(name: str, packed: bytes) -> None:
    """Validate a document, given packed, once: it is checked when built and when stored, and many runs are alike."""
    event_model.schema_validators[event_model.DocumentNames[name]].validate(msgpack.unpackb(packed))
