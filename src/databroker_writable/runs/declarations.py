"""Merge what the user declares about a stream with what is inferred from its first table."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from bluesky_live.run_builder import StreamDoesNotExist, StreamExists

from ..errors import InvalidRunError, InvalidTableError
from ..tables import OBJECT, StreamSchema, find_layout
from ..tables.document_values import document_value
from ..tables.wording import short
from .attachments import STREAM as ATTACHMENTS

NO_CONFIGURATION: dict[str, Any] = {"data": {}, "timestamps": {}, "data_keys": {}}
CONFIGURATION = "a configuration is {object: {'data': {...}, 'data_keys': {...}, 'timestamps': {...}}}"
HINTS = "hints are {object: {'fields': [column, ...]}}"
DATA_KEYS = "data_keys are {column: {'source': ..., 'dtype': ..., 'shape': [...]}}"
OBJECT_KEYS = "object_keys are {object: [column, ...]}"
WIDER = ("number", "integer")


class NoSuchStreamError(InvalidRunError, StreamDoesNotExist):
    """A builder has no stream of this name yet."""


class StreamExistsError(InvalidRunError, StreamExists):
    """A builder has a stream of this name already."""


def check_stream(name: Any, data: Any, data_keys: Mapping[str, Any] | None, known: Collection[str]) -> None:
    """Refuse a stream without a name, with one that is known, or with neither data nor data keys."""
    if not isinstance(name, str):
        raise InvalidTableError(f"the name of a stream must be a string, not {short(name)}")
    if not name:
        raise InvalidTableError("the name of a stream is empty; give it one, such as 'primary'")
    if data is None and (data_keys is None or (isinstance(data_keys, Mapping) and not data_keys)):
        raise InvalidTableError(f"the stream {name!r} has neither data nor data_keys; give one of them")
    if name in known and name == ATTACHMENTS:
        raise StreamExistsError("The run has attachments already; attach all files in one call.")
    if name in known:
        raise StreamExistsError(f"The stream {name!r} exists; add_data({name!r}, ...) adds to it.")


def with_declarations(
    inferred: StreamSchema | None,
    data_keys: Mapping[str, Mapping[str, Any]] | None,
    object_keys: Mapping[str, Sequence[str]] | None,
    configuration: Mapping[str, Any] | None,
    hints: Mapping[str, Any] | None,
) -> StreamSchema:
    """Let the user's declarations override what was inferred from the first table."""
    if inferred is not None and data_keys is None and object_keys is None and configuration is None and hints is None:
        return with_objects(inferred)
    schema = inferred or StreamSchema({}, {}, {}, {})
    configuration = {} if configuration is None else configuration
    check_configuration(configuration, schema.configuration)
    merged = _data_keys({} if data_keys is None else data_keys, inferred)
    keys = _object_keys(schema.object_keys, {} if object_keys is None else object_keys, merged)
    for name, given in _mapping({} if hints is None else hints, "hints", HINTS).items():
        fields = _mapping(given, f"hints[{name!r}]", HINTS).get("fields", [])
        if not isinstance(fields, list | tuple) or not all(isinstance(field, str) for field in fields):
            raise InvalidTableError(f"hints[{name!r}]['fields'] is {short(fields)}, not a list of columns; {HINTS}")
    complete = StreamSchema(
        merged,
        keys,
        {**schema.configuration, **configuration},
        _hints(schema.hints, keys) if hints is None else dict(hints),
    )
    return with_objects(complete)


def _data_keys(given: Any, inferred: StreamSchema | None) -> dict[str, dict[str, Any]]:
    """The data keys of the table, with what the user says of them."""
    merged = {} if inferred is None else {key: dict(value) for key, value in inferred.data_keys.items()}
    for key, value in _mapping(given, "data_keys", DATA_KEYS).items():
        if inferred is not None and key not in merged:
            raise InvalidTableError(f"data_keys names {key!r}, which is not a column; there are {sorted(merged)}")
        if not isinstance(value, Mapping):
            raise InvalidTableError(
                f"data_keys[{key!r}] must be a dict with source, dtype and shape, not {short(value)}"
            )
        declared = document_value(value, f"data_keys[{key!r}]", InvalidTableError)
        for part in ("shape", "dims"):
            if not isinstance(declared.get(part, []), list):
                raise InvalidTableError(f"data_keys[{key!r}][{part!r}] must be a list, not {short(declared[part])}")
        merged[key] = {**merged.get(key, {}), **declared}
        missing = {"source", "dtype", "shape"} - merged[key].keys()
        if missing:
            raise InvalidTableError(f"data_keys[{key!r}] lacks {sorted(missing)[0]!r}")
    if inferred is not None:
        check_declared(merged, inferred, "the stream")
    return merged


