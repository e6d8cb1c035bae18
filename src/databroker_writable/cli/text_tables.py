"""Read tables from text files: CSV, and columns of numbers as instruments write them."""

from __future__ import annotations

import codecs
import gzip
import io
import re
import warnings
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, NamedTuple

from ..tables.classifier import exceeds_float64
from .doubtful_text import (
    BLANKS,
    check_decimal_points,
    check_names,
    check_separator,
    check_whole_rows,
    is_number,
    is_text,
    leading_zeros,
    line_of,
    may_have_leading_zeros,
    rows_of,
    split,
    word_among_numbers,
)

_NAMED_SEPARATORS = {"tab": "\t", r"\t": "\t", "space": BLANKS, "blanks": BLANKS, " ": BLANKS}
_UTF_8 = "utf-8"
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True)
class TextFormat:
    """The format of a table in a text file.

    Attributes
    ----------
    separator : str
        What separates the values: one character, or `BLANKS`.
    comment : str or None
        How comment lines begin.
    skipped_rows : int
        Number of lines to skip at the beginning.
    has_names : bool or None
        Whether the first line has the names of the columns; if not, the comments may have them. None if it is to be
        seen from the line.
    encoding : str
        As Python names it.
    decimal : str
        The decimal mark: a point or a comma.
    may_lack_names : bool
        Whether a first line of numbers is one of values, as instruments write files; otherwise it is refused.
    """

    separator: str = ","
    comment: str | None = None
    skipped_rows: int = 0
    has_names: bool | None = None
    encoding: str = _UTF_8
    decimal: str = "."
    may_lack_names: bool = False

    def changed(self, options: Mapping[str, Any]) -> TextFormat:
        """The same format with the user's options."""
        separator = options.get("separator")
        return replace(self, **{**options, **({"separator": _separator(separator)} if separator else {})})


CSV = TextFormat()
TSV = TextFormat("\t")
COLUMNS = TextFormat(BLANKS, "#", may_lack_names=True)


class TextTable(NamedTuple):
    """A DataFrame, and what its user should know of its columns."""

    frame: Any
    notes: list[str]


def read_text_table(content: bytes, text_format: TextFormat) -> TextTable:
    """Read a table completely, without changing a value; comments become the frame's attribute ``comments``.

    Raises
    ------
    ValueError
        No such table.
    """
    lines, comments = _lines(_text(content, text_format.encoding), text_format)
    try:
        table = _read_table(lines, comments, text_format)
    except ValueError as exc:
        if _first_of(lines).startswith("#"):
            raise ValueError(f"{str(exc).strip()}; --comment '#' skips lines that begin with #") from exc
        raise
    if comments:
        table.frame.attrs["comments"] = comments
    return table


def _text(content: bytes, encoding: str) -> str:
    """The text of a file that may be compressed."""
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (EOFError, zlib.error) as exc:
            raise ValueError(f"it is incomplete: {exc}") from exc
    try:
        return content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as exc:
        name = "UTF-8" if encoding == _UTF_8 else encoding
        likely = "utf-16" if content.startswith(_UTF_16) else "latin-1"
        raise ValueError(
            f"its byte {exc.start} is not text in {name}; give its encoding, such as --encoding {likely}"
        ) from exc
    except LookupError as exc:
        raise ValueError(f"there is no encoding {encoding!r} of text; give one such as utf-8 or latin-1") from exc


def _lines(text: str, text_format: TextFormat) -> tuple[list[str], list[str]]:
    """The lines, those that are skipped or comments being empty so that the others keep their numbers; the comments."""
    comment, skipped = text_format.comment, text_format.skipped_rows
    # str.splitlines would also split at a form feed; a line may end within a value
    lines = list(io.StringIO(text, newline=""))
    lines[:skipped] = ["\n"] * len(lines[:skipped])
    comments = []
    for number, line in enumerate(lines):
        if comment and line.lstrip().startswith(comment):
            comments.append(line.rstrip("\r\n"))
            lines[number] = "\n"
    return lines, comments


def _read_table(lines: Sequence[str], comments: Sequence[str], text_format: TextFormat) -> TextTable:
    separator, decimal = text_format.separator, text_format.decimal
    check_separator(lines, separator, decimal)
    text = "".join(lines)
    options = {"sep": separator, "decimal": decimal, "skipinitialspace": True, "index_col": False, "low_memory": False}
    first = _first_row(text, options)
    has_names = _has_names(first, lines, text_format)
    if has_names:
        check_names(first)
    else:
        options |= {"header": None, "names": _names(first, comments, separator, text_format.comment or "")}
    frame = _read_exactly(text, options)
    if decimal == ".":
        for name, column in frame.items():
            if is_text(column):
                check_decimal_points(column.dropna(), f"the column {name!r}")
    if frame.shape[1] > 1:
        check_whole_rows(lines, separator, frame.shape[1])
    notes = _keep_leading_zeros(frame, text, options)
    for number, (name, column) in enumerate(frame.items()):
        word = word_among_numbers(column, decimal) if is_text(column) else None
        if word is not None:
            line = line_of(islice(rows_of(lines, separator), has_names, None), number, word)
            value = f"{word!r} in line {line}" if line else repr(word)
            notes.append(
                f"the column {name!r} is stored as text, because its value {value} is no number; to store numbers, "
                "correct it, or write nan for a missing value"
            )
    return TextTable(frame, notes)


