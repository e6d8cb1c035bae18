"""Find what is ambiguous in a text file: refuse it, or say how it was read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ..tables.wording import cut
from .csv_dialect import BLANKS, DATE_OR_TIME, Row, TextFormat, comment_mark, is_number, split

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
    """Refuse lines that another separator divides into as many values as names."""
    doubt = find_separator(lines, text_format)
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


def check_widths(rows: Sequence[Row], width: int, separator: str) -> None:
    """Refuse rows with more or fewer values than columns."""
    for row in rows:
        count = len(row.values)
        if count == width:
            continue
        said = f"its row {row.line} has {count} {'value' if count == 1 else 'values'} for {width} columns"
        mark = comment_mark(row.values[0], separator)
        if count < width and mark is None:
            raise ValueError(
                f"{said}: {cut(' '.join(row.values))!r}; write a separator for each missing value, or remove such rows"
            )
        if count < width or any(map(str.strip, row.values[width:])):
            end = comment_mark(row.values[width], separator) if mark is None else None
            if mark is not None:
                said += f", and begins with {mark}; give --comment {mark!r} if such lines are comments, or remove them"
            elif end is not None:
                said += f"; remove the comment at its end, {cut(row.text[row.text.index(end) :].rstrip())!r}"
            else:
                said += (
                    ", more values than its first line has names; write a name for each column there, remove such "
                    "rows, or give the separator with --sep"
                )
            raise ValueError(said)


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
