"""Read what comments of XDI and of exported runs say of columns."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

_XDI_COLUMN = re.compile(r"(?i)\W*column\.(\d+)\s*:\s*(\S+)([^|]*)")
_EXPORTED_COLUMN = re.compile(r"# column\.(.+?): (\{.*\})")


def declared_names(comments: Sequence[str], width: int) -> list[str]:
    """The names in lines of XDI such as ``# Column.1: energy eV``, if each column has one."""
    names = {number: name for number, name, _ in _xdi_columns(comments)}
    complete = list(names) == list(range(1, width + 1)) and len(set(names.values())) == width
    return list(names.values()) if complete else []


def declared_units(comments: Sequence[str]) -> dict[str, str]:
    """The units of columns, by name."""
    units = {name: unit for _, name, unit in _xdi_columns(comments) if unit}
    for comment in comments:
        found = _EXPORTED_COLUMN.fullmatch(comment.strip())
        if found:
            units |= _units_in(found[1], found[2])
    return units


def _xdi_columns(comments: Sequence[str]) -> Iterator[tuple[int, str, str]]:
    for comment in comments:
        found = _XDI_COLUMN.match(comment)
        if found:
            yield int(found[1]), found[2], found[3].strip()


def _units_in(name: str, attributes: str) -> dict[str, str]:
    try:
        units = json.loads(attributes).get("units")
    except ValueError:
        return {}
    return {name: units} if isinstance(units, str) and units else {}
