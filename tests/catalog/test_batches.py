"""``store_runs`` into catalogs of files: batches are durable, and fail run by run."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import databroker_writable
from databroker_writable.catalog import batches
from databroker_writable.drivers import WritableMsgpackCatalog
from databroker_writable.storage import file_writer as group
from databroker_writable.storage.file_writer import PublishingManager
from support import new_process
from support.example_runs import TABLE


@pytest.fixture
def catalog(tmp_path: Path) -> Any:
    return databroker_writable.open_directory(tmp_path / "runs")


def run_of(catalog: Any, uid: str, **table: Any) -> Any:
    return catalog.build_simple_run(table or TABLE, uid=uid)


def stored_elsewhere(catalog: Any) -> set[str]:
    """What another process would find."""
    return set(databroker_writable.open_directory(os.path.dirname(catalog.paths[0])))


def file_names(catalog: Any) -> list[str]:
    return sorted(os.listdir(os.path.dirname(catalog.paths[0])))


def fail_to_link(uid: str, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a run's file get its final name never."""
    link = os.link

    def faulty(source: str, target: str) -> None:
        if uid in os.path.basename(target):
            raise OSError(number, os.strerror(number), target)
        link(source, target)

    monkeypatch.setattr(os, "link", faulty)


def test_all_runs_of_several_batches_are_stored_in_order(catalog: Any) -> None:
    wanted = [f"run-{i}" for i in range(150)]
    uids = catalog.store_runs(run_of(catalog, uid) for uid in wanted)
    assert uids == wanted
    assert set(catalog) == stored_elsewhere(catalog) == set(wanted)
    assert catalog["run-149"].primary.read().x.values.tolist() == TABLE["x"]


