"""Directories and files that a user may not read or change, or that are no directories, are named for what they are."""

from __future__ import annotations

import errno
import os
import shutil
import time

import numpy
import pytest

from databroker_writable import (
    NotWritableError,
    StoreFailedError,
    StoreWarning,
    UnreadableAssetError,
    open_directory,
    recover,
)
from databroker_writable.storage import file_permissions
from databroker_writable.upkeep import clean, examine
from databroker_writable.upkeep.copying import copy_runs
from databroker_writable.upkeep.deleting import deletion_of
from support import faults, other_users, sites
from support.command_line import run

USERS = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="there are no users to become")
FILES = pytest.mark.parametrize("site", sites.FILE_SITES, indirect=True)
TABLE = {"image": numpy.arange(6).reshape(1, 2, 3)}
OLD = 3 * 86400


@pytest.fixture
def site(request):
    with other_users.site_in_the_open(request.param) as made:
        yield made


@pytest.fixture
def shared(site):
    """A directory of two runs with arrays in files and remarks, into which everybody may write."""
    catalog = site.open()
    for uid in ("first", "second"):
        catalog.store_run(TABLE, uid=uid, one_event=True, asset_threshold=0)
    catalog.annotate("first", "note")
    os.chmod(site.directory, 0o777)
    return site


def asset_of(site, uid):
    (path,) = site.directory.glob(f"assets/*/*/{uid}-primary.h5")
    return path


def checked_and_copied(kind, place, other):
    catalog = sites.opened(kind, place)
    read = {uid: other_users.outcome(lambda uid=uid: catalog[uid].primary.read()["image"].values) for uid in catalog}
    commands = {
        "check": ("check", place),
        "copy": ("copy", place, other),
        "delete": ("delete", place, "first", "--yes"),
    }
    return read, {name: other_users.command(*words) for name, words in commands.items()}


CLOSED = {
    "the directory": lambda site: [site.directory / "assets"],
    "a year": lambda site: list(site.directory.glob("assets/*")),
    "a month": lambda site: list(site.directory.glob("assets/*/*")),
}


@USERS
@FILES
@pytest.mark.parametrize("mode", [0o000, 0o744], ids=["closed", "only listed"])
@pytest.mark.parametrize("closed", CLOSED.values(), ids=CLOSED)
def test_directories_of_assets_that_may_not_be_read_are_named_and_the_rest_is_done(shared, closed, mode, tmp_path):
    paths = closed(shared)
    shared.open().store_run({"x": [1]}, uid="third")
    other = shared.directory.parent / "other"
    other.mkdir()
    os.chmod(other, 0o777)
    before = shared.snapshot()
    for path in paths:
        os.chmod(path, mode)
    try:
        read, commands = other_users.as_nobody(
            checked_and_copied, tmp_path / "report", shared.kind, shared.directory, other
        )
    finally:
        for path in paths:
            os.chmod(path, 0o755)
    assert shared.snapshot() == before
    for uid in ("first", "second"):
        (kind, text), _ = read[uid]
        assert kind == "UnreadableAssetError"
        assert "cannot be read; ask for read permission" in text
    check = commands["check"]
    assert check["status"] == 1
    assert "3 runs, 2 assets" in check["out"]
    assert check["out"].count("cannot be read; ask for read permission") == 2
    if mode == 0 or "a month" not in closed.__name__:
        for path in paths:
            assert any(line.startswith(f"problem: {path}") for line in check["out"].splitlines()), check["out"]
    assert "missing" not in check["out"]
    copied = commands["copy"]
    assert copied["status"] == 1
    assert copied["out"].startswith("1 copied, 0 there already, 2 failed")
    for uid in ("first", "second"):
        (line,) = [line for line in copied["err"].splitlines() if line.startswith(f"failed: {uid}: ")]
        assert str(asset_of(shared, uid)) in line
        assert "ask its owner" in line
        assert "missing" not in line
    assert sorted(open_directory(other)) == ["third"]
    assert "cannot be deleted" in commands["delete"]["err"]
    assert "ask its owner" in commands["delete"]["err"]
    for done in commands.values():
        assert "PermissionError" not in done["err"]


