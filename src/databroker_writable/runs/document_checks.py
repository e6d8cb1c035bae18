"""Check single documents, for what readers can read and the backends can hold."""

from __future__ import annotations

import datetime
import functools
import numbers
import re
from collections.abc import Mapping
from typing import Any

import event_model
import jsonschema
import jsonschema_rs
import numpy

from ..errors import InvalidMetadataError, InvalidRunError, StoreError
from ..tables.backend_limits import Limits
from ..tables.document_values import check_key, check_metadata_keys, document_value
from ..tables.time_columns import LATEST
from ..tables.wording import Location, article, cut, located, short
from .document_parts import (
    DATUM_PARTS,
    EXIT_STATUSES,
    PRIMARY,
    REQUIRED_KEYS,
    STREAM_DOCUMENTS,
    Document,
    check_mappings,
    check_parts,
)

MAX_UID_LENGTH = 200

_SAFE_UIDS = "use a UUID4, or letters, digits and any of _-.+=@~"
_SAFE_UID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+=@~-]*\Z")

WINDOWS_DEVICES = re.compile(r"(con|prn|aux|nul|(com|lpt)[0-9¹²³])\s*(\..*)?", re.IGNORECASE | re.DOTALL)
"""Windows cannot create files with these names, with or without a suffix."""

_TEMPLATE = re.compile(r"\{(?=[{%#])[{%#]")
"""Text that intake 0.6.4 would render as a Jinja template when a run is read."""

_IN_WORDS = {
    "string": "text",
    "object": "a dict",
    "array": "a list",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}
"""The types of JSON as users call them."""

_TEXTS = ("run_start", "descriptor", "resource", "stream_resource", "datum_id")

_TIME_UNITS = {1e3: "milliseconds", 1e6: "microseconds", 1e9: "nanoseconds"}


def called(name: str) -> str:
    """The name of this type of document in messages."""
    return "metadata" if name == "start" else f"the {name} document"


def a_document(name: str) -> str:
    """A document of this type in messages."""
    return f"{article(name)} {name!r} document"


def error_for(name: str) -> type[StoreError]:
    """The error that a document of this type raises."""
    return InvalidMetadataError if name == "start" else InvalidRunError


def check_form(name: str, doc: Mapping[str, Any]) -> None:
    """Refuse a document of any type without a valid uid or reference."""
    where = f"{called(name)} {short(doc.get('uid', doc.get('datum_id')))}"
    for key in REQUIRED_KEYS[name]:
        if key not in doc:
            raise InvalidRunError(f"{where} lacks {key!r}")
    texts = _TEXTS if name.endswith("_page") else (*_TEXTS, "uid")
    for key in texts:
        if key in doc and not isinstance(doc[key], str) and (key, name) != ("datum_id", "datum_page"):
            raise InvalidRunError(f"{where} has {short(doc[key])} as {key!r}, which must be a string")
    check_mappings(where, doc)


def check_document(name: str, doc: Mapping[str, Any], limits: Limits) -> Document:
    """Check a document other than a page of Events; return a copy in plain Python, of a descriptor with a name."""
    if name == "datum_page":
        check_parts("a datum_page", doc, DATUM_PARTS)
    elif name in STREAM_DOCUMENTS:
        if not limits.stream_documents:
            raise InvalidRunError(
                f"the run has the {name} {short(doc.get('uid'))}, which {limits.backend} cannot hold; "
                "store the run in a catalog of msgpack or JSONL files"
            )
        check_form(name, doc)
    where, error = called(name), error_for(name)
    checked: Document = document_value(doc, where, error, limits=limits)
    if name == "start":
        check_metadata_keys(checked, where, error)
    if name in ("start", "stop"):
        _check_templates(checked, where, error)
    if name == "start":
        check_run_uid(checked.get("uid"))
    elif name == "descriptor":
        checked = {"name": PRIMARY, **checked}
    check_dropped_keys(name, checked)
    if name not in STREAM_DOCUMENTS:  # which any version's form may have
        _check_schema(name, checked)
        if "time" in checked:
            check_time(checked["time"], f"{where}['time']", error)
    if name == "descriptor":
        _check_stream_name(checked["name"], limits)
    _check_size(name, checked, limits)
    return checked


