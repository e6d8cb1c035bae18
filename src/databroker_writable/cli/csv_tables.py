"""Read tables from text files: CSV, and columns of numbers as instruments write them."""

from __future__ import annotations

import codecs
import gzip
import io
import re
import warnings
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from ..tables.classifier import exceeds_float64
from ..tables.wording import counted
from ..upkeep.export_formats import CSV_HEADER
from .csv_dialect import UTF_8, TextFormat, comments_among
from .csv_doubts import (
    check_decimal_points,
    check_overflow,
    check_separator,
    check_whole_rows,
    is_text,
    leading_zeros,
    may_have_leading_zeros,
    notes_on_text,
    surplus_comment,
)
from .csv_heading import check_first_comment, check_one_scan, find_heading, take_units

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_BINARY = (
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"%PDF", "a PDF"),
    (b"\x89HDF", "an HDF5 or netCDF-4 file"),
    (b"CDF", "a netCDF-3 file"),
    (b"PAR1", "a Parquet file"),
    (b"PK\x03\x04", "a zip file, as those of Excel are"),
    (b"\xd0\xcf\x11\xe0", "a file of an old Excel"),
)
"""How files of other formats begin."""

_IS_BINARY = (
    "it holds NUL characters, so it is no text, or text in another encoding; give this if so, such as --encoding utf-16"
)


class TextTable(NamedTuple):
    """A DataFrame, the units of its columns, and what its user should know of them."""

    frame: Any
    units: dict[str, str]
    notes: list[str]


def read_text_table(content: bytes, text_format: TextFormat) -> TextTable:
    """Read a table completely, without changing a value, or raise ValueError; comments become an attribute."""
    text = _text(content, text_format.encoding)
    if text_format.comment is None and CSV_HEADER.match(text):
        text_format = replace(text_format, comment="#")
    declared = text_format.declared_by(text.partition("\n")[0])
    lines, comments = _lines(text, declared or text_format)
    if 0 < len(lines) <= text_format.skipped_rows:
        raise ValueError(f"it has {counted(len(lines), 'line')}, all of which --skip-rows skips; skip fewer")
    if declared is not None:
        text_format, lines[:1] = declared, ["\n"]
    first = next((number for number, line in enumerate(lines) if line.strip()), len(lines))
    check_one_scan(comments, first)
    above = [comment for number, comment in comments.items() if number < first]
    table = _read_table(lines, above, text_format)
    if comments:
        table.frame.attrs["comments"] = list(comments.values())
    return table


def _text(content: bytes, encoding: str) -> str:
    """The text of a file that may be compressed."""
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (EOFError, zlib.error) as exc:
            raise ValueError(f"it is incomplete: {exc}") from exc
    kind = next((kind for beginning, kind in _BINARY if content.startswith(beginning)), None)
    if kind is not None:
        raise ValueError(f"it is {kind}, and no text; --attach keeps such a file with a run")
    try:
        text = content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as exc:
        if b"\0" in content and not content.startswith(_UTF_16):
            raise ValueError(_IS_BINARY) from exc
        name = "UTF-8" if encoding == UTF_8 else encoding
        likely = "utf-16" if content.startswith(_UTF_16) else "latin-1"
        raise ValueError(
            f"its byte {exc.start} is not text in {name}; give its encoding, such as --encoding {likely}"
        ) from exc
    except LookupError as exc:
        raise ValueError(f"there is no encoding {encoding!r} of text; give one such as utf-8 or latin-1") from exc
    if "\0" in text:
        raise ValueError(_IS_BINARY)
    return text


def _lines(text: str, text_format: TextFormat) -> tuple[list[str], dict[int, str]]:
    """The lines, those that are skipped or comments being empty; the comments by their place among the lines."""
    comment, skipped = text_format.comment, text_format.skipped_rows
    # str.splitlines would also split at a form feed; a line may end within a value
    lines = list(io.StringIO(text, newline=""))
    lines[:skipped] = ["\n"] * len(lines[:skipped])
    comments = {}
    for number in comments_among(lines, comment, text_format.separator) if comment else ():
        comments[number] = lines[number].rstrip("\r\n")
        lines[number] = "\n"
    return lines, comments