@USERS
@FILES
def test_an_asset_that_may_not_be_read_fails_the_copy_of_its_run_alone(shared, tmp_path):
    other = shared.directory.parent / "other"
    other.mkdir()
    os.chmod(other, 0o777)
    before = shared.snapshot()
    os.chmod(asset_of(shared, "first"), 0o600)
    read, commands = other_users.as_nobody(
        checked_and_copied, tmp_path / "report", shared.kind, shared.directory, other
    )
    assert shared.snapshot() == before
    assert [read[uid][0][0] for uid in ("first", "second")] == ["UnreadableAssetError", "ok"]
    assert commands["copy"]["out"].startswith("1 copied, 0 there already, 1 failed")
    (line,) = [line for line in commands["copy"]["err"].splitlines() if line.startswith("failed: first: ")]
    assert f"the file {asset_of(shared, 'first')} cannot be read by this user; ask its owner" in line
    assert "first-primary.h5" in commands["delete"]["err"]
    assert "cannot be read by this user" in commands["delete"]["err"]
    assert "problem: " in commands["check"]["out"]


def looked_at(kind, place):
    return [other_users.command(*words) for words in (("ls", place), ("check", place))]


@USERS
@FILES
def test_a_directory_of_runs_that_may_only_be_listed_is_checked_as_far_as_that_goes(shared, tmp_path):
    (shared.directory / f".third.{shared.kind}.0123abcd.part").write_text("begun")
    os.chmod(shared.directory, 0o744)
    try:
        listed, checked = other_users.as_nobody(looked_at, tmp_path / "report", shared.kind, shared.directory)
    finally:
        os.chmod(shared.directory, 0o755)
    assert listed["status"] == 0
    assert "1 more file is skipped" in listed["err"]
    assert checked["status"] == 1
    for name in ("first", "second", ".third"):
        (line,) = [line for line in checked["out"].splitlines() if f"/{name}.{shared.kind}" in line]
        assert "cannot be accessed (Permission denied); ask its owner for the permission to read it" in line
    assert "PermissionError" not in listed["err"] + checked["err"]


def in_a_sticky_directory(kind, place):
    leftovers = [os.path.join(place, f".{name}.msgpack.0123abcd.part") for name in ("a", "b")]
    mine = os.path.join(place, ".mine.msgpack.0123abcd.part")
    if os.path.exists(place):
        with open(mine, "w") as file:
            file.write("begun")
        os.utime(mine, (time.time() - OLD,) * 2)
    return (
        other_users.command("delete", place, "first", "--yes"),
        other_users.command("check", place, "--clean"),
        [os.path.exists(path) for path in (*leftovers, mine)],
    )


@USERS
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() != 0, reason="only root gives files to others")
@pytest.mark.parametrize("site", ["msgpack"], indirect=True)
def test_in_a_directory_with_the_sticky_bit_what_others_own_stays_and_is_named(shared, tmp_path):
    for name in ("a", "b"):
        path = shared.directory / f".{name}.msgpack.0123abcd.part"
        path.write_text("begun")
        os.utime(path, (time.time() - OLD,) * 2)
    os.chmod(shared.directory, 0o1777)
    before = shared.snapshot()
    deleted, cleaned, there = other_users.as_nobody(
        in_a_sticky_directory, tmp_path / "report", shared.kind, shared.directory
    )
    assert deleted["status"] == 1
    assert "the run 'first' cannot be deleted" in deleted["err"]
    assert "nothing was changed" in deleted["err"]
    assert "sticky bit" in deleted["err"]
    assert cleaned["status"] == 1
    assert "2 runs" in cleaned["out"]
    assert cleaned["out"].count("it could not be removed: in ") == 2
    assert "only the owner of a file removes it; ask that of the file, root, to do this" in cleaned["out"]
    assert "removed: " in cleaned["out"]
    assert there == [True, True, False]
    assert shared.snapshot() == before


ERRORS = {
    "no permission": (PermissionError(errno.EACCES, os.strerror(errno.EACCES)), NotWritableError, "Permission denied"),
    "read-only": (OSError(errno.EROFS, os.strerror(errno.EROFS)), NotWritableError, "Read-only file system"),
    "input/output": (OSError(errno.EIO, os.strerror(errno.EIO)), StoreFailedError, "Input/output error"),
}


