"""Make text of documents safe to show on a terminal, in a table and in a drawing."""

from __future__ import annotations

import html
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import humanize
import numpy

SHORT_UID = 8
"""How many characters of a uid are shown, unless they are those of several."""

_ENTITIES = str.maketrans({"&": "#amp;", "<": "#lt;", ">": "#gt;", '"': "#quot;", "`": "#96;", "#": "#35;"})


def printable(text: str) -> str:
    """Return one line, with spaces instead of characters that could control a terminal."""
    return text if text.isprintable() else "".join(char if char.isprintable() else " " for char in text)


def mermaid_label(lines: list[str]) -> str:
    """Return a label for a Mermaid flowchart, escaped so that it is neither markup nor syntax."""
    return '"' + "<br/>".join(printable(line).translate(_ENTITIES) for line in lines) + '"'


def aligned(header: Sequence[str], rows: Iterable[Sequence[str]], *, indent: str = "") -> str:
    lines = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        indent + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def html_table(rows: Sequence[Sequence[str]]) -> str:
    """A table in HTML without colours; the first row is its header."""
    tags = itertools.chain(["th"], itertools.repeat("td"))
    lines = [
        "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in row) + "</tr>"
        for tag, row in zip(tags, rows, strict=False)
    ]
    return f"<table>{''.join(lines)}</table>"


def shown(value: Any, width: int) -> str:
    """One line of text for a value of a document, cut at a width."""
    if isinstance(value, numpy.ndarray | numpy.generic):
        value = value.tolist()
    text = printable(value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False))
    return text if len(text) <= width else text[: width - 1] + "…"


def shown_size(size: int) -> str:
    """A number of bytes with a unit, such as 2.6 MB."""
    return str(humanize.naturalsize(size)).replace("Byte", "byte")


def local_time(seconds: Any) -> datetime | None:
    """POSIX seconds as local time; None if the calendar does not reach so far, or if they are no number."""
    try:
        return datetime.fromtimestamp(seconds)
    except (ValueError, OverflowError, OSError, TypeError):
        return None


def shown_time(seconds: Any) -> str:
    """POSIX seconds as local time; any other value, which another program may have stored, as it is, and None as ''."""
    if seconds is None:
        return ""
    moment = local_time(seconds)
    return shown(seconds, 19) if moment is None else moment.isoformat(sep=" ", timespec="seconds")


def plain_value(value: Any) -> Any:
    """Return a value of a document as Python's own types; what JSON has no type for becomes text."""
    if isinstance(value, numpy.ndarray | numpy.generic):
        if value.dtype.kind in "mM":
            # not astype(str), which cuts long ones
            texts = numpy.array([str(item) for item in value.ravel()]).reshape(value.shape)
            value = numpy.ma.masked_array(texts, numpy.isnat(value))
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_value(item) for item in value]
    return value if isinstance(value, str | float | int | type(None)) else str(value)


def for_json(value: Any) -> Any:
    """Return a value of a document for JSON; NaN, which JSON does not have, becomes None."""
    return json.loads(json.dumps(plain_value(value)), parse_constant=lambda name: None)


def json_line(value: Any) -> str:
    return json.dumps(for_json(value), ensure_ascii=False)
