"""``databroker-writable store``: the files that a beamline has, and what is said of them."""

from __future__ import annotations

import datetime
import errno
import gzip
import re
import sys
import zipfile
from pathlib import Path
from typing import Any

import click
import databroker
import numpy
import pandas
import pytest
from click.testing import CliRunner

from databroker_writable import open_directory, to_dataset
from databroker_writable.cli import file_readers, main
from databroker_writable.storage.remark_files import RemarkFolder
from support.command_line import fail, run, succeed
from support.text_files import columns, write

XDI = """# XDI/1.0
# Element.symbol: Cu
#----
# energy mu
8979.0  0.10
8979.5  0.25
"""


pytestmark = pytest.mark.usefixtures("elsewhere")


def stored(*arguments: str) -> Any:
    """The newest run after a store."""
    succeed("store", *arguments, "--to", "results")
    return open_directory("results").latest()


@pytest.mark.parametrize(
    ("name", "text", "options", "expected"),
    [
        ("a.tsv", "x\tlabel\n1\ta b\n2\tc\n", [], {"x": [1, 2], "label": ["a b", "c"]}),
        ("a.csv", "x;y\n1;2.5\n", ["--sep", ";"], {"x": [1], "y": [2.5]}),
        ("a.csv", "x y\n1 2\n", ["--sep", "space"], {"x": [1], "y": [2]}),
        ("a.csv", "made by hand\nx,y\n1,2\n", ["--skip-rows", "1"], {"x": [1], "y": [2]}),
        ("a.csv", "% made by hand\nx,y\n% and so on\n1,2\n", ["--comment", "%"], {"x": [1], "y": [2]}),
        ("a.csv", "x,y\n#1,2\n", [], {"x": ["#1"], "y": [2]}),
        ("a.dat", "1 2\n3 4\n", [], {"column_1": [1, 3], "column_2": [2, 4]}),
        ("a.dat", "  x   y\n  1   2\n", [], {"x": [1], "y": [2]}),
        ("a.txt", "# x y\n1\t2.5\n", [], {"x": [1], "y": [2.5]}),
        ("a.txt", "# of two columns, measured\n1\t2.5\n", [], {"column_1": [1], "column_2": [2.5]}),
        ("a.xdi", XDI, [], {"energy": [8979.0, 8979.5], "mu": [0.10, 0.25]}),
        ("A.DAT", "1 nan\n3 4.5\n", [], {"column_1": [1, 3], "column_2": [numpy.nan, 4.5]}),
    ],
)
def test_text_is_read_as_it_was_written(
    name: str, text: str, options: list[str], expected: dict[str, list[Any]]
) -> None:
    found = columns(stored(write(name, text), *options))
    assert list(found) == list(expected)
    for column, values in expected.items():
        numpy.testing.assert_equal(found[column], values)


def test_comments_are_kept() -> None:
    assert to_dataset(stored(write("a.xdi", XDI))).attrs["comments"] == XDI.splitlines()[:4]


def test_compressed_text_is_read() -> None:
    assert columns(stored(write("a.csv.gz", gzip.compress(b"x,y\n1,2\n")))) == {"x": [1], "y": [2]}
    assert columns(stored(write("a.dat.gz", gzip.compress(b"1 2\n")))) == {"column_1": [1], "column_2": [2]}


def test_standard_input_is_csv() -> None:
    done = CliRunner().invoke(main, ["store", "-", "--to", "results"], input="x,y\n1,2\n")
    assert done.exit_code == 0, done.output
    assert columns(open_directory("results").latest()) == {"x": [1], "y": [2]}


def test_nothing_is_stored_where_no_tags_can_be_kept() -> None:
    write("a.csv", "x\n1\n")
    catalog = open_directory("results")
    catalog.store_run({"x": [1]})
    Path("results/remarks").touch()
    said = fail("store", "a.csv", "--to", "results", "--tag", "good")
    assert "remarks' is not a directory; move it away" in said
    assert len(open_directory("results")) == 1


