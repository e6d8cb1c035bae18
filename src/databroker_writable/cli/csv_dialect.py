"""The format of a table in a text file, and what its lines are made of."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

BLANKS = r"\s+"
UTF_8 = "utf-8"
_DIGITS = re.compile(r"\s*[+-]?[.,]?\d")
_DATE_OR_TIME = re.compile(
    r"\s*(?:\d{8}T\d|\d{4}-\d\d\b|\d{1,4}([-/. ])(?:\d\d?|[A-Za-z]{3,9})\1\d{1,4}\b|\d\d?:\d\d(?!\d))"
)
_SEPARATOR_LINE = re.compile(r'(?i)"?sep=(.)\1*"?\s*')
COMMENT_MARKS = ("#", "!", "//", ";", "%")
"""How comments begin in text files; % can also begin a name."""

_NAMED_SEPARATORS = {"tab": "\t", r"\t": "\t", "space": BLANKS, "blanks": BLANKS, " ": BLANKS}

Rows = Iterator[tuple[int, list[str]]]
"""The values of each row, with the number of its first line."""


@dataclass(frozen=True)
class TextFormat:
    """The format of a table in a text file."""

    separator: str = ","  # one character, or `BLANKS`
    comment: str | None = None  # how comment lines begin
    skipped_rows: int = 0
    # whether the first line has the names of the columns; if not, the comments may have them; None: look at the line
    has_names: bool | None = None
    # whether the line below the names has the units of the columns
    units_row: bool = False
    encoding: str = UTF_8
    decimal: str = "."
    is_separator_given: bool = False
    # whether a first line of numbers is one of values, as instruments write files; otherwise it is refused
    may_lack_names: bool = False

    def changed(self, options: Mapping[str, Any]) -> TextFormat:
        """The same format with the user's options."""
        separator = options.get("separator")
        given = {"separator": _separator(separator), "is_separator_given": True} if separator else {}
        return replace(self, **{**options, **given})

    def declared_by(self, line: str) -> TextFormat | None:
        """The same format with the separator that a first line such as ``sep=;`` names, as Excel writes it."""
        found = _SEPARATOR_LINE.fullmatch(line)
        if found is None:
            return None
        return self if self.is_separator_given else self.changed({"separator": found[1]})


CSV = TextFormat()
TSV = TextFormat("\t")
COLUMNS = TextFormat(BLANKS, "#", may_lack_names=True)


def _separator(word: str) -> str:
    """The separator that a user names."""
    separator = _NAMED_SEPARATORS.get(word) or word.strip(" ")
    if len(separator) != 1 and separator != BLANKS:
        raise ValueError(f"{word!r} cannot separate its values; give one character, tab or space")
    return separator


def split(line: str, separator: str) -> list[str]:
    """The values of a line without quotation marks."""
    return line.split() if separator == BLANKS else [value.strip() for value in line.strip(" \r\n").split(separator)]


def rows_of(lines: Sequence[str], separator: str) -> Rows:
    """The rows of a table that are not blank."""
    if separator == BLANKS:
        yield from ((number, line.split()) for number, line in enumerate(lines, start=1) if line.strip())
        return
    yield from ((number, row) for number, row in _rows(lines, separator) if len(row) > 1 or any(row))


def _rows(lines: Iterable[str], separator: str) -> Rows:
    """All rows, with the number of the line in which each begins."""
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True)
    number = 1
    try:
        for row in reader:
            yield number, row
            number = reader.line_num + 1
    except csv.Error as exc:
        raise ValueError(
            f"the value that begins in its row {number} is too long; is a quotation mark missing?"
        ) from exc


def comments_among(lines: Sequence[str], mark: str, separator: str) -> list[int]:
    """The places of the lines that begin with a mark, but for those within a value in quotation marks."""
    places: list[int] = []
    is_within_row = False

    def other_lines() -> Iterator[str]:
        nonlocal is_within_row
        for place, line in enumerate(lines):
            if not is_within_row and line.lstrip().startswith(mark):
                places.append(place)
                continue
            is_within_row = True
            yield line.replace("\t", " ") if separator == BLANKS else line

    for _ in _rows(other_lines(), " " if separator == BLANKS else separator):
        is_within_row = False
    return places


def first_line(lines: Sequence[str]) -> str:
    """The first line that is not blank; empty if there is none."""
    return next((line.strip() for line in lines if line.strip()), "")


def comment_mark(line: str, separator: str) -> str | None:
    """How a line begins that may be a comment."""
    return next((mark for mark in COMMENT_MARKS if line.startswith(mark) and mark != separator), None)


def is_number(text: str, decimal: str = ".") -> bool:
    """Whether a value is a number."""
    try:
        float(text.replace(decimal, "."))
    except ValueError:
        return False
    return "_" not in text  # which is a number in Python, but in no file


def is_date_or_time(text: str) -> bool:
    """Whether a value begins with a date or a time of day."""
    return _DATE_OR_TIME.match(text) is not None


def is_like_a_number(text: str) -> bool:
    """Whether a value begins with digits."""
    return _DIGITS.match(text) is not None
