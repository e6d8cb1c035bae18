"""Find what heads a table in a text file: the names of its columns, and their units."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping, Sequence

from ..tables.wording import counted, cut
from .csv_dialect import DATE_OR_TIME, LIKE_A_NUMBER, Rows, TextFormat, comment_mark, is_number, split
from .csv_doubts import check_decimal_points, find_separator

_SCAN = re.compile(r"\s*#[SL]\s")
"""A line of SPEC that begins a scan or names its columns."""

_REMARK = re.compile(r"[:=](?:\s|$)")
"""What is in a comment such as 'Sample: Cu', and in no name."""

_OTHER_NUMBER = re.compile(r"[+-]?(?:0[xX][0-9a-fA-F]+|\d*[.,]?\d+[dD][+-]?\d+|\d+[.,]\d*[dD][+-]?\d+)")

_XDI_COLUMN = re.compile(r"(?i)\W*column\.(\d+)\s*:\s*(\S+)([^|]*)")
_EXPORTED_COLUMN = re.compile(r"# column\.(.+?): (\{.*\})")
"""What comments of XDI, and of exported runs, say of columns."""


def find_heading(rows: Rows, comments: Sequence[str], text_format: TextFormat) -> tuple[list[str], bool]:
    """Find the names in the first line, and whether they are there, or in the comments above; without them, numbers.

    Raises ValueError if the first line may hold values or names, or does not name each column.
    """
    first = [value.strip() for value in rows.head[0].values]
    named, declared = _names_in_comment(comments, text_format, len(first)), _declared_names(comments, len(first))
    if declared and not any(map(str.isalnum, "".join(named))):
        named = declared
    if _is_heading(first, rows.head[0].text, named, comments, text_format):
        return _complete(first, rows), True
    if not declared:
        _check_one_comment_of_names(comments, text_format, len(first))
    return named or [f"column_{number}" for number in range(1, len(first) + 1)], False


def check_one_scan(comments: Mapping[int, str], first: int) -> None:
    """Refuse a second scan of SPEC, whose values would get the names of the first; `first` is the first row's line."""
    for number, comment in comments.items():
        if number > first and _SCAN.match(comment):
            raise ValueError(
                f"its line {number}, {cut(comment.strip())!r}, begins another scan below the first row of values; "
                "give each scan a file of its own"
            )


def check_first_comment(lines: Sequence[str], text_format: TextFormat) -> None:
    """Refuse a first line that may be a comment, which can have the names."""
    separator, first = text_format.separator, lines[0].strip()
    mark = comment_mark(first, separator)
    if text_format.has_names is not None or mark is None:
        return
    start = next((n for n, line in enumerate(lines) if not line.lstrip().startswith(mark)), len(lines))
    values = lines[start:]
    may_be_a_name = mark == "%" and start == 1 and not first[1:].startswith((" ", "\t"))
    if may_be_a_name and len(split(first, separator)) == len(split((values or [""])[0], separator)):
        return
    last = lines[start - 1].lstrip(f"{mark} ")
    doubt = find_separator([last, *values], text_format) or find_separator(values, text_format)
    raise ValueError(
        f"its first line begins with {mark}, {cut(first)!r}; give --comment '{mark}'{f' {doubt[1]}' if doubt else ''} "
        "if such lines are comments, of which the last can have the names of the columns, or --header if this line "
        "has them"
    )


def units_in(rows: Rows, names: Sequence[str]) -> dict[str, str]:
    """The units in the first of the rows below the names."""
    if not rows.head:
        raise ValueError("no line below its names holds units; leave --units-row out")
    row = rows.head[0]
    said = f"its line {row.line}, {cut(row.text.strip())!r}, "
    units = [value.strip() for value in row.values]
    if all(is_number(value) for value in units if value):
        raise ValueError(f"{said}holds no units; leave --units-row out")
    width = len(names)
    if len(units) < width or any(units[width:]):
        raise ValueError(
            f"{said}has {counted(len(units), 'unit')} for {counted(width, 'column')}; write a separator for each "
            "missing one"
        )
    return {name: text for name, text in zip(names, units, strict=False) if text}


def _names_in_comment(comments: Sequence[str], text_format: TextFormat, width: int) -> list[str]:
    """What comments name, if there is a name for each column: the line #L of SPEC, else the last comment."""
    labels = _spec_labels(comments)
    if labels:
        names = re.split(r"\s{2,}", labels[-1]) if "  " in labels[-1] else labels[-1].split()
    else:
        names = _words(comments[-1], text_format) if comments else []
    fits = len(names) == width == len(set(names)) and all(map(_may_be_a_name, names))
    return names if fits else []


