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
    """The name of a type of numpy or pandas."""
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
        parts = [key for key in {**first, **later} if first.get(key) != later.get(key)]
        before, after = (
            f"{before} with {', '.join(f'{part} {short(side.get(part))}' for part in parts)}" for side in (first, later)
        )
    return f"the type of column {name!r}", Words(before), Words(after), remedy


def _in_words(encoding: Mapping[str, Any]) -> str:
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
