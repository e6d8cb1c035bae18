"""The format of a table in a text file, and what its lines are made of."""

from __future__ import annotations

import contextlib
import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

BLANKS = " "
UTF_8 = "utf-8"
LIKE_A_NUMBER = re.compile(r"\s*[+-]?[.,]?\d")
DATE_OR_TIME = re.compile(
    r"\s*(?:\d{8}T\d|\d{4}-\d\d\b|\d{1,4}([-/. ])(?:\d\d?|[A-Za-z]{3,9})\1\d{1,4}\b|\d\d?:\d\d(?!\d))"
)
_SEPARATOR_LINE = re.compile(r'(?i)"?sep=(.)\1*"?\s*')
COMMENT_MARKS = ("#", "!", "//", ";", "%")
"""How comments begin in text files; % can also begin a name."""

_NAMED_SEPARATORS = {"tab": "\t", r"\t": "\t", "space": BLANKS, "blanks": BLANKS, r"\s+": BLANKS, " ": BLANKS}

_SWAPPED = str.maketrans(",.", ".,")


class Row(NamedTuple):
    """The values of a row, with its first line and the number of that."""

    line: int
    text: str
    values: list[str]


@dataclass(frozen=True)
class TextFormat:
    """The format of a table in a text file."""

    separator: str = ","  # a blank stands for any number of blanks and tabs
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
        word = options.get("separator")
        if word is None:
            return replace(self, **options)
        separator = _NAMED_SEPARATORS.get(word) or word.strip(" ")
        if len(separator) != 1:
            raise ValueError(f"{word!r} cannot separate its values; give one character, tab or space")
        return replace(self, **{**options, "separator": separator, "is_separator_given": True})

    def declared_by(self, line: str) -> TextFormat | None:
        """The same format with the separator that a first line such as ``sep=;`` names, as Excel writes it."""
        found = _SEPARATOR_LINE.fullmatch(line)
        if found is None:
            return None
        return self if self.is_separator_given else self.changed({"separator": found[1]})


CSV = TextFormat()
TSV = TextFormat("\t")
COLUMNS = TextFormat(BLANKS, "#", may_lack_names=True)


def split(line: str, separator: str) -> list[str]:
    """The values of a line without quotation marks."""
    return line.split() if separator == BLANKS else [value.strip() for value in line.strip(" \r\n").split(separator)]


def read_rows(lines: Sequence[str], text_format: TextFormat) -> tuple[list[Row], dict[int, str]]:
    """The rows that are not blank, and the comments by the numbers of their lines.

    A line within a value in quotation marks is no comment.
    """
    mark, separator = text_format.comment, text_format.separator
    comments: dict[int, str] = {}
    begin, last, is_within_row = 0, "", False

    def lines_of_rows() -> Iterator[str]:
        nonlocal begin, last, is_within_row
        for number, line in enumerate(lines, start=1):
            if not is_within_row:
                if mark and line.lstrip().startswith(mark):
                    comments[number] = line.rstrip("\r\n")
                    continue
                begin = number
            last = line if separator != BLANKS else _with_blanks(line, is_quoted=is_within_row)
            is_within_row = True
            yield last
        if is_within_row:
            raise ValueError(f"the quotation mark in its row {begin} has no end; add it, or remove the mark")

    rows = []
    try:
        for values in csv.reader(lines_of_rows(), delimiter=separator, skipinitialspace=True):
            is_within_row = False
            if separator == BLANKS and last.rstrip("\r\n").endswith(" "):
                values = values[:-1]
            if len(values) > 1 or (values and lines[begin - 1].strip()):
                rows.append(Row(begin, lines[begin - 1], values))
    except csv.Error as exc:
        raise ValueError(f"the value that begins in its row {begin} is too long; is a quotation mark missing?") from exc
    return rows, comments


def _with_blanks(line: str, *, is_quoted: bool) -> str:
    """A line with blanks in place of tabs that are not within quotation marks."""
    parts = line.split('"')
    return '"'.join(part if (n + is_quoted) % 2 else part.replace("\t", " ") for n, part in enumerate(parts))


def comment_mark(line: str, separator: str) -> str | None:
    """How a line begins that may be a comment."""
    return next((mark for mark in COMMENT_MARKS if line.startswith(mark) and mark != separator), None)


def numbers_in(texts: Sequence[str], decimal: str = ".") -> list[int] | list[float] | None:
    """The integers, or else the floats, that texts are; None if one of them is no number in a file."""
    plain = [text.translate(_SWAPPED) for text in texts] if decimal == "," else texts
    everything = "".join(plain)
    if everything.isascii() and "_" not in everything:  # Python reads others, too
        for kind in (int, float):
            with contextlib.suppress(ValueError):
                return list(map(kind, plain))
    return None


def is_number(text: str, decimal: str = ".") -> bool:
    """Whether a value is a number, also with a decimal point in place of another mark."""
    return numbers_in([text.replace(decimal, ".")]) is not None