def test_a_run_is_named_that_is_stored_though_its_tags_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def add(folder: RemarkFolder, remark: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    write("a.csv", "x\n1\n")
    monkeypatch.setattr(RemarkFolder, "add", add)
    result = run("store", "a.csv", "--to", "results", "--tag", "good", "--uid", "run-1")
    assert result.exit_code == 1
    assert result.stdout.startswith("stored run-1; ")
    assert "Error: the run 'run-1' is stored, but not tagged: " in result.stderr
    assert result.stderr.endswith("then tag it with databroker-writable note\n")


def test_a_workbook_of_one_table_is_read() -> None:
    pytest.importorskip("openpyxl", reason="pandas reads workbooks by openpyxl")
    pandas.DataFrame({"x": [1, 2], "label": ["a", "b"]}).to_excel("a.xlsx", index=False)
    assert columns(stored("a.xlsx")) == {"x": [1, 2], "label": ["a", "b"]}


def workbook(*rows: list[Any]) -> str:
    """A workbook of one sheet."""
    openpyxl = pytest.importorskip("openpyxl", reason="workbooks need openpyxl")
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save("book.xlsx")
    return "book.xlsx"


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["007", "12"], ["007", "12"]),
        (["NA", "Fe"], ["NA", "Fe"]),
        (["None", None, "1.50"], ["None", None, "1.50"]),
        (["True", "False"], ["True", "False"]),
        ([True, None, False], [True, None, False]),
        ([True, False], [True, False]),
        ([1, 2], [1, 2]),
        ([1, None, 3], [1.0, None, 3.0]),
        ([1.5, "NA", 3], [1.5, None, 3.0]),
        ([datetime.datetime(2024, 5, 31), None], [pandas.Timestamp(2024, 5, 31), None]),
        ([None, None], [None, None]),
    ],
    ids=str,
)
def test_cells_of_a_workbook_are_stored_as_they_are(cells: list[Any], expected: list[Any]) -> None:
    found = to_dataset(stored(workbook(["x", "y"], *([cell, 1] for cell in cells)))).to_dataframe()["x"]
    values = [None if pandas.isna(value) else value for value in found.astype(object)]
    assert values == expected
    assert list(map(type, values)) == list(map(type, expected))


@pytest.mark.parametrize("formula", ["=A2*2", '=IF(A2>0,"",1)'])
def test_a_formula_whose_value_is_not_in_the_workbook_is_refused(formula: str) -> None:
    book = workbook(["x", "y"], [1, formula], [2, 5])
    assert "its cell B2 has a formula without its value; open the workbook in Excel" in fail(
        "store", book, "--to", "results"
    )


@pytest.mark.parametrize(
    ("cell", "values"),
    [
        (b'<c r="B2"><f>A2*2</f><v>2</v></c>', [2, 5]),
        (b'<c r="B2" t="str"><f>IF(A2>0,"",1)</f><v></v></c>', [None, 5]),
        (b'<c r="B2" t="e"><f>NA()</f><v>#N/A</v></c>', [None, 5]),
    ],
)
def test_values_of_formulas_are_stored(cell: bytes, values: list[Any]) -> None:
    with zipfile.ZipFile(workbook(["x", "y"], [1, "=A2*2"], [2, 5])) as book, zipfile.ZipFile("new.xlsx", "w") as new:
        for name in book.namelist():
            found = re.compile(rb'<c r="B2">.*?</c>').subn(lambda _: cell, book.read(name))
            assert found[1] == (name == "xl/worksheets/sheet1.xml")
            new.writestr(name, found[0])
    found = to_dataset(stored("new.xlsx")).to_dataframe()["y"]
    assert [None if pandas.isna(value) else value for value in found] == values


def test_names_in_a_workbook_are_those_of_its_first_row() -> None:
    found = stored(workbook([], [None, " energy ", None, "mu"], [0, 1.5, None, 2], [1, 2.5, None, 3]))
    assert columns(found) == {"index": [0, 1], "energy": [1.5, 2.5], "mu": [2, 3]}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[1.5, 2.5], [3, 4]], "its first row has 1.5 in place of a name; insert a row with the names"),
        ([["x", "x"], [3, 4]], "two columns have the same name, 'x'; rename one"),
        ([["x", None], [3, 4]], "column 2 has no name in the first row; name it"),
        ([["x", "y"], [3, "a"], [4, 5]], "column 'y' holds mixed types"),
        ([["x", "y"]], "it has 0 sheets with data"),
    ],
    ids=["numbers", "twice", "none", "mixed", "no rows"],
)
def test_workbooks_that_could_be_read_wrongly_are_refused(rows: list[list[Any]], message: str) -> None:
    assert message in fail("store", workbook(*rows), "--to", "results")


def test_several_files_become_several_runs_or_none() -> None:
    first, second = write("a.csv", "x\n1\n"), write("b.csv", "x\n2\n")
    assert succeed("store", first, second, "--to", "results").count("stored ") == 2
    assert len(open_directory("results")) == 2
    assert "missing.csv" in fail("store", first, "missing.csv", "--to", "results")
    assert len(open_directory("results")) == 2


