"""Read the cells of a workbook as they are: text stays text, also where it looks like numbers."""

from __future__ import annotations

import datetime
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas

from .csv_columns import MISSING_WORDS


def read_excel(path: Path) -> pandas.DataFrame:
    """Read the only sheet of a workbook that has data."""
    tables = [rows for rows in _sheets(path) if len(rows) > 1]
    if len(tables) != 1:
        raise ValueError(f"it has {len(tables)} sheets with data; save the one to store in its own file")
    heading, *rows = tables[0]
    columns = list(map(list, zip(*rows, strict=True)))
    return pandas.DataFrame({name: _column(columns[number]) for name, number in _names(heading, columns).items()})


def _sheets(path: Path) -> Iterator[list[list[Any]]]:
    """The values in each sheet, without blank rows around them; None for empty cells, and for errors such as #N/A."""
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
            yield rows[filled[0] : filled[-1] + 1]


def _workbook(path: Path, *, data_only: bool) -> Any:
    import openpyxl

    try:
        # openpyxl leaves a damaged file open that it opened itself
        with path.open("rb") as file:
            return openpyxl.load_workbook(file, data_only=data_only)
    except (KeyError, IndexError, AttributeError, TypeError, SyntaxError, EOFError, zlib.error) as exc:
        raise ValueError(f"it is damaged, or no workbook of Excel: {exc}") from exc


def _check_merged(sheet: Any, last_row: int) -> None:
    """Refuse merged cells, which people read as one value in each row or column."""
    for cells in sheet.merged_cells.ranges:
        if cells.min_row <= last_row and sheet.cell(cells.min_row, cells.min_col).value is not None:
            raise ValueError(
                f"its cells {cells.coord} are merged, and only the first of them has a value; unmerge them and fill in "
                "the others, or delete them if they are a title"
            )


def _names(heading: list[Any], columns: list[list[Any]]) -> dict[str, int]:
    """The number of each column by its name; the first one may lack a name, as that of an index of pandas."""
    names: dict[str, int] = {}
    for number, cell in enumerate(heading):
        name = "" if cell is None else cell
        if not isinstance(name, str):
            raise ValueError(
                f"its first row has {cell!r} in place of a name; insert a row with the names of the columns"
            )
        is_empty = all(value is None for value in columns[number])
        name = name.strip() or ("index" if number == 0 and "index" not in heading and not is_empty else "")
        if is_empty and not name:
            continue
        if not name:
            raise ValueError(f"column {number + 1} has no name in the first row; name it")
        if name in names:
            raise ValueError(f"two columns have the same name, {name!r}; rename one")
        names[name] = number
    return names


def _column(cells: list[Any]) -> Any:
    """One column in the type of its cells; among numbers and times, words such as NA are missing."""
    others = [cell for cell in cells if cell is not None and not isinstance(cell, str)]
    if others and all(cell.strip() in MISSING_WORDS for cell in cells if isinstance(cell, str)):
        cells = [None if isinstance(cell, str) else cell for cell in cells]
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