def _check_one_comment_of_names(comments: Sequence[str], text_format: TextFormat, width: int) -> None:
    """Refuse two comments above the values that can be their names, or their names and units."""
    if len(comments) < 2 or _spec_labels(comments):
        return
    names, units = (_words(comment, text_format) for comment in comments[-2:])
    may_be_names = all(_may_be_a_name(name) and not _is_value(name, text_format.decimal) for name in names)
    may_be_units = not all(map(is_number, units)) and not any(map(_REMARK.search, units))
    if names != units and len(names) == len(units) == len(set(names)) == width and may_be_names and may_be_units:
        one, other = (repr(cut(comment.strip())) for comment in comments[-2:])
        raise ValueError(
            f"the comments above its values, {one} and {other}, can both be the names of the columns; keep the one "
            "with the names, or write the names in the first line below the comments and give --header"
        )


def _words(comment: str, text_format: TextFormat) -> list[str]:
    """The values in a comment."""
    return split(comment.lstrip()[len(text_format.comment or "") :], text_format.separator)


def _spec_labels(comments: Sequence[str]) -> list[str]:
    """What stands in lines #L of SPEC, with two blanks between the names if they have blanks."""
    return [line.lstrip().removeprefix("#L ").strip() for line in comments if line.lstrip().startswith("#L ")]


def _may_be_a_name(text: str) -> bool:
    """Whether a comment that has this text can be of names: not of a value, or 'Sample: Cu'."""
    return bool(text) and not is_number(text) and not _REMARK.search(text)


def _is_heading(
    first: Sequence[str], line: str, named: Sequence[str], comments: Sequence[str], text_format: TextFormat
) -> bool:
    """Whether the first line has the names of the columns; refuse one that may be lost as values."""
    if text_format.has_names is not None:
        return text_format.has_names
    if text_format.decimal == ".":
        check_decimal_points(first, "its first line")
    values = [value for value in first if _is_value(value, text_format.decimal)]
    line = repr(cut(line.strip()))
    if named and named != first:
        if not values and not any(map(LIKE_A_NUMBER.match, first)) and not _spec_labels(comments):
            raise ValueError(
                f"its first line, {line}, and the comment above, {cut(comments[-1].strip())!r}, can both be the names "
                "of the columns; say --header if the line has the names, or --no-header if the comment has them (with "
                "--units-row if the line holds units)"
            )
        return False
    if not values:
        return True
    if text_format.may_lack_names and all(is_number(value, text_format.decimal) for value in first):
        return False
    raise ValueError(
        f"its first line, {line}, holds the value {values[0]!r}; say with --no-header that they are values, with "
        "--header that they are the names of the columns, or with --skip-rows how many lines there are above the names"
    )


def _is_value(text: str, decimal: str) -> bool:
    """Whether a text is a number, a date or a time, and not a name."""
    return is_number(text, decimal) or bool(DATE_OR_TIME.match(text) or _OTHER_NUMBER.fullmatch(text))


def _complete(first: Sequence[str], rows: Rows) -> list[str]:
    """The names in the first line, all different; a column with values but without a name is refused."""
    names = list(first)
    twice = [name for number, name in enumerate(names) if name and name in names[:number]]
    if twice:
        raise ValueError(f"its first line names two columns {twice[0]!r}; rename one of them")
    are_wider = any(len(row.values) > len(first) for row in rows.uneven)
    while names and not names[-1] and not are_wider and not rows.columns[len(names) - 1].replace("\0", "").strip():
        names.pop()
    if names and not names[0] and "index" not in names:
        names[0] = "index"
    if not names or "" in names:
        number = names.index("") + 1 if names else 1
        below, uneven = rows.below(1), {row.line for row in rows.uneven}
        found = zip(below.lines, *(column.split("\0") for column in below.columns), strict=False)
        line = next((line for line, *row in found if line not in uneven and all(map(_may_be_a_name, row))), 0)
        raise ValueError(
            f"its first line, {cut(rows.head[0].text.strip())!r}, has no name for column {number}; name every column"
            + (f", or give --skip-rows {line - 1} if the names are in line {line}" if line else "")
        )
    return names


def _declared_names(comments: Sequence[str], width: int) -> list[str]:
    """The names in lines of XDI such as ``# Column.1: energy eV``, if each column has one."""
    names = {number: name for number, name, _ in _xdi_columns(comments)}
    complete = list(names) == list(range(1, width + 1)) and len(set(names.values())) == width
    return list(names.values()) if complete else []


def declared_units(comments: Sequence[str]) -> dict[str, str]:
    """What comments say of the units of columns, by name."""
    units = {name: unit for _, name, unit in _xdi_columns(comments) if unit}
    for found in filter(None, (_EXPORTED_COLUMN.fullmatch(comment.strip()) for comment in comments)):
        with contextlib.suppress(ValueError):
            unit = json.loads(found[2]).get("units")
            if isinstance(unit, str) and unit:
                units[found[1]] = unit
    return units


def _xdi_columns(comments: Sequence[str]) -> list[tuple[int, str, str]]:
    """The numbers, names and units of columns."""
    found = filter(None, map(_XDI_COLUMN.match, comments))
    return [(int(column[1]), column[2], column[3].strip()) for column in found]