def test_provenance_is_told_on_the_command_line() -> None:
    catalog = open_directory("results")
    for uid in ("raw", "dark", "wrong"):
        catalog.store_run({"x": [1]}, uid=f"{uid}-0123456789")
    table = write("a.csv", "x\n1\n")
    start = stored(
        table, "--derived-from", "raw-0123", "--derived-from", "dark=dark-0123456789", "--supersedes", "wrong-0123",
        "--parameter", "window=5", "--parameter", "mode=fast",
    ).metadata["start"]  # fmt: skip
    assert [(source["uid"], source.get("role")) for source in start["derived_from"]] == [
        ("raw-0123456789", None),
        ("dark-0123456789", "dark"),
    ]
    assert start["supersedes"] == ["wrong-0123456789"] or start["supersedes"] == "wrong-0123456789"
    assert start["parameters"] == {"window": 5, "mode": "fast"}


def test_units_are_told_on_the_command_line() -> None:
    run = stored(write("a.csv", "energy,mu\n1,2\n"), "--units", "energy=eV")
    assert to_dataset(run)["energy"].attrs["units"] == "eV"


@pytest.mark.parametrize(
    ("name", "text", "remedy"),
    [
        ("a.csv", "x;y\n1;2\n", "--sep ';'"),
        ("a.csv", "x\ty\n1\t2\n", "--sep 'tab'"),
        ("a.csv", "x y\n1 2\n", "--sep 'space'"),
        ("a.tsv", "x,y\n1,2\n", "--sep ','"),
        ("a.dat", "1,2\n3,4\n", "--sep ','"),
    ],
)
def test_one_column_of_text_with_numbers_in_it_is_refused_with_what_to_do(name: str, text: str, remedy: str) -> None:
    assert remedy in fail("store", write(name, text), "--to", "results")
    assert not Path("results").exists()
    found = columns(stored(name, "--sep", remedy.split("'")[1]))
    assert len(found) == 2


def test_lines_that_begin_with_a_hash_before_the_table_are_told_how_to_leave_out() -> None:
    table = write("a.csv", '# start.sample: "Cu"\n# start.versions: {"a": 1, "b": 2}\nx,y\n1,2\n')
    assert "--comment '#'" in fail("store", table, "--to", "results")
    assert columns(stored(table, "--comment", "#")) == {"x": [1], "y": [2]}


def test_one_column_of_words_is_stored() -> None:
    assert columns(stored(write("a.csv", "name\ncopper foil\niron foil\n"))) == {"name": ["copper foil", "iron foil"]}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.nc", "--sep", ";"], "--sep, --comment and --skip-rows are for text files"),
        (["a.csv", "b.csv", "--supersedes", "x"], "--supersedes is for one FILE"),
        (["a.csv", "--derived-from", "=x"], "is not UID or ROLE=UID"),
        (["a.csv", "--derived-from", "dark="], "is not UID or ROLE=UID"),
        (["a.csv", "--skip-rows", "-1"], "--skip-rows"),
    ],
)
def test_options_that_contradict_are_refused(arguments: list[str], message: str) -> None:
    for name in ("a.csv", "b.csv", "a.nc"):
        write(name, "x\n1\n")
    done = run("store", *arguments, "--to", "results")
    assert done.exit_code == 2
    assert message in done.stderr
    assert not Path("results").exists()


def test_a_name_near_that_of_a_catalog_makes_no_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databroker, "catalog", {"results-2026": None})
    message = fail("store", write("a.csv", "x\n1\n"), "--to", "result-2026")
    assert "did you mean the catalog 'results-2026'" in message
    assert "./result-2026" in message
    assert not Path("result-2026").exists()
    assert "stored" in succeed("store", "a.csv", "--to", "./result-2026")


def test_a_table_becomes_the_stream_that_is_named() -> None:
    line = succeed("store", write("a.csv", "x\n1\n"), "--to", "results", "--stream", "fit")
    assert line.rstrip().endswith(".fit.read()")
    run = open_directory("results").latest()
    assert list(run) == ["fit"]
    assert to_dataset(run, "fit")["x"].values.tolist() == [1]
    assert "stream" in fail("store", "a.csv", "--to", "results", "--stream", "fit\n")
    assert len(open_directory("results")) == 1


