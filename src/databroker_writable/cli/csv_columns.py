"""Make columns of the texts in a file, in the types that pandas gives them, but without changing a value."""

from __future__ import annotations

import contextlib
import csv
import io
import math
import re
from collections.abc import Sequence
from itertools import filterfalse
from typing import Any, NamedTuple

import numpy
import pandas

from ..tables.exact_numbers import exceeds_float64
from ..tables.wording import cut
from .csv_dialect import Row, Rows, TextFormat, is_number
from .csv_doubts import are_numbers_in_another_form, check_decimal_points, words_among_numbers

MISSING_WORDS = {
    *("#N/A", "#N/A N/A", "#NA", "<NA>", "N/A", "NA", "NULL", "None", "n/a", "null"),
    *("NaN", "nan", "-NaN", "-nan", "1.#IND", "1.#QNAN", "-1.#IND", "-1.#QNAN"),
}
"""The words that pandas takes for missing values."""

_MISSING = {"", *MISSING_WORDS}
_LEADING_ZERO = re.compile(r"\0(\s*[+-]?0\d+\s*)(?=\0)")
_LONG_INTEGER = re.compile(r"\0\s*[+-]?\d{16,}\s*(?=\0)")
_AS_LINES = {".": bytes.maketrans(b"\0", b"\n"), ",": bytes.maketrans(b"\0,.", b"\n.,")}
_SWAPPED = str.maketrans(",.", ".,")
# the default of pandas 3.1
_EXACT = {} if tuple(map(int, pandas.__version__.split(".")[:2])) >= (3, 1) else {"float_precision": "round_trip"}


def read_columns(
    rows: Rows, names: Sequence[str], text_format: TextFormat, *, are_named_above: bool
) -> tuple[pandas.DataFrame, list[str]]:
    """The columns, and notes on them; refuse a line of words above numbers, which may be names or units."""
    first = rows.head[0] if rows.head else Row(0, "", [])
    may_be_units = not any(is_number(value, text_format.decimal) for value in first.values)
    columns, notes, words = {}, [], []
    for name, texts in zip(names, rows.columns, strict=False):
        columns[name], note, lines = _read_column(texts, rows.lines, text_format.decimal, f"the column {name!r}")
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


class _Texts(NamedTuple):
    """The texts of a column, those of them that are not missing, and what is said of them."""

    every: list[str]
    present: list[str]
    lines: Sequence[int]
    decimal: str
    what: str

    def line_of(self, text: str) -> int:
        return self.lines[self.every.index(text)]


def _read_column(ended: str, lines: Sequence[int], decimal: str, what: str) -> tuple[Any, str, list[int]]:
    """A column, a note on it, and the lines of words among its numbers; each of its texts is ended by NUL."""
    numbers, zero = _parsed(ended, len(lines), decimal), _LEADING_ZERO.search(f"\0{ended}")
    if numbers is not None and zero is None and not _may_lose_digits(numbers, ended):
        return pandas.Series(numbers), "", []
    every = ended.split("\0")[:-1]
    present = list(filterfalse(_MISSING.__contains__, every))
    if len(present) < len(every):
        numbers = _parsed("\0".join((*present, "")), len(present), decimal)
    if numbers is None or _may_lose_digits(numbers, ended):
        numbers = _parsed_by_python(present, decimal)
    texts = _Texts(every, present, lines, decimal, what)
    words: list[int] = []
    if numbers is None:
        reason, words = _why_text(texts, has_zero=zero is not None)
    elif zero is not None:
        value = zero[1].strip()
        reason = f"its value {value!r} begins with a zero; to store numbers, write them without leading zeros"
    else:
        reason = _why_numbers_are_text(texts, numbers)
    note = f"is stored as text, because {reason}" if reason else ""
    if not reason and (numbers is None or not present):
        note = _note_on_missing_words(texts, is_text=numbers is None)
    if reason or numbers is None:
        return pandas.Series([None if text in _MISSING else text for text in every]), note, words
    if len(present) == len(every):
        return pandas.Series(numbers), note, words
    are_missing = numpy.fromiter(map(_MISSING.__contains__, every), bool, len(every))
    filled = numpy.zeros(len(every), numbers.dtype)
    filled[~are_missing] = numbers
    nullable = {"b": "boolean", "i": "Int64"}.get(numbers.dtype.kind, "float64")
    return exact_integers(pandas.Series(filled, dtype=nullable).mask(are_missing)), note, words


