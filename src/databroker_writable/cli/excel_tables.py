"""Read the cells of a workbook as they are: text stays text, also where it looks like numbers."""

from __future__ import annotations

import datetime
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pandas

from .csv_doubts import MISSING_WORDS


def read_excel(path: Path) -> pandas.DataFrame:
    """Read the only sheet of a workbook that has data."""
    # all cells, unconverted: text such as 007 or NA would become numbers and missing values
    options: dict[str, Any] = {"header": None, "dtype": object, "na_filter": False}
    sheets = pandas.read_excel(path, sheet_name=None, engine="openpyxl", **options)
    _check_formulas(path)
    tables = [rows for sheet in sheets.values() if len(rows := _without_blank_rows_above(sheet)) > 1]
    if len(tables) != 1:
        raise ValueError(f"it has {len(tables)} sheets with data; save the one to store in its own file")
    heading, *rows = tables[0].to_numpy().tolist()
    columns = [[None if _is_blank(row[number]) else row[number] for row in rows] for number in range(len(heading))]
    return pandas.DataFrame({name: _column(columns[number]) for name, number in _names(heading, columns).items()})


def _check_formulas(path: Path) -> None:
    """Refuse formulas without their values, as programs write them that do not compute; they are read as blank."""
    with zipfile.ZipFile(path) as book:
        for name in book.namelist():
            if not name.startswith("xl/worksheets/") or not name.endswith(".xml") or b"f>" not in book.read(name):
                continue
            with book.open(name) as sheet:
                for _, cell in ElementTree.iterparse(sheet):
                    parts = {part.tag.rpartition("}")[2]: part.text for part in cell}
                    # the value of a formula may be empty text
                    if "f" in parts and not parts.get("v") and cell.get("t") != "str":
                        raise ValueError(
                            f"its cell {cell.get('r')} has a formula without its value; open the workbook in Excel or "
                            "LibreOffice, save it there, and store it again"
                        )
                    if cell.tag.endswith("}row"):
                        cell.clear()


def _without_blank_rows_above(sheet: pandas.DataFrame) -> pandas.DataFrame:
    filled = [number for number, row in enumerate(sheet.to_numpy()) if not all(map(_is_blank, row))]
    return sheet.iloc[filled[0] :] if filled else sheet.iloc[:0]


def _is_blank(cell: Any) -> bool:
    """Whether a cell is empty, or has an error such as #N/A."""
    return cell == "" or bool(pandas.isna(cell))


def _names(heading: list[Any], columns: list[list[Any]]) -> dict[str, int]:
    """The number of each column by its name; the first one may lack a name, as that of an index of pandas."""
    names: dict[str, int] = {}
    for number, cell in enumerate(heading):
        name = "" if _is_blank(cell) else cell
        if not isinstance(name, str):
            raise ValueError(
                f"its first row has {cell!r} in place of a name; insert a row with the names of the columns"
            )
        name = name.strip() or ("index" if number == 0 and "index" not in heading else "")
        if not any(value is not None for value in columns[number]) and not name:
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
