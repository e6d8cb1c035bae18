"""``databroker-writable store``: workbooks as people and programs leave them."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

from databroker_writable import open_directory
from support.command_line import fail, succeed
from support.text_files import columns

openpyxl = pytest.importorskip("openpyxl", reason="workbooks need openpyxl")
pytestmark = pytest.mark.usefixtures("elsewhere")


def workbook(*rows: list[Any]) -> Any:
    """A workbook of one sheet, to be changed and saved."""
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    return book


def store(book: Any) -> dict[str, list[Any]]:
    book.save("book.xlsx")
    succeed("store", "book.xlsx", "--to", "results")
    return columns(open_directory("results")[-1])


def refused(book: Any) -> str:
    book.save("book.xlsx")
    return fail("store", "book.xlsx", "--to", "results")


def test_rows_below_the_table_that_only_have_a_style_are_none_of_it() -> None:
    book = workbook(["a", "b"], [1, 2], [3, 4])
    for row in range(4, 9):
        book.active.cell(row, 1).font = openpyxl.styles.Font(bold=True)
    assert store(book) == {"a": [1, 3], "b": [2, 4]}


def test_empty_columns_beside_the_table_are_none_of_it() -> None:
    assert store(workbook([], [None, None, "a", "b"], [None, None, 1, 2])) == {"a": [1], "b": [2]}
    assert store(workbook([], [None, "a", "b"], [None, 1, 2])) == {"a": [1], "b": [2]}
    assert store(workbook([None, "a"], [7, 1])) == {"index": [7], "a": [1]}


@pytest.mark.parametrize("cells", ["A2:A3", "B2:C2", "A1:A2"])
def test_merged_cells_whose_values_only_the_first_has_are_refused(cells: str) -> None:
    book = workbook(["sample", "x", "y"], ["Cu", 1, 2], ["Ni", 2, 3])
    book.active.merge_cells(cells)
    assert f"its cells {cells} are merged, and only the first of them has a value; unmerge them" in refused(book)


def test_merged_cells_above_and_below_the_table_do_not_matter() -> None:
    book = workbook([], ["sample", "x"], ["Cu", 1])
    for cells in ("A1:B1", "A5:B6"):
        book.active.merge_cells(cells)
    assert store(book) == {"sample": ["Cu"], "x": [1]}


def test_a_sheet_that_is_a_chart_has_no_table() -> None:
    book = workbook(["a"], [1], [2])
    chart = openpyxl.chart.LineChart()
    chart.add_data(openpyxl.chart.Reference(book.active, min_col=1, min_row=1, max_row=3))
    book.create_chartsheet().add_chart(chart)
    assert store(book) == {"a": [1, 2]}


@pytest.mark.parametrize("kept", [0, 200])
def test_a_damaged_workbook_and_another_kind_of_zip_are_named(kept: int) -> None:
    workbook(["a"], [1]).save("book.xlsx")
    with zipfile.ZipFile("book.xlsx") as book, zipfile.ZipFile("other.xlsx", "w") as other:
        for name in book.namelist():
            if kept or name != "[Content_Types].xml":
                other.writestr(name, book.read(name)[: kept if "sheet1" in name else None])
    message = fail("store", "other.xlsx", "--to", "results")
    assert "'other.xlsx' cannot be read as Excel: it is damaged, or no workbook of Excel: " in message
    assert not Path("results").exists()
