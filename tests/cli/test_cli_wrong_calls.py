"""What the commands answer to calls that are nearly right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from databroker_writable import open_directory
from support.command_line import fail, run, succeed

ELSEWHERE = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"


@pytest.fixture(autouse=True)
def _results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    catalog = open_directory("results")
    catalog.store_run({"x": [1, 2]}, {"sample": "Cu"}, uid="one-1")
    catalog.store_run({"x": [1, 2]}, {"sample": "Cu", "scan_id": 17}, uid="two-2")
    Path("table.csv").write_text("x\n1\n")


def newest() -> dict[str, Any]:
    return dict(open_directory("results")[-1].metadata["start"])


@pytest.mark.parametrize(("given", "uid"), [("-1", "two-2"), ("-2", "one-1"), ("one", "one-1"), ("17", "two-2")])
def test_inputs_are_named_as_in_other_commands(given: str, uid: str) -> None:
    options = ["--derived-from", f"data={given}", "--derived-from", given, "--supersedes", given]
    assert succeed("store", "table.csv", "--to", "results", *options)
    start = newest()
    assert [source["uid"] for source in start["derived_from"]] == [uid, uid]
    assert start["supersedes"] == [uid]


@pytest.mark.parametrize("option", ["--derived-from", "--supersedes"])
@pytest.mark.parametrize("given", ["-5", "nothing", "404"])
def test_an_input_that_does_not_exist_is_refused_as_in_other_commands(option: str, given: str) -> None:
    words = fail("show", "results", given).removeprefix("Error: ")
    assert (
        fail("store", "table.csv", "--to", "results", option, given)
        == f"Error: {option} names the run {given!r}: {words}"
    )
    assert len(open_directory("results")) == 2


@pytest.mark.parametrize("option", ["--derived-from", "--supersedes"])
def test_a_whole_uid_of_another_catalog_is_recorded_with_a_warning(option: str) -> None:
    result = run("store", "table.csv", "--to", "results", option, ELSEWHERE)
    assert (result.exit_code, f"{option} names the run {ELSEWHERE!r}" in result.stderr) == (0, True)


def test_positions_are_runs_in_every_command() -> None:
    succeed("store", "table.csv", "--to", "results", "--derived-from", "two-2")
    open_directory("results").store_run({"x": [1]}, uid="three-3", derived_from="one-1")
    assert "three" in succeed("ls", "results", "--derived-from", "-4")
    assert succeed("copy", "results", "archive", "-1", "-4") == "2 copied, 0 there already\n"
    assert sorted(open_directory("archive")) == ["one-1", "three-3"]