def _keep_leading_zeros(frame: Any, text: str, options: Mapping[str, Any]) -> list[str]:
    """Make text of columns of numbers with leading zeros, such as names of samples; return a note for each."""
    numeric = [number for number in range(frame.shape[1]) if not is_text(frame.iloc[:, number])]
    notes: list[str] = []
    if not numeric or not may_have_leading_zeros(text):
        return notes
    as_written = _parsed(text, {**options, "usecols": numeric, "dtype": str})
    for number, name in zip(numeric, as_written.columns, strict=True):
        value = leading_zeros(as_written[name])
        if value is not None:
            frame.isetitem(number, as_written[name])
            notes.append(
                f"the column {frame.columns[number]!r} is stored as text, because its value {value!r} begins with a "
                "zero; to store numbers, write them without leading zeros"
            )
    return notes


def _names(first: Sequence[str], comments: Sequence[str], separator: str, comment: str) -> list[str]:
    """The names of columns that the first line does not have: those in a comment, if they fit, else numbers."""
    names = _names_in(comments, separator, comment)
    if len(names) == len(first) == len(set(names)) and all(names):
        return names
    return [f"column_{number}" for number in range(1, len(first) + 1)]


def _names_in(comments: Sequence[str], separator: str, comment: str) -> list[str]:
    """What comments name: the line #L of SPEC, with two blanks between its names, else the last one."""
    labels = [line.lstrip().removeprefix("#L ").strip() for line in comments if line.lstrip().startswith("#L ")]
    if labels:
        return re.split(r"\s{2,}", labels[-1]) if "  " in labels[-1] else labels[-1].split()
    return split(comments[-1].lstrip()[len(comment) :], separator) if comments else []


def _has_names(first: Sequence[str], lines: Sequence[str], text_format: TextFormat) -> bool:
    """Whether the first line has the names of the columns; refuse one that may be lost as values."""
    if text_format.has_names is not None:
        return text_format.has_names
    if text_format.decimal == ".":
        check_decimal_points(first, "its first line")
    if not all(is_number(value, text_format.decimal) for value in first):
        return True
    if len(list(islice(filter(str.strip, lines), 2))) > 1 and not text_format.may_lack_names:
        raise ValueError(
            f"its first line holds only numbers, {_first_of(lines).strip()[:60]!r}; say with --no-header that they are "
            "values, or with --header that they are the names of the columns"
        )
    return not text_format.may_lack_names


def _first_of(lines: Sequence[str]) -> str:
    return next((line for line in lines if line.strip()), "")


def _first_row(text: str, options: Mapping[str, Any]) -> list[str]:
    """The texts in the first line."""
    row = _parsed(text, {**options, "header": None, "nrows": 1, "dtype": str, "na_filter": False})
    return [str(value).strip() for value in row.iloc[0]]


def _read_exactly(text: str, options: Mapping[str, Any]) -> Any:
    """Read a DataFrame; missing values do not make floats of integers."""
    frame = _parsed(text, options)
    gaps = [number for number in range(frame.shape[1]) if may_be_of_integers(frame.iloc[:, number])]
    if gaps:
        exact = _parsed(text, {**options, "usecols": gaps, "dtype_backend": "numpy_nullable"})
        for number, name in zip(gaps, exact.columns, strict=True):
            if exact[name].dtype.kind in "iub" and exact[name].notna().any():
                frame.isetitem(number, exact_integers(exact[name]))
    return frame.rename(columns=str.strip)


def _parsed(text: str, options: Mapping[str, Any]) -> Any:
    """What pandas reads, or an error in words of a user."""
    import pandas

    # the default of pandas 3.1
    exact = {"float_precision": "round_trip"} if _is_before_3_1(pandas.__version__) else {}
    with warnings.catch_warnings():
        # without this, pandas drops values beyond the last name, or uses the first column as the index
        warnings.simplefilter("error", pandas.errors.ParserWarning)
        try:
            return pandas.read_csv(io.StringIO(text, newline=""), **options, **exact)
        except pandas.errors.ParserWarning as exc:
            raise ValueError(
                "its rows have more values than its first line has names; "
                "name every column, or give the separator with --sep"
            ) from exc
        except pandas.errors.EmptyDataError as exc:
            raise ValueError("it holds no lines; is it complete?") from exc
        except pandas.errors.ParserError as exc:
            raise ValueError(_in_words(str(exc))) from exc


def _is_before_3_1(version: str) -> bool:
    return tuple(map(int, version.split(".")[:2])) < (3, 1)


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


def may_be_of_integers(column: Any) -> bool:
    """Whether pandas may have changed integers or bools to floats or objects, because values are missing."""
    return column.dtype.kind in "fO" and bool(column.isna().any())


def exact_integers(column: Any) -> Any:
    """A nullable column; as Python integers if some are too large for floats.

    When xarray asks for an array, pandas 3 gives floats for nullable integers.
    """
    return column.astype(object) if exceeds_float64(column) else column


def _separator(word: str) -> str:
    """The separator that a user names."""
    separator = _NAMED_SEPARATORS.get(word) or word.strip(" ")
    if len(separator) != 1 and separator != BLANKS:
        raise ValueError(f"{word!r} cannot separate its values; give one character, tab or space")
    return separator
