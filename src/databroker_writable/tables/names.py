"""Names of columns, and data keys for names that documents do not allow."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Collection, Hashable, Iterable
from typing import Any

import numpy
import xarray

from ..errors import InvalidTableError
from .classifier import check_text
from .wording import article, cut

LONGEST_NAME = 1000

_REFUSED_IN_KEYS = re.compile(r"[./\x00-\x1f\x7f]|^\$")
"""Characters that event-model, MongoDB or terminals do not accept in a data key."""


def plain_names(labels: Iterable[Any], what: str) -> list[Any]:
    """Return names as text, numbers or tuples of these, which JSON preserves; refuse any others.

    `what` says for messages what has the names ("column", "index").
    """
    return [_plain_name(label, what) for label in labels]


def data_keys_of(names: Iterable[Any]) -> dict[Any, str]:
    """Return the data key of each name: the name itself, or one made from it if documents do not allow the name.

    Examples
    --------
    >>> data_keys_of(["x", "I/I0", 5, ("a", "mean")])
    {'x': 'x', 'I/I0': 'I_I0', 5: 'column_5', ('a', 'mean'): 'a_mean'}
    """
    keys = {name: name for name in names}
    made = [name for name in keys if not isinstance(name, str) or _REFUSED_IN_KEYS.search(name)]
    taken = {name for name in keys if isinstance(name, str)} if made else set()
    for name in made:
        keys[name] = free_name(_key_text(name), taken)
        taken.add(keys[name])
    return keys


def with_text_names(dataset: xarray.Dataset) -> xarray.Dataset:
    """Rename variables whose names are not text to their data keys, for files and plots."""
    if all(isinstance(name, str) for name in dataset.variables):
        return dataset
    keys = data_keys_of(dataset.variables)
    renamed: xarray.Dataset = dataset.rename({name: key for name, key in keys.items() if not isinstance(name, str)})
    return renamed


def text_name(dataset: xarray.Dataset, name: Any) -> Any:
    """The name that `with_text_names` gives to the variable of this name; itself for text, and if there is none."""
    return name if isinstance(name, str) else data_keys_of(dataset.variables).get(name, name)


def free_name(wanted: str, taken: Collection[Any]) -> str:
    """Return `wanted`, with underscores appended until it is free."""
    while wanted in taken:
        wanted += "_"
    return wanted


def numbered_name(wanted: str, taken: Collection[Any]) -> str:
    """Return `wanted`, or if it is taken, it with the first number from 2 on with which it is free."""
    names = itertools.chain([wanted], (f"{wanted}_{number}" for number in itertools.count(2)))
    return next(name for name in names if name not in taken)


def _plain_name(label: Any, what: str) -> Hashable:
    if type(label) is str and label.isidentifier() and len(label) <= LONGEST_NAME:
        return label
    name = _plain(label)
    if name is None:
        raise InvalidTableError(
            f"the name of {what} {label!r} is of type {type(label).__name__}; "
            f"make it a str, e.g. table.rename(columns=str) or {{str(k): v for k, v in table.items()}}"
        )
    text = _text_of(name)
    if len(text) > LONGEST_NAME:
        raise InvalidTableError(
            f"the name of {what} {cut(text)!r} has {len(text)} characters, but at most {LONGEST_NAME} "
            "are allowed; shorten it"
        )
    if not text:
        raise InvalidTableError(f"{article(what)} {what} has the empty string as its name; give it a name")
    check_text(text, f"the name of {what} {name!r}")
    return name


def _plain(label: Any) -> Hashable:
    if isinstance(label, str):
        return str.__str__(label)
    if isinstance(label, tuple):
        parts = tuple(_plain(part) for part in label)
        return None if None in parts or not parts else parts
    if isinstance(label, numpy.generic):
        label = label.item()
    is_number = type(label) is int or (type(label) is float and math.isfinite(label))
    return label if is_number else None


def _key_text(name: Any) -> str:
    """The text of a name as a key; Tiled's tables do not accept keys that begin with a digit."""
    text = _text_of(name)
    if isinstance(name, str):
        return _REFUSED_IN_KEYS.sub("_", text)
    text = re.sub(r"\W", "_", text)
    return text if text[0].isalpha() else f"column_{text}"


def _text_of(name: Any) -> str:
    """The text of a name, without the empty levels that pandas adds to columns with fewer levels."""
    return "_".join(filter(None, map(_text_of, name))) if isinstance(name, tuple) else str(name)
