"""Read tables from files, completely and without changing a value."""

from __future__ import annotations

import os
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click

from ..errors import did_you_mean, require_package
from ..storage.catalog_paths import expanded
from ..upkeep.export_formats import DOCUMENTS
from .csv_columns import exact_integers, may_be_of_integers
from .csv_dialect import COLUMNS, CSV, TSV
from .csv_tables import read_text_table
from .excel_tables import read_excel
from .printing import say

_NETCDF = (".nc", ".nc4")
_TEXT = {".csv": CSV, ".tsv": TSV, ".dat": COLUMNS, ".txt": COLUMNS, ".xdi": COLUMNS}
STANDARD_INPUT = Path("-")


_ONLY_TEXT = {
    "--sep, --comment and --skip-rows are": {"separator", "comment", "skipped_rows"},
    "--header is": {"has_names"},
    "--units-row is": {"units_row"},
    "--encoding is": {"encoding"},
    "--decimal is": {"decimal"},
}


def read_file(given: str, options: Mapping[str, Any]) -> tuple[Any, dict[str, str]]:
    """Read a table from a file, by its suffix, or from standard input as CSV, and the units that are no part of it.

    The options are attributes of `TextFormat`, and for netCDF the group.
    """
    path = Path(expanded(given, "the file"))
    is_input = path == STANDARD_INPUT
    if path.is_dir():
        raise click.ClickException(
            f"there is no file {str(path)!r}, but a directory; name the files in it, such as {path / '*.csv'}"
        )
    if is_input and sys.stdin is None:
        raise click.ClickException("there is no standard input; give the name of a file")
    if not is_input and path.exists() and not path.is_file():
        raise click.ClickException(
            f"{str(path)!r} is not a regular file; write its contents into a file, or give {str(STANDARD_INPUT)!r} and "
            "CSV on standard input"
        )
    if not is_input and not path.is_file():
        if path.is_symlink():
            raise click.ClickException(
                f"{str(path)!r} is a link to {os.readlink(path)!r}, where there is no file; is its file system mounted?"
            )
        beside = [str(file) for file in path.parent.glob("*")]
        raise click.ClickException(f"there is no file {str(path)!r}{did_you_mean(str(path), beside)}")
    suffix = ".csv" if is_input else _suffix(path)
    if suffix not in (*_TEXT, *_FORMATS):
        raise click.ClickException(
            f"{str(path)!r} has none of the suffixes {', '.join((*_TEXT, *_FORMATS))}; rename it, or convert it to one "
            "of these"
        )
    if "group" in options and suffix not in _NETCDF:
        raise click.UsageError(f"--group is for netCDF files, and {str(path)!r} is not one")
    for said, names in _ONLY_TEXT.items():
        if suffix not in _TEXT and not names.isdisjoint(options):
            raise click.UsageError(f"{said} for text files, and {str(path)!r} is not one")
    label = _FORMATS[suffix].label if suffix in _FORMATS else "CSV" if suffix == ".csv" else "text"
    if suffix in _FORMATS:
        require_package(_FORMATS[suffix].package, "files", f"reading {label}")
    name = "standard input" if is_input else repr(str(path))
    try:
        if suffix in _TEXT:
            content = sys.stdin.buffer.read() if is_input else path.read_bytes()
            frame, units, notes = read_text_table(content, _TEXT[suffix].changed(options))
            _say_notes(name, notes)
            return frame, units
        return _FORMATS[suffix].read(path, **options), {}
    except (ValueError, OSError, zipfile.BadZipFile) as exc:
        reason = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
        remedy = next((f"; {way}" for words, way in _REMEDIES.items() if words in reason), "")
        raise click.ClickException(f"{name} cannot be read as {label}: {reason}{remedy}") from exc


_REMEDIES = {
    "unable to lock file": "if its file system has no locks, set the environment variable HDF5_USE_FILE_LOCKING=FALSE",
    "decode_times=False": "this is an option of xarray.open_dataset in Python, whose Dataset store_run takes",
}
"""What to do, by words in messages of HDF5 and xarray that do not say it for this command."""


