"""Read tables from text files: CSV, and columns of numbers as instruments write them."""

from __future__ import annotations

import csv
import gzip
import io
import re
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..tables.classifier import exceeds_float64

_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")

BLANKS = r"\s+"
_NAMED_SEPARATORS = {"tab": "\t", r"\t": "\t", "space": BLANKS, "blanks": BLANKS}
_OTHER_SEPARATORS = {";": ";", "\t": "tab", "|": "|", ",": ",", " ": "space"}
"""The separators, and how they are written on the command line."""


@dataclass(frozen=True)
class TextFormat:
    """The format of a table in a text file.

    Attributes
    ----------
    separator : str
        What separates the values; a regular expression if longer than one character.
    comment : str or None
        How comment lines begin.
    skipped_rows : int
        Number of lines to skip at the beginning.
    has_names : bool or None
        Whether the first line has the names of the columns; if not, the last comment may have them. None if it is to be
        seen from the line.
    may_lack_names : bool
        Whether a first line of numbers is one of values, as instruments write files; otherwise it is refused.
    """

    separator: str = ","
    comment: str | None = None
    skipped_rows: int = 0
    has_names: bool | None = None
    may_lack_names: bool = False

    def changed(
        self, separator: str | None, comment: str | None, skipped_rows: int, has_names: bool | None
    ) -> TextFormat:
        """The same format with the user's options."""
        return TextFormat(
            self.separator if separator is None else _NAMED_SEPARATORS.get(separator, separator),
            self.comment if comment is None else comment,
            skipped_rows,
            self.has_names if has_names is None else has_names,
            self.may_lack_names,
        )


CSV = TextFormat()
TSV = TextFormat("\t")
COLUMNS = TextFormat(BLANKS, "#", may_lack_names=True)


def read_text_table(content: bytes, text_format: TextFormat) -> Any:
    """Read a DataFrame completely, without changing a value; comments become its attribute ``comments``.

    Raises
    ------
    ValueError
        No such table.
    """
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (EOFError, zlib.error) as exc:
            raise ValueError(f"it is incomplete: {exc}") from exc
    # str.splitlines would also split at a form feed; a line may end within a value
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise ValueError(f"its byte {exc.start} is not text in UTF-8; save it as text in this encoding") from exc
    lines = list(io.StringIO(text, newline=""))[text_format.skipped_rows :]
    comments = [
        line.rstrip("\r\n") for line in lines if text_format.comment and line.lstrip().startswith(text_format.comment)
    ]
    if text_format.comment:
        lines = [line for line in lines if not line.lstrip().startswith(text_format.comment)]
    names = None if _has_names(lines, text_format) else _names(lines, comments, text_format)
    try:
        frame = _read_csv("".join(lines), text_format.separator, names)
    except ValueError as exc:
        if lines and lines[0].startswith("#"):
            raise ValueError(f"{str(exc).strip()}; --comment '#' skips lines that begin with #") from exc
        raise
    _check_separator(frame)
    _check_decimal_points(frame)
    if frame.shape[1] > 1:
        _check_whole_rows("".join(lines), text_format.separator, frame.shape[1])
    if comments:
        frame.attrs["comments"] = comments
    return frame


def _names(lines: list[str], comments: list[str], text_format: TextFormat) -> list[str]:
    """The names of columns that the first line does not have: those in the last comment, else numbers."""
    values = _split(_first_of(lines), text_format.separator)
    last = comments[-1].lstrip()[len(text_format.comment or "") :].strip() if comments else ""
    names = [name.strip() for name in _split(last, text_format.separator)]
    if len(names) != len(values) or len(set(names)) < len(names) or not all(names):
        return [f"column_{number}" for number in range(1, len(values) + 1)]
    return names


def _split(line: str, separator: str) -> list[str]:
    """The values of a line; a separator of one character is no regular expression."""
    line = line.strip()
    return line.split(separator) if len(separator) == 1 else re.split(separator, line)


def _has_names(lines: list[str], text_format: TextFormat) -> bool:
    """Whether the first line has the names of the columns; refuse one that may be lost as values."""
    first = _first_of(lines)
    if text_format.has_names is not None:
        return text_format.has_names
    if not all(map(_is_number, _split(first, text_format.separator))):
        return True
    if len(lines) > 1 and not text_format.may_lack_names:
        raise ValueError(
            f"its first line holds only numbers, {first.strip()[:60]!r}; say with --no-header that they are values, or "
            "with --header that they are the names of the columns"
        )
    return not text_format.may_lack_names


