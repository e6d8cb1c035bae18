"""Read tables from text files: CSV, and columns of numbers as instruments write them."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from dataclasses import replace

import pandas

from ..tables.wording import counted
from ..upkeep.export_formats import CSV_HEADER
from .csv_columns import read_columns
from .csv_dialect import UTF_8, TextFormat, read_rows
from .csv_doubts import check_separator, check_widths, doubt_of_one_column
from .csv_heading import check_first_comment, check_one_scan, declared_units, find_heading, units_in

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
    "it holds NUL characters, so it is not text, or is text in another encoding; give this if so, such as --encoding "
    "utf-16"
)


def read_text_table(content: bytes, text_format: TextFormat) -> tuple[pandas.DataFrame, dict[str, str], list[str]]:
    """Read a table completely, without changing a value, or raise ValueError; comments become an attribute.

    Returns also the units of columns, and notes on what their user should know.
    """
    text = _text(content, text_format.encoding)
    if text_format.comment is None and CSV_HEADER.match(text):
        text_format = replace(text_format, comment="#")
    # str.splitlines would also split at a form feed; a line may end within a value
    lines = list(io.StringIO(text, newline=""))
    if 0 < len(lines) <= text_format.skipped_rows:
        raise ValueError(f"it has {counted(len(lines), 'line')}, all of which --skip-rows skips; skip fewer")
    declared = text_format.declared_by(lines[0]) if lines else None
    text_format, skipped = declared or text_format, max(text_format.skipped_rows, declared is not None)
    rows, comments = read_rows(["\n"] * skipped + lines[skipped:], text_format)
    if not rows.lines:
        raise ValueError("it holds no lines; is it complete?")
    check_one_scan(comments, rows.lines[0])
    first_lines = [lines[number - 1] for number in rows.lines]
    check_first_comment(first_lines, text_format)
    if not text_format.is_separator_given:
        check_separator(first_lines, text_format)
    above = [comment for line, comment in comments.items() if line < rows.lines[0]]
    names, are_in_first_line = find_heading(rows, above, text_format)
    rows = rows.below(are_in_first_line)
    units = {name: unit for name, unit in declared_units(above).items() if name in names}
    if text_format.units_row:
        units |= units_in(rows, names)
        rows = rows.below(1)
    check_widths(rows, len(names), text_format.separator)
    doubt = doubt_of_one_column(first_lines, text_format) if len(names) == 1 else ""
    try:
        frame, notes = read_columns(rows, names, text_format, are_named_above=are_in_first_line)
    except ValueError as exc:
        raise ValueError(f"{doubt}; {exc}" if doubt else str(exc)) from exc
    if doubt:
        notes.insert(0, doubt)
    if comments:
        frame.attrs["comments"] = list(comments.values())
    return frame, units, notes


def _text(content: bytes, encoding: str) -> str:
    """The text of a file that may be compressed."""
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (EOFError, zlib.error) as exc:
            raise ValueError(f"it is incomplete: {exc}") from exc
    kind = next((kind for beginning, kind in _BINARY if content.startswith(beginning)), None)
    if kind is not None:
        raise ValueError(f"it is {kind}, and not text; --attach keeps such a file with a run")
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
