"""The form of a table for the documents of a stream, and whether a later table fits the first."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy

from ..errors import InvalidTableError, warn_user
from .column_parts import COUNT, DTYPE, PaddedRows
from .layout import OBJECT, find_layout
from .wording import dtype_in_words, short


@dataclass(frozen=True)
class StreamSchema:
    """The fixed part of a stream: what goes to its event descriptor."""

    data_keys: dict[str, dict[str, Any]]
    object_keys: dict[str, list[str]]  # all data keys in one pseudo-object, which has the configuration
    configuration: dict[str, dict[str, Any]]  # coordinates that are not along the Events, and the layout
    hints: dict[str, Any]

    @functools.cached_property
    def layout(self) -> dict[str, Any] | None:
        """The layout of the table, or None if the stream was not made from one."""
        return find_layout({"configuration": self.configuration})

    @functools.cached_property
    def variables(self) -> dict[Any, dict[str, Any]]:
        """The entries of the layout, by the names of the columns."""
        return {} if self.layout is None else {entry["name"]: entry for entry in self.layout["variables"]}

    @functools.cached_property
    def number_dtypes(self) -> dict[Any, str]:
        """The dtypes of the columns of numbers, by name."""
        forms = {name: entry["encoding"] for name, entry in self.variables.items()}
        return {name: form["dtype"] for name, form in forms.items() if form["is"] == "numpy"}

    @functools.cached_property
    def object_dtypes(self) -> dict[Any, str]:
        """The dtypes of the existing values of columns of Python objects, by name."""
        return {
            name: _value_dtype(entry, self)
            for name, entry in self.variables.items()
            if entry["encoding"]["is"] == "object" and entry["key"] in self.data_keys
        }

    @functools.cached_property
    def padded(self) -> dict[Any, PaddedRows]:
        """The columns whose rows were padded because of their different lengths, by name."""
        found = {}
        for name, entry in self.variables.items():
            attrs = {key: value for key, value in entry["attrs"] if key in (COUNT, DTYPE)}
            if COUNT in attrs and entry.get("key") in self.data_keys:
                dtype = attrs.get(DTYPE, entry["encoding"]["dtype"])
                found[name] = PaddedRows(self.data_keys[entry["key"]]["shape"][-1], dtype)
        return found

    def widened(self, later: StreamSchema) -> dict[str, dict[str, Any]]:
        """The data keys from a later table on, in which integers have become floats."""
        if self.data_keys == later.data_keys:
            return {}
        return {
            key: {part: later.data_keys[key][part] for part in ("dtype", "dtype_numpy")}
            for key, data_key in self.data_keys.items()
            if key in later.data_keys and _is_wider(data_key, later.data_keys[key])
        }

    def check_agrees(self, later: StreamSchema, stream: str) -> None:
        """Raise InvalidTableError, which shows both sides, at the first relevant difference of a later table."""
        if self.data_keys == later.data_keys and self._configured() == later._configured():
            return
        later = later.fitted(self)
        ours, theirs = self.layout, later.layout
        for name in self.variables:
            if name in later.variables:
                _check_column(name, self, later, stream)
        _check_data_keys(self.data_keys, later.data_keys, stream)
        if ours is None or theirs is None:
            return
        _check_variables(self.variables, later.variables, stream)
        for part in ("kind", "dim", "attrs", "indexes"):
            if _loose(ours[part]) != _loose(theirs[part]):
                what = "the attributes" if part == "attrs" else f"the {part} of the table"
                raise _difference(stream, what, ours[part], theirs[part])
        _check_configuration(self.configuration, later.configuration, ours["variables"], stream)

    def fitted(self, first: StreamSchema) -> StreamSchema:
        """Use the dtypes and flags of nulls of the stream's first table."""
        if self.data_keys == first.data_keys:
            return self
        data_keys = dict(self.data_keys)
        for _, key, old, entry in self._in_both(first):
            if _value_dtype(old, first) == _value_dtype(entry, self):
                declared = {part: first.data_keys[key][part] for part in ("dtype", "dtype_numpy")}
                data_keys[key] = {**data_keys[key], **declared}
            mark, needed = old.get("missing"), entry.get("missing")
            if mark is not None:
                data_keys[mark] = first.data_keys[mark]
            elif needed is not None:
                data_keys.pop(needed, None)  # gone if it was fitted before
        return replace(self, data_keys=data_keys)

    def warn_of_nulls(self, first: StreamSchema, stream: str) -> None:
        """Warn of missing values that the stream's first table did not announce, and that no flags mark."""
        for name, _, old, entry in self._in_both(first) if self.data_keys != first.data_keys else ():
            if ("nulls" in entry and "nulls" not in old) or ("missing" in entry and "missing" not in old):
                warn_user(
                    f"column {name!r} of stream {stream!r} has missing values that its first table did not announce: "
                    "databroker 1 reads them, databroker 2 and Tiled cannot tell them from values; "
                    "store the tables in one piece, or begin another stream"
                )

    def _in_both(self, first: StreamSchema) -> Iterator[tuple[Any, str, dict[str, Any], dict[str, Any]]]:
        """The name, the key, and both entries in the layout, of the columns that are also in the first table."""
        before = first.variables
        for name, entry in self.variables.items():
            old, key = before.get(name, {}), entry.get("key")
            if key is not None and old.get("key") == key and key in self.data_keys and key in first.data_keys:
                yield name, key, old, entry

    def _configured(self) -> dict[str, Any]:
        """The configuration without its timestamps."""
        return {name: configured["data"] for name, configured in self.configuration.items()}