def failing(error, only=""):
    """A function of one file that fails, for files with a word in their names."""
    real = os.unlink

    def fail(path, *args, **kwargs):
        if only in str(path):
            raise type(error)(error.errno, error.strerror, str(path))
        return real(path, *args, **kwargs)

    return fail


@FILES
@pytest.mark.parametrize(("error", "kind", "words"), ERRORS.values(), ids=ERRORS)
def test_a_clean_up_goes_on_after_a_file_that_cannot_be_removed(shared, monkeypatch, error, kind, words):
    for name in ("a", "b"):
        path = shared.directory / f".{name}{'.' + shared.kind}.0123abcd.part"
        path.write_text("begun")
        os.utime(path, (time.time() - OLD,) * 2)
    monkeypatch.setattr(os, "unlink", failing(error, only=".a."))
    result = run("check", str(shared.directory), "--clean")
    assert result.exit_code == 1
    first, second = [line for line in result.stdout.splitlines() if ".part" in line]
    assert first.startswith("leftover: ")
    assert f"it could not be removed: {words}" in first
    assert "--clean" not in first
    assert second.startswith("removed: ")
    (finding,) = [found for found in examine(shared.open()).findings if ".a." in found.where]
    clean([finding], 0)
    assert not finding.removed
    assert words in finding.as_json(0)["message"]


@FILES
@pytest.mark.parametrize(("error", "kind", "words"), ERRORS.values(), ids=ERRORS)
def test_a_deletion_that_fails_says_what_is_left_and_can_be_finished(shared, monkeypatch, error, kind, words):
    deletion = deletion_of(shared.open(), "first")
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", failing(error))
        with pytest.raises(kind, match=f"'first' cannot be deleted: .*{words}; nothing was changed"):
            deletion.execute()
    assert sorted(shared.open()) == ["first", "second"]
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", failing(error, only=".h5"))
        with pytest.raises(kind, match=f"first-primary.h5: {words}; delete it again to remove the rest"):
            deletion.execute()
    assert sorted(shared.open()) == ["second"]
    deletion_of(shared.open(), "first").execute()
    assert examine(shared.open()).findings == []


def cut_off(site, uid):
    """Give the files of a run the names that they have while a writer adds to them."""
    partial = [site.directory / f"{uid}.{site.kind}", asset_of(site, uid)]
    return [path.rename(path.with_name(f".{path.name}.0123abcd.part")) for path in partial]


@FILES
def test_what_is_recovered_but_cannot_be_removed_is_named(shared, monkeypatch):
    partial = cut_off(shared, "first")
    error = PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", failing(error, only="0123abcd"))
        with pytest.warns(StoreWarning, match="is recovered, but could not be removed: Permission denied") as warned:
            assert [run.uid for run in recover(shared.open())] == ["first"]
    assert sorted(shared.open()) == ["first", "second"]
    for path in partial:
        assert path.exists()
        assert any(str(path) in str(warning.message) for warning in warned)
    assert [run.uid for run in recover(shared.open())] == ["first"]
    (finding,) = examine(shared.open()).findings
    assert (finding.category, finding.where) == ("partial-asset", str(partial[1]))


def recovered(kind, place):
    return other_users.command("check", place, "--recover")


@USERS
@FILES
def test_a_partial_file_that_may_not_be_read_is_named_and_the_others_are_recovered(shared, tmp_path):
    for uid in ("first", "third"):
        if uid == "third":
            shared.open().store_run({"x": [1]}, uid=uid)
        path = shared.directory / f"{uid}.{shared.kind}"
        partial = path.rename(path.with_name(f".{path.name}.0123abcd.part"))
        if uid == "first":
            os.chmod(partial, 0o600)
    done = other_users.as_nobody(recovered, tmp_path / "report", shared.kind, shared.directory)
    assert done["status"] == 0
    assert "recovered: third" in done["out"]
    assert (
        f".first.{shared.kind}.0123abcd.part is not recovered: it cannot be read by this user; ask its owner"
        in (done["err"])
    )
    assert sorted(shared.open()) == ["second", "third"]


