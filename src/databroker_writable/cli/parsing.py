"""What is written on the command line: metadata as KEY=VALUE, spans of time and dates."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import click

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_SPAN = re.compile(r"(\d+(?:\.\d*)?)([smhdw]?)")


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


def _seconds_in(text: str) -> float | None:
    """Seconds in a span such as ``90`` (seconds), ``30m``, ``12h``, ``2d``, ``1w``; None for other text."""
    match = _SPAN.fullmatch(text.strip())
    return float(match[1]) * _UNITS[match[2]] if match else None


def parse_span(ctx: click.Context, param: click.Parameter, text: str) -> float:
    """Give the seconds in a span; a callback of click."""
    seconds = _seconds_in(text)
    if seconds is None:
        raise click.BadParameter(f"{text!r} is no span of time; write it like 1d, 12h, 30m or 0")
    return seconds


def parse_time(ctx: click.Context, param: click.Parameter, text: str | None) -> float | None:
    """Give POSIX seconds for a date, a local time, or a span before now; a callback of click."""
    if text is None:
        return None
    seconds = _seconds_in(text)
    if seconds is not None and not text.strip().isdigit():
        return time.time() - seconds
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except ValueError as exc:
        raise click.BadParameter(
            f"{text!r} is no time; write it like 2024-05-31, '2024-05-31 14:30' or 2d (two days ago)"
        ) from exc
