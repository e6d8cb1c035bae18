"""The format of a table in a text file, and what its lines are made of."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
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

_ROWS_AT_ONCE = 256
"""Rows whose values are made columns at once; each value as an object of its own takes four times the memory."""


class Row(NamedTuple):
    """The values of a row, with its first line and the number of that."""

    line: int
    text: str
    values: list[str]


class Rows(NamedTuple):
    """The rows of a table by column."""

    lines: list[int]  # the number of the first line of each row
    columns: list[str]  # the values of each column, each ended by NUL, which is in no text
    head: list[Row]  # the first rows
    uneven: list[Row]  # rows that have fewer values than the first, or more that are not blank

    def below(self, count: int) -> Rows:
        """The rows without the first ones."""
        columns = [column.split("\0", count)[-1] for column in self.columns]
        uneven = [row for row in self.uneven if row not in self.head[:count]]
        return Rows(self.lines[count:], columns, self.head[count:], uneven)


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


def read_rows(lines: Sequence[str], text_format: TextFormat) -> tuple[Rows, dict[int, str]]:
    """The rows that are not blank, and the comments by the numbers of their lines."""
    rows = Rows([], [], [], [])
    comments: dict[int, str] = {}
    parts: list[list[str]] = []
    found = _values_of_rows(lines, text_format, rows.lines, comments)
    while some := list(islice(found, _ROWS_AT_ONCE)):
        width = len(rows.head[0].values if rows.head else some[0])
        if not rows.head or any(len(values) != width for values in some):
            for number, line in enumerate(rows.lines[-len(some) :]):
                row = Row(line, lines[line - 1], some[number])
                if len(rows.head) < 3:
                    rows.head.append(row)
                if len(row.values) < width or any(map(str.strip, row.values[width:])):
                    rows.uneven.append(row)
                some[number] = row.values[:width] + [""] * (width - len(row.values))
        parts.append(["\0".join(texts) for texts in zip(*some, strict=True)])
    rows.columns.extend("\0".join((*texts, "")) for texts in zip(*parts, strict=True))
    return rows, comments


def _values_of_rows(
    lines: Sequence[str], text_format: TextFormat, starts: list[int], comments: dict[int, str]
) -> Iterator[list[str]]:
    """The values of the rows that are not blank; adds the numbers of their first lines, and the comments.

    A line within a value in quotation marks is no comment.
    """
    mark, separator = text_format.comment, text_format.separator
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

    try:
        for values in csv.reader(lines_of_rows(), delimiter=separator, skipinitialspace=True):
            is_within_row = False
            if separator == BLANKS and last.rstrip("\r\n").endswith(" "):
                values = values[:-1]
            if len(values) > 1 or (values and lines[begin - 1].strip()):
                starts.append(begin)
                yield values
    except csv.Error as exc:
        raise ValueError(f"the value that begins in its row {begin} is too long; is a quotation mark missing?") from exc


def _with_blanks(line: str, *, is_quoted: bool) -> str:
    """A line with blanks in place of tabs that are not within quotation marks."""
    parts = line.split('"')
    return '"'.join(part if (n + is_quoted) % 2 else part.replace("\t", " ") for n, part in enumerate(parts))


def comment_mark(line: str, separator: str) -> str | None:
    """How a line begins that may be a comment."""
    return next((mark for mark in COMMENT_MARKS if line.startswith(mark) and mark != separator), None)


def is_number(text: str, decimal: str = ".") -> bool:
    """Whether a value is a number, also with a decimal point in place of another mark."""
    try:
        float(text.replace(decimal, "."))
    except ValueError:
        return False
    return text.isascii() and "_" not in text  # Python reads others, too
