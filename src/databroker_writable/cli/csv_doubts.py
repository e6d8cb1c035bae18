"""Find what is ambiguous in a text file: refuse it, or say how it was read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import takewhile

from ..tables.wording import counted, cut
from .csv_dialect import BLANKS, DATE_OR_TIME, Rows, TextFormat, comment_mark, is_number, split

_OTHER_SEPARATORS = {";": ";", "\t": "tab", "|": "|", ",": ",", BLANKS: "space"}
"""The separators, and how they are written on the command line."""

_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
_INTEGER_OR_DECIMAL_COMMA = re.compile(rf"[+-]?\d+|{_DECIMAL_COMMA.pattern}")
_THOUSANDS = re.compile(r"[+-]?\d{1,3},\d{3}")
_OTHER_FORM = re.compile(
    r"\s*[+-]?(?:0[xX][\da-fA-F]+|(?:\d|[.,_' \u00a0\u2009\u202f](?=\d))+(?:[eEdD][+-]?\d+)?)"
    r"(?:\(\d+(?:\.\d+)?\)|\s*(?:\u00b1|\+/?-)\s*[\d.,]+)?(?:[eEdD][+-]?\d+)?(?:\s*%|\s+[^\W\d_]{1,4})?\s*"
)
"""Hexadecimal, of Fortran, with separated thousands, an uncertainty, a percent sign or units."""


def check_separator(lines: Sequence[str], text_format: TextFormat) -> None:
    """Refuse lines that another separator divides into as many values as names, also below other lines."""
    doubt = find_separator(lines, text_format) or _find_separator_below(lines, text_format)
    if doubt:
        found, options = doubt
        own = _OTHER_SEPARATORS[text_format.separator]
        raise ValueError(f"{found}; give the separator of the values: {options}, or --sep '{own}' if it is right so")


def find_separator(lines: Sequence[str], text_format: TextFormat) -> tuple[str, str] | None:
    """What shows that another separator divides the lines into as many values as names, and the options for it."""
    separator = text_format.separator
    head = [line.strip(" \r\n") for line in lines[:2]]
    if len(head) < 2:
        return None
    is_one_column = len(split(head[0], separator)) == 1
    for other, word in _others(text_format):
        names, values = (split(line, other) for line in head)
        if not len(names) == len(values) > 1:
            continue
        has_commas = other != "," and any(map(_has_decimal_commas, (split(line, other) for line in lines)))
        numbers = [is_number(value) or bool(_DECIMAL_COMMA.fullmatch(value)) for value in values]
        if is_one_column and any(numbers):
            found = f"its only column holds text such as {head[1]!r}"
        elif (separator == "," and has_commas and all(numbers)) or (
            separator == BLANKS
            and any(numbers)
            and all(any(word.endswith(other) for word in line.split()[:-1]) for line in head)
        ):
            found = f"its rows look like {head[1]!r}"
        else:
            continue
        options = f"--sep '{word}' --decimal ','" if has_commas else f"--sep '{word}'"
        if other == "," and all(_DECIMAL_COMMA.fullmatch(line) for line in head):
            options += ", or --decimal ',' if these are decimal commas"
        return found, options
    return None


def _find_separator_below(lines: Sequence[str], text_format: TextFormat) -> tuple[str, str] | None:
    """The same of the last lines alone, of which the given separator divides none, and the last holds numbers."""
    last = lines[-2:]
    if len(last) < 2 or any(len(split(line, text_format.separator)) > 1 for line in last):
        return None
    for other, word in _others(text_format):
        above, values = (split(line, other) for line in last)
        if other == "," and all(_DECIMAL_COMMA.fullmatch(line.strip()) for line in last):
            continue
        if len(above) == len(values) > 1 and all(map(is_number, values)):
            return f"its last lines look like {lines[-1].strip()!r}", f"--sep '{word}'"
    return None


def doubt_of_one_column(lines: Sequence[str], text_format: TextFormat) -> str:
    """That another separator divides all lines, which the given one does not, into the same number of values.

    Blanks also divide texts, so they count only between numbers. Empty if there is none, or none was given.
    """
    for other, word in _others(text_format) if text_format.is_separator_given else ():
        last = split(lines[-1], other)
        if other == BLANKS and not all(map(is_number, last)):
            continue
        if len(last) > 1 and all(len(split(line, other)) == len(last) for line in lines):
            return f"the given separator divides no line, but --sep '{word}' divides each into several values"
    return ""


def _others(text_format: TextFormat) -> Iterator[tuple[str, str]]:
    """The separators that are not in use, and how they are written on the command line."""
    for other, word in _OTHER_SEPARATORS.items():
        if other not in (text_format.separator, text_format.decimal):
            yield other, word


def check_widths(rows: Rows, width: int, separator: str) -> None:
    """Refuse rows with more or fewer values than columns."""
    for row in rows.uneven:
        count = len(row.values)
        if count == width:
            continue
        said = f"its row {row.line} has {counted(count, 'value')} for {counted(width, 'column')}"
        mark = comment_mark(row.values[0], separator)
        if count < width and mark is None:
            raise ValueError(
                f"{said}: {cut(' '.join(row.values))!r}; {_way_to_table_below(rows, width)}write a separator for each "
                "missing value, or remove such rows"
            )
        if count < width or any(map(str.strip, row.values[width:])):
            end = comment_mark(row.values[width], separator) if mark is None else None
            if mark is not None:
                said += f", and begins with {mark}; give --comment {mark!r} if such lines are comments, or remove them"
            elif end is not None:
                said += f"; remove the comment at its end, {cut(row.text[row.text.index(end) :].rstrip())!r}"
            else:
                said += (
                    f", more values than its first line has names; {_way_to_table_below(rows, width)}write a name for "
                    "each column there, remove such rows, or give the separator with --sep"
                )
            raise ValueError(said)


def _way_to_table_below(rows: Rows, width: int) -> str:
    """What to do if the last rows are a table of another width, with a line of names; empty if they are not."""
    at_end = takewhile(
        lambda pair: pair[0].line == pair[1], zip(reversed(rows.uneven), reversed(rows.lines), strict=False)
    )
    table = [row for row, _ in at_end]
    table = list(takewhile(lambda row: len(row.values) == len(table[0].values), table))
    if len(table) < 2 or any(map(is_number, table[-1].values)):
        return ""
    is_narrower = len(table[0].values) < width
    if len(table[0].values) == 1 or (is_narrower and 2 * len(table) <= len(rows.lines)):
        return ""  # such as remarks below a table
    line = table[-1].line
    return f"give --skip-rows {line - 1} if the names are in line {line}, "


def check_decimal_points(values: Sequence[str], what: str) -> None:
    """Refuse numbers with decimal commas, which would be stored as text."""
    if not all(_INTEGER_OR_DECIMAL_COMMA.fullmatch(value.strip()) for value in values) or not _has_decimal_commas(
        values
    ):
        return
    commas = [value.strip() for value in values if "," in value]
    are_thousands = all(map(_THOUSANDS.fullmatch, commas))
    raise ValueError(
        f"{what} holds numbers with decimal commas, such as {commas[0]!r}; say so with --decimal ','"
        + (", or remove the commas, if they separate thousands" if are_thousands else "")
    )


def words_among_numbers(texts: Sequence[str], decimal: str) -> list[str]:
    """The values that are not numbers, if at least half of all are; otherwise an empty list."""
    other = "." if decimal == "," else ","
    words, unlike = [], 0
    for text in texts:
        is_like_one = is_number(text.replace(",", "."))
        unlike += not is_like_one
        if 2 * unlike > len(texts):
            return []
        if not is_like_one or other in text:
            words.append(text)
    return words


def are_numbers_in_another_form(texts: Sequence[str]) -> bool:
    """Whether a reader would take all values for numbers, and the first is not a date."""
    return not DATE_OR_TIME.match(texts[0]) and all(map(_OTHER_FORM.fullmatch, texts))


def _has_decimal_commas(values: Sequence[str]) -> bool:
    return any(_DECIMAL_COMMA.fullmatch(value.strip()) for value in values)
