"""The layout: a JSON text in the descriptor's configuration, from which the original is rebuilt."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

SOURCE = "databroker-writable"
OBJECT = "table"
LAYOUT = "layout"
VERSION = 1
_encode = json.JSONEncoder(allow_nan=False).encode


def embed_layout(layout: dict[str, Any], configuration: dict[str, dict[str, Any]], now: float) -> None:
    """Add the layout to the configuration of the pseudo-object."""
    key = _layout_keys(configuration["data"])[-1]
    configuration["data"][key] = _encode({"version": VERSION, **layout})
    configuration["data_keys"][key] = {"source": SOURCE, "dtype": "string", "shape": []}
    configuration["timestamps"][key] = now


def find_layout(descriptor: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the layout that a descriptor carries, or None if it is not one of ours."""
    configuration = descriptor.get("configuration", {}).get(OBJECT, {})
    *present, _ = _layout_keys(configuration.get("data", {}))
    if not present:
        return None
    data_key = configuration.get("data_keys", {}).get(present[-1], {})
    text = configuration["data"][present[-1]]
    if data_key.get("source") != SOURCE or not isinstance(text, str) or not text.startswith('{"version": '):
        return None
    layout: dict[str, Any] = json.loads(text)
    return layout


def _layout_keys(names: Iterable[str]) -> list[str]:
    """Return the names that are `layout` with any number of underscores, shortest first, and the next one.

    The layout's own key is always the longest, whatever a user's coordinates are called.
    """
    taken = sorted((name for name in names if name.rstrip("_") == LAYOUT), key=len)
    return [*taken, taken[-1] + "_" if taken else LAYOUT]
