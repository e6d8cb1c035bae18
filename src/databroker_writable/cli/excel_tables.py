"""Read the cells of a workbook as they are: text stays text, also where it looks like numbers."""

from __future__ import annotations

import datetime
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas

from .csv_columns import MISSING_WORDS
from .excel_doubts import Cells, check_one_kind, note_on_text, shown_cell


def read_excel(path: Path) -> tuple[pandas.DataFrame, list[str]]:
    """Read the only sheet of a workbook that has data; returns also notes on what its user should know."""
    tables = [(first, rows) for first, rows in _sheets(path) if len(rows) > 1]
    if len(tables) != 1:
        raise ValueError(f"it has {len(tables)} sheets with data; save the one to store in its own file")
    first, (heading, *rows) = tables[0]
    values = list(map(list, zip(*rows, strict=True)))
    columns: dict[str, Any] = {}
    notes: list[str] = []
    for name, number in _names(heading, values, first).items():
        cells = Cells(name, number + 1, first + 1, _without_missing_words(values[number]))
        check_one_kind(cells, rows)
        columns[name] = _column(cells.values)
        notes.extend(note_on_text(cells))
    return pandas.DataFrame(columns), notes


def _sheets(path: Path) -> Iterator[tuple[int, list[list[Any]]]]:
    """The values in each sheet, without blank rows around them, and the number of the first row.

    Empty cells, and errors such as #N/A, are None.
    """
    book, formulas = _workbook(path, data_only=True), _workbook(path, data_only=False)
    for sheet in book.worksheets:
        for row, texts in zip(sheet.iter_rows(), formulas[sheet.title].iter_rows(), strict=True):
            for cell, formula in zip(row, texts, strict=True):
                # as programs write them that do not compute; the value of a formula may be empty text
                if formula.data_type == "f" and cell.value is None and cell.data_type != "str":
                    raise ValueError(
                        f"its cell {cell.coordinate} has a formula without its value; open the workbook in Excel or "
                        "LibreOffice, save it there, and store it again"
                    )
        rows = [[None if cell.data_type == "e" or cell.value == "" else cell.value for cell in row] for row in sheet]
        filled = [number for number, row in enumerate(rows) if any(cell is not None for cell in row)]
        if filled:
            _check_merged(sheet, filled[-1] + 1)
            yield filled[0] + 1, rows[filled[0] : filled[-1] + 1]


def _workbook(path: Path, *, data_only: bool) -> Any:
    import openpyxl

    try:
        # openpyxl leaves a damaged file open that it opened itself
        with path.open("rb") as file:
            return openpyxl.load_workbook(file, data_only=data_only)
    except (KeyError, IndexError, AttributeError, TypeError, SyntaxError, EOFError, zlib.error) as exc:
        raise ValueError(f"it is damaged, or not a workbook of Excel: {exc}") from exc


def _check_merged(sheet: Any, last_row: int) -> None:
    """Refuse merged cells, which people read as one value in each row or column."""
    for cells in sheet.merged_cells.ranges:
        if cells.min_row <= last_row and sheet.cell(cells.min_row, cells.min_col).value is not None:
            raise ValueError(
                f"its cells {cells.coord} are merged, and only the first of them has a value; unmerge them and fill in "
                "the others, or delete them if they are a title"
            )


def _names(heading: list[Any], columns: list[list[Any]], row: int) -> dict[str, int]:
    """The number of each column by its name; the first one may lack a name, as that of an index of pandas."""
    names: dict[str, int] = {}
    otherwise = _way_to_names_below(columns, row)
    for number, cell in enumerate(heading):
        name = "" if cell is None else cell
        if not isinstance(name, str):
            raise ValueError(
                f"its first row has {shown_cell(cell)} in place of a name; insert a row with the names of the "
                f"columns{otherwise}"
            )
        is_empty = all(value is None for value in columns[number])
        name = name.strip() or ("index" if number == 0 and "index" not in heading and not is_empty else "")
        if is_empty and not name:
            continue
        if not name:
            raise ValueError(f"column {number + 1} has no name in the first row; name it{otherwise}")
        if name in names:
            raise ValueError(f"two columns have the same name, {name!r}; rename one{otherwise}")
        names[name] = number
    return names


def _way_to_names_below(columns: list[list[Any]], row: int) -> str:
    """What to do if the names are not in this first row of a table, but in one below, of text in each column."""
    filled = [cells for cells in columns if any(cell is not None for cell in cells)]
    rows = zip(*filled, strict=True)
    found = next((n for n, cells in enumerate(rows, row + 1) if all(isinstance(cell, str) for cell in cells)), None)
    return "" if found is None else f", or delete the rows above row {found} if that has the names of the columns"


def _without_missing_words(cells: list[Any]) -> list[Any]:
    """The cells of a column; None for words such as NA among values that are not text."""
    if all(cell is None or isinstance(cell, str) for cell in cells):
        return cells
    return [None if isinstance(cell, str) and cell.strip() in MISSING_WORDS else cell for cell in cells]


def _column(cells: list[Any]) -> Any:
    """One column in the type of its cells."""
    types = set(map(type, cells)) - {type(None)}
    has_gaps = None in cells
    if types == {bool} and has_gaps:
        return pandas.array(cells, "boolean")
    if types and types <= {int, float}:
        # the integers of workbooks are floats
        return [float("nan") if cell is None else cell for cell in cells]
    if types and all(issubclass(type_, datetime.datetime) for type_ in types):
        return pandas.to_datetime(pandas.Series(cells))
    return pandas.Series(cells, dtype=None if types == {str} else object)
