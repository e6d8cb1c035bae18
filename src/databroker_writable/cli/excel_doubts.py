"""Find what is ambiguous in a column of a workbook: refuse it, or say how it was read."""

from __future__ import annotations

import datetime
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ..tables.wording import short
from .csv_doubts import are_numbers_in_another_form

_KINDS = {
    bool: ("truth value", "truth values"),
    int: ("number", "numbers"),
    float: ("number", "numbers"),
    str: ("text", "text"),
    datetime.datetime: ("date", "dates"),
    datetime.time: ("time of day", "times of day"),
    datetime.timedelta: ("duration", "durations"),
}
"""What the cells of a workbook hold, one and several, by the type that openpyxl gives."""

_NUMBER, _TEXT, _TIME = _KINDS[float], _KINDS[str], _KINDS[datetime.time]


class Cells(NamedTuple):
    """The cells of a column below its name."""

    name: str
    number: int  # that of the column, from 1
    first_row: int
    values: list[Any]

    def coordinate(self, place: int) -> str:
        from openpyxl.utils import get_column_letter

        return f"{get_column_letter(self.number)}{self.first_row + place}"


def check_one_kind(cells: Cells, rows: Sequence[Sequence[Any]]) -> None:
    """Refuse a column of several kinds, and times of day; `rows` are those of the whole table."""
    kinds = [None if value is None else _kind(value) for value in cells.values]
    counts = Counter(kind for kind in kinds if kind is not None)
    if set(counts) == {_TIME}:
        place = kinds.index(_TIME)
        raise ValueError(
            f"its cell {cells.coordinate(place)} holds the time of day {cells.values[place]} without a date; write the "
            "date, too, or give the column the number format [h]:mm:ss, which makes it a duration"
        )
    if len(counts) < 2:
        return
    above = _last_text_above_numbers(kinds, rows)
    if above is not None:
        common, where, place = _NUMBER, "cells below it", above
    else:
        common, where = max(counts, key=lambda kind: (counts[kind], kind == _NUMBER)), "other cells"
        place = next(place for place, kind in enumerate(kinds) if kind not in (None, common))
    row, value = cells.first_row + place, cells.values[place]
    if above is not None:
        remedy = f"if row {row} holds the names of the columns, delete the rows above it"
        if place == 0:
            units = shlex.quote(f"{cells.name}={value.strip()}")
            remedy = f"if row {row} holds units, delete it and give --units {units}; {remedy}"
        remedy += "; otherwise correct the cells"
    else:
        correct = (
            "make the cell text" if common == _TEXT else "correct the cell or its format, empty it if it has no value"
        )
        remedy = f"{correct}, or delete row {row} if it is not a row of the table"
    raise ValueError(
        f"its column {cells.name!r} holds mixed types: cell {cells.coordinate(place)} holds the {_kind(value)[0]} "
        f"{shown_cell(value)}, and {where} hold {common[1]}; {remedy}"
    )


def note_on_text(cells: Cells) -> Iterator[str]:
    """A note on a column of text that may be meant as numbers."""
    texts = {place: value for place, value in enumerate(cells.values) if isinstance(value, str)}
    if texts and are_numbers_in_another_form(list(texts.values())):
        place, value = next(iter(texts.items()))
        yield (
            f"the column {cells.name!r} is stored as text, because its cells hold text, such as {value!r} in cell "
            f"{cells.coordinate(place)}; to store numbers, make the cells numbers"
        )


def _last_text_above_numbers(kinds: Sequence[Any], rows: Sequence[Sequence[Any]]) -> int | None:
    """The place of the last text of a column that holds text only above numbers, if its row may be names or units."""
    texts = [place for place, kind in enumerate(kinds) if kind == _TEXT]
    if not texts or _NUMBER not in kinds or texts[-1] > kinds.index(_NUMBER):
        return None
    return None if any(_kind(value) == _NUMBER for value in rows[texts[-1]] if value is not None) else texts[-1]


def _kind(value: Any) -> tuple[str, str]:
    name = type(value).__name__
    return _KINDS.get(type(value), (name, name))


def shown_cell(value: Any) -> str:
    """The value of a cell for messages."""
    if isinstance(value, bool):
        return str(value).upper()
    return short(value) if isinstance(value, str) else str(value)
