"""What the command line prints: everything goes through `say`."""

from __future__ import annotations

import json
import sys
from typing import Any

import click
import numpy
import pandas

from ..runs.shown_text import aligned as table
from ..runs.shown_text import for_json, printable, shown, shown_time

__all__ = ["json_text", "say", "shown", "shown_cell", "shown_time", "table"]

DIGITS = 6


def say(text: str = "", *, error: bool = False) -> None:
    """Print lines; with a blank for each control character, and ? for those that the terminal cannot show."""
    text = "\n".join(map(printable, text.split("\n")))
    encoding = getattr(sys.stderr if error else sys.stdout, "encoding", None) or "utf-8"
    click.echo(text.encode(encoding, "replace").decode(encoding), err=error)


def json_text(value: Any) -> str:
    """JSON for programs. JSON has no NaN, so NaN is null."""
    text = json.dumps(for_json(value), indent=2, ensure_ascii=False)
    return "\n".join(
        line if line.isprintable() else "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in line)
        for line in text.split("\n")
    )


def shown_cell(value: Any, width: int) -> str:
    """A value for a table: numbers shortened, arrays with their first and last values."""
    if isinstance(value, numpy.ndarray | list | tuple):
        array = numpy.asarray(value)
        texts = [numpy.array2string(array, precision=digits, threshold=4, edgeitems=2) for digits in (DIGITS, 4, 2)]
        return shown(next((text for text in texts if len(text) <= width), texts[-1]), width)
    if isinstance(value, numpy.datetime64):
        return "NaT" if numpy.isnat(value) else numpy.datetime_as_string(value, unit="auto").replace("T", " ")
    if isinstance(value, numpy.timedelta64):
        return str(pandas.Timedelta(value))
    if isinstance(value, numpy.generic):
        value = value.item()
    if isinstance(value, float):
        return f"{value:.{DIGITS}g}"
    return shown(value, width)