def _suffix(path: Path) -> str:
    """The suffix that gives the format; text may be compressed by gzip."""
    uncompressed = Path(path.name.lower().removesuffix(".gz")).suffix
    return uncompressed if uncompressed in _TEXT else path.suffix.lower()


def _say_notes(name: str, notes: Iterable[str]) -> None:
    for note in notes:
        say(f"Note: in {name} {note}", error=True)


def _read_workbook(path: Path) -> Any:
    frame, notes = read_excel(path)
    _say_notes(repr(str(path)), notes)
    return frame


def _read_parquet(path: Path) -> Any:
    import pandas
    from pyarrow import parquet

    schema = parquet.read_schema(path)
    twice = sorted({name for name in schema.names if schema.names.count(name) > 1})
    if twice:
        raise ValueError(f"it has columns of the same name ({', '.join(twice)}); rename them")
    frame = pandas.read_parquet(path, engine="pyarrow")
    for name, rows in _rows_with_gaps(path, schema):
        frame[name] = pandas.Series(rows, frame.index, dtype=object)
    gaps = [name for name in frame if isinstance(name, str) and may_be_of_integers(frame[name])]
    exact = pandas.read_parquet(path, engine="pyarrow", columns=gaps, dtype_backend="numpy_nullable")
    for name in gaps:
        if exact[name].dtype.kind in "iub":
            frame[name] = exact_integers(exact[name])
    if frame.index.nlevels == 1 and may_be_of_integers(frame.index) and exact.index.dtype.kind in "iu":
        frame.index = pandas.Index(exact_integers(exact.index.to_series()))
    return frame


def _rows_with_gaps(path: Path, schema: Any) -> Iterator[tuple[str, list[Any]]]:
    """The rows of columns of lists that hold integers and missing ones, of which pandas makes floats."""
    from pyarrow import compute, parquet, types

    listed = [field.name for field in schema if types.is_list(field.type) or types.is_large_list(field.type)]
    table = parquet.read_table(path, columns=listed) if listed else {}
    for name in listed:
        column = table[name]
        numbers = column.combine_chunks()
        while types.is_list(numbers.type) or types.is_large_list(numbers.type):
            numbers = numbers.flatten()
        if not types.is_integer(numbers.type):
            continue
        extremes = compute.min_max(numbers).as_py().values() if numbers.null_count else ()
        # rows of several lengths are padded with NaN, as which missing ones count there, if floats hold the others
        is_even = column.null_count == 0 and len(compute.unique(compute.list_value_length(column))) == 1
        if extremes and (is_even or any(abs(extreme or 0) > 2**53 for extreme in extremes)):
            yield name, column.to_pylist()


def _read_netcdf(path: Path, group: str | None = None) -> Any:
    import xarray

    opened = xarray.open_groups(path, engine="h5netcdf", decode_cf=False)
    groups = [name for name, content in opened.items() if content.variables and name != f"/{DOCUMENTS}"]
    for content in opened.values():
        content.close()
    shown = ", ".join(name.strip("/") or "/" for name in groups)
    if group is None and any(name != "/" for name in groups):
        raise ValueError(f"its data are in groups; choose one with --group: {shown}")
    name = "/" + (group or "").strip("/")
    if group is not None and name not in groups:
        raise ValueError(f"it has no data in a group {group!r}; give one of {shown}")
    if name == "/":
        return xarray.load_dataset(path, engine="h5netcdf")
    with xarray.open_datatree(path, engine="h5netcdf") as tree:
        # with the coordinates that it inherits from parent groups
        return tree[name].to_dataset().load()


class FileFormat(NamedTuple):
    """How files that are not text are read, and by which package."""

    label: str
    package: str
    read: Callable[..., Any]


_FORMATS = {
    ".parquet": FileFormat("Parquet", "pyarrow", _read_parquet),
    ".xlsx": FileFormat("Excel", "openpyxl", _read_workbook),
    **dict.fromkeys(_NETCDF, FileFormat("netCDF-4", "h5netcdf", _read_netcdf)),
}
