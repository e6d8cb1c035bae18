"""Make columns of the texts in a file, in the types that pandas gives them, but without changing a value."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas

from ..tables.classifier import exceeds_float64
from ..tables.wording import cut
from .csv_dialect import Row, TextFormat, is_number, numbers_in
from .csv_doubts import are_numbers_in_another_form, check_decimal_points, words_among_numbers

MISSING_WORDS = {
    *("#N/A", "#N/A N/A", "#NA", "<NA>", "N/A", "NA", "NULL", "None", "n/a", "null"),
    *("NaN", "nan", "-NaN", "-nan", "1.#IND", "1.#QNAN", "-1.#IND", "-1.#QNAN"),
}
"""The words that pandas takes for missing values."""

_BOOLS = {"True": True, "TRUE": True, "true": True, "False": False, "FALSE": False, "false": False}
_LEADING_ZERO = re.compile(r"\s*[+-]?0\d+\s*")


def read_columns(
    rows: Sequence[Row], names: Sequence[str], text_format: TextFormat, *, are_named_above: bool
) -> tuple[pandas.DataFrame, list[str]]:
    """The columns, and notes on them; refuse a line of words above numbers, which may be names or units."""
    first = rows[0] if rows else Row(0, "", [])
    may_be_units = not any(is_number(value, text_format.decimal) for value in first.values)
    columns, notes, words = {}, [], []
    for number, name in enumerate(names):
        texts = {row.line: row.values[number] for row in rows}
        columns[name], note, lines = _read_column(texts, text_format.decimal, f"the column {name!r}")
        if lines:
            words.append(lines)
            if lines[0] == first.line and may_be_units and text_format.has_names is not False:
                note += ", or give --units-row if the line holds units"
        if note:
            notes.append(f"the column {name!r} {note}")
    if words and may_be_units and text_format.has_names is None and all(lines == [first.line] for lines in words):
        way = "--header if it holds the names of the columns, or --no-header"
        if are_named_above:
            way = f"--skip-rows {first.line - 1} if it holds the names of the columns, or --header"
        raise ValueError(
            f"its line {first.line}, {cut(first.text.strip())!r}, holds no numbers, but the lines after it do; give "
            f"--units-row if it holds units, {way} if it holds values"
        )
    return pandas.DataFrame(columns), notes


def _read_column(texts: Mapping[int, str], decimal: str, what: str) -> tuple[Any, str, list[int]]:
    """A column, a note on it, and the lines of words among its numbers; `texts` are given by their lines."""
    present = {line: text for line, text in texts.items() if text and text not in MISSING_WORDS}
    words: list[int] = []
    values, dtype, reason = _numbers(present, decimal, what, has_gaps=len(present) < len(texts))
    if values is None and not reason:
        reason, words = _why_text(present, decimal, what)
    note = f"is stored as text, because {reason}" if reason else ""
    if not reason and (values is None or not present):
        note = _note_on_missing_words(texts, is_text=values is None)
    found: Sequence[Any] = list(present.values()) if values is None else values
    if len(present) < len(texts):
        by_line = dict(zip(present, found, strict=True))
        found = [by_line.get(line) for line in texts]
    column = pandas.Series(found, dtype=dtype)
    return exact_integers(column) if dtype == "Int64" else column, note, words


def _numbers(
    present: Mapping[int, str], decimal: str, what: str, *, has_gaps: bool
) -> tuple[Sequence[float] | None, str | None, str]:
    """The numbers or bools of a column, and their dtype; or None, and if all are numbers, why they stay text."""
    texts = list(present.values())
    if texts and all(text in _BOOLS for text in texts):
        return [_BOOLS[text] for text in texts], "boolean" if has_gaps else "bool", ""
    numbers = numbers_in(texts, decimal)
    if numbers is None:
        return None, None, ""
    zero = next((text for text in texts if "." not in text and _LEADING_ZERO.fullmatch(text)), None)
    if zero is not None:
        reason = f"its value {zero.strip()!r} begins with a zero; to store numbers, write them without leading zeros"
        return None, None, reason
    if not numbers or isinstance(numbers[0], float):
        for (line, text), number in zip(present.items(), numbers, strict=True):
            if abs(number) < 2**53 or not any(map(str.isdigit, text)):
                continue
            if math.isinf(number):
                raise ValueError(
                    f"{what} holds {text!r} in line {line}, which is beyond what float64 holds; scale the values, or "
                    "write inf for it"
                )
            if numbers_in([text], decimal) != [number]:
                reason = f"its integer {text.strip()!r} in line {line} loses digits as a float"
                return None, None, f"{reason}; to store numbers, write it like {text.strip()}{decimal}0"
        return numbers, "float64", ""
    smallest, largest = min(numbers), max(numbers)
    if smallest >= -(2**63) and largest < 2**63:
        return numbers, "Int64" if has_gaps else "int64", ""
    if smallest >= 0 and largest < 2**64 and not has_gaps:
        return numbers, "uint64", ""
    line = max(present, key=lambda line: len(present[line]))
    if smallest >= 0 and largest < 2**64:
        reason = f"values are missing beside integers as large as {present[line]!r}; to store numbers, give every value"
    else:
        reason = (
            f"its integers, such as {present[line]!r} in line {line}, are beyond 64 bits; to store numbers, write them "
            "like 1.0e20"
        )
    return None, None, reason


def _why_text(present: Mapping[int, str], decimal: str, what: str) -> tuple[str, list[int]]:
    """Why text is none that may have been meant as numbers, if it may, and the lines of words among these."""
    texts = list(present.values())
    if decimal == ".":
        check_decimal_points(texts, what)
    words: list[int] = []
    if not any(map(_LEADING_ZERO.fullmatch, texts)):
        words = words_among_numbers(present, decimal)
        line = words[0] if words else next(iter(present))
        said = f"{present[line].strip()!r} in line {line}"
        if words:
            remedy = "to store numbers, correct it, or write nan for a missing value"
            return f"its value {said} is no number; {remedy}", words
        if are_numbers_in_another_form(texts):
            remedy = f"to store numbers, write them like 8970{decimal}5"
            return f"its values, such as {said}, are numbers in another form; {remedy}", words
    return "", words


def _note_on_missing_words(texts: Mapping[int, str], *, is_text: bool) -> str:
    """A note on words such as NA that are taken for missing values where they may be text."""
    lines: dict[str, int] = {}
    for line, text in texts.items():
        if text in MISSING_WORDS:
            lines.setdefault(text, line)
    if not lines or (not is_text and all(map(is_number, lines))):
        return ""
    said = " or ".join(f"{word!r} (line {line})" for word, line in lines.items())
    return f"is missing values where it says {said}; if such a word is a value, write it in another way"


def may_be_of_integers(column: Any) -> bool:
    """Whether pandas may have changed integers or bools to floats or objects, because values are missing."""
    return column.dtype.kind in "fO" and bool(column.isna().any())


def exact_integers(column: Any) -> Any:
    """A nullable column; as Python integers if some are too large for floats.

    When xarray asks for an array, pandas 3 gives floats for nullable integers.
    """
    return column.astype(object) if exceeds_float64(column) else column