@dataclass(frozen=True)
class StreamTable:
    """A table as the Events of a stream.

    The leading axis of each column is that of the Events. numpy arrays share memory with the user's table; numbers from
    a list are a list.
    """

    schema: StreamSchema
    data: dict[str, Any]
    length: int
    rows: int  # if the whole table is one Event, those of the table
    time: numpy.ndarray | None  # POSIX seconds of each Event, if the table's `time` can be used

    def fitted(self, first: StreamSchema) -> StreamTable:
        """Use the dtypes and flags of nulls of the stream's first table, which has the same columns."""
        schema = self.schema.fitted(first)
        if schema is self.schema:
            return self
        data = {
            key: self.data[key] if key in self.data else numpy.zeros((self.length, *data_key["shape"]), bool)
            for key, data_key in schema.data_keys.items()
        }
        return replace(self, data=data, schema=schema)


def _value_dtype(entry: dict[str, Any], schema: StreamSchema) -> str:
    """The dtype of the existing values; strings may have any length."""
    dtype: str = entry.get("nulls") or schema.data_keys[entry["key"]]["dtype_numpy"]
    return dtype[:2] if dtype[1:2] == "U" else dtype


def _check_column(name: Any, first: StreamSchema, later: StreamSchema, stream: str) -> None:
    """Refuse a column whose times, missing values or rows differ from those of the first table in form."""
    old, new, said = first.variables[name], later.variables[name], f"column {name!r} of stream {stream!r}"
    if old["in"] != new["in"] and "time" in (old["in"], new["in"]):
        before, after = ("the Events' own time" if part == "time" else "a column" for part in (old["in"], new["in"]))
        raise _difference(stream, "'time' as", before, after, "make it increase in every table, or rename it")
    encodings = [old["encoding"], new["encoding"]]
    forms = [encoding["is"] for encoding in encodings]
    if len({encoding.get("bounds", encoding).get("exact") for encoding in encodings}) > 1:
        # the user does not know the column of exact integers, which only one of the tables has
        raise _other_encoding(stream, name, *encodings)
    if forms == ["numpy", "object"] and "nulls" in new:
        dtype = numpy.dtype(old["encoding"]["dtype"])
        way = "write nan for them" if dtype.kind in "iuf" else "begin with a table that has some"
        raise InvalidTableError(
            f"{said} has None for missing values, which its first table, of {dtype_in_words(dtype)}, did not have; "
            f"{way}, or begin another stream"
        )
    if forms[0] == "object" and forms[1] in ("numpy", "object") and "nulls" in old:
        earlier, dtype = (numpy.dtype(_value_dtype(*side)) for side in ((old, first), (new, later)))
        if earlier.kind == "U" and dtype.kind in "biuf":
            raise InvalidTableError(
                f"{said} began with None, alone or among text, but this table has {dtype_in_words(dtype)}; write "
                "nan for missing numbers, or begin another stream"
            )
    padded = [schema.padded.get(name) for schema in (first, later)]
    if padded[1] is not None and padded[0] is None:
        raise InvalidTableError(
            f"{said} began with rows of one length, but this table has rows of different lengths; pad them with nan, "
            "or begin with a table that has rows of different lengths"
        )
    dtypes = [numpy.dtype(rows.dtype) for rows in padded if rows is not None]
    if len(set(dtypes)) > 1:
        raise _difference(stream, f"the type of the rows of column {name!r}", *map(_Words, map(dtype_in_words, dtypes)))


def _check_data_keys(first: dict[str, dict[str, Any]], later: dict[str, dict[str, Any]], stream: str) -> None:
    if set(first) != set(later):
        if "index" in set(later) - set(first):
            remedy = "drop the index with .reset_index(drop=True), or keep it in every table"
        else:
            remedy = "give every table of a stream the same columns, or begin another stream"
        raise _difference(stream, "the columns", list(first), list(later), remedy)
    for key, data_key in first.items():
        other = later[key]
        if _is_wider(data_key, other):
            continue
        for part in ("dtype_numpy", "dtype", "shape", "dims"):
            if part in data_key and part in other and _loose(data_key[part]) != _loose(other[part]):
                way = "convert it"
                if part == "shape" and len(data_key[part]) == len(other[part]) == 1:
                    way = "pad the rows to the length of the first ones, e.g. with nan"
                    if other[part] > data_key[part]:
                        way = "begin with the longest row, or pad the first ones, e.g. with nan"
                what = f"the {part} of column {key!r}"
                raise _difference(stream, what, data_key[part], other[part], f"{way}, or begin another stream")


