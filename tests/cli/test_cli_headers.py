"""``databroker-writable store``: which line of a text file names the columns, and which are values or units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas
import pytest

from databroker_writable import open_directory, to_dataset
from support.command_line import run
from support.text_files import refused_text, store_text

pytestmark = pytest.mark.usefixtures("elsewhere")


def store(name: str, content: str, *options: str) -> dict[str, list[Any]]:
    """The columns of a file that is stored, of which nothing is said."""
    columns, said = store_text(name, content, *options)
    assert said == ""
    return columns


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("# sample mu\nCu 1.5\nNi 2.5\n", {"sample": ["Cu", "Ni"], "mu": [1.5, 2.5]}),
        ("#S 1 scan\n#L label th det\nA 1 2\nB 3 4\n", {"label": ["A", "B"], "th": [1, 3], "det": [2, 4]}),
        ("#L label quality\nA good\nB bad\n", {"label": ["A", "B"], "quality": ["good", "bad"]}),
        ("# time det\n08:00:00 1\n08:00:01 2\n", {"time": ["08:00:00", "08:00:01"], "det": [1, 2]}),
        ("# at det\n2024-05-01T08:00:00 1\n", {"at": ["2024-05-01T08:00:00"], "det": [1]}),
        ("# sample at\nCu 08:00:00\nNi 08:00:01\n", {"sample": ["Cu", "Ni"], "at": ["08:00:00", "08:00:01"]}),
        ("# x y\n1 2\n# the end\n", {"x": [1], "y": [2]}),
        ("1 2\n#5 6\n3 4\n", {"column_1": [1, 3], "column_2": [2, 4]}),
        ("#0 1\n1 2\n", {"column_1": [1], "column_2": [2]}),
        ("# Sample: foil\n1 2\n", {"column_1": [1], "column_2": [2]}),
        ("# Sample: foil\nenergy mu\n1 2\n", {"energy": [1], "mu": [2]}),
        ("# energy mu\nenergy mu\n1 2\n", {"energy": [1], "mu": [2]}),
        ("# measured by hand today\nlabel mu\nCu 2\n", {"label": ["Cu"], "mu": [2]}),
    ],
)
def test_names_in_a_comment_that_fit_make_values_of_the_first_line(content: str, expected: dict[str, Any]) -> None:
    columns = store_text("t.dat", content)[0]
    assert columns == expected


@pytest.mark.parametrize("value", ["0x1F", "1.0D+03", "***"])
def test_a_first_value_that_is_no_number_is_not_lost(value: str) -> None:
    assert store_text("t.dat", f"# x y\n{value} 2.0\n{value} 3.0\n")[0] == {"x": [value] * 2, "y": [2, 3]}


def test_names_in_a_comment_count_in_csv_too() -> None:
    content = "# made by hand\n# sample,mu\nCu,1.5\nNi,2.5\n"
    assert store("t.csv", content, "--comment", "#") == {"sample": ["Cu", "Ni"], "mu": [1.5, 2.5]}
    assert store("t.csv", "# x,y\n1,2\n", "--comment", "#") == {"x": [1], "y": [2]}


@pytest.mark.parametrize("content", ["# my data\nenergy mu\n1 2\n", "# energy mu\neV a.u.\n1 2\n"])
def test_a_line_of_words_below_a_comment_of_as_many_words_is_refused_text(content: str) -> None:
    comment, first, _ = content.splitlines()
    message = refused_text("t.dat", content)
    for part in (repr(comment), repr(first), "--header if the line has the names", "--no-header", "--units-row"):
        assert part in message
    assert store("t.dat", content, "--header") == dict(zip(first.split(), ([1], [2]), strict=True))
    assert store("t.dat", content, "--no-header", "--units-row") == dict(
        zip(comment[1:].split(), ([1], [2]), strict=True)
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", "08:00:00,1\n08:00:01,2\n"),
        ("t.csv", "Cu,1.5\nNi,2.5\n"),
        ("t.csv", "Cu,1.5\n"),
        ("t.csv", "Scan,12\nenergy,mu\n1,2\n"),
        ("t.csv", ",0,1\n0,2.5,3.5\n"),
        ("t.tsv", "Cu\t1.5\nNi\t2.5\n"),
        ("t.dat", "Cu 1.5\nNi 2.5\n"),
        ("t.dat", "# three other words\nCu 1.5\nNi 2.5\n"),
    ],
)
def test_a_number_among_names_is_refused_text(name: str, content: str) -> None:
    message = refused_text(name, content)
    for part in ("holds the value", "--no-header", "--header", "--skip-rows"):
        assert part in message


def test_a_number_among_names_is_taken_as_told() -> None:
    assert store("t.dat", "Cu 1.5\nNi 2.5\n", "--no-header") == {"column_1": ["Cu", "Ni"], "column_2": [1.5, 2.5]}
    assert store("t.csv", "sample,300\nCu,2.5\n", "--header") == {"sample": ["Cu"], "300": [2.5]}


@pytest.mark.parametrize(
    ("content", "number"),
    [
        ("Instrument: BL-7;;\nUser: me;;\nx;y;z\n1;2;3\n", 2),
        ("a;;c\n1;2;3\n", 2),
        (";;c\n1;2;3\n", 2),
        ("index;;c\n1;2;3\n", 2),
        (";index;c\n1;2;3\n", 1),
        ("a;b;\n1;2;\n3;4;5\n", 3),
    ],
)
def test_a_column_without_a_name_is_refused_text(content: str, number: int) -> None:
    message = refused_text("t.csv", content, "--sep", ";")
    assert f"no name for column {number}" in message
    assert "name every column" in message
    assert ("--skip-rows 2 if the names are in line 3" in message) == content.startswith("Instrument")
    assert ("--skip-rows" in message) == content.startswith("Instrument")


def test_the_index_that_pandas_writes_is_a_column() -> None:
    content = pandas.DataFrame({"x": [1.5, 2.5]}, index=["Cu", "Ni"]).to_csv()
    assert store("t.csv", content) == {"index": ["Cu", "Ni"], "x": [1.5, 2.5]}


@pytest.mark.parametrize("content", ["a,b,\n1,2,\n3,4,\n", "a,b,,\n1,2,,\n3,4, ,\n", "a,b,\n1,2,\n\n3,4,\n"])
def test_a_separator_at_the_end_of_each_line_makes_no_column(content: str) -> None:
    assert store("t.csv", content) == {"a": [1, 3], "b": [2, 4]}


@pytest.mark.parametrize(
    ("content", "sep"), [("# name mu\nCu 1\nNi 2\n", "--sep 'space'"), ("# by hand\n#x;y\n1;2\n", "--sep ';'")]
)
def test_csv_that_begins_with_a_hash_is_refused_with_all_options(content: str, sep: str) -> None:
    message = refused_text("t.csv", content)
    assert "its first line begins with #" in message
    for option in ("--comment '#'", sep, "--header"):
        assert option in message
    columns = store("t.csv", content, "--comment", "#", "--sep", sep.split("'")[1])
    assert list(columns) == content.splitlines()[-3 if "Cu" in content else -2].strip("# ").replace(";", " ").split()


@pytest.mark.parametrize("mark", ["!", "%", "//", ";"])
def test_a_first_line_that_begins_like_a_comment_is_refused_with_the_option(mark: str) -> None:
    content = f"{mark} E mu\n8979 0.1\n"
    message = refused_text("t.dat", content)
    assert f"its first line begins with {mark}, '{mark} E mu'; give --comment '{mark}' if" in message
    assert store("t.dat", content, "--comment", mark) == {"E": [8979], "mu": [0.1]}


def test_a_name_that_begins_with_a_percent_sign_is_a_name() -> None:
    assert store("t.dat", "%T mu\n1 2\n") == {"%T": [1], "mu": [2]}


@pytest.mark.parametrize(("name", "content"), [("t.csv", "% E,mu\n8979,0.1\n"), ("t.tsv", "%\tE\n8979\t0.1\n")])
def test_a_percent_sign_and_a_blank_begin_a_comment_that_can_have_the_names(name: str, content: str) -> None:
    message = refused_text(name, content)
    assert "its first line begins with %" in message
    assert "give --comment '%'" in message
    if name == "t.csv":
        assert store(name, content, "--comment", "%") == {"E": [8979], "mu": [0.1]}


XDI = "# XDI/1.0 GSE/1.0\n# Column.1: energy eV\n# Column.2: mutrans\n# Element.edge: K\n#----\n"


@pytest.mark.parametrize("labels", ["", "# energy mutrans\n"])
def test_columns_that_xdi_names_have_their_names_and_units(labels: str) -> None:
    assert store("t.xdi", f"{XDI}{labels}8779.0 -1.3\n") == {"energy": [8779], "mutrans": [-1.3]}
    assert (units("energy"), units("mutrans")) == ("eV", None)


def test_columns_that_xdi_names_in_part_have_numbers() -> None:
    assert list(store("t.xdi", f"{XDI}8779.0 -1.3 5\n")) == ["column_1", "column_2", "column_3"]


def test_a_name_that_begins_with_a_hash_can_be_meant() -> None:
    assert "--header" in refused_text("t.csv", "#,x\n1,2\n")
    assert store("t.csv", "#,x\n1,2\n", "--header") == {"#": [1], "x": [2]}


def units(column: str) -> str | None:
    return to_dataset(open_directory("results")[-1])[column].attrs.get("units")


@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("t.csv", "energy,mu\neV,\n8970,0.1\n8971,0.2\n", []),
        ("t.csv", "# by hand\nenergy, mu\n# units\n\neV, \n\n8970,0.1\n8971,0.2\n", ["--comment", "#"]),
        ("t.csv", "energy,mu,\neV,,\n8970,0.1,\n8971,0.2,\n", []),
        ("t.csv", 'energy,mu\n"e\nV",\n8970,0.1\n8971,0.2\n', []),
        (
            "t.csv",
            "by hand\nenergy;mu\neV;\n8970;0,1\n8971;0,2\n",
            ["--sep=;", "--decimal=,", "--skip-rows=1"],
        ),
    ],
)
def test_a_row_of_units_gives_the_units(name: str, content: str, options: list[str]) -> None:
    assert store(name, content, "--units-row", *options) == {"energy": [8970, 8971], "mu": [0.1, 0.2]}
    assert (units("energy") or "").replace("\n", "") == "eV"
    assert units("mu") is None
    store(name, content, "--units-row", "--units", "energy=keV", "--units", "mu=1", *options)
    assert (units("energy"), units("mu")) == ("keV", "1")


def test_a_row_of_units_below_names_in_a_comment() -> None:
    assert store("t.dat", "# energy mu\neV 1\n8970 0.1\n", "--units-row") == {"energy": [8970], "mu": [0.1]}
    assert (units("energy"), units("mu")) == ("eV", "1")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x,y\n1,2\n3,4\n", "its line 2, '1,2', holds no units; leave --units-row out"),
        ("x,y\neV\n3,4\n", "its line 2, 'eV', has 1 unit for 2 columns"),
        ("x,y\neV,,mm\n3,4\n", "its line 2, 'eV,,mm', has 3 units for 2 columns"),
        ("x,y\n", "no line below its names holds units"),
    ],
)
def test_what_is_no_row_of_units_is_refused_text(content: str, message: str) -> None:
    assert message in refused_text("t.csv", content, "--units-row")


def test_a_row_of_units_is_for_text() -> None:
    Path("a.nc").write_text("x\n")
    result = run("store", "a.nc", "--to", "results", "--units-row")
    assert "--units-row is for text files" in result.stderr


@pytest.mark.parametrize("content", ["energy,mu\neV,\n8970,0.1\n", "label,energy\n-,eV\nCu,8970\nNi,8980\n"])
def test_a_line_of_words_above_numbers_is_refused_text(content: str) -> None:
    line = content.splitlines()[1]
    message = refused_text("t.csv", content)
    assert f"its line 2, {line!r}, holds no numbers, but the lines after it do" in message
    for option in ("--units-row", "--skip-rows", "--header"):
        assert option in message
    assert "--units-row" in store_text("t.csv", content, "--header")[1]


def test_a_line_of_words_above_numbers_and_below_a_comment_is_refused_text() -> None:
    content = "# my data set\nenergy 2theta mu\n1 2 3\n"
    message = refused_text("t.dat", content)
    for option in ("--units-row if it holds units", "--header if it holds the names", "--no-header if it holds values"):
        assert option in message
    assert store("t.dat", content, "--header") == {"energy": [1], "2theta": [2], "mu": [3]}


def test_a_row_of_units_is_not_suggested_above_a_first_line_of_values() -> None:
    columns, said = store_text("t.csv", "over,low\n1,2\n3,4\n", "--no-header")
    assert columns == {"column_1": ["over", "1", "3"], "column_2": ["low", "2", "4"]}
    assert "'over' in line 1 is not a number" in said
    assert "--units-row" not in said


def test_other_words_among_numbers_are_noted_with_those_of_a_row_of_units() -> None:
    _, said = store_text("t.csv", "x,mu\neV,a.u.\n1,2\n2,bad\n3,4\n")
    first, second = said.splitlines()
    assert "'eV' in line 2 is not a number" in first
    assert "'a.u.' in line 2 is not a number" in second
    assert "--units-row" in first
    columns, said = store_text("t.csv", "x,mu\neV,1\n1,2\n")
    assert columns["x"] == ["eV", "1"]
    assert "--units-row" not in said


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("#S 1\n#L a  b\n1 2\n\n#S 2\n#L c  d\n3 4\n", "its line 5, '#S 2',"),
        ("#L a  b\n1 2\n#L a  b\n3 4\n", "its line 3, '#L a  b',"),
        ("#S 1\na b\n1 2\n #S\t2\n3 4\n", "its line 4, '#S\\t2',"),
    ],
)
@pytest.mark.parametrize("options", [(), ("--header",), ("--no-header",)])
def test_a_second_scan_of_spec_is_refused_text(content: str, line: str, options: tuple[str, ...]) -> None:
    message = refused_text("s.dat", content, *options)
    assert line in message
    assert "give each scan a file of its own" in message


def test_scans_of_spec_without_values_are_not_in_the_way() -> None:
    content = "#S 1\n#L a  b\n\n#S 2\n#L c  d\n1 2\n#C done\n#Second thoughts\n"
    assert store("s.dat", content) == {"c": [1], "d": [2]}
    assert "holds no lines" in refused_text("empty.dat", "#S 1\n#L a  b\n#S 2\n#L a  b\n", results="other")


@pytest.mark.parametrize("units_line", ["# eV A", "# eV eV", "# eV 1"])
@pytest.mark.parametrize("options", [(), ("--no-header",)])
def test_two_comments_that_can_both_be_names_are_refused_text(units_line: str, options: tuple[str, ...]) -> None:
    message = refused_text("t.dat", f"# by hand\n# E I\n{units_line}\n1 2\n", *options)
    for part in ("'# E I'", repr(units_line), "keep the one with the names", "--header"):
        assert part in message


@pytest.mark.parametrize(
    "above",
    [
        *("Sample: foil", "sample= foil", "temperature 300", "2024-05-01 08:00:00", "three more words", "E I", "1 2"),
        *("I I", "---"),
    ],
)
def test_a_comment_that_is_no_line_of_names_is_not_in_the_way(above: str) -> None:
    assert store("t.dat", f"# {above}\n# E I\n1 2\n") == {"E": [1], "I": [2]}


def test_comments_are_no_names_beside_a_line_of_spec_or_a_first_line_of_names() -> None:
    assert store("t.dat", "#L E I\n# eV A\n1 2\n") == {"E": [1], "I": [2]}
    assert store("t.dat", "# E I\n# eV A\nE I\n1 2\n", "--header") == {"E": [1], "I": [2]}


ABOVE = "Sample: Cu\nDate: 2024-05-31\nOperator: me\n"
TABLE = "energy,i0,it\n1,2,3\n2,3,4\n3,4,5\n4,5,6\n"


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("a.csv", f"{ABOVE}{TABLE}", 4),
        ("a.csv", f"Sample,Cu\nOperator,me\n\n{TABLE}", 4),
        ("a.csv", f"Sample,Cu\nOperator\n{TABLE}", 3),
        ("a.csv", f"Cu, annealed, 300 K, in air\n{TABLE}", 2),
        ("a.tsv", f"{ABOVE}{TABLE}".replace(",", "\t"), 4),
        ("a.dat", f"{ABOVE}{TABLE}".replace(",", " "), 4),
    ],
)
def test_lines_above_the_names_are_refused_with_how_many_to_skip(name: str, content: str, line: int) -> None:
    assert f"; give --skip-rows {line - 1} if the names are in line {line}, " in refused_text(name, content)
    assert list(store_text(name, content, "--skip-rows", str(line - 1))[0]) == ["energy", "i0", "it"]


@pytest.mark.parametrize(
    "content",
    [
        f"{TABLE}mean,2\nstd,1\n",
        f"{TABLE}Operator,me\nSample,Cu\n",
        f"{TABLE}made\nby hand\n",
        "energy,i0\n1,2,3\n2,3,4\n",
        f"{ABOVE}{TABLE}1,2\n",
    ],
)
def test_lines_are_not_called_to_be_skipped_where_no_table_of_one_width_ends_the_file(content: str) -> None:
    message = refused_text("a.csv", content)
    assert "remove such rows" in message
    assert "--skip-rows" not in message


@pytest.mark.parametrize(("separator", "option"), [(";", ";"), ("\t", "tab"), ("|", "|"), (" ", "space")])
def test_lines_above_a_table_with_another_separator_do_not_hide_it(separator: str, option: str) -> None:
    content = f"{ABOVE}{TABLE}".replace(",", separator)
    message = refused_text("a.csv", content)
    shown = "4;5;6".replace(";", separator)
    assert f"its last lines look like {shown!r}; give the separator of the values: --sep '{option}'" in message
    assert "give --skip-rows 3 if" in refused_text("a.csv", content, "--sep", option)
    assert len(store("a.csv", content, "--sep", option, "--skip-rows", "3")) == 3
    assert len(store_text("a.csv", content, "--sep", ",")[0]) == 1


def test_decimal_commas_below_other_lines_are_no_other_separator() -> None:
    assert "decimal commas, such as '1,5'; say so with --decimal ','" in refused_text("a.tsv", "mu\n7\n1,5\n2,5\n")
