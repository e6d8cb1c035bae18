"""Say in words how a column is stored, for messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy
import pandas

from .wording import short


class Words(str):
    """Text for messages that needs no quotation marks."""

    __slots__ = ()


def dtype_in_words(dtype: Any) -> str:
    """The name of a type of numpy or pandas.

    Examples
    --------
    >>> dtype_in_words("<f8"), dtype_in_words("<U4"), dtype_in_words("O")
    ('float64', 'text', 'Python objects')
    """
    if pandas.api.types.is_extension_array_dtype(dtype):
        return str(dtype)
    dtype = numpy.dtype(dtype)
    return {"U": "text", "O": "Python objects"}.get(dtype.kind, str(dtype.newbyteorder("=")))


def encodings_in_words(name: Any, first: Mapping[str, Any], later: Mapping[str, Any]) -> tuple[str, Any, Any, str]:
    """What differs between the encodings of a column, both sides, and the remedy."""
    remedy = "convert it, or begin another stream"
    if first["is"] == later["is"] == "category":
        ours, theirs = ([*encoding["categories"]["values"]] for encoding in (first, later))
        if ours != theirs:
            way = f"give each table all of them, with table[{name!r}].cat.set_categories(...), or begin another stream"
            return f"the categories of column {name!r}", ours, theirs, way
    before, after = map(_in_words, (first, later))
    if before == after:
        # what is left of the differences is rare: zones, bounds, and how pandas marks missing values
        parts = [key for key in first if first[key] != later.get(key)]
        before, after = (f"{words} with {_parts(side, parts)}" for words, side in ((before, first), (after, later)))
    return f"the type of column {name!r}", Words(before), Words(after), remedy


def _parts(encoding: Mapping[str, Any], parts: list[str]) -> str:
    return ", ".join(f"{part} {short(encoding.get(part))}" for part in parts)


def _in_words(encoding: Mapping[str, Any]) -> str:
    if encoding["is"] == "numpy":
        return dtype_in_words(encoding["dtype"])
    if encoding["is"] == "object":
        return "Python objects"
    if encoding["is"] == "masked":
        return f"a masked array of {dtype_in_words(encoding['dtype'])}"
    if encoding["is"] == "category":
        return f"{'ordered ' * encoding['ordered']}category of {encoding['dtype']}"
    if encoding["is"] == "interval":
        return f"interval, closed {encoding['closed']}"
    if "zone" in encoding:
        return f"datetime in the zone {encoding['zone']}"
    if encoding["is"] in ("datetime", "timedelta"):
        return dtype_in_words(encoding["dtype"])
    return f"pandas' {encoding['dtype']}" if encoding["is"] in ("string", "extension") else str(encoding["dtype"])
