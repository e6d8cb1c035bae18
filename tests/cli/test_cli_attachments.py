"""The command line: attachments are stored by ``store``, listed by ``show``, copied, and written by ``export``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from databroker_writable import attachments, open_directory
from support.command_line import fail, run, succeed


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("table.csv").write_text("x,y\n1,2\n3,4\n")
    Path("fit.png").write_bytes(b"\x89PNG\r\n")
    Path("report.txt").write_text("a good fit\n")


def store() -> str:
    succeed("store", "table.csv", "--to", "results", "--attach", "fit.png", "--attach", "report.txt")
    uid: str = open_directory("results").latest().metadata["start"]["uid"]
    return uid


def test_files_are_attached_to_a_table() -> None:
    files = attachments(open_directory("results")[store()])
    assert dict(files) == {"fit.png": b"\x89PNG\r\n", "report.txt": b"a good fit\n"}


def test_show_lists_attachments() -> None:
    store()
    shown = succeed("show", "results", "-1")
    listed = [line.split() for line in shown.partition("\nattachments")[2].splitlines()[1:]]
    assert listed == [["file", "type", "bytes"], ["fit.png", "image/png", "6"], ["report.txt", "text/plain", "11"]]
    assert "fit_png" not in shown
    streams = json.loads(succeed("show", "results", "-1", "--json"))["streams"]
    assert streams["attachments"]["columns"]["fit_png"]["file_name"] == "fit.png"
    assert streams["attachments"]["first_rows"] == []


def test_plots_pass_attachments_over() -> None:
    with open_directory("results").run_builder() as builder:
        builder.attach({"fit.png": b"\x89PNG\r\n"})
        builder.add_stream("spectrum", data={"mu": [1.0, 3.0, 2.0]})
    assert "\nmu against" in succeed("show", "results", "-1", "--column", "mu")
    assert builder.stored_run.metadata["stop"]["num_events"] == {"attachments": 1, "spectrum": 3}


def test_copies_and_checks_know_attachments() -> None:
    uid = store()
    succeed("copy", "results", "elsewhere")
    assert attachments(open_directory("elsewhere")[uid])["report.txt"] == b"a good fit\n"
    assert "nothing to report" in succeed("check", "elsewhere")


def test_export_writes_them_as_files() -> None:
    store()
    printed = succeed("export", "results", "-1", "-o", "out/run.nc")
    paths = [line.removeprefix("wrote ") for line in printed.splitlines()]
    assert paths == ["out/run.nc", "out/run-attachments/fit.png", "out/run-attachments/report.txt"]
    assert [Path(path).exists() for path in paths] == [True] * 3
    assert Path(paths[1]).read_bytes() == b"\x89PNG\r\n"


def test_what_cannot_be_attached_is_told_and_nothing_is_stored() -> None:
    Path("other").mkdir()
    Path("other/fit.png").write_bytes(b"")
    two = run("store", "table.csv", "--to", "results", "--attach", "fit.png", "--attach", "other/fit.png")
    assert (two.exit_code, "have the same name; rename one" in two.stderr) == (2, True)
    absent = run("store", "table.csv", "--to", "results", "--attach", "absent.png")
    assert (absent.exit_code, "'absent.png' does not exist" in absent.stderr) == (2, True)
    assert not Path("results").exists()
    Path(".hidden").write_bytes(b"")
    assert "name of the attachment '.hidden'" in fail("store", "table.csv", "--to", "results", "--attach", ".hidden")
    assert list(open_directory("results")) == []
