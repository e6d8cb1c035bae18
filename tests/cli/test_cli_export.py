"""The command line: ``export``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas
import pytest
import xarray

from databroker_writable import open_directory, to_dataset
from support.command_line import fail, run, succeed


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A catalog of two runs, of which the second was made from the first."""
    monkeypatch.chdir(tmp_path)
    catalog = open_directory("results")
    raw = catalog.store_run({"x": [1, 2]}, {"sample": "Cu", "plan_name": "scan"}, uid="aaaaaaaa-raw")
    catalog.store_run({"y": [0.5]}, {"sample": "Cu"}, uid="bbbbbbbb-fit", derived_from=raw)
    return catalog


def test_a_run_goes_to_a_file_of_its_uid(results: Any) -> None:
    assert succeed("export", "results", "aaaa") == "wrote aaaaaaaa.nc\n"
    xarray.testing.assert_identical(xarray.load_dataset("aaaaaaaa.nc"), to_dataset(results["aaaaaaaa-raw"]))


def test_several_runs_go_to_files_of_their_own() -> None:
    printed = succeed("export", "results", "aaaa", "-1", "-o", "out/{sample}_{uid:.4}.csv")
    paths = [line.removeprefix("wrote ") for line in printed.splitlines()]
    assert paths == ["out/Cu_aaaa.csv", "out/Cu_bbbb.csv"]
    assert [list(pandas.read_csv(path, comment="#")) for path in paths] == [["x"], ["y"]]


def test_a_name_for_several_runs_must_differ() -> None:
    result = run("export", "results", "aaaa", "bbbb", "-o", "{sample}.csv")
    assert result.exit_code == 2
    assert "would both be written to 'Cu.csv'" in result.stderr
    assert os.listdir() == ["results"]


def test_a_run_that_fails_does_not_keep_the_others_back() -> None:
    Path("aaaaaaaa.nc").write_text("mine")
    result = run("export", "results", "aaaa", "bbbb")
    assert result.exit_code == 1
    assert result.stdout == "wrote bbbbbbbb.nc\n"
    assert result.stderr.startswith("failed: aaaaaaaa-raw: 'aaaaaaaa.nc' exists already")
    assert succeed("export", "results", "aaaa", "--force") == "wrote aaaaaaaa.nc\n"


def test_inputs_come_along() -> None:
    succeed("export", "results", "bbbb", "-o", "fit.json", "--with-inputs")
    assert "aaaaaaaa-raw" in Path("fit.json").read_text()
    assert '"plan_name": "scan"' in Path("fit.json").read_text()


def test_a_suitcase_is_used_by_its_name() -> None:
    assert succeed("export", "results", "aaaa", "--suitcase", "jsonl", "-o", "out/{sample}") == "wrote out/Cu.jsonl\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cccc"], "there is no run 'cccc' in results"),
        (["aaaa", "-o", "x.xyz"], "none of the suffixes"),
        (["aaaa", "--column", "nu"], "there is no column 'nu'; the run has x"),
        (["aaaa", "--stream", "nu"], "there is no stream 'nu'; the run has primary"),
        (["aaaa", "-o", "{nu}.nc"], "{nu}"),
        (["aaaa", "--suitcase", "nothing"], "the suitcase 'nothing' is not known; known ones are csv, "),
    ],
)
def test_what_cannot_be_exported_is_told(arguments: list[str], message: str) -> None:
    text = fail("export", "results", *arguments)
    assert message in text
    assert text.count("\n") == 1
    assert os.listdir() == ["results"]


def test_a_suitcase_takes_no_options_of_other_formats() -> None:
    assert run("export", "results", "aaaa", "--suitcase", "jsonl", "--force").exit_code == 2
    assert run("export", "results").exit_code == 2


@pytest.mark.parametrize(("suffix", "options"), [(".nc", []), (".parquet", []), (".csv", ["--comment", "#"])])
def test_what_was_exported_can_be_stored(suffix: str, options: list[str], results: Any) -> None:
    succeed("export", "results", "aaaa", "-o", f"a{suffix}")
    succeed("store", f"a{suffix}", "--to", "copies", *options)
    copied = open_directory("copies")[-1]
    assert to_dataset(copied)["x"].values.tolist() == [1, 2]


def test_a_file_in_place_of_the_directory_is_not_said_to_be_the_export() -> None:
    Path("table.csv").touch()
    message = fail("export", "results", "-1", "-o", "table.csv/x.csv")
    assert "Not a directory" in message
    assert "exists already" not in message


def test_messages_name_options_and_not_arguments_of_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    catalog = open_directory("results")
    catalog.store_run({"x": [1], "image": [[1, 2]]}, uid="flat")
    succeed("export", "results", "flat", "-o", "a.nc")
    assert "replace it with --force\n" in fail("export", "results", "flat", "-o", "a.nc")
    assert "choose some with --column, or" in fail("export", "results", "flat", "-o", "a.csv")
