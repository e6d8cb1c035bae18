"""How a file becomes durable, whatever the file system answers."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import databroker_writable
from databroker_writable import StoreFailedError, StoreWarning, open_directory
from databroker_writable.storage import durable_file
from databroker_writable.storage.assets.hdf5_file import NewHDF5File
from databroker_writable.storage.durable_file import NewFile, final_name, sync_directories
from databroker_writable.storage.file_locks import is_being_written
from databroker_writable.storage.file_permissions import make_directories
from support import new_process

SOURCES = Path(databroker_writable.__file__).parent


def failing(function: str, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, function, fail)


def done_and_reported_as(function: str, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As over NFS, where the answer to a request that was carried out is lost, and the request repeated."""
    really = getattr(os, function)

    def do_and_fail(*args: Any, **kwargs: Any) -> None:
        really(*args, **kwargs)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, function, do_and_fail)


def published(path: Path, content: bytes = b"content") -> NewFile:
    with NewFile(str(path)) as file:
        file.write(content)
        file.publish()
    return file


def names(directory: Path) -> list[str]:
    return sorted(os.listdir(directory))


def test_one_module_makes_files_durable() -> None:
    texts = {path.name: path.read_text(encoding="utf-8") for path in SOURCES.rglob("*.py")}
    calls = re.compile(r"\bos\.(fsync|fdatasync|link)\(")
    assert {name for name, text in texts.items() if calls.search(text)} == {"durable_file.py"}
    assert not [name for name, text in texts.items() if "st_nlink" in text]


def test_a_file_is_hidden_until_it_is_published(tmp_path: Path) -> None:
    with NewFile(str(tmp_path / "new" / "run.msgpack")) as file:
        file.write(b"content")
        (name,) = names(tmp_path / "new")
        assert name.startswith(".run.msgpack.")
        assert final_name(name) == "run.msgpack"
        assert Path(file.partial).read_bytes() == b"content"
        file.publish()
    assert names(tmp_path / "new") == ["run.msgpack"]
    assert file.closed


def test_what_is_not_published_is_gone_with_the_directories_that_were_made_for_it(tmp_path: Path) -> None:
    with contextlib.suppress(ZeroDivisionError), NewFile(str(tmp_path / "a" / "b" / "run.msgpack")):
        raise ZeroDivisionError
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "name", ["run.msgpack", ".run.msgpack", ".run.part", ".run.msgpack.12345678", "x.12345678.part"]
)
def test_names_of_other_files_are_not_taken_for_partial_ones(name: str) -> None:
    assert final_name(name) is None


