"""Metadata given as KEY=VALUE."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import click


def parse_metadata(ctx: click.Context, param: click.Parameter, pairs: Iterable[str]) -> dict[str, Any]:
    """Give the dict of several KEY=VALUE; a callback of click."""
    metadata: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"{pair!r} is not KEY=VALUE; write it like sample=Cu")
        if key in metadata:
            raise click.BadParameter(f"the key {key!r} is given twice; give it once")
        metadata[key] = parse_value(value)
    return metadata


def parse_value(text: str) -> Any:
    """Give the value of JSON text (``8979``, ``true``, ``[1, 2]``, ``"29"``); other text as it is."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except ValueError:
        return text


def _refuse_constant(name: str) -> None:
    """NaN and Infinity are no JSON, though Python's reader takes them."""
    raise ValueError(name)
