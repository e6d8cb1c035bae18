"""Messages of the command line are in its own words, not in those of Python."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import xarray

from databroker_writable import InvalidTableError, open_directory, to_dataset
from support.command_line import fail, run, succeed

PYTHON = re.compile(r"\w\(|catalog\[|\bderived_from\b|(?<!-)\bsupersedes\b|\[\.\.\.\]")


@pytest.fixture(autouse=True)
def _results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    open_directory("results").store_run({"x": [1, 2]}, {"sample": "Cu"}, uid="one")
    Path("table.csv").write_text("x\n1\n")


def test_a_wide_table_is_shown_soon_and_a_wrong_column_named_with_the_most_similar_one(monkeypatch) -> None:
    made = []
    construct = xarray.Dataset._construct_dataarray
    monkeypatch.setattr(
        xarray.Dataset, "_construct_dataarray", lambda self, name: made.append(name) or construct(self, name)
    )
    table = {f"energy_{i}": [1.0, 2.0] for i in range(500)}
    open_directory("results").store_run(table, uid="wide")
    assert "and 492 more columns" in run("show", "results", "wide").stdout
    assert len(made) < 10  # each takes as long as there are columns
    errors = fail("show", "results", "wide", "--column", "enrgy_7")
    assert "did you mean 'energy_7'?" in errors
    assert len(errors) < 600
    with pytest.raises(InvalidTableError, match=r"'enrgy_7', which .*energy_2.*\.\.\.; did you mean 'energy_7'\?"):
        open_directory("results").store_run(table, units={"enrgy_7": "eV"})


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("ls results --tag good", "databroker-writable note CATALOG UID --tag TAG"),
        ("ls results --derived-from nothing", "--derived-from names the run 'nothing'"),
        ("store table.csv --to results --derived-from nothing", "--derived-from names the run 'nothing'"),
        ("store table.csv --to results --supersedes nothing", "--supersedes names the run 'nothing'"),
        ("store table.csv --to results --metadata exit_status=fail", "how a run ended; choose another key"),
        ("store table.csv --to results --stream attachments --attach table.csv", "e.g. --stream primary"),
        ("note results nothing good", "'nothing'"),
        ("show results nothing", "databroker-writable ls results"),
        ("show results one --column y", "'y'"),
        ("lineage results nothing", "nothing"),
        ("diff results one nothing", "nothing"),
        ("export results nothing", "nothing"),
        ("export results one -o one.xyz", "suffixes"),
        ("delete results nothing --yes", "nothing"),
    ],
)
def test_messages_are_in_words_of_the_command_line(command: str, said: str) -> None:
    errors = run(*command.split()).stderr
    assert said in errors
    assert not PYTHON.search(errors), errors


@pytest.mark.parametrize(
    ("value", "is_doubtful"),
    [
        ('{"a": 1,}', True),
        ('{"a":', True),
        ("[1, 2", True),
        ("['a']", False),
        ("[Fe(CN)6]", False),
        ('{"a": 1}', False),
    ],
)
def test_text_that_may_have_been_meant_as_json_is_told(value: str, is_doubtful: bool) -> None:
    errors = run("store", "table.csv", "--to", "results", "--metadata", f"fit={value}").stderr
    assert (f"Warning: fit is stored as the text {value}, which is not JSON" in errors) == is_doubtful


def test_more_lines_to_skip_than_there_are_is_told() -> None:
    assert "it has 2 lines, all of which --skip-rows skips" in fail(
        "store", "table.csv", "--to", "results", "--skip-rows", "99"
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"a,b\n1,2\n3,4,5\n", "its row 3 has 3 values for 2 columns"),
        (b"", "it holds no lines"),
        (b"a,b\n\xdf,1\n", "its byte 4 is not text in UTF-8"),
        (b'a,b\n"1,2\n', "the quotation mark in its row 2 has no end"),
    ],
)
def test_what_is_wrong_with_a_text_file_is_said_in_plain_words(content: bytes, reason: str) -> None:
    Path("bad.csv").write_bytes(content)
    assert f"'bad.csv' cannot be read as CSV: {reason}" in fail("store", "bad.csv", "--to", "results")


def test_a_file_that_is_a_directory_or_misspelt_is_named() -> None:
    Path("tables").mkdir()
    assert "no file 'tables', but a directory; name the files in it" in fail("store", "tables", "--to", "results")
    assert f"{os.devnull!r} is not a regular file; write" in fail("store", os.devnull, "--to", "results")
    Path("spectrum.csv").write_text("x\n1\n")
    assert "did you mean 'spectrum.csv'?" in fail("store", "spectrun.csv", "--to", "results")


@pytest.mark.parametrize("words", [("store", "table.csv"), ("ls", "results", "sample=Cu"), ("copy", "results")])
def test_wrong_usage_shows_an_example(words: tuple[str, ...]) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith(f"Example: databroker-writable {words[0]} ")


def test_a_file_name_without_its_option_is_told_how_it_is_given() -> None:
    result = run("export", "results", "-1", "x.csv")
    assert (result.exit_code, "name the file with -o: -o x.csv" in result.stderr) == (2, True)


def test_nothing_is_shown_of_a_run_without_the_column() -> None:
    assert "there is no column 'mew'" in fail("show", "results", "-1", "--column", "mew")


def test_a_first_line_of_numbers_is_never_lost() -> None:
    Path("plain.csv").write_text("7100,1\n7101,2\n")
    assert "say with --no-header that they are values" in fail("store", "plain.csv", "--to", "results")
    assert run("store", "plain.csv", "--to", "results", "--no-header").exit_code == 0
    assert to_dataset(open_directory("results")[-1])["column_1"].values.tolist() == [7100, 7101]
    assert run("store", "plain.csv", "--to", "results", "--header").exit_code == 0
    assert to_dataset(open_directory("results")[-1])["7100"].values.tolist() == [7101]


def test_a_file_of_another_format_is_named() -> None:
    Path("bad.xlsx").write_text("x\n1\n")
    assert "'bad.xlsx' cannot be read as Excel" in fail("store", "bad.xlsx", "--to", "results")


def test_ls_names_a_misspelt_key() -> None:
    result = run("ls", "results", "--where", "smaple=Cu")
    assert "did you mean 'sample'?" in result.stderr


def test_delete_says_why_it_takes_no_number() -> None:
    result = run("delete", "results", "-1", "--yes")
    assert (result.exit_code, "delete takes uids, not -1" in result.stderr) == (2, True)
    assert "one" in open_directory("results")


def test_values_without_a_header_can_have_any_separator() -> None:
    Path("plain.csv").write_text("7100|1\n7101|2\n")
    assert run("store", "plain.csv", "--to", "results", "--sep", "|", "--no-header").exit_code == 0
    stored = to_dataset(open_directory("results")[-1])
    assert {name: stored[name].values.tolist() for name in stored} == {"column_1": [7100, 7101], "column_2": [1, 2]}


def test_text_in_the_first_row_is_no_header_if_there_is_none() -> None:
    Path("plain.csv").write_text("Cu,1\nNi,2\n")
    assert run("store", "plain.csv", "--to", "results", "--no-header").exit_code == 0
    assert to_dataset(open_directory("results")[-1])["column_1"].values.tolist() == ["Cu", "Ni"]


def test_numbers_of_things_are_worded_as_people_say_them() -> None:
    open_directory("empty")
    assert succeed("check", "empty") == "empty: 0 runs, 0 assets (0 bytes read); nothing to report\n"
    assert fail("show", "empty", "-1") == "Error: empty has no runs yet\n"