@pytest.mark.parametrize("number", [errno.EEXIST, errno.EIO, errno.ENOENT])
def test_a_link_that_was_made_and_reported_as_failed_counts(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    done_and_reported_as("link", number, monkeypatch)
    published(tmp_path / "run.msgpack")
    assert (tmp_path / "run.msgpack").read_bytes() == b"content"
    assert names(tmp_path) == ["run.msgpack"]


def test_a_link_counts_though_the_number_of_links_is_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really = os.stat

    def cached(*args: Any, **kwargs: Any) -> os.stat_result:
        fields = list(really(*args, **kwargs))
        fields[3] = 1
        return os.stat_result(fields)

    monkeypatch.setattr(os, "stat", cached)
    done_and_reported_as("link", errno.EEXIST, monkeypatch)
    published(tmp_path / "run.msgpack")
    assert names(tmp_path) == ["run.msgpack"]


def test_a_backup_that_links_partial_files_does_not_win_the_name(tmp_path: Path) -> None:
    with NewFile(str(tmp_path / "run.msgpack")) as file:
        os.link(file.partial, tmp_path / "backup")
        (tmp_path / "run.msgpack").write_bytes(b"another writer's")
        with pytest.raises(FileExistsError):
            file.publish()
    assert (tmp_path / "run.msgpack").read_bytes() == b"another writer's"
    assert names(tmp_path) == ["backup", "run.msgpack"]


@pytest.mark.parametrize(
    "number",
    [
        *(errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV),
        *(errno.EINVAL, errno.EACCES, errno.ENOTTY, errno.EROFS),
    ],
    ids=errno.errorcode.get,
)
def test_files_are_published_where_hard_links_are_refused(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing("link", number, monkeypatch)
    published(tmp_path / "run.msgpack")
    with pytest.raises(FileExistsError):
        published(tmp_path / "run.msgpack", b"another")
    assert (tmp_path / "run.msgpack").read_bytes() == b"content"
    assert names(tmp_path) == ["run.msgpack"]


def test_a_rename_that_was_made_and_reported_as_failed_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing("link", errno.EPERM, monkeypatch)
    done_and_reported_as("replace", errno.ENOENT, monkeypatch)
    published(tmp_path / "run.msgpack")
    assert (tmp_path / "run.msgpack").read_bytes() == b"content"


def test_a_disk_that_fails_is_not_taken_for_one_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing("link", errno.ENOSPC, monkeypatch)
    with pytest.raises(OSError, match="No space left"):
        published(tmp_path / "run.msgpack")
    assert names(tmp_path) == []


@pytest.fixture
def refuse_sync(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let fsync fail for files, or for directories."""
    really = os.fsync

    def refuse(number: int, *, directories: bool) -> None:
        def fsync(descriptor: int) -> None:
            if stat.S_ISDIR(os.fstat(descriptor).st_mode) is directories:
                raise OSError(number, os.strerror(number))
            really(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)

    return refuse


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.EACCES], ids=errno.errorcode.get)
def test_file_systems_may_refuse_to_sync_directories_but_not_files(
    tmp_path: Path, number: int, refuse_sync: Any
) -> None:
    refuse_sync(number, directories=True)
    published(tmp_path / "run.msgpack")
    assert names(tmp_path) == ["run.msgpack"]
    refuse_sync(number, directories=False)
    with pytest.raises(OSError, match=re.escape(os.strerror(number))):
        published(tmp_path / "other.msgpack")
    assert names(tmp_path) == ["run.msgpack"]


def test_a_directory_that_cannot_be_brought_to_the_disk_holds_nothing_new(tmp_path: Path, refuse_sync: Any) -> None:
    refuse_sync(errno.EIO, directories=True)
    with pytest.raises(OSError, match=re.escape(os.strerror(errno.EIO))):
        published(tmp_path / "run.msgpack")
    assert names(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root, to become another user")
def test_a_directory_that_may_not_be_listed_is_passed_over(tmp_path: Path) -> None:
    tmp_path.chmod(0o333)

    def sync() -> None:
        os.setuid(65534)
        sync_directories([str(tmp_path / "run.msgpack")])

    assert exit_status(sync) == 0


def test_a_hidden_name_that_cannot_be_removed_is_named_and_the_file_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        failing("unlink", errno.EPERM, patch)
        with pytest.warns(
            StoreWarning, match=r"run\.msgpack: it was stored, but its hidden name .* could not be removed"
        ):
            published(tmp_path / "run.msgpack")
    assert [final_name(name) for name in names(tmp_path)] == ["run.msgpack", None]
    assert (tmp_path / "run.msgpack").read_bytes() == b"content"


def test_an_append_only_directory_takes_runs(tmp_path: Path) -> None:
    directory = tmp_path / "runs"
    catalog = databroker_writable.open_directory(directory)
    if subprocess.run(["chattr", "+a", directory], capture_output=True, check=False).returncode:
        pytest.skip("needs root and a file system with attributes")
    try:
        with pytest.warns(StoreWarning, match="was stored, but its hidden name"):
            run = catalog.store_run({"x": [1, 2]})
    finally:
        subprocess.run(["chattr", "-a", directory], check=True)
    assert run.primary.read()["x"].values.tolist() == [1, 2]
    assert len(databroker_writable.open_directory(directory)) == 1


def test_a_file_is_locked_while_it_is_written_and_no_longer(tmp_path: Path) -> None:
    with NewFile(str(tmp_path / "run.msgpack")) as file:
        assert is_being_written(file.partial)
        link = tmp_path / "link"
        os.link(file.partial, link)
        file.publish()
    assert not is_being_written(str(link))
    assert not is_being_written(file.path)
    assert not is_being_written(str(tmp_path / "missing"))


def exit_status(function: Any) -> int:
    """Call in a forked child, and give its exit status."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 1
    try:
        function()
        status = 0
    finally:
        os._exit(status)


def test_the_lock_of_a_killed_writer_is_free_though_its_children_live(tmp_path: Path) -> None:
    program = """
import os, signal, sys, time
from databroker_writable.storage.durable_file import NewFile

file = NewFile(sys.argv[1])
file.write(b"content")
print(file.partial, flush=True)
if os.fork() == 0:
    time.sleep(60)
    os._exit(0)
time.sleep(60)
"""
    command = [sys.executable, "-c", program, str(tmp_path / "run.msgpack")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as writer:
        try:
            assert writer.stdout is not None
            partial = writer.stdout.readline().strip()
            assert is_being_written(partial)
            time.sleep(0.5)
            writer.kill()
            writer.wait()
            assert not is_being_written(partial)
        finally:
            os.killpg(writer.pid, signal.SIGKILL)


def test_a_forked_child_changes_nothing(tmp_path: Path) -> None:
    with NewFile(str(tmp_path / "run.msgpack")) as file:
        file.write(b"parent")

        def child() -> None:
            file.write(b"child")
            file.seek(0)
            file.flush()
            for publish in (file.sync, file.link, file.publish, file.replace):
                with pytest.raises(StoreFailedError, match="belongs to the process"):
                    publish()
            file.abandon()

        assert exit_status(child) == 0
        assert is_being_written(file.partial)
        file.write(b" only")
        file.publish()
    assert (tmp_path / "run.msgpack").read_bytes() == b"parent only"


def test_a_file_stays_young_while_its_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with NewFile(str(tmp_path / "run.msgpack")) as file:
        os.utime(file.partial, (0, 0))
        file.renew()
        assert os.stat(file.partial).st_mtime == 0
        monkeypatch.setattr(durable_file, "RENEWAL_SECONDS", 0)
        file.renew()
        assert os.stat(file.partial).st_mtime > time.time() - 60


def test_an_interrupt_in_the_middle_leaves_a_whole_file_or_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = os.link

    def link(*args: Any) -> None:
        really(*args)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(KeyboardInterrupt):
        published(tmp_path / "run.msgpack")
    assert names(tmp_path) == ["run.msgpack"]


@pytest.mark.parametrize("place", ["", "new"])
def test_an_interrupt_while_a_file_is_made_leaves_none(
    tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def share_with_group(*args: Any) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(durable_file, "share_with_group", share_with_group)
    for make in (NewFile, NewHDF5File):
        with pytest.raises(KeyboardInterrupt):
            make(str(tmp_path / place / "run.msgpack"))
        assert names(tmp_path) == []


def test_an_interrupt_while_the_file_of_a_run_is_made_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = open_directory(tmp_path / "runs")

    def share_with_group(*args: Any) -> None:
        signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(durable_file, "share_with_group", share_with_group)
        with pytest.raises(KeyboardInterrupt):
            catalog.store_run({"x": [1]}, uid="run-1")
    assert not list(tmp_path.rglob("*.part"))
    assert catalog.store_run({"x": [1]}, uid="run-1") is not None


@contextlib.contextmanager
def umask(value: int) -> Iterator[None]:
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


def mode_of(path: str | Path) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.mark.parametrize("mask", [0o002, 0o022, 0o027, 0o077])
@pytest.mark.parametrize("shared", [0o2775, 0o2770, 0o2750, 0o775])
def test_what_is_made_in_a_shared_directory_has_the_rights_of_its_group(tmp_path: Path, shared: int, mask: int) -> None:
    os.chmod(tmp_path, shared)
    with umask(mask):
        file = published(tmp_path / "2026" / "11" / "run.msgpack")
    for directory in (tmp_path / "2026", tmp_path / "2026" / "11"):
        assert mode_of(directory) & 0o2070 == shared & 0o2070
        assert mode_of(directory) & 0o707 == 0o705 & ~mask
    assert mode_of(file.path) == 0o604 & ~mask | shared & 0o060


@pytest.mark.parametrize("mask", [0o002, 0o022, 0o077])
def test_elsewhere_the_umask_rules(tmp_path: Path, mask: int) -> None:
    os.chmod(tmp_path, 0o755)
    with umask(mask):
        make_directories(str(tmp_path / "2026"))
        file = published(tmp_path / "run.msgpack")
    assert mode_of(tmp_path / "2026") == 0o775 & ~mask
    assert mode_of(file.path) == 0o664 & ~mask


def test_a_relative_path_is_made_below_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert make_directories("2026/11") == [str(tmp_path / "2026"), str(tmp_path / "2026" / "11")]
    assert make_directories("2026/11") == make_directories(".") == make_directories("") == []
    assert make_directories("2026/../2027") == [str(tmp_path / "2027")]


STORE_AS = """
import os, sys, tempfile
user, group, mask, directory = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
import dask, databroker_writable

os.chdir("/")

def store(directory, uid):
    catalog = databroker_writable.open_directory(directory)
    catalog.store_run({"image": [[[1.0, 2.0]], [[3.0, 4.0]]]}, uid=uid, asset_threshold=0)
    for uid in catalog:
        assert catalog[uid].primary.read()["image"].shape == (2, 1, 2)

dask.config.set(scheduler="synchronous")
with tempfile.TemporaryDirectory() as elsewhere:
    # imports what this user may not be allowed to read
    store(elsewhere, "first")
os.setgroups([group])
os.setgid(user)
os.setuid(user)
os.umask(mask)
store(directory, f"run-{user}")
"""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root, to become several users")
def test_users_of_a_group_share_a_directory_whatever_their_umasks() -> None:
    group = 54321
    # other users may not look into pytest's own
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        directory = os.path.join(place, "runs")
        os.mkdir(directory)
        os.chown(directory, 0, group)
        os.chmod(directory, 0o2770)
        for number, mask in enumerate((0o077, 0o022)):
            done = new_process.run_python(STORE_AS, 50001 + number, group, mask, directory)
            assert done.stderr == ""
        assert len(databroker_writable.open_directory(directory)) == 2