def _read_table(lines: list[str], comments: Sequence[str], text_format: TextFormat) -> TextTable:
    separator, decimal = text_format.separator, text_format.decimal
    check_first_comment(lines, text_format)
    if not text_format.is_separator_given:
        check_separator(lines, separator, decimal)
    options: dict[str, Any] = {
        "sep": separator, "decimal": decimal, "skipinitialspace": True, "index_col": False, "low_memory": False
    }  # fmt: skip
    row = _parsed("".join(lines), {**options, "header": None, "nrows": 1, "dtype": str, "na_filter": False})
    first = [str(value).strip() for value in row.iloc[0]]
    heading = find_heading(first, lines, comments, text_format)
    units = dict(heading.units)
    if text_format.units_row:
        units |= take_units(lines, heading, separator)
    text = "".join(lines)
    options |= {"header": 0 if heading.in_first_line else None, "names": range(len(first))}
    frame = _read_exactly(text, options).iloc[:, : len(heading.names)]
    frame.columns = heading.names
    if decimal == ".":
        for name, column in frame.items():
            if is_text(column):
                check_decimal_points(column.dropna(), f"the column {name!r}")
    if len(first) > 1:
        check_whole_rows(lines, separator, len(first))
    check_overflow(frame, lines, text_format, skipped=heading.in_first_line)
    notes = _keep_as_written(frame, text, options)
    return TextTable(
        frame, units, notes + notes_on_text(frame, text, lines, text_format, skipped=heading.in_first_line)
    )


def _keep_as_written(frame: Any, text: str, options: Mapping[str, Any]) -> list[str]:
    """Make text of numbers with leading zeros, such as names of samples, and of integers that nothing holds."""
    numeric = [number for number in range(frame.shape[1]) if not is_text(frame.iloc[:, number])]
    large = [number for number in numeric if _are_large_integers(frame.iloc[:, number])]
    doubtful = numeric if may_have_leading_zeros(text) else large
    notes: list[str] = []
    if not doubtful:
        return notes
    as_written = _parsed(text, {**options, "usecols": doubtful, "dtype": str})
    for number in doubtful:
        value = leading_zeros(as_written[number])
        if value is not None:
            notes.append(
                f"the column {frame.columns[number]!r} is stored as text, because its value {value!r} begins with a "
                "zero; to store numbers, write them without leading zeros"
            )
        if value is not None or number in large:
            frame.isetitem(number, as_written[number])
    return notes


def _are_large_integers(column: Any) -> bool:
    """Whether pandas found integers beyond 64 bits, which it gives as Python's own."""
    values = column.dropna() if column.dtype.kind == "O" else ()
    return all(type(value) is int for value in values) and any(not -(2**63) <= value < 2**64 for value in values)


def _read_exactly(text: str, options: Mapping[str, Any]) -> Any:
    """Read a DataFrame; missing values do not make floats of integers."""
    frame = _parsed(text, options)
    gaps = [number for number in range(frame.shape[1]) if may_be_of_integers(frame.iloc[:, number])]
    if gaps:
        exact = _parsed(text, {**options, "usecols": gaps, "dtype_backend": "numpy_nullable"})
        for number in gaps:
            if exact[number].dtype.kind in "iub" and exact[number].notna().any():
                frame.isetitem(number, exact_integers(exact[number]))
    return frame


def _parsed(text: str, options: Mapping[str, Any]) -> Any:
    """What pandas reads, or an error in words of a user."""
    import pandas

    # the default of pandas 3.1
    is_older = tuple(map(int, pandas.__version__.split(".")[:2])) < (3, 1)
    exact = {"float_precision": "round_trip"} if is_older else {}
    with warnings.catch_warnings():
        # without this, pandas drops values beyond the last name, or uses the first column as the index
        warnings.simplefilter("error", pandas.errors.ParserWarning)
        try:
            return pandas.read_csv(io.StringIO(text, newline=""), **options, **exact)
        except pandas.errors.ParserWarning as exc:
            raise ValueError(
                surplus_comment(text, options)
                or "its rows have more values than its first line has names; "
                "name every column, or give the separator with --sep"
            ) from exc
        except pandas.errors.EmptyDataError as exc:
            raise ValueError("it holds no lines; is it complete?") from exc
        except pandas.errors.ParserError as exc:
            raise ValueError(surplus_comment(text, options) or _in_words(str(exc))) from exc


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