def check_exit_status(exit_status: Any) -> None:
    """Refuse an exit status that bluesky does not know."""
    if not isinstance(exit_status, str) or exit_status not in EXIT_STATUSES:
        raise InvalidRunError(f"exit_status must be one of {', '.join(EXIT_STATUSES)}, not {short(exit_status)}")


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
        raise InvalidRunError(f"the uid of a run must be a string, not {short(uid)}")
    if len(uid) > MAX_UID_LENGTH:
        raise InvalidRunError(
            f"the uid {uid[:40]!r}... has {len(uid)} characters, but at most {MAX_UID_LENGTH} are allowed"
        )
    if not _SAFE_UID.match(uid) or uid.endswith(".") or WINDOWS_DEVICES.fullmatch(uid):
        raise InvalidRunError(f"the uid {uid!r} is not safe as a file name; {_SAFE_UIDS}")


def check_time(time: Any, where: str, error: type[StoreError]) -> None:
    """Refuse a number that is not a time: pandas, v1 tables and datetime would fail when it is read."""
    if not isinstance(time, float | numbers.Real) or isinstance(time, numpy.timedelta64):
        raise error(f"{where} is {short(time)}; give POSIX seconds")
    if not 0 <= float(time) < LATEST:
        raise error(f"{where} is {time}; {_time_remedy(float(time))}")


def check_times(times: numpy.ndarray[Any, Any], where: str, error: type[StoreError]) -> None:
    """Refuse times of Events if one is not a time, and name it."""
    is_time = (times >= 0) & (times < LATEST)
    if not is_time.all():
        position = int(numpy.argmin(is_time))
        time = float(times[position])
        raise error(f"{where} holds {time} at position {position}; {_time_remedy(time)}")


def _time_remedy(time: float) -> str:
    for factor, unit in _TIME_UNITS.items():
        if LATEST <= time < LATEST * factor:
            return f"give POSIX seconds: if these are {unit} since 1970, divide by {factor:g}"
    return "give POSIX seconds, finite and counted from 1970"


def without_templates(text: str) -> str:
    """Separate braces that intake would treat as a template."""
    return _TEMPLATE.sub(lambda found: " ".join(found.group()), text)


def _check_templates(value: Any, where: Location, error: type[StoreError]) -> None:
    """Refuse templates in a value of plain Python, at any depth."""
    if isinstance(value, str):
        if "{" in value and _TEMPLATE.search(value):
            raise error(
                f"{located(where)} is {cut(value)!r}: intake treats '{{{{', '{{%' and '{{#' as a template, which it "
                f"would run whenever the run is read; write for example {cut(without_templates(value))!r}"
            )
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_templates(item, (where, key), error)
    elif isinstance(value, list):
        for i, item in enumerate(value):
            _check_templates(item, (where, i), error)


def check_dropped_keys(name: str, doc: Mapping[str, Any]) -> None:
    """Refuse the key of MongoDB's own ids, which databroker removes when it reads documents."""
    if "_id" in doc:
        raise error_for(name)(
            f"{called(name)} has the key '_id', which MongoDB keeps for itself and which would not be read back; "
            "rename it, for example to 'id'"
        )


def _check_stream_name(name: Any, limits: Limits) -> None:
    """Refuse the name of a stream if readers or the backend would change or reject it."""
    where = "the name of a stream"
    if not isinstance(name, str) or not name:
        raise InvalidRunError(f"{where} must be text of at least one character, not {name!r}")
    if not name.isprintable():
        raise InvalidRunError(f"{where}, {name!r}, holds a character that cannot be displayed; leave it out")
    _check_templates(name, where, InvalidRunError)
    # the stop document has it as a key
    check_key(name, "the stop document, which counts Events by stream,", InvalidRunError, limits)