@pytest.mark.parametrize("inside", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\n", "\r\n"], ids=ascii)
def test_what_only_some_programs_take_for_the_end_of_a_line_stays_in_its_value(inside: str) -> None:
    text = f'label,x\r\n"a{inside}b",1\r\nc,2\r\n'
    assert columns(stored(write("a.csv", text)))["label"] == [f"a{inside}b", "c"]
    assert columns(stored(write("b.csv", f"made by hand\r\n{text}"), "--skip-rows", "1"))["x"] == [1, 2]


def test_compressed_text_that_is_cut_off_is_refused() -> None:
    table = write("a.csv.gz", gzip.compress(b"x\n" + b"1\n" * 1000)[:-20])
    assert "'a.csv.gz' cannot be read as CSV" in fail("store", table, "--to", "results")


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (
            "x,y,z\n1,2,3\n4,5\n",
            [],
            "its row 3 has 2 values for 3 columns: '4 5'; write a separator for each missing value",
        ),
        ("x;y\n1;2\n3\n", ["--sep", ";"], "its row 3 has 1 value for 2 columns"),
        ("x;y\n1,5;a\n-2,25;b\n", ["--sep", ";"], "'x' holds numbers with decimal commas, such as '1,5'"),
        ('x,y\n"1,5",1\n', [], "decimal commas"),
    ],
)
def test_a_table_that_would_be_changed_is_refused(content: str, options: list[str], message: str) -> None:
    Path("t.csv").write_text(content)
    assert message in fail("store", "t.csv", "--to", "results", *options)
    assert not Path("results").exists()


@pytest.mark.parametrize("content", ["x,y\n1,\n,2\n\n3,4\n", 'x,y\n"a\nb",1\n"1,5 mm",2\n'])
def test_values_that_are_missing_between_separators_are_missing(content: str) -> None:
    Path("t.csv").write_text(content)
    succeed("store", "t.csv", "--to", "results")


@pytest.mark.parametrize(
    ("units", "message"),
    [("energy", "is not COLUMN=TEXT"), ("mu=eV", "units names the column 'mu'"), ("energy=", "'energy' must be text")],
)
def test_units_that_fit_no_column_are_refused(units: str, message: str) -> None:
    result = run("store", write("a.csv", "energy\n1\n"), "--units", units, "--to", "results")
    assert result.exit_code
    assert message in result.stderr
    assert not Path("results").exists() or not list(open_directory("results"))


@pytest.mark.parametrize("place", ["results", "2024/05/results"])
@pytest.mark.parametrize("arguments", [["--units", "mu=eV"], ["--metadata", "scan_id=seven"], ["--stream", ""]])
def test_a_store_that_fails_leaves_no_directory_that_it_made(place: str, arguments: list[str]) -> None:
    table = write("a.csv", "energy\n1\n")
    fail("store", table, "--to", place, *arguments)
    assert [path.name for path in Path().iterdir()] == ["a.csv"]
    Path("mine").mkdir()
    fail("store", table, "--to", "mine", *arguments)
    fail("store", table, "--to", "mine/results", *arguments)
    assert list(Path("mine").iterdir()) == []


def test_a_store_that_fails_keeps_the_runs_before() -> None:
    write("a.csv", "energy\n1\n")
    write("b.csv", "mu\n1\n")
    result = run("store", "a.csv", "b.csv", "--to", "results", "--units", "energy=eV")
    assert result.exit_code == 1
    assert "b.csv cannot be stored: 1 of 2 files stored; run it again, beginning with b.csv" in result.stderr
    assert len(open_directory("results")) == 1


def test_a_link_to_no_file_is_named_with_where_it_leads() -> None:
    Path("a.csv").symlink_to("away/a.csv")
    assert "'a.csv' is a link to 'away/a.csv', where there is no file; is its file system mounted?" in fail(
        "store", "a.csv", "--to", "results"
    )


def test_a_closed_standard_input_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(click.ClickException, match="there is no standard input; give the name of a file"):
        file_readers.read_file("-", {})


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("unable to lock file, errno = 37", "set the environment variable HDF5_USE_FILE_LOCKING=FALSE"),
        ("Try opening your dataset with decode_times=False", "this is an option of xarray.open_dataset in Python"),
    ],
)
def test_what_others_say_of_a_file_is_completed_by_what_to_do(
    monkeypatch: pytest.MonkeyPatch, reason: str, remedy: str
) -> None:
    def fail_to_read(*_: Any, **__: Any) -> None:
        raise OSError(reason)

    pytest.importorskip("h5netcdf", reason="netCDF files need h5netcdf")
    monkeypatch.setitem(file_readers._FORMATS, ".nc", file_readers._FORMATS[".nc"]._replace(read=fail_to_read))
    message = fail("store", write("a.nc", "x"), "--to", "results")
    assert f"cannot be read as netCDF-4: {reason}; " in message
    assert remedy in message
