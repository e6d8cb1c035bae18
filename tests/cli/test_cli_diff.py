"""The command line: ``diff``."""

from __future__ import annotations

from pathlib import Path

import pytest

from databroker_writable import open_directory
from support.command_line import fail, run, succeed


@pytest.fixture(autouse=True)
def _results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    catalog = open_directory("results")
    for window in (3, 3, 5):
        catalog.store_run({"x": [1.0 * window]}, {"sample": "Cu"}, parameters={"window": window})


def test_runs_that_differ_are_compared() -> None:
    result = run("diff", "results", "-2", "-1")
    assert result.exit_code == 3
    assert "window" in result.stdout
    assert "at most by 2 (40 %)" in result.stdout
    assert not result.stderr


def test_runs_that_are_the_same_are_told() -> None:
    assert "no differences" in succeed("diff", "results", "-3", "-2")


def test_a_run_that_is_not_there_is_named() -> None:
    assert "there is no run 'cccc' in results" in fail("diff", "results", "cccc", "-1")
