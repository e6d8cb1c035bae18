"""``databroker-writable store``: workbooks as people and programs leave them."""

from __future__ import annotations

import datetime
import zipfile
from pathlib import Path
from typing import Any

import pandas
import pytest

from databroker_writable import open_directory
from support.command_line import fail, run, succeed
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
    assert "'other.xlsx' cannot be read as Excel: it is damaged, or not a workbook of Excel: " in message
    assert not Path("results").exists()


NAMES = ["energy", "i0"]
DAY = datetime.datetime(2024, 5, 31)
OR_DELETE = (
    "correct the cell or its format, empty it if it has no value, or delete row {} if it is not a row of the table"
)
IF_NAMES = "if row {} holds the names of the columns, delete the rows above it"


@pytest.mark.parametrize(
    ("rows", "cell", "remedy"),
    [
        ([NAMES, [1, 2], [2, "overflow"], [3, 4]], "B3 holds the text 'overflow', and other cells hold numbers", 3),
        ([NAMES, [1, "overflow"], [2, 4]], "B2 holds the text 'overflow', and other cells hold numbers", 2),
        ([NAMES, [1, 2], ["NA", 2], ["8,1", 4]], "A4 holds the text '8,1', and other cells hold numbers", 4),
        ([[], [None, *NAMES], [0, 1, 2], [1, "", " "], [2, 3, 4]], "C4 holds the text ' ', and other cells", 4),
        ([NAMES, [1, 2], [2, 3], ["mean", 2.5]], "A4 holds the text 'mean', and other cells hold numbers", 4),
        ([NAMES, [1, 2], [2, DAY]], "B3 holds the date 2024-05-31 00:00:00, and other cells hold numbers", 3),
        ([NAMES, [1, DAY], [2, DAY], [3, "?"]], "B4 holds the text '?', and other cells hold dates", 4),
        ([NAMES, [1, 2], [2, True]], "B3 holds the truth value TRUE, and other cells hold numbers", 3),
    ],
)
def test_a_cell_unlike_the_others_of_its_column_is_named(rows: list[list[Any]], cell: str, remedy: int) -> None:
    message = refused(workbook(*rows))
    assert "'book.xlsx' cannot be read as Excel: its column " in message
    assert f" holds mixed types: cell {cell}" in message
    assert message.endswith(f"; {OR_DELETE.format(remedy)}\n")


def test_a_number_among_text_is_named() -> None:
    message = refused(workbook(["sample", "x"], ["Cu", 1], ["Ni", 2], [12, 3]))
    assert "cell A4 holds the number 12, and other cells hold text; make the cell text, or delete row 4" in message


def test_a_row_of_units_is_refused_with_the_option_that_gives_them() -> None:
    message = refused(workbook(["energy", "i0"], ["eV", "1 / s"], [1, 2], [2, 3]))
    assert "its column 'energy' holds mixed types: cell A2 holds the text 'eV', and cells below it hold num" in message
    ways = f"if row 2 holds units, delete it and give --units energy=eV; {IF_NAMES.format(2)}"
    assert message.endswith(f"; {ways}; otherwise correct the cells\n")
    message = refused(workbook([], ["x y", "i0"], ["1 / s", None], [1, 2]))
    assert "if row 3 holds units, delete it and give --units 'x y=1 / s'; if" in message


def test_lines_above_the_names_of_columns_are_refused_with_the_row_of_the_names() -> None:
    message = refused(workbook(["Sample", "Cu"], ["Date", DAY], [], NAMES, [1, 2], [2, 3]))
    assert "cell A4 holds the text 'energy', and cells below it hold numbers" in message
    assert message.endswith(f"numbers; {IF_NAMES.format(4)}; otherwise correct the cells\n")
    below = "or delete the rows above row {} if that has the names of the columns\n"
    assert f"no name in the first row; name it, {below.format(2)}" in refused(workbook(["Cu foil"], NAMES, [1, 2]))
    message = refused(workbook([], ["Date", DAY], NAMES, [1, 2]))
    assert "its first row has 2024-05-31 00:00:00 in place of a name; insert a row with the names of the" in message
    assert message.endswith(below.format(3))
    assert f"; rename one, {below.format(2)}" in refused(workbook(["Cu", "Cu"], NAMES, [1, 2]))


def test_times_of_day_are_refused_with_what_can_be_stored() -> None:
    book = workbook(["x", "start"], [1, None], [2, datetime.time(3, 4)])
    assert "its cell B3 holds the time of day 03:04:00 without a date; write the date, too" in refused(book)
    book.active["B3"].number_format = "[h]:mm:ss"
    assert store(book)["start"][1] == pandas.Timedelta(hours=3, minutes=4)


@pytest.mark.parametrize("texts", [["8,1", "8,3"], ["007", "12"], ["5%", "6%"], ["1.0D+03"]])
def test_text_that_looks_like_numbers_is_noted(texts: list[str]) -> None:
    workbook(["mu", "x"], *([text, 1] for text in texts)).save("book.xlsx")
    result = run("store", "book.xlsx", "--to", "results")
    assert result.stderr == (
        f"Note: in 'book.xlsx' the column 'mu' is stored as text, because its cells hold text, such as {texts[0]!r} in "
        "cell A2; to store numbers, make the cells numbers\n"
    )
    assert columns(open_directory("results")[-1])["mu"] == texts


@pytest.mark.parametrize("texts", [["Cu", "Ni"], ["2024-05-31"], [None], [8.1]])
def test_other_text_is_stored_without_a_note(texts: list[Any]) -> None:
    workbook(["mu", "x"], *([text, 1] for text in texts)).save("book.xlsx")
    assert run("store", "book.xlsx", "--to", "results").stderr == ""
