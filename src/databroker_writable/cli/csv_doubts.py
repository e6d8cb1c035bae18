"""Find what may not mean in a text file what it seems to: refuse it, or say how it was taken."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Container, Mapping, Sequence
from itertools import islice
from typing import Any

from ..tables.wording import cut
from .csv_dialect import BLANKS, Rows, TextFormat, comment_mark, is_date_or_time, is_number, rows_of, split

_OTHER_SEPARATORS = {";": ";", "\t": "tab", "|": "|", ",": ",", BLANKS: "space"}
"""The separators, and how they are written on the command line."""

_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
_INTEGER = re.compile(r"[+-]?\d+")
_INTEGER_OR_DECIMAL_COMMA = re.compile(rf"{_INTEGER.pattern}|{_DECIMAL_COMMA.pattern}")
_THOUSANDS = re.compile(r"[+-]?\d{1,3},\d{3}")
_OTHER_FORM = re.compile(
    r"\s*[+-]?(?:0[xX][\da-fA-F]+|(?:\d|[.,_' \u00a0\u2009\u202f](?=\d))+(?:[eEdD][+-]?\d+)?)"
    r"(?:\(\d+(?:\.\d+)?\)|\s*(?:\u00b1|\+/?-)\s*[\d.,]+)?(?:[eEdD][+-]?\d+)?(?:\s*%|\s+[^\W\d_]{1,4})?\s*"
)
"""Hexadecimal, of Fortran, with separated thousands, an uncertainty, a percent sign or units."""

_ZEROS = r"\s*[+-]?0\d+\s*"
MISSING_WORDS = {
    *("#N/A", "#N/A N/A", "#NA", "<NA>", "N/A", "NA", "NULL", "None", "n/a", "null"),
    *("NaN", "nan", "-NaN", "-nan", "1.#IND", "1.#QNAN", "-1.#IND", "-1.#QNAN"),
}
"""The words that pandas takes for missing values."""
_MISSING_ANYWHERE = re.compile(r"N(?:/?A|ULL|one|aN)|n(?:/a|ull|an)|\.#")

_ZEROS_ANYWHERE = re.compile(r"0(?<![\w.:]0)(?<![eE][+-]0)\d")


def is_text(column: Any) -> bool:
    """Whether a column that was read holds text."""
    return any(isinstance(value, str) for value in column.dropna().head(1))


def check_separator(lines: Sequence[str], separator: str, decimal: str) -> None:
    """Refuse lines that another separator divides into as many values as names."""
    doubt = find_separator(lines, separator, decimal)
    if doubt:
        found, options = doubt
        own = _OTHER_SEPARATORS[separator]
        raise ValueError(f"{found}; give the separator of the values: {options}, or --sep '{own}' if it is right so")


def find_separator(lines: Sequence[str], separator: str, decimal: str) -> tuple[str, str] | None:
    """What shows that another separator divides the lines into as many values as names, and the options for it."""
    head = list(islice((line.strip(" \r\n") for line in lines if line.strip()), 2))
    if len(head) < 2:
        return None
    is_one_column = len(split(head[0], separator)) == 1
    for other, word in _OTHER_SEPARATORS.items():
        names, values = (split(line, other) for line in head)
        if other in (separator, decimal) or not len(names) == len(values) > 1:
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


def surplus_comment(text: str, options: Mapping[str, Any]) -> str | None:
    """What to do with the first row that has too many values, if a comment is among them."""
    separator = options["sep"]
    lines = list(io.StringIO(text, newline=""))
    rows = rows_of(lines, separator)
    _, first = next(rows)
    width = len(options.get("names") or first)
    number, row = next(((number, row) for number, row in rows if len(row) > width), (0, []))
    if not row:
        return None
    mark, end = comment_mark(row[0], separator), comment_mark(row[width], separator)
    said = f"its row {number} has {len(row)} values for {width} columns"
    if mark is not None:
        return f"{said}, and begins with {mark}; give --comment {mark!r} if such lines are comments, or remove them"
    if end is not None:
        comment = lines[number - 1].rstrip()
        return f"{said}; remove the comment at its end, {cut(comment[comment.index(end) :])!r}"
    return None


def check_overflow(frame: Any, lines: Sequence[str], text_format: TextFormat, *, skipped: int) -> None:
    """Refuse numbers that float64 does not hold: pandas 3 reads infinities, and pandas 2 makes their column text."""
    columns = [frame.iloc[:, number] for number in range(frame.shape[1])]
    infinite = [
        number
        for number, column in enumerate(columns)
        if (column.dtype.kind == "f" and column.isin([math.inf, -math.inf]).any())
        or (is_text(column) and all(is_number(value, text_format.decimal) for value in column.dropna()))
    ]
    for line, row in islice(rows_of(lines, text_format.separator), skipped, None) if infinite else ():
        for number in infinite:
            if _is_infinite(row[number], text_format.decimal):
                raise ValueError(
                    f"the column {frame.columns[number]!r} holds {row[number]!r} in line {line}, which is beyond what "
                    "float64 holds; scale the values, or write inf for it"
                )


def _is_infinite(value: str, decimal: str) -> bool:
    """Whether digits make an infinity."""
    return any(map(str.isdigit, value)) and is_number(value, decimal) and math.isinf(float(value.replace(decimal, ".")))


def check_whole_rows(lines: Sequence[str], separator: str, width: int) -> None:
    """Refuse rows with fewer values than columns, which pandas would fill with missing values."""
    for number, row in rows_of(lines, separator):
        if len(row) < width:
            raise ValueError(
                f"its row {number} has {len(row)} {'value' if len(row) == 1 else 'values'} for {width} columns: "
                f"{cut(' '.join(row))!r}; write a separator for each missing value, or remove such rows"
            )


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


def may_have_leading_zeros(text: str) -> bool:
    """Whether a value in a text may have leading zeros."""
    return _ZEROS_ANYWHERE.search(text) is not None


def leading_zeros(column: Any) -> str | None:
    """The first value of a column of text that has leading zeros and is no decimal fraction."""
    values = column.dropna()
    found = values[values.str.fullmatch(_ZEROS)].head(1)
    return str(found.iloc[0]).strip() if len(found) else None


def notes_on_text(frame: Any, text: str, lines: Sequence[str], text_format: TextFormat, *, skipped: int) -> list[str]:
    """What should be known of columns of text; refuse a line of words above numbers, which may be names or units.

    `skipped` rows are above the values: that of the names, if there is one.
    """
    decimal = text_format.decimal

    def rows() -> Rows:
        return islice(rows_of(lines, text_format.separator), skipped, None)

    def place(number: int, value: str) -> str:
        values = ((line, row[number].strip()) for line, row in rows() if len(row) > number)
        line = next((line for line, found in values if found == value), None)
        return f"{value!r} in line {line}" if line else repr(value)

    columns = [number for number in range(frame.shape[1]) if is_text(frame.iloc[:, number])]
    found = {number: _words_among_numbers(frame.iloc[:, number], decimal) for number in columns}
    words = {number: values for number, values in found.items() if len(values)}
    line, row = next(rows(), (0, []))
    may_be_units = not any(is_number(value, decimal) for value in row)
    are_first_only = words and all(list(values.index) == [0] for values in words.values())
    if may_be_units and are_first_only and text_format.has_names is None:
        way = f"--skip-rows {line - 1} if it holds the names of the columns, or --header" if skipped else (
            "--header if it holds the names of the columns, or --no-header"
        )  # fmt: skip
        raise ValueError(
            f"its line {line}, {cut(lines[line - 1].strip())!r}, holds no numbers, but the lines after it do; give "
            f"--units-row if it holds units, {way} if it holds values"
        )
    notes = {}
    for number in columns:
        values = frame.iloc[:, number].dropna()
        if number in words:
            notes[number] = (
                f"is stored as text, because its value {place(number, str(words[number].iloc[0]))} is no number; to "
                "store numbers, correct it, or write nan for a missing value"
            ) + (
                ", or give --units-row if the line holds units"
                if may_be_units and text_format.has_names is not False and words[number].index[0] == 0
                else ""
            )
        elif (values == "").any() and all(is_number(value, decimal) for value in values if value):
            notes[number] = (
                "is stored as text, because values are missing beside integers as large as "
                f"{max(values, key=len)!r}; to store numbers, give every value"
            )
        elif all(map(_INTEGER.fullmatch, values)) and not leading_zeros(values):
            notes[number] = (
                f"is stored as text, because its integers, such as {place(number, max(values, key=len))}, are beyond "
                "64 bits; to store numbers, write them like 1.0e20"
            )
        elif _are_numbers_in_another_form(values):
            notes[number] = (
                f"is stored as text, because its values, such as {place(number, str(values.iloc[0]).strip())}, are "
                f"numbers in another form; to store numbers, write them like 8970{decimal}5"
            )
    notes |= _notes_on_missing_words(frame, text, rows(), notes)
    return [f"the column {frame.columns[number]!r} {notes[number]}" for number in sorted(notes)]


def _words_among_numbers(column: Any, decimal: str) -> Any:
    """The values of a column of text that are no numbers, if at least half of the values are numbers, else none."""
    import pandas

    values = column.dropna().str.strip()
    other = "." if decimal == "," else ","
    are_like_numbers = pandas.to_numeric(values.str.replace(",", "."), errors="coerce").notna()
    are_numbers = are_like_numbers & ~values.str.contains(other, regex=False)
    if 2 * are_like_numbers.sum() < len(values) or leading_zeros(values):
        return values[:0]
    return values[~are_numbers & (values != "")]


def _are_numbers_in_another_form(values: Any) -> bool:
    """Whether all values are numbers to a reader, and the first is no date; leading zeros have their own note."""
    if is_date_or_time(str(values.iloc[0])) or leading_zeros(values):
        return False
    return all(map(_OTHER_FORM.fullmatch, values))


def _notes_on_missing_words(frame: Any, text: str, rows: Rows, noted: Container[int]) -> dict[int, str]:
    """Notes, by column, on words such as NA that pandas took for missing values where they may be text."""
    found: dict[int, dict[str, int]] = {}
    for number in range(frame.shape[1]):
        column = frame.iloc[:, number]
        if number not in noted and column.isna().any() and (is_text(column) or column.isna().all()):
            found[number] = {}
    for line, row in rows if found and _MISSING_ANYWHERE.search(text) else ():
        for number, words in found.items():
            if row[number] in MISSING_WORDS:
                words.setdefault(row[number], line)
    return {
        number: (
            f"is missing values where it says {' or '.join(f'{word!r} (line {at})' for word, at in words.items())}; if "
            "such a word is a value, write it in another way"
        )
        for number, words in found.items()
        if not all(map(is_number, words)) or (words and is_text(frame.iloc[:, number]))
    }


def _has_decimal_commas(values: Sequence[str]) -> bool:
    return any(_DECIMAL_COMMA.fullmatch(value.strip()) for value in values)
