"""Show values in messages, and say what to do with those that cannot be stored."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import fractions
import os
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy
import pandas
import xarray

from ..errors import did_you_mean


def article(word: str) -> str:
    """The indefinite article before a word."""
    return "an" if word[:1] in "aeiou" else "a"


def short(value: Any, longest: int = 60) -> str:
    """A value for messages, shortened."""
    try:
        text = repr(value)
    except RecursionError:
        text = f"a {type(value).__name__}, nested deeply or in itself"
    except Exception:
        # the message is more useful than the error in the object's own code
        text = f"a {type(value).__name__} that cannot be shown"
    if "\n" in text:
        return f"<{type(value).__name__}>"
    return cut(text, longest)


def cut(value: Any, longest: int = 60) -> str:
    """The text of a value for messages, shortened."""
    text = str(value)
    return text if len(text) <= longest else text[: longest - 3] + "..."


def choice(names: Iterable[Any], wanted: Any, show: Callable[[Any], str] = str) -> str:
    """The names that there are, for a message about one that is not; of very many, some and the most similar one."""
    names = list(names)
    listed = ", ".join(map(show, names)) or "none"
    return listed if len(listed) <= 300 else cut(listed, 300) + did_you_mean(str(wanted), map(str, names))


def dtype_in_words(dtype: Any) -> str:
    """The name of a type of numpy or pandas."""
    if pandas.api.types.is_extension_array_dtype(dtype):
        return str(dtype)
    dtype = numpy.dtype(dtype)
    return {"U": "text", "O": "Python objects"}.get(dtype.kind, str(dtype.newbyteorder("=")))


def counted(number: int, noun: str) -> str:
    """A number of things, such as '2 runs'."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


Location = str | tuple["Location", Any]
"""The location of a value: a text, or the location of its container with its key or position.

Most values are valid, and the text costs more than the check, so `located` makes it only for messages.
"""


def located(where: Location) -> str:
    """The text of a location, such as metadata['scan'][0]."""
    parts: list[str] = []
    while not isinstance(where, str):
        where, part = where
        parts.append(f"[{part!r}]")
    return where + "".join(reversed(parts))


def remedy_for(value: Any) -> str:
    """What to store instead of a value of metadata that no document can hold."""
    for types, remedy in _REMEDIES:
        if isinstance(value, types):
            return remedy
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return "make it a dict, dataclasses.asdict(value)"
    if hasattr(value, "to_list"):  # of pandas, where labels look like attributes
        return "make it a list, value.to_list()"
    if hasattr(value, "stderr") and hasattr(value, "value"):
        return "store {'value': value.value, 'stderr': value.stderr}, or give it as a column"
    if hasattr(value, "__array__"):
        return "make it an array, numpy.asarray(value)"
    if callable(value):
        return "store its name or its parameters"
    return "make it text, numbers, or lists and dicts of these"


_REMEDIES: tuple[tuple[Any, str], ...] = (
    ((type(pandas.NA), type(pandas.NaT)), "store None"),
    (datetime.datetime, "store value.isoformat() or value.timestamp()"),
    ((datetime.date, datetime.time), "store value.isoformat()"),
    (datetime.timedelta, "store its seconds, value.total_seconds()"),
    ((numpy.datetime64, numpy.timedelta64), "store it as text, str(value)"),
    ((set, frozenset), "make it a list, sorted(value)"),
    (xarray.Dataset, "store it as a stream of the run, or as a dict, value.to_dict()"),
    (xarray.DataTree, "store the Dataset of each node as a stream of the run"),
    (Mapping, "make it a dict, dict(value)"),
    ((decimal.Decimal, fractions.Fraction), "store str(value) or float(value)"),
    (os.PathLike, "store os.fspath(value)"),
    (uuid.UUID, "store str(value)"),
    (enum.Enum, "store value.name or value.value"),
    (pandas.DataFrame, "store it as a stream of the run, or as a dict of lists, value.to_dict('list')"),
)