def test_runs_whose_serializer_closes_its_files_are_published_together(
    catalog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    close, sync_directories, calls = PublishingManager.close, group.sync_directories, []

    def close_files(self: PublishingManager) -> None:
        close(self)
        for file in self._run.files:
            file.close()

    def note(paths: Any) -> None:
        calls.append(list(paths))
        sync_directories(calls[-1])

    monkeypatch.setattr(PublishingManager, "close", close_files)
    monkeypatch.setattr(group, "sync_directories", note)
    assert len(catalog.store_runs([TABLE] * 5)) == len(stored_elsewhere(catalog)) == 5
    assert [len(paths) for paths in calls if paths] == [5]


def test_one_run_that_fails_is_named_and_the_others_are_stored(catalog: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_to_link("run-2", errno.ENOSPC, monkeypatch)
    with pytest.raises(databroker_writable.StoreFailedError, match="1 of 5 runs were not stored") as caught:
        catalog.store_runs(run_of(catalog, f"run-{i}") for i in range(5))
    assert "the others were. The errors, by position:\n  2: StoreFailedError: " in str(caught.value)
    assert caught.value.stored == ["run-0", "run-1", "run-3", "run-4"]
    assert list(caught.value.failures) == [2]
    assert "No space left" in str(caught.value.failures[2])
    assert file_names(catalog) == [f"run-{i}.msgpack" for i in (0, 1, 3, 4)]
    assert stored_elsewhere(catalog) == set(catalog) == set(caught.value.stored)


def test_nothing_is_left_where_the_directory_cannot_be_synced(catalog: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog.store_run(TABLE, uid="first")
    fsync = os.fsync

    def faulty(descriptor: int) -> None:
        if os.path.isdir(f"/dev/fd/{descriptor}"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", faulty)
        with pytest.raises(databroker_writable.StoreFailedError) as caught:
            catalog.store_runs(run_of(catalog, uid) for uid in ("a", "b"))
    assert sorted(caught.value.failures) == [0, 1]
    assert file_names(catalog) == ["first.msgpack"]
    assert set(catalog) == {"first"}
    assert catalog.store_runs(run_of(catalog, uid) for uid in ("a", "b")) == ["a", "b"]


def test_a_batch_can_be_stored_while_the_interpreter_shuts_down(catalog: Any) -> None:
    directory = os.path.dirname(catalog.paths[0])
    program = (
        "import atexit, sys, databroker_writable\n"
        "catalog = databroker_writable.open_directory(sys.argv[1])\n"
        "atexit.register(lambda: print(len(catalog.store_runs([{'x': [1]}] * 5))))\n"
    )
    done = new_process.run_python(program, directory)
    assert (done.stdout.strip(), done.stderr) == ("5", "")
    assert len(stored_elsewhere(catalog)) == 5


@pytest.mark.parametrize("most", [0, 1, 3])
def test_a_batch_is_brought_to_the_disk_with_as_many_threads_as_can_be_started(
    catalog: Any, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, fsync = threading.Thread.start, os.fsync
    started: list[threading.Thread] = []
    failed: list[int] = []

    def limited(self: threading.Thread) -> None:
        if len(started) == most:
            raise RuntimeError("can't start new thread")
        started.append(self)
        start(self)

    def failing_at_first(descriptor: int) -> None:
        time.sleep(0.01)  # or one thread would do the work of all
        if not failed:
            failed.append(os.dup(descriptor))
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(descriptor)

    monkeypatch.setattr(threading.Thread, "start", limited)
    monkeypatch.setattr(os, "fsync", failing_at_first)
    assert len(catalog.store_runs([TABLE] * 16)) == len(stored_elsewhere(catalog)) == 16
    assert len(started) == most
    # that file may not be on the disk, whatever a second fsync says: its run was written again
    assert os.fstat(failed[0]).st_nlink == 0
    os.close(failed[0])


def test_the_same_run_twice_in_a_batch_is_stored_once(catalog: Any) -> None:
    run = run_of(catalog, "twice")
    assert catalog.store_runs([run, run]) == ["twice", "twice"]
    assert stored_elsewhere(catalog) == {"twice"}


def test_another_run_under_the_same_uid_in_a_batch_is_refused(catalog: Any) -> None:
    with pytest.raises(databroker_writable.StoreFailedError) as caught:
        catalog.store_runs([run_of(catalog, "taken", x=[1]), run_of(catalog, "taken", x=[2]), run_of(catalog, "free")])
    assert isinstance(caught.value.failures[1], databroker_writable.RunExistsError)
    assert caught.value.stored == ["taken", "free"]
    assert catalog["taken"].primary.read().x.values.tolist() == [1]


def test_a_run_that_another_process_stores_meanwhile_is_left_alone(
    catalog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = databroker_writable.open_directory(os.path.dirname(catalog.paths[0]))
    link, done = os.link, []

    def late(source: str, target: str) -> None:
        if not done:
            done.append(target)
            other.store_run({"x": [7]}, uid="raced")
        link(source, target)

    monkeypatch.setattr(os, "link", late)
    with pytest.raises(databroker_writable.StoreFailedError) as caught:
        catalog.store_runs([run_of(catalog, "mine"), run_of(catalog, "raced", x=[1])])
    assert isinstance(caught.value.failures[1], databroker_writable.RunExistsError)
    assert caught.value.stored == ["mine"]
    assert catalog["raced"].primary.read().x.values.tolist() == [7]


def test_a_run_that_cannot_be_looked_up_fails_alone(tmp_path: Path) -> None:
    directories = [tmp_path / "b1", tmp_path / "b2"]
    for directory in directories:
        directory.mkdir()
    paths = [str(directory / "*.msgpack") for directory in directories]
    catalog = WritableMsgpackCatalog(paths)
    assert list(catalog) == []
    databroker_writable.open_directory(directories[0]).store_run(TABLE, uid="run-5")
    directories[1].rmdir()
    directories[1].symlink_to(directories[1])
    wanted = [f"run-{i}" for i in range(70)]
    with pytest.raises(databroker_writable.StoreFailedError, match="1 of 70 runs were not stored") as caught:
        catalog.store_runs(run_of(catalog, uid) for uid in wanted)
    assert list(caught.value.failures) == [5]
    assert "b2' cannot be read" in str(caught.value.failures[5])
    assert caught.value.stored == [uid for uid in wanted if uid != "run-5"]
    assert stored_elsewhere(catalog) == set(wanted)


def test_runs_that_are_stored_but_cannot_be_shown_together_are_shown_singly(
    catalog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    getmtime, failed = os.path.getmtime, []

    def fail_once(path: str) -> float:
        if not failed:
            failed.append(path)
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return getmtime(path)

    monkeypatch.setattr(os.path, "getmtime", fail_once)
    assert catalog.store_runs(run_of(catalog, uid) for uid in ("a", "b", "c")) == ["a", "b", "c"]
    assert len(failed) == 1
    assert set(catalog) == stored_elsewhere(catalog) == {"a", "b", "c"}


def test_a_run_that_cannot_be_kept_in_memory_is_not_stored(catalog: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    copy, copied = batches.private_copy, []

    def fail_once(doc: Any) -> Any:
        copied.append(doc)
        if len(copied) == 2:
            raise MemoryError
        return copy(doc)

    monkeypatch.setattr(batches, "private_copy", fail_once)
    with pytest.raises(databroker_writable.StoreFailedError, match="1 of 3") as caught:
        catalog.store_runs(run_of(catalog, uid) for uid in ("a", "b", "c"))
    assert list(caught.value.failures) == [1]
    assert caught.value.stored == ["a", "c"]
    assert stored_elsewhere(catalog) == {"a", "c"}


def test_what_an_iterable_gave_before_it_failed_is_stored(catalog: Any) -> None:
    def runs() -> Iterator[Any]:
        yield run_of(catalog, "given")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        catalog.store_runs(runs())
    assert stored_elsewhere(catalog) == {"given"}


def test_a_full_batch_is_stored_before_the_next_run_is_asked_for(catalog: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH_BYTES", 10_000)
    seen = []

    def runs() -> Iterator[Any]:
        for i in range(6):
            seen.append(len(stored_elsewhere(catalog)))
            yield {"x": [float(i)] * 30}

    catalog.store_runs(runs())
    assert seen == [0, 0, 2, 2, 4, 4]


def test_an_interrupted_batch_leaves_nothing(catalog: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [run_of(catalog, uid) for uid in ("a", "b", "c")]
    fsync = os.fsync

    def interrupted(descriptor: int) -> None:
        if os.path.isdir(f"/dev/fd/{descriptor}"):
            raise KeyboardInterrupt
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            catalog.store_runs(runs)
    assert file_names(catalog) == []
    assert catalog.store_runs(runs) == ["a", "b", "c"]
