"""What remarks and impact cost, counted as work instead of time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from databroker_writable import build_simple_run, open_directory
from databroker_writable.results.remarks import tags_of
from databroker_writable.storage import remark_files


@pytest.fixture
def files_read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the remarks that are read."""
    names: list[str] = []
    read = remark_files.read_remark

    def note(path: str) -> dict[str, object]:
        names.append(os.path.basename(path))
        return read(path)

    monkeypatch.setattr(remark_files, "read_remark", note)
    return names


def test_each_remark_is_read_once(tmp_path: Path, files_read: list[str]) -> None:
    writing, reading = open_directory(tmp_path), open_directory(tmp_path)
    run = writing.store_run({"x": [1]}, uid="run-1")
    for number in range(5):
        writing.annotate(run, tags=[f"tag-{number}"])
        files_read.clear()
        assert len(tags_of(reading)["run-1"]) == number + 1
        assert len(files_read) == 1
    files_read.clear()
    assert len(reading.annotations("run-1")) == 5
    assert files_read == []


def test_impact_reads_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = open_directory(tmp_path)
    raw = catalog.store_run({"x": [1]}, uid="raw-1")
    catalog.store_runs(build_simple_run({"k": [1.0]}, uid=f"fit-{number}", derived_from=raw) for number in range(50))
    catalog.retract("fit-7", reason="wrong edge")
    catalog.force_reload()
    monkeypatch.setattr(type(catalog), "__getitem__", None)
    assert len(catalog.impact("raw-1")) == 50
    assert len(catalog.stale()) == 0
