"""A directory, or files, of remarks that a user may not read: runs are listed with a warning, and nothing else is."""

from __future__ import annotations

import os

import pytest

from databroker_writable import open_directory
from databroker_writable.results.impact import impact
from databroker_writable.storage import remark_files
from databroker_writable.storage.remark_files import RemarkFolder
from support import faults, other_users, sites

pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="there are no users to become")

NOT_KNOWN = "the remarks on runs of 'contract' are not known: the directory {folder!r} cannot be read by this user"
LOOKS_GOOD = "until then retracted runs look like good ones"


def use(kind, place, other):
    """What each use gives."""
    catalog = sites.opened(kind, place)
    calls = {
        "len": lambda: len(catalog),
        "str": lambda: str(catalog),
        "latest": lambda: catalog.latest().metadata["start"]["uid"],
        "table": lambda: list(catalog.table().index),
        "results_of": lambda: sorted(catalog.results_of("good")),
        "lineage": lambda: catalog.lineage("good").tree(),
        "impact": lambda: impact(catalog, "good"),
        "read": lambda: catalog["good"].primary.read()["x"].values.tolist(),
        "annotations": lambda: catalog.annotations("good"),
        "annotate": lambda: catalog.annotate("good", "note"),
        "retract": lambda: catalog.retract("good", "wrong"),
        "restore": lambda: catalog.restore("wrong"),
        "by tag": lambda: catalog.table(tags="t"),
        "by status": lambda: catalog.table(status="retracted"),
        "latest retracted": lambda: catalog.latest(status="retracted"),
    }
    commands = {
        "ls": ("ls", place),
        "show": ("show", place, "wrong"),
        "check": ("check", place),
        "note": ("note", place, "good", "note"),
        "copy": ("copy", place, other),
        "delete": ("delete", place, "good", "--yes"),
    }
    outcomes = {name: other_users.outcome(call) for name, call in calls.items()}
    return outcomes, {name: other_users.command(*words) for name, words in commands.items()}


@pytest.fixture
def site(request):
    with other_users.site_in_the_open(request.param) as made:
        yield made


@pytest.fixture
def used(request, site, tmp_path):
    """What nobody sees of a catalog whose remarks are closed in a way."""
    mode_of_directory, mode_of_files = request.param
    catalog = site.open()
    catalog.store_run({"x": [1]}, uid="good")
    catalog.store_run({"x": [2]}, uid="wrong", derived_from="good")
    catalog.annotate("good", "note", tags=["t"])
    catalog.retract("wrong", "shutter closed")
    folder = site.directory / "remarks"
    other = site.directory.parent / "other"
    other.mkdir()
    os.chmod(other, 0o777)
    os.chmod(site.directory, 0o777)
    for path in folder.iterdir():
        os.chmod(path, mode_of_files)
    os.chmod(folder, mode_of_directory)
    try:
        calls, commands = other_users.as_nobody(use, tmp_path / "report", site.kind, site.directory, other)
    finally:
        os.chmod(folder, 0o755)
    assert sorted(site.open()) == ["good", "wrong"]
    return str(folder), calls, commands, site


FILES = pytest.mark.parametrize("site", ["msgpack", "jsonl"], indirect=True)


@FILES
@pytest.mark.parametrize("used", [(0o000, 0o644), (0o300, 0o644)], ids=["closed", "only entered"], indirect=True)
def test_without_a_list_of_remarks_runs_are_listed_with_a_warning_and_remarks_are_refused(used):
    folder, calls, commands, _ = used
    not_known = NOT_KNOWN.format(folder=folder)
    for name in ("len", "str", "latest", "table", "results_of", "lineage", "impact", "read"):
        (kind, text), warned = calls[name]
        assert kind == "ok", (name, text)
        if name not in ("len", "read"):
            assert any(not_known in words and LOOKS_GOOD in words for words in warned), (name, warned)
    for name in ("annotations", "annotate", "retract", "restore", "by tag", "by status", "latest retracted"):
        (kind, text), _ = calls[name]
        assert kind in ("NotWritableError", "InvalidCatalogError"), (name, kind, text)
        assert f"{folder!r} cannot be read by this user; ask its owner" in text
    for name in ("ls", "show"):
        done = commands[name]
        assert done["status"] == 0
        assert "wrong" in done["out"]
        assert done["err"].count(not_known.partition("'contract'")[2]) == 1, done["err"]
    assert commands["note"]["status"] == 1
    assert "cannot be read by this user; ask its owner" in commands["note"]["err"]
    assert commands["copy"]["status"] == 0
    assert "2 copied" in commands["copy"]["out"]
    assert f"{folder!r} cannot be read by this user" in commands["copy"]["err"]
    assert commands["delete"]["status"] == 1
    assert f"{folder!r} cannot be read by this user" in commands["delete"]["err"]
    assert commands["check"]["status"] == 1
    assert "2 runs" in commands["check"]["out"]
    assert f"problem: {folder}: the directory {folder!r} cannot be read by this user" in commands["check"]["out"]
    for done in commands.values():
        assert "PermissionError" not in done["err"]


@FILES
@pytest.mark.parametrize("used", [(0o755, 0o000), (0o744, 0o644)], ids=["files", "directory"], indirect=True)
def test_remarks_that_cannot_be_read_are_not_called_damaged(used):
    folder, calls, commands, _ = used
    for name, ((kind, text), warned) in calls.items():
        assert kind != "foreign", (name, text)
        assert not any("is not a remark" in words for words in warned)
    for name in ("latest", "table", "lineage", "annotations", "by status"):
        found = [words for words in calls[name][1] if words.startswith(f"the remark {folder}")]
        assert len(found) == 1, (name, calls[name])
        (message,) = found
        assert "; ask its owner" in message
        assert "for the permission to read it (1 more cannot be read either)" in message
        assert "until then a run that it retracts looks like a good one" in message
    assert commands["delete"]["status"] == 1
    assert "the remark " in commands["delete"]["err"]
    for name in ("ls", "show", "copy"):
        assert commands[name]["status"] == 0
        assert commands[name]["err"].count("Warning: the remark ") == 1
    found = [line for line in commands["check"]["out"].splitlines() if folder in line]
    assert len(found) == 2
    for line in found:
        assert "for the permission to read it" in line
        assert "is not a remark" not in line


def test_a_retracted_run_is_not_the_latest_where_too_many_files_are_open(tmp_path):
    catalog = open_directory(tmp_path / "runs")
    catalog.store_run({"x": [1]}, uid="good")
    catalog.retract(catalog.store_run({"x": [2]}, uid="wrong"), reason="too warm")
    folder = RemarkFolder(str(tmp_path / "runs" / "remarks"))
    descriptor = os.open(folder.path, os.O_RDONLY)
    try:
        with faults.no_file_can_be_opened(), pytest.MonkeyPatch.context() as patch:
            patch.setattr(remark_files, "names_in", lambda path: os.listdir(descriptor))
            with pytest.raises(OSError, match="Too many open files"):
                folder.read()
    finally:
        os.close(descriptor)
    assert [remark["run"] for remark in folder.read()] == ["wrong"]