def _first_of(lines: list[str]) -> str:
    return next((line for line in lines if line.strip()), "")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_csv(text: str, separator: str, names: list[str] | None) -> Any:
    import pandas

    # with low_memory, pandas reads in pieces and can infer several types for one column
    options: dict[str, Any] = {"index_col": False, "low_memory": False, "sep": separator}
    options |= {"skipinitialspace": separator == BLANKS, "names": names, "header": "infer" if names is None else None}
    if tuple(map(int, pandas.__version__.split(".")[:2])) < (3, 1):
        options["float_precision"] = "round_trip"  # the default of later versions
    with warnings.catch_warnings():
        # without this, pandas drops values beyond the last name, or uses the first column as the index
        warnings.simplefilter("error", pandas.errors.ParserWarning)
        try:
            frame = pandas.read_csv(io.StringIO(text, newline=""), **options)
        except pandas.errors.ParserWarning as exc:
            raise ValueError(
                "its rows have more values than its first line has names; "
                "name every column, or give the separator with --sep"
            ) from exc
        except pandas.errors.EmptyDataError as exc:
            raise ValueError("it holds no lines; is it complete?") from exc
        except pandas.errors.ParserError as exc:
            raise ValueError(_in_words(str(exc))) from exc
    gaps = [number for number in range(frame.shape[1]) if may_be_of_integers(frame.iloc[:, number])]
    if gaps:
        exact = pandas.read_csv(io.StringIO(text, newline=""), **options, usecols=gaps, dtype_backend="numpy_nullable")
        for number, name in zip(gaps, exact.columns, strict=True):
            if exact[name].dtype.kind in "iub" and exact[name].notna().any():
                frame = frame.assign(**{frame.columns[number]: exact_integers(exact[name])})
    return frame


def _in_words(text: str) -> str:
    """What pandas says of text that is no table, in words of a user."""
    surplus = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", text)
    if surplus:
        columns, row, values = surplus.groups()
        return (
            f"its row {row} has {values} values for {columns} columns; write a name for each column in the first line, "
            "remove such rows, or give the separator with --sep"
        )
    unclosed = re.search(r"EOF inside string starting at row (\d+)", text)
    if unclosed:
        return f"the quotation mark in its row {int(unclosed[1]) + 1} has no end; add it, or remove the mark"
    return text


def _check_separator(frame: Any) -> None:
    """Refuse a single column of text that another separator would split into columns of numbers."""
    if frame.shape[1] != 1 or frame.shape[0] == 0:
        return
    first = str(frame.iloc[0, 0]).strip()
    for separator, word in _OTHER_SEPARATORS.items():
        values = first.split() if separator == " " else first.split(separator)
        if len(values) > 1 and any(map(_is_number, values)):
            raise ValueError(
                f"its only column holds text such as {first!r}; give the separator of the values: --sep '{word}'"
            )


def _check_decimal_points(frame: Any) -> None:
    """Refuse numbers with decimal commas, which would be stored as text."""
    for name, column in frame.items():
        values = column.dropna()
        if column.dtype.kind in "biufc" or not len(values):
            continue
        if all(isinstance(value, str) and _DECIMAL_COMMA.fullmatch(value.strip()) for value in values):
            raise ValueError(
                f"the column {name!r} holds numbers with decimal commas, such as {values.iloc[0]!r}; write them with "
                "points, or use store_run in Python with pandas.read_csv(..., decimal=',')"
            )


def _check_whole_rows(text: str, separator: str, width: int) -> None:
    """Refuse rows with fewer values than columns, which pandas would fill with missing values."""
    source = io.StringIO(text, newline="")
    rows: Iterator[list[str]]
    if len(separator) == 1:
        rows = csv.reader(source, delimiter=separator)
    else:
        rows = (re.split(separator, line.strip()) for line in source)
    for number, row in enumerate(rows, start=1):
        if any(row) and len(row) < width:
            raise ValueError(
                f"its row {number} has {len(row)} {'value' if len(row) == 1 else 'values'} for {width} columns: "
                f"{' '.join(row)[:60]!r}; write a separator for each missing value, or remove such rows"
            )


def may_be_of_integers(column: Any) -> bool:
    """Whether pandas may have changed integers or bools to floats or objects, because values are missing."""
    return column.dtype.kind in "fO" and bool(column.isna().any())


def exact_integers(column: Any) -> Any:
    """A nullable column; as Python integers if some are too large for floats.

    When xarray asks for an array, pandas 3 gives floats for nullable integers.
    """
    return column.astype(object) if exceeds_float64(column) else column
