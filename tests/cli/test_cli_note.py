"""The command line: remarks on stored runs, and what they change in ``lineage``."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

import intake
import pytest

from databroker_writable import open_directory
from support.command_line import fail, run, succeed, write_catalog


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    catalog = open_directory("results")
    raw = catalog.store_run({"x": [1]}, uid="raw-1")
    fit = catalog.store_run({"k": [1.0]}, uid="fit-1", derived_from=raw)
    catalog.store_run({"m": [1.0]}, uid="mean-1", derived_from=fit)


def test_a_note_is_added_and_listed() -> None:
    assert succeed("note", "results", "fit-1") == "no remarks\n"
    said = succeed("note", "results", "fit", "beam dump at frame 40", "--tag", "bad-frames", "--tag", "beam")
    assert said == "noted on fit-1\n"
    succeed("note", "results", "-1", "the latest")
    (remark,) = open_directory("results").annotations("fit-1")
    assert (remark["text"], remark["tags"]) == ("beam dump at frame 40", ["bad-frames", "beam"])
    header, line = succeed("note", "results", "fit-1").splitlines()
    assert header.split() == ["time", "user", "verdict", "tags", "text"]
    assert getpass.getuser() in line
    assert line.endswith("bad-frames, beam  beam dump at frame 40")


def test_a_note_cannot_steer_the_terminal() -> None:
    succeed("note", "results", "fit-1", "red \x1b[31m text\nsecond")
    assert "\x1b" not in succeed("note", "results", "fit-1")


def test_a_run_is_retracted_and_restored() -> None:
    assert succeed("note", "results", "fit-1", "wrong edge", "--retract") == "retracted fit-1\n"
    assert "status: retracted\nretracted: wrong edge (" in succeed("show", "results", "fit-1")
    assert "fit-1  (retracted)" in succeed("lineage", "results", "raw-1")
    assert "mean-1  (made from retracted fit-1)" in succeed("lineage", "results", "raw-1")
    assert succeed("note", "results", "fit-1", "--restore") == "restored fit-1\n"
    assert "retracted" not in succeed("lineage", "results", "raw-1")


def test_a_run_that_must_not_be_written_to_is_remarked_on_elsewhere() -> None:
    write_catalog("raw.yml", "writable-msgpack-catalog", paths=["{{ CATALOG_DIR }}/results/*.msgpack"], writable=False)
    open_directory("mine")
    assert "writable: false" in fail("note", "raw.yml", "raw-1", "dark")
    assert "which keeps the remark: --to RESULTS" in fail("note", "raw.yml", "raw-1", "dark")
    assert succeed("note", "raw.yml", "raw-1", "dark", "--to", "mine") == "noted on raw-1\n"
    assert [remark["catalog"] for remark in open_directory("mine").annotations("raw-1")] == ["raw"]
    assert open_directory("results").annotations("raw-1") == []


def test_a_remark_on_a_run_of_a_driver_that_stores_nothing_is_kept_elsewhere() -> None:
    write_catalog("stock.yml", "bluesky-msgpack-catalog", paths=["{{ CATALOG_DIR }}/results/*.msgpack"])
    open_directory("mine")
    said = fail("note", "stock.yml", "raw-1", "dark")
    assert "cannot store runs; name a writable driver in its YAML, such as writable-catalog, or keep the remark" in said
    assert "with --to RESULTS" in said
    assert succeed("note", "stock.yml", "raw-1", "dark", "--to", "mine") == "noted on raw-1\n"
    assert "store into another" not in fail("delete", "stock.yml", "raw-1", "--yes")


@pytest.mark.parametrize("words", [["dark"], ["dark", "--retract"], ["--tag", "dark"]])
def test_a_run_in_a_directory_without_permission_can_be_remarked_on_elsewhere(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    open_directory("mine")
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda path, *args, **options: "results" not in str(path))
        said = fail("note", "results", "raw-1", *words)
        assert "no permission to write into" in said
        assert said.endswith("or keep the remark in another catalog, such as that of your results: --to RESULTS\n")
        succeed("note", "results", "raw-1", *words, "--to", "mine")
    assert len(open_directory("mine").annotations("raw-1")) == 1


def test_a_run_of_a_driver_without_a_place_for_remarks_can_be_remarked_on_elsewhere() -> None:
    arguments = {"catalog_driver": "support.facility.CollectingCatalog", "catalog_args": {"directory": "collected"}}
    write_catalog("own.yml", "writable-catalog", **arguments)
    open_directory("mine")
    Path("collected").mkdir()
    intake.open_catalog("own.yml")["own"].store_run({"x": [1]}, uid="own-1")
    assert fail("note", "own.yml", "own-1", "dark").endswith(
        "cannot keep remarks on runs; give annotations: DIRECTORY in its YAML file; or keep the remark in another "
        "catalog, such as that of your results: --to RESULTS\n"
    )
    assert succeed("note", "own.yml", "own-1", "dark", "--to", "mine") == "noted on own-1\n"


def test_what_is_no_remark_is_refused() -> None:
    assert "there is no run 'elsewhere'" in fail("note", "results", "elsewhere", "x")
    assert "at most 10,000 characters" in fail("note", "results", "fit-1", "x" * 20_000)
    assert "a tag must be one line of text" in fail("note", "results", "fit-1", "--tag", "")
    assert "as TEXT, what is wrong with the run" in fail("note", "results", "fit-1", "--retract")
    assert "neither a directory nor a catalog" in fail("note", "nowhere", "fit-1", "x")
    result = run("note", "results", "fit-1", "x", "--retract", "--restore")
    assert result.exit_code == 2
    assert "cannot be combined" in result.stderr
    assert open_directory("results").annotations("fit-1") == []


def test_lineage_shows_what_was_made_from_a_run_alone() -> None:
    assert "raw-1" in succeed("lineage", "results", "fit-1")
    assert succeed("lineage", "results", "fit-1", "--downstream").split() == ["╙──", "fit-1", "└─╼", "mean-1"]


def test_a_misspelt_option_is_not_taken_for_the_text() -> None:
    misspelt = run("note", "results", "-1", "--retrakt")
    assert (misspelt.exit_code, "--retract" in misspelt.stderr) == (2, True)
    assert run("note", "results", "-1", "-q").exit_code == 2
    assert open_directory("results").annotations("mean-1") == []


@pytest.mark.parametrize(
    "words",
    [
        ("show", "-1", "--colum", "x"),
        ("show", "-1", "--colum=x"),
        ("export", "-1", "--colum", "x"),
        ("diff", "-1", "-2", "--colum"),
        ("lineage", "-1", "--downstraem"),
        ("delete", "raw-1", "--colum"),
    ],
)
def test_a_misspelt_option_is_named(words: tuple[str, ...]) -> None:
    command, *rest = words
    result = run(command, "results", *rest)
    assert result.exit_code == 2
    assert "No such option" in result.stderr


@pytest.mark.parametrize("command", ["note", "show", "export", "diff", "lineage", "delete"])
def test_a_uid_before_the_catalog_is_answered_with_their_order(command: str) -> None:
    for uid in ("fit-1", "-1"):
        result = run(command, uid, "results", *(["mean-1"] if command == "diff" else []))
        assert result.exit_code == 2
        said = f"the catalog comes first, then the run: databroker-writable {command} results {uid}"
        assert said in result.stderr
    assert "neither a directory" in fail("note", "resultss", "fit-1", "results")


def test_a_text_can_begin_with_a_number_or_follow_two_dashes() -> None:
    succeed("note", "results", "-1", "-5 degrees off")
    succeed("note", "results", "-1", "--", "--retrakt")
    assert [remark["text"] for remark in open_directory("results").annotations("mean-1")] == [
        "-5 degrees off",
        "--retrakt",
    ]
