"""The command line: runs are deleted for good, after it was said what this means."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from click.testing import CliRunner

from databroker_writable import open_directory
from databroker_writable.cli import main
from databroker_writable.upkeep.deleting import deletion_of
from support.command_line import SEPARATE, fail, run, succeed, write_catalog


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    catalog = open_directory("results")
    raw = catalog.store_run({"x": [1]}, {"plan_name": "scan"}, uid="raw-1")
    image = numpy.zeros((100, 100))
    fit = catalog.store_run({"k": [image]}, uid="fit-1", derived_from=raw, one_event=True, asset_threshold=0)
    catalog.store_run({"m": [1.0]}, {"analysis": "mean"}, uid="mean-1", derived_from=fit)


def runs() -> list[str]:
    return sorted(open_directory("results"))


def answer(text: str, *arguments: str) -> tuple[int, str]:
    result = CliRunner(**SEPARATE).invoke(main, list(arguments), input=text)
    return result.exit_code, result.stdout


def test_it_shows_what_goes_and_what_was_made_from_it_and_asks() -> None:
    code, said = answer("n\n", "delete", "results", "raw-1", "fit")
    assert code == 1
    assert runs() == ["fit-1", "mean-1", "raw-1"]
    lines = said.splitlines()
    assert lines[0].split() == ["uid", "time", "name", "documents", "assets"]
    assert lines[1].startswith("raw-1 ")
    assert "scan" in lines[1]
    assert lines[1].endswith("none")
    assert lines[2].endswith("in 1")
    assert "1 other run was made from this, and will lose its input:" in said
    assert "  mean-1  results  mean  success" in said
    assert "Delete these 2 runs permanently? [y/N]" in said
    code, said = answer("y\n", "delete", "results", "raw-1", "fit-1")
    assert code == 0
    assert said.endswith("deleted raw-1\ndeleted fit-1\n")
    assert runs() == ["mean-1"]
    assert not list(Path("results").rglob("*.h5"))


def test_scripts_are_not_asked() -> None:
    said = succeed("delete", "results", "mean-1", "--yes")
    assert "no other run was made from this" in said
    assert said.endswith("deleted mean-1\n")
    assert runs() == ["fit-1", "raw-1"]


def test_without_an_answer_nothing_is_deleted() -> None:
    assert run("delete", "results", "mean-1").exit_code == 1
    assert runs() == ["fit-1", "mean-1", "raw-1"]


def test_a_scan_id_is_no_beginning_of_a_uid() -> None:
    catalog = open_directory("results")
    catalog.store_run({"x": [1]}, {"scan_id": 5}, uid="a1")
    catalog.store_run({"x": [1]}, {"scan_id": 6}, uid="5bcd")
    assert "uid: a1\n" in succeed("show", "results", "5")
    before = runs()
    refused = run("delete", "results", "5")
    assert refused.exit_code == 2
    assert "delete takes uids, and 5 is a scan_id, that of a1; give the uid of the run to delete" in refused.stderr
    assert "no run '7'" in fail("delete", "results", "7", "--yes")
    assert runs() == before
    succeed("delete", "results", "a1", "--yes")
    code, said = answer("y\n", "delete", "results", "5")
    assert code == 0
    assert said.endswith("deleted 5bcd\n")


def test_a_deletion_that_was_cut_off_is_finished() -> None:
    deletion_of(open_directory("results"), "fit-1").hide()
    assert "cut-off-deletion" in run("check", "results", "--json", "--grace", "0").stdout
    assert "deletion interrupted" in succeed("delete", "results", "fit-1", "--yes")
    assert not list(Path("results").rglob("*.h5"))
    assert "no run 'fit-1'" in fail("delete", "results", "fit-1", "--yes")


def test_a_damaged_file_is_no_interrupted_deletion() -> None:
    Path("results/mean-1.msgpack").write_bytes(b"")
    said = succeed("delete", "results", "mean-1", "--yes")
    assert said.splitlines()[1].split()[:2] == ["mean-1", "unreadable"]
    assert "deletion interrupted" not in said
    assert runs() == ["fit-1", "raw-1"]


def test_a_deletion_is_finished_though_another_uid_begins_with_its_own() -> None:
    catalog = open_directory("results")
    catalog.store_run({"x": [1]}, uid="fit-10")
    deletion_of(catalog, "fit-1").hide()
    assert "deletion interrupted" in succeed("delete", "results", "fit-1", "--yes")
    assert runs() == ["fit-10", "mean-1", "raw-1"]


def test_the_same_command_again_deletes_no_other_run() -> None:
    open_directory("results").store_run({"x": [1]}, uid="fit-10")
    succeed("delete", "results", "fit-1", "--yes")
    said = run("delete", "results", "fit-1", "--yes")
    assert said.exit_code == 2
    assert "fit-1 is only the beginning of fit-10; with --yes give complete uids" in said.stderr
    assert runs() == ["fit-10", "mean-1", "raw-1"]


def test_nothing_is_deleted_if_one_run_is_not_there() -> None:
    assert "no run 'elsewhere'" in fail("delete", "results", "mean-1", "elsewhere", "--yes")
    open_directory("results").store_run({"x": [1]}, uid="mean-2")
    assert "Multiple matches" in fail("delete", "results", "mean", "--yes")
    assert "no run ''" in fail("delete", "results", "", "--yes")
    assert runs() == ["fit-1", "mean-1", "mean-2", "raw-1"]


def test_a_guarded_catalog_is_left_alone() -> None:
    write_catalog("raw.yml", "writable-msgpack-catalog", paths=["{{ CATALOG_DIR }}/results/*.msgpack"], writable=False)
    assert "writable: false" in fail("delete", "raw.yml", "raw-1", "--yes")
    assert "writable: false; open it without that to delete runs" in fail("delete", "raw.yml", "raw-1", "--yes")
    assert runs() == ["fit-1", "mean-1", "raw-1"]