def _check_variables(first: dict[Any, dict[str, Any]], later: dict[Any, dict[str, Any]], stream: str) -> None:
    if set(first) != set(later):
        raise _difference(stream, "the names", list(first), list(later))
    for name, entry in first.items():
        other = later[name]
        # a column that began as objects with missing ones may continue with values of the same type
        goes_on = (entry["encoding"]["is"], other["encoding"]["is"]) == ("object", "numpy")
        # the data keys show changes of numbers
        goes_on = goes_on or entry["encoding"]["is"] == other["encoding"]["is"] == "numpy"
        # a single value is repeated in each Event, like a column
        is_single = not (entry["dims"] and other["dims"])
        may_differ = {"encoding": goes_on, "dims": is_single}
        for part in ("encoding", "dims", "coordinate", "attrs", "in"):
            if _loose(entry[part]) != _loose(other[part]) and not may_differ.get(part, False):
                if part == "encoding":
                    raise _other_encoding(stream, name, entry[part], other[part])
                raise _difference(stream, f"the {part} of {name!r}", entry[part], other[part])


def _check_configuration(
    first: dict[str, Any], later: dict[str, Any], variables: list[dict[str, Any]], stream: str
) -> None:
    """Coordinates that are stored once must be the same in every table of the stream."""
    for entry in variables:
        for part in ("key", "exact") if entry["in"] == "configuration" else ():
            before, after = (configuration[OBJECT]["data"].get(entry.get(part)) for configuration in (first, later))
            # As text, so that NaN equals itself.
            if json.dumps(before) != json.dumps(after):
                what = f"the values of coordinate {entry['name']!r}"
                remedy = "begin another stream for them, or make the coordinate a column"
                raise _difference(stream, what, before, after, remedy)


def _is_wider(first: dict[str, Any], later: dict[str, Any]) -> bool:
    """Whether single integers have become floats; an asset cannot change its dtype."""
    kinds = [numpy.dtype(data_key["dtype_numpy"]).kind for data_key in (first, later) if data_key.get("dtype_numpy")]
    return len(kinds) == 2 and kinds[0] in "iu" and kinds[1] == "f" and not first["shape"] and not later["shape"]


def _loose(value: Any) -> Any:
    """Remove what may differ: the width of strings, the frequency and number of an index."""
    if isinstance(value, str) and value[:2] in ("<U", ">U"):
        return "U"
    if isinstance(value, dict):
        return {k: _loose(v) for k, v in value.items() if k != "freq"}
    if isinstance(value, list | tuple):
        return [_loose(item) for item in value]
    return value


class _Words(str):
    """Text for messages that needs no quotation marks."""

    __slots__ = ()


def _difference(
    stream: str, what: str, first: Any, later: Any, remedy: str = "convert it, or begin another stream"
) -> InvalidTableError:
    before, after = (value if isinstance(value, _Words) else short(value, 300) for value in (first, later))
    return InvalidTableError(f"stream {stream!r} began with {what} {before}, but this table has {after}; {remedy}")


def _other_encoding(stream: str, name: Any, first: dict[str, Any], later: dict[str, Any]) -> InvalidTableError:
    """The error for a column that a later table encodes in another way."""
    if first["is"] == later["is"] == "category":
        ours, theirs = ([*encoding["categories"]["values"]] for encoding in (first, later))
        if ours != theirs:
            way = f"give each table all of them, with table[{name!r}].cat.set_categories(...), or begin another stream"
            return _difference(stream, f"the categories of column {name!r}", ours, theirs, way)
    before, after = map(_in_words, (first, later))
    if before == after:
        # what is left of the differences is rare: zones, bounds, and how pandas marks missing values
        parts = [key for key in {**first, **later} if first.get(key) != later.get(key)]
        before, after = (
            f"{before} with {', '.join(f'{part} {short(side.get(part))}' for part in parts)}" for side in (first, later)
        )
    return _difference(stream, f"the type of column {name!r}", _Words(before), _Words(after))


def _in_words(encoding: dict[str, Any]) -> str:
    form, dtype = encoding["is"], encoding.get("dtype")
    if "zone" in encoding:
        return f"datetime in the zone {encoding['zone']}"
    if form in ("numpy", "masked", "datetime", "timedelta"):
        dtype = dtype_in_words(dtype)
    words = {
        "object": "Python objects",
        "masked": f"a masked array of {dtype}",
        "category": f"{'ordered ' * encoding.get('ordered', False)}category of {dtype}",
        "interval": f"interval, closed {encoding.get('closed')}",
        "string": f"pandas' {dtype}",
        "extension": f"pandas' {dtype}",
    }
    return words.get(form, str(dtype))