def _check_size(name: str, doc: Document, limits: Limits) -> None:
    """Refuse a document, other than a page of Events, that is too large for the backend."""
    if limits.event_bytes is not None:
        sizes = {repr(key): limits.size_of(value) for key, value in doc.items()}
        too_large = excess(called(name), sizes, 200, limits.event_bytes, limits)
        if too_large:
            raise error_for(name)(f"{too_large}: store large values as columns of a stream")


def excess(what: str, sizes: Mapping[str, int], overhead: int, most: int, limits: Limits) -> str:
    """By how much something with parts of these sizes is too large for the backend; empty if it is not."""
    total = sum(sizes.values()) + overhead
    if total <= most:
        return ""
    largest = max(sizes, key=sizes.__getitem__)
    return (
        f"{what} takes up to {total / 1e6:.1f} MB, of which {sizes[largest] / 1e6:.1f} MB in {largest}; "
        f"{limits.backend} holds {most / 1e6:.1f} MB"
    )


def _way_to_write(path: list[Any], value: Any, types: list[str]) -> str:
    """How to write a time in seconds, or digits that are text; empty for anything else."""
    if path == ["time"]:
        try:
            datetime.datetime.fromisoformat(value)
        except (TypeError, ValueError):
            return ", seconds since 1970, such as time.time() gives, or a datetime"
        return f", seconds since 1970, as datetime.datetime.fromisoformat({value!r}).timestamp() gives them"
    # of more than 4,300 digits Python makes no number
    if types == ["integer"] and isinstance(value, str) and value.strip().isdecimal() and len(value) <= 18:
        return (
            f": give the number {int(value)}, without leading zeros and quotation marks, or keep the text "
            f"{short(value)} under another key"
        )
    return ""


def _example(value: Any, types: list[str]) -> str:
    """How a value can be written as one of these types."""
    if value is None or value != value:
        return ", or left out"
    if "string" in types and isinstance(value, numbers.Real | list):
        items = value if isinstance(value, list) else [value]
        return f", such as {', '.join(map(str, items))!r}" if len(items) < 5 else ""
    if "array" in types and isinstance(value, str):
        return f", such as {[value]!r}"
    return ", and other values can have another key" if types == ["integer"] else ""


def _check_schema(name: str, doc: Document) -> None:
    """Refuse a document of plain Python values that does not match event-model's schema."""
    if _fits(name, doc):
        return
    finding = jsonschema.exceptions.best_match(_event_model_validator(name).iter_errors(doc))
    if finding is None:
        return  # it holds bytes or complex numbers, which only jsonschema-rs refuses
    value: Any = doc
    path = list(finding.absolute_path)
    for part in path:
        value = value[part]
    where = called(name) + "".join(f"[{part!r}]" for part in path)
    types = _expected_types(finding)
    if not types:
        raise error_for(name)(f"{where}: {cut(finding.message, 200)}")
    way, meant = _way_to_write(path, value, types), ""
    if not way:
        kinds = " or ".join(sorted((_IN_WORDS.get(kind, kind) for kind in types), reverse=True))
        meant = f"{'.'.join(map(str, path))} must be {kinds}{_example(value, types)}: "
    raise error_for(name)(
        f"{meant}{where} is {short(value)}; event-model expects {' or '.join(map(_with_article, types))}{way}"
    )


def _with_article(kind: str) -> str:
    return f"{article(kind)} {kind}"


def _fits(name: str, doc: Document) -> bool:
    try:
        return bool(_validator(name).is_valid(doc))
    except ValueError:
        # jsonschema-rs 0.61 does not accept bytes and complex numbers
        return False


@functools.cache
def _validator(name: str) -> Any:
    validator = _event_model_validator(name)
    return jsonschema_rs.validator_for({"$schema": validator.META_SCHEMA["$schema"], **validator.schema})


def _event_model_validator(name: str) -> Any:
    return event_model.schema_validators[event_model.DocumentNames[name]]


def _expected_types(finding: jsonschema.ValidationError) -> list[str]:
    """The types that the value may have; empty if its type is right."""
    alternatives = finding.context if finding.validator in ("anyOf", "oneOf") else [finding]
    if any(error.validator != "type" or error.absolute_path != finding.absolute_path for error in alternatives):
        return []
    return [str(error.validator_value) for error in alternatives]
