"""Whether a later table of a stream fits the first: one descriptor describes both."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..errors import InvalidTableError
from .layout import find_layout
from .nulls import fitted_schema

if TYPE_CHECKING:
    from .stream_table import StreamSchema


def check_agreement(first: StreamSchema, later: StreamSchema, stream: str) -> None:
    """Raise InvalidTableError, with both sides, at the first difference that matters."""
    if _are_alike(first, later):
        return
    later = fitted_schema(later, first, stream)
    ours = find_layout({"configuration": first.configuration})
    theirs = find_layout({"configuration": later.configuration})
    if ours is not None and theirs is not None:
        _check_times(ours["variables"], theirs["variables"], stream)
    if set(first.data_keys) != set(later.data_keys):
        _differ(
            stream,
            "the columns",
            list(first.data_keys),
            list(later.data_keys),
            _column_remedy(first.data_keys, later.data_keys),
        )
    for key, data_key in first.data_keys.items():
        other = later.data_keys[key]
        for part in ("dtype_numpy", "dtype", "shape", "dims"):
            if part in data_key and part in other and _loose(data_key[part]) != _loose(other[part]):
                _differ(stream, f"the {part} of column {key!r}", data_key[part], other[part])
    if ours is None or theirs is None:
        return
    if ours["one_event"] != theirs["one_event"]:
        _differ(stream, "one_event", ours["one_event"], theirs["one_event"])
    _check_variables(ours["variables"], theirs["variables"], stream)
    for part in ("kind", "dim", "attrs", "indexes"):
        if _loose(ours[part]) != _loose(theirs[part]):
            what = "the attributes" if part == "attrs" else f"the {part} of the table"
            _differ(stream, what, ours[part], theirs[part])
    _check_configuration(first.configuration, later.configuration, ours["variables"], stream)


def _are_alike(first: StreamSchema, later: StreamSchema) -> bool:
    """Whether all but the time of reading is the same, as it is for most pieces of a stream."""
    before, after = (
        {name: configured["data"] for name, configured in schema.configuration.items()} for schema in (first, later)
    )
    return first.data_keys == later.data_keys and before == after


def _check_times(first: list[dict[str, Any]], later: list[dict[str, Any]], stream: str) -> None:
    """Whether `time` rises is found anew for each table."""
    places = [entry["in"] for entries in (first, later) for entry in entries if entry["name"] == "time"]
    if len(places) == 2 and places[0] != places[1] and "time" in places:
        before, after = ("the Events' own time" if place == "time" else "a column" for place in places)
        _differ(stream, "'time' as", before, after, "make it rise in every table, or rename it")


def _check_variables(first: list[dict[str, Any]], later: list[dict[str, Any]], stream: str) -> None:
    before, after = ({entry["name"]: entry for entry in entries} for entries in (first, later))
    if set(before) != set(after):
        _differ(stream, "the names", list(before), list(after))
    for name, entry in before.items():
        other = after[name]
        for part in ("encoding", "dims", "coordinate", "attrs", "in"):
            if part == "encoding" and _holds_objects(entry[part], other[part]):
                continue
            if _loose(entry[part]) != _loose(other[part]):
                _differ(stream, f"the {part} of {name!r}", entry[part], other[part])


def _holds_objects(first: dict[str, Any], later: dict[str, Any]) -> bool:
    """Whether a column began as objects, some of them missing, and goes on with values of the same type."""
    return (first["is"], later["is"]) == ("object", "numpy")


def _check_configuration(
    first: dict[str, Any], later: dict[str, Any], variables: list[dict[str, Any]], stream: str
) -> None:
    """Coordinates that are stored once must hold for every table of the stream."""
    for entry in variables:
        if entry["in"] != "configuration":
            continue
        for key in filter(None, (entry["key"], entry.get("exact"))):
            before, after = (
                [conf["data"].get(key) for conf in configuration.values()] for configuration in (first, later)
            )
            # As text, so that NaN equals itself.
            if json.dumps(before) != json.dumps(after):
                _differ(
                    stream,
                    f"the values of coordinate {entry['name']!r}",
                    before[0],
                    after[0],
                    "begin another stream for them, or make the coordinate a column",
                )


def _loose(value: Any) -> Any:
    """Forget what may differ: the width of strings, the frequency and number of an index."""
    if isinstance(value, str) and value[:2] in ("<U", ">U"):
        return "U"
    if isinstance(value, dict):
        return {k: _loose(v) for k, v in value.items() if k != "freq"}
    if isinstance(value, list | tuple):
        return [_loose(item) for item in value]
    return value


def _column_remedy(first: dict[str, Any], later: dict[str, Any]) -> str:
    extra = set(later) - set(first)
    if extra & {"index"}:
        return "drop the index with .reset_index(drop=True), or keep it in every table"
    return "give every table of a stream the same columns, or begin another stream"


def _differ(
    stream: str, what: str, first: Any, later: Any, remedy: str = "convert it, or begin another stream"
) -> None:
    before, after = (_short(value) for value in (first, later))
    raise InvalidTableError(f"stream {stream!r} began with {what} {before}, but this table has {after}; {remedy}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 300 else text[:300] + "..."