@FILES
def test_a_file_system_that_is_mounted_read_only_is_said_before_a_deletion(shared, monkeypatch):
    monkeypatch.setattr(file_permissions, "_is_read_only", lambda path: True)
    before = shared.snapshot()
    with pytest.raises(NotWritableError, match=r"mounted read-only; do this where .*; nothing was changed"):
        deletion_of(shared.open(), "first")
    assert shared.snapshot() == before


@FILES
@pytest.mark.parametrize("name", ["assets", "remarks"])
def test_a_file_in_the_place_of_a_directory_is_named(site, name):
    catalog = site.open()
    catalog.store_run({"x": [1]}, uid="first")
    path = site.directory / name
    path.touch()
    before = site.snapshot()
    store = {
        "assets": lambda: catalog.store_run(TABLE, one_event=True, asset_threshold=0),
        "remarks": lambda: catalog.annotate("first", "note"),
    }
    with pytest.raises(StoreFailedError, match=f"'{path}' is not a directory; move it away"):
        store[name]()
    assert site.snapshot() == before
    (finding,) = examine(site.open()).findings
    assert (finding.category, finding.where) == ("not-a-directory", str(path))
    assert "move it away" in finding.message
    result = run("check", str(site.directory))
    assert result.exit_code == 1
    assert "nothing to report" not in result.stdout
    path.unlink()
    assert examine(site.open()).findings == []


@FILES
def test_a_copy_says_that_a_file_is_missing_only_if_it_is(shared, tmp_path):
    asset_of(shared, "first").unlink()
    report = copy_runs(shared.open(), open_directory(tmp_path / "other"))
    assert report.copied == ["second"]
    assert "first-primary.h5 is missing; restore it" in str(report.failures["first"])
    with pytest.raises(UnreadableAssetError, match="is missing"):
        shared.open()["first"].primary.read()["image"].values.sum()
    shutil.rmtree(shared.directory / "assets")
    assert "is missing" in str(copy_runs(shared.open(), open_directory(tmp_path / "again")).failures["second"])


def copied(kind, place, other):
    return other_users.command("copy", place, other)


@USERS
@FILES
@pytest.mark.parametrize(("name", "mode"), [("remarks", 0o555), ("remarks", 0o300), ("assets", 0o555)])
def test_a_copy_into_directories_that_are_closed_reports_every_run(shared, tmp_path, name, mode):
    shared.open().store_run({"x": [1]}, uid="third")
    other = shared.directory.parent / "other"
    (other / name).mkdir(parents=True)
    os.chmod(other, 0o777)
    os.chmod(other / name, mode)
    done = other_users.as_nobody(copied, tmp_path / "report", shared.kind, shared.directory, other)
    os.chmod(other / name, 0o755)
    assert "PermissionError" not in done["err"]
    assert str(other / name) in done["err"]
    if name == "remarks":
        assert done["out"].startswith("3 copied, 0 there already")
        assert "Warning: 1 remark on the runs could not be copied" in done["err"]
    else:
        assert done["out"].startswith("1 copied, 0 there already, 2 failed")
        assert done["err"].count("no permission to store into the catalog 'other'") == 2


def listed(path, other):
    def uids():
        return sorted(sites.WritableMsgpackCatalog([path, other]))

    return other_users.outcome(uids)


@USERS
@pytest.mark.parametrize("site", ["msgpack"], indirect=True)
@pytest.mark.parametrize("mode", [0o311, 0o300], ids=["entered", "closed"])
def test_a_file_that_is_named_needs_no_permission_to_list_its_directory(shared, tmp_path, mode):
    path, missing = (shared.directory / f"{name}.msgpack" for name in ("first", "missing"))
    os.chmod(shared.directory, mode)
    result, warned = other_users.as_nobody(listed, tmp_path / "report", path, missing)
    os.chmod(shared.directory, 0o755)
    if mode == 0o311:
        assert (result, warned) == (["ok", "['first']"], [])
    else:
        assert result[0] == "InvalidCatalogError"
        assert f"the directory {str(shared.directory)!r} cannot be read by this user" in result[1]


@FILES
def test_a_process_with_too_many_open_files_is_told_so(shared):
    catalog = shared.open()
    with faults.no_file_can_be_opened(), pytest.raises(OSError, match="Too many open files") as caught:
        catalog.force_reload()
    assert "mounted" not in str(caught.value)
    assert sorted(catalog) == ["first", "second"]