def _parsed(ended: str, count: int, decimal: str) -> Any:
    """The bools or numbers that pandas' C parser reads from texts that NUL ends; None if one is something else."""
    if not ended.isascii():
        return None
    options: Any = {"sep": "\0", "quoting": csv.QUOTE_NONE, "lineterminator": "\n", "skip_blank_lines": False}
    content = b"x\n" + ended.encode().translate(_AS_LINES[decimal])
    found = pandas.read_csv(io.BytesIO(content), na_filter=False, low_memory=False, **options, **_EXACT)["x"]
    return found.to_numpy() if found.dtype.kind in "biuf" and len(found) == count else None


def _parsed_by_python(texts: Sequence[str], decimal: str) -> Any:
    """The same with Python, which also reads numbers that pandas does not, such as those beyond 64 bits."""
    plain = [text.translate(_SWAPPED) for text in texts] if decimal == "," else texts
    if all(map(is_number, plain)):
        for kind in (int, float):
            with contextlib.suppress(ValueError):
                return pandas.Series(list(map(kind, plain)), dtype=None if plain else float).to_numpy()
    return None


def _may_lose_digits(numbers: Any, ended: str) -> bool:
    """Whether a number is beyond float64, or an integer beyond 2**53 may be rounded as a float."""
    largest = abs(numbers).max(initial=0) if numbers.dtype.kind == "f" else 0
    return largest >= 2**53 and (math.isinf(largest) or _LONG_INTEGER.search(f"\0{ended}") is not None)


def _why_numbers_are_text(texts: _Texts, numbers: Any) -> str:
    """Why these numbers are stored as text, empty if they are not; refuse those beyond float64."""
    for place in numpy.flatnonzero(abs(numbers) >= 2**53).tolist() if numbers.dtype.kind == "f" else ():
        text, number = texts.present[place], float(numbers[place])
        if math.isinf(number) and any(map(str.isdigit, text)):
            raise ValueError(
                f"{texts.what} holds {text!r} in line {texts.line_of(text)}, which is beyond what float64 holds; scale "
                "the values, or write inf for it"
            )
        if text.strip().lstrip("+-").isdigit() and int(text) != number:
            reason = f"its integer {text.strip()!r} in line {texts.line_of(text)} loses digits as a float"
            return f"{reason}; to store numbers, write it like {text.strip()}{texts.decimal}0"
    if numbers.dtype.kind == "O":
        longest = max(texts.present, key=len)
        said = f"its integers, such as {longest!r} in line {texts.line_of(longest)}, are beyond 64 bits"
        return f"{said}; to store numbers, write them like 1.0e20"
    if numbers.dtype.kind == "u" and len(texts.present) < len(texts.every):
        longest = max(texts.present, key=len)
        return f"values are missing beside integers as large as {longest!r}; to store numbers, give every value"
    return ""


def _why_text(texts: _Texts, *, has_zero: bool) -> tuple[str, list[int]]:
    """Why a column that may be meant as numbers is text, and the lines of words in it; empty for other text."""
    if texts.decimal == ".":
        check_decimal_points(texts.present, texts.what)
    if has_zero:
        return "", []
    words = words_among_numbers(texts.present, texts.decimal)
    value = words[0] if words else texts.present[0]
    said = f"{value.strip()!r} in line {texts.line_of(value)}"
    if words:
        remedy = "to store numbers, correct it, or write nan for a missing value"
        unique = set(words)
        lines = [line for line, text in zip(texts.lines, texts.every, strict=True) if text in unique]
        return f"its value {said} is not a number; {remedy}", lines
    if are_numbers_in_another_form(texts.present):
        remedy = f"to store numbers, write them like 8970{texts.decimal}5"
        return f"its values, such as {said}, are numbers in another form; {remedy}", []
    return "", []


def _note_on_missing_words(texts: _Texts, *, is_text: bool) -> str:
    """A note on words such as NA that are taken for missing values where they may be text."""
    words = list(dict.fromkeys(text for text in texts.every if text in MISSING_WORDS))
    if not words or (not is_text and all(map(is_number, words))):
        return ""
    said = " or ".join(f"{word!r} (line {texts.line_of(word)})" for word in words)
    return f"is missing values where it says {said}; if such a word is a value, write it in another way"


def may_be_of_integers(column: Any) -> bool:
    """Whether pandas may have changed integers or bools to floats or objects, because values are missing."""
    return column.dtype.kind in "fO" and bool(column.isna().any())


def exact_integers(column: Any) -> Any:
    """A nullable column; as Python integers if some are too large for floats.

    When xarray asks for an array, pandas 3 gives floats for nullable integers.
    """
    return column.astype(object) if exceeds_float64(column) else column
