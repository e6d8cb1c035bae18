"""The parts of each type of document, from event-model, and the errors for missing parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..errors import InvalidRunError
from ..tables.wording import cut, short

Document = dict[str, Any]
NamedDocument = tuple[str, Document]

Reader = Callable[[str], Iterator[NamedDocument]]
"""Reads the documents of the run file with a path."""

PRIMARY = "primary"
"""The stream of descriptors without a name: old bluesky had no other."""

STREAM_DOCUMENTS = ("stream_resource", "stream_datum")

EXIT_STATUSES = ("success", "abort", "fail")
UNFINISHED = "unfinished"

EVENT_KEYS = ("uid", "time", "seq_num", "data", "timestamps")
EVENT_PARTS = ("descriptor", *EVENT_KEYS, "filled")
DATUM_PARTS = ("resource", "datum_id", "datum_kwargs")

REQUIRED_KEYS = {
    "start": ("uid", "time"),
    "descriptor": ("uid", "run_start", "data_keys"),
    "event": EVENT_KEYS,
    "event_page": EVENT_KEYS,
    "resource": ("uid",),
    "datum": ("datum_id", "datum_kwargs"),
    "datum_page": ("datum_id", "datum_kwargs"),
    "stream_resource": ("uid", "run_start"),
    "stream_datum": ("uid", "stream_resource"),
    "stop": ("uid", "run_start"),
}

_MAPPINGS = ("data", "timestamps", "filled", "datum_kwargs", "data_keys")


NAMES = ("analysis_name", "analysis", "plan_name")
"""Keys of start documents that name a run; the first that exists is used."""


def name_of(start: Mapping[str, Any]) -> Any:
    """The name of a run in its start document: that of an analysis, or of a plan."""
    return next((start[key] for key in NAMES if start.get(key)), None)


def ending_of(stop: Mapping[str, Any] | None) -> tuple[Any, Any]:
    """The status and the reason in a stop document, None if the run has none yet."""
    return (stop or {}).get("exit_status", UNFINISHED), (stop or {}).get("reason")


def check_parts(where: str, doc: Mapping[str, Any], parts: Sequence[str]) -> None:
    """Refuse Events or Datums with missing or wrong parts, or with others, which readers would not return."""
    for part in parts:
        if part not in doc and part != "filled":
            raise InvalidRunError(f"{where} lacks {part!r}")
    for key in doc:
        if key not in parts:
            raise InvalidRunError(
                f"{where} has the key {short(key)}, which would not be read back; make it a column of the data, "
                "or put it into the metadata of the run"
            )
    check_mappings(where, doc)


def check_mappings(where: str, doc: Mapping[str, Any]) -> None:
    """Refuse a document whose parts for columns are not dicts."""
    for part in _MAPPINGS:
        if part in doc and not isinstance(doc[part], Mapping):
            raise InvalidRunError(
                f"{where} has {short(doc[part])} as {part!r}, which must be a dict with one item for each key"
            )


def other_datum_kwargs(resource: Any, first: Iterable[Any], other: Iterable[Any]) -> InvalidRunError:
    """databroker 1.2.5 merges the datums of a resource, and fails if their datum_kwargs differ."""
    return InvalidRunError(
        f"the datums of the resource {cut(resource)!r} have the datum_kwargs {listed(first)} and then "
        f"{listed(other)}; give each the same ones, or use a resource for each set"
    )


def listed(keys: Iterable[Any]) -> str:
    """Keys as messages show them."""
    return cut(", ".join(sorted(map(repr, keys))), 200)