def check_configuration(configuration: Any, present: Mapping[str, Any]) -> None:
    """Refuse a configuration that readers cannot read, or that would replace that of the table."""
    parts = tuple(NO_CONFIGURATION)
    for name, given in _mapping(configuration, "configuration").items():
        where = f"configuration[{name!r}]"
        if name == OBJECT and find_layout({"configuration": present}) is not None:
            raise InvalidTableError(
                f"{where} would replace the coordinates and layout of the table; choose another name for the object"
            )
        keys = [list(_mapping(_mapping(given, where).get(part), f"{where}[{part!r}]")) for part in parts]
        for part, found in zip(parts, keys, strict=True):
            if set(found) != set(keys[0]):
                raise InvalidTableError(
                    f"{where} has {keys[0]} in 'data' but {found} in {part!r}; name the same in each"
                )


def _mapping(given: Any, where: str, form: str = CONFIGURATION) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise InvalidTableError(f"{where} is {short(given)}, not a dict; {form}")
    return given


def with_objects(schema: StreamSchema) -> StreamSchema:
    """Name each object where readers look for it: in the object keys, the configuration and the data keys."""
    objects = [*schema.object_keys, *schema.configuration]
    object_of = {key: name for name, keys in schema.object_keys.items() for key in keys}
    return StreamSchema(
        {
            # suitcase-specfile 0.3 fails without it
            key: {**({"object_name": object_of[key]} if key in object_of else {}), **data_key}
            for key, data_key in schema.data_keys.items()
        },
        {name: schema.object_keys.get(name, []) for name in objects},
        {name: schema.configuration.get(name, NO_CONFIGURATION) for name in objects},
        schema.hints,
    )


def check_declared(data_keys: Mapping[str, Any], schema: StreamSchema, stream: str) -> None:
    """Refuse a table that contradicts its data keys, because readers rely on them."""
    for key, declared in data_keys.items():
        inferred = schema.data_keys[key]
        for part, agree in _AGREEMENTS.items():
            if part in declared and part in inferred and not agree(declared[part], inferred[part]):
                raise InvalidTableError(
                    f"data_keys of {stream} declare the {part} {declared[part]!r} for column {key!r}, but this table "
                    f"has {inferred[part]!r}; change the data keys, or convert the column"
                )
        dims, shape = declared.get("dims"), inferred["shape"]
        if dims is not None and len(dims) != len(shape):
            raise InvalidTableError(
                f"data_keys of {stream} declare the dims {dims!r} for column {key!r}, but its shape is {shape!r}; "
                "name each axis once"
            )


def _same_shape(declared: Any, found: Any) -> bool:
    fits = [one is None or one == other for one, other in zip(declared, found, strict=False)]
    return len(declared) == len(found) and all(fits)


_AGREEMENTS: dict[str, Callable[[Any, Any], bool]] = {
    "shape": _same_shape,
    # an integer is a number; "array" does not give the type of the values
    "dtype": lambda declared, found: declared in (found, "array") or found == "array" or (declared, found) == WIDER,
    # strings may be of any length
    "dtype_numpy": lambda declared, found: declared == found or str(declared)[:2] == str(found)[:2] == "<U",
}


def _object_keys(inferred: Mapping[str, list[str]], given: Any, data_keys: Mapping[str, Any]) -> dict[str, list[str]]:
    """The user's objects; inferred objects keep the columns that the user did not assign."""
    assigned = {}
    for name, keys in _mapping(given, "object_keys", OBJECT_KEYS).items():
        if isinstance(keys, str) or not isinstance(keys, Iterable):
            raise InvalidTableError(f"object_keys[{name!r}] must be a list of columns, not {short(keys)}")
        assigned[name] = list(keys)
        for key in assigned[name]:
            if not isinstance(key, str) or key not in data_keys:
                raise InvalidTableError(
                    f"object_keys[{name!r}] names {short(key)}, which is not a column; there are {[*data_keys]}"
                )
    claimed = {key for keys in assigned.values() for key in keys}
    kept = {name: [key for key in keys if key not in claimed] for name, keys in inferred.items()}
    return {**kept, **assigned}


def _hints(inferred: Mapping[str, Any], object_keys: Mapping[str, list[str]]) -> dict[str, Any]:
    """The hints of the table, for the objects of its columns."""
    fields = [field for hint in inferred.values() for field in hint["fields"]]
    owned = {name: [field for field in fields if field in keys] for name, keys in object_keys.items()}
    return {name: {"fields": names} for name, names in owned.items() if names}
