"""event-model's schemas, applied to documents in microseconds, and what they find in one sentence."""

from __future__ import annotations

import functools
from typing import Any

import event_model
import jsonschema
import jsonschema_rs

from ..errors import InvalidMetadataError, StoreError
from ..tables.wording import short

Document = dict[str, Any]
NamedDocument = tuple[str, Document]


class CheckedDocument(dict[str, Any]):
    """A document that was found good when it was built, and that nobody else has had since."""


def check_schema(name: str, doc: Document, error: type[StoreError]) -> None:
    """Refuse a document, of plain Python values, that does not fit event-model's schema."""
    if _fits(name, doc):
        return
    finding = jsonschema.exceptions.best_match(_event_model_validator(name).iter_errors(doc))
    if finding is None:
        return  # it holds bytes or complex numbers, which only jsonschema-rs minds
    value: Any = doc
    for part in finding.absolute_path:
        value = value[part]
    what = "metadata" if error is InvalidMetadataError else f"the {name} document"
    where = what + "".join(f"[{part!r}]" for part in finding.absolute_path)
    types = _expected_types(finding)
    if types:
        raise error(f"{where} is {short(value)}; event-model expects {' or '.join(types)}")
    raise error(f"{where}: {finding.message[:200]}")


def _fits(name: str, doc: Document) -> bool:
    try:
        return bool(_validator(name).is_valid(doc))
    except ValueError:
        # jsonschema-rs 0.61 takes no bytes and no complex numbers
        return False


@functools.cache
def _validator(name: str) -> Any:
    validator = _event_model_validator(name)
    return jsonschema_rs.validator_for({"$schema": validator.META_SCHEMA["$schema"], **validator.schema})


def _event_model_validator(name: str) -> Any:
    return event_model.schema_validators[event_model.DocumentNames[name]]


def _expected_types(finding: jsonschema.ValidationError) -> list[str]:
    """The types, one of which the value should have; none where its type is right."""
    alternatives = finding.context if finding.validator in ("anyOf", "oneOf") else [finding]
    if any(error.validator != "type" or error.absolute_path != finding.absolute_path for error in alternatives):
        return []
    return [str(error.validator_value) for error in alternatives]
