"""Find what may not mean in a text file what it seems to: refuse it, or say how it was taken."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

BLANKS = r"\s+"
_OTHER_SEPARATORS = {";": ";", "\t": "tab", "|": "|", ",": ",", BLANKS: "space"}
"""The separators, and how they are written on the command line."""

_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
_INTEGER = re.compile(r"[+-]?\d+")
_THOUSANDS = re.compile(r"[+-]?\d{1,3},\d{3}")
_ZEROS = r"\s*[+-]?0\d+\s*"
_ZEROS_ANYWHERE = re.compile(r"0(?<![\w.:]0)(?<![eE][+-]0)\d")

Rows = Iterator[tuple[int, list[str]]]
"""The values of each row, with the number of its first line."""


def split(line: str, separator: str) -> list[str]:
    """The values of a line without quotation marks."""
    return line.split() if separator == BLANKS else [value.strip() for value in line.strip(" \r\n").split(separator)]


def rows_of(lines: Sequence[str], separator: str) -> Rows:
    """The rows of a table that are not blank."""
    if separator == BLANKS:
        yield from ((number, line.split()) for number, line in enumerate(lines, start=1) if line.strip())
        return
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True)
    number = 1
    for row in reader:
        if any(row):
            yield number, row
        number = reader.line_num + 1


def is_number(text: str, decimal: str = ".") -> bool:
    """Whether a value is a number."""
    try:
        float(text.replace(decimal, "."))
    except ValueError:
        return False
    return True


def is_text(column: Any) -> bool:
    """Whether a column that was read holds text."""
    return any(isinstance(value, str) for value in column.dropna().head(1))


def check_separator(lines: Sequence[str], separator: str, decimal: str) -> None:
    """Refuse lines that another separator divides into as many values as names."""
    head = list(islice((line.strip(" \r\n") for line in lines if line.strip()), 2))
    if len(head) < 2:
        return
    is_one_column = len(split(head[0], separator)) == 1
    for other, word in _OTHER_SEPARATORS.items():
        names, values = (split(line, other) for line in head)
        if other in (separator, decimal) or not len(names) == len(values) > 1:
            continue
        has_commas = other != "," and any(map(_has_decimal_commas, (split(line, other) for line in lines)))
        numbers = [is_number(value) or bool(_DECIMAL_COMMA.fullmatch(value)) for value in values]
        if is_one_column and any(numbers):
            found = f"its only column holds text such as {head[1]!r}"
        elif separator == "," and has_commas and all(numbers):
            found = f"its rows look like {head[1]!r}"
        else:
            continue
        way = f"--sep '{word}' --decimal ','" if has_commas else f"--sep '{word}'"
        if other == "," and all(_DECIMAL_COMMA.fullmatch(line) for line in head):
            way += ", or --decimal ',' if these are decimal commas"
        raise ValueError(f"{found}; give the separator of the values: {way}")


def check_names(names: Sequence[str]) -> None:
    """Refuse a name that stands twice, which pandas would change."""
    twice = [name for number, name in enumerate(names) if name and name in names[:number]]
    if twice:
        raise ValueError(f"its first line names two columns {twice[0]!r}; rename one of them")


def check_whole_rows(lines: Sequence[str], separator: str, width: int) -> None:
    """Refuse rows with fewer values than columns, which pandas would fill with missing values."""
    for number, row in rows_of(lines, separator):
        if len(row) < width:
            raise ValueError(
                f"its row {number} has {len(row)} {'value' if len(row) == 1 else 'values'} for {width} columns: "
                f"{' '.join(row)[:60]!r}; write a separator for each missing value, or remove such rows"
            )


def check_decimal_points(values: Sequence[str], what: str) -> None:
    """Refuse numbers with decimal commas, which would be stored as text."""
    if not all(map(_is_integer_or_decimal_comma, values)) or not _has_decimal_commas(values):
        return
    commas = [value.strip() for value in values if "," in value]
    are_thousands = all(map(_THOUSANDS.fullmatch, commas))
    raise ValueError(
        f"{what} holds numbers with decimal commas, such as {commas[0]!r}; say so with --decimal ','"
        + (", or remove the commas, if they separate thousands" if are_thousands else "")
    )


def may_have_leading_zeros(text: str) -> bool:
    """Whether a value in a text may have leading zeros."""
    return _ZEROS_ANYWHERE.search(text) is not None


def leading_zeros(column: Any) -> str | None:
    """The first value of a column of text that has leading zeros and is no decimal fraction."""
    values = column.dropna()
    found = values[values.str.fullmatch(_ZEROS)].head(1)
    return str(found.iloc[0]).strip() if len(found) else None


def word_among_numbers(column: Any, decimal: str) -> str | None:
    """The first value of a column of text that is no number, if at least half of the values are numbers."""
    import pandas

    values = column.dropna().str.strip()
    other = "." if decimal == "," else ","
    is_like_a_number = pandas.to_numeric(values.str.replace(",", "."), errors="coerce").notna()
    is_a_number = is_like_a_number & ~values.str.contains(other, regex=False)
    if is_a_number.all() or 2 * is_like_a_number.sum() < len(values) or leading_zeros(values):
        return None
    return str(values[~is_a_number].iloc[0])


def line_of(rows: Rows, column: int, value: str) -> int | None:
    """The number of the first line that has a value in a column."""
    return next((line for line, row in rows if len(row) > column and row[column].strip() == value), None)


def _has_decimal_commas(values: Sequence[str]) -> bool:
    return any(_DECIMAL_COMMA.fullmatch(value.strip()) for value in values)


def _is_integer_or_decimal_comma(value: str) -> bool:
    return bool(_INTEGER.fullmatch(value.strip()) or _DECIMAL_COMMA.fullmatch(value.strip()))
