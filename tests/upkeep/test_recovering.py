"""``recover``: what killed writers have left becomes runs; nothing is lost, and nothing made up."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import event_model
import numpy
import pytest
from click.testing import CliRunner

import databroker_writable
from databroker_writable import NotWritableError, StoreFailedError, StoreWarning, to_dataset
from databroker_writable.cli import main
from databroker_writable.storage.run_file_readers import read_msgpack
from databroker_writable.upkeep import examine, recovering
from support import children, sites

FOREVER = 10**9


def add_for_ever(report: Any, kind: str, directory: str, threshold: int) -> None:
    """Add Events to the run "scan" and report each before it is added."""
    catalog = sites.opened(kind, directory, asset_threshold=threshold)
    with catalog.run_builder(uid="scan", metadata={"sample": "Cu"}) as builder:
        builder.add_stream("baseline", data={"temperature": [295.0]})
        builder.add_stream("primary", data={"x": [0], "image": numpy.zeros((1, 20, 20), "u2")})
        for number in range(1, 100_000):
            report(number)
            builder.add_data("primary", {"x": [number], "image": numpy.full((1, 20, 20), number, "u2")})


def leave_a_killed_writer(kind: str, directory: Path, threshold: int) -> int:
    """Kill a process that adds Events to the run "scan"; give how many it had certainly added."""
    directory.mkdir(exist_ok=True)
    with children.child(add_for_ever, directory.parent / "report", kind, str(directory), threshold) as writer:
        writer.wait_for(5)
        time.sleep(random.uniform(0, 0.2))
        writer.kill()
        return len(writer.lines())


def numbers_in(run: Any) -> list[int]:
    dataset = to_dataset(run)
    numbers = dataset["x"].values.tolist()
    images = numpy.asarray(dataset["image"])
    assert (images == numpy.asarray(numbers, "u2")[:, None, None]).all()
    return numbers


@pytest.mark.parametrize("threshold", [0, FOREVER], ids=["assets", "inline"])
@pytest.mark.parametrize("kind", ["msgpack", "jsonl"])
def test_all_that_was_added_is_recovered(tmp_path, kind, threshold):
    directory = tmp_path / "runs"
    added = leave_a_killed_writer(kind, directory, threshold)
    catalog = sites.opened(kind, str(directory), handler_registry=None)
    assert list(catalog) == []
    (run,) = databroker_writable.recover(catalog)
    assert (run.uid, run.events_left_out) == ("scan", 0)
    numbers = numbers_in(catalog["scan"])
    assert numbers == list(range(len(numbers)))
    assert added <= len(numbers) <= added + 1
    stop = catalog["scan"].metadata["stop"]
    assert (stop["exit_status"], stop["num_events"]) == ("abort", {"baseline": 1, "primary": len(numbers)})
    assert stop["reason"] == f"recovered: the writer was killed after {run.documents} documents"
    assert databroker_writable.recover(catalog) == []
    assert not list(directory.rglob("*.part"))


def test_a_uid_that_another_run_has_is_left_to_it(tmp_path):
    directory = tmp_path / "runs"
    leave_a_killed_writer("msgpack", directory, FOREVER)
    catalog = databroker_writable.open_directory(directory)
    other = catalog.store_run({"x": [7]}, uid="scan")
    (run,) = databroker_writable.recover(catalog)
    assert run.uid != "scan" == run.written_uid
    assert catalog["scan"].metadata == other.metadata
    assert catalog[run.uid].metadata["stop"]["reason"].endswith("another run has its uid, scan")


def add_once_and_be_killed(report: Any, directory: str, number: int, asset_root: str | None) -> None:
    """Add some Events to the run "scan", the more the higher the number, which is in all of them."""
    catalog = databroker_writable.open_directory(directory, asset_threshold=0, asset_root=asset_root)
    builder = catalog.run_builder(uid="scan")
    builder.add_stream("primary", data={"x": [number] * number, "image": numpy.full((number, 20, 20), number, "u2")})
    report("added")
    time.sleep(1000)


def leave_attempt(directory: Path, number: int, asset_root: str | None = None) -> None:
    report = directory.parent / f"report-{number}"
    with children.child(add_once_and_be_killed, report, str(directory), number, asset_root) as writer:
        writer.wait_for("added")
        writer.kill()


def test_attempts_of_one_run_keep_their_own_arrays(tmp_path):
    directory = tmp_path / "runs"
    for number in (3, 1, 2):
        leave_attempt(directory, number)
    catalog = databroker_writable.open_directory(directory)
    recovered = databroker_writable.recover(catalog)
    assert {run.written_uid for run in recovered} == {"scan"}
    assert [run.events_left_out for run in recovered] == [0, 0, 0]
    assert sorted(numbers_in(catalog[run.uid]) for run in recovered) == [[1], [2, 2], [3, 3, 3]]
    assert not list(directory.rglob("*.part"))


def test_an_attempt_does_not_get_the_arrays_of_the_run_that_was_stored_after_it(tmp_path):
    directory = tmp_path / "runs"
    leave_attempt(directory, 1)
    catalog = databroker_writable.open_directory(directory, asset_threshold=0)
    catalog.store_run({"x": [9, 9], "image": numpy.full((2, 20, 20), 9, "u2")}, uid="scan")
    (run,) = databroker_writable.recover(catalog)
    assert numbers_in(catalog[run.uid]) == [1]
    assert numbers_in(catalog["scan"]) == [9, 9]


def test_a_recovery_of_a_run_with_a_new_uid_that_was_cut_off_is_finished_by_the_next(tmp_path, monkeypatch):
    directory = tmp_path / "runs"
    leave_attempt(directory, 1)
    catalog = databroker_writable.open_directory(directory, asset_threshold=0)
    catalog.store_run({"x": [9], "image": numpy.full((1, 20, 20), 9, "u2")}, uid="scan")
    with monkeypatch.context() as patch:
        patch.setattr(recovering.PartialAssets, "remove", lambda self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            databroker_writable.recover(catalog)
    (run,) = databroker_writable.recover(databroker_writable.open_directory(directory))
    assert len(databroker_writable.open_directory(directory)) == 2
    assert numbers_in(databroker_writable.open_directory(directory)[run.uid]) == [1]
    assert not list(directory.glob(".*.part"))


def test_two_recoveries_at_a_time_recover_each_run_once(tmp_path, monkeypatch):
    directory = tmp_path / "runs"
    for number in (1, 2):
        leave_attempt(directory, number)
    others = []

    def recovered_beside_another(catalog: Any, documents: Any) -> Any:
        monkeypatch.undo()
        others.extend(databroker_writable.recover(databroker_writable.open_directory(directory)))
        return recover_one(catalog, documents)

    recover_one = recovering._recovered
    monkeypatch.setattr(recovering, "_recovered", recovered_beside_another)
    catalog = databroker_writable.open_directory(directory)
    ours = databroker_writable.recover(catalog)
    assert (len(ours), len(others)) == (1, 1)
    runs = databroker_writable.open_directory(directory)
    assert sorted(numbers_in(runs[run.uid]) for run in (*ours, *others)) == [[1], [2, 2]]
    assert len(runs) == 2


def test_a_recovery_that_was_cut_off_is_finished_by_the_next(tmp_path, monkeypatch):
    directory = tmp_path / "runs"
    leave_a_killed_writer("msgpack", directory, 0)
    catalog = databroker_writable.open_directory(directory)
    with monkeypatch.context() as patch:
        patch.setattr("databroker_writable.upkeep.recovering.PartialAssets.remove", lambda self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            databroker_writable.recover(catalog)
    assert list(catalog) == ["scan"]
    databroker_writable.recover(databroker_writable.open_directory(directory))
    assert list(databroker_writable.open_directory(directory)) == ["scan"]
    assert not list(directory.glob(".*.part"))


def test_a_full_disk_is_said_in_our_words_and_the_next_recovery_succeeds(tmp_path, monkeypatch):
    directory = tmp_path / "runs"
    leave_attempt(directory, 2)
    catalog = databroker_writable.open_directory(directory)
    with monkeypatch.context() as patch:

        def fill(*arguments: Any) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        patch.setattr("shutil.copyfileobj", fill)
        with pytest.raises(StoreFailedError, match=r"No space left on device.*a retry is safe"):
            databroker_writable.recover(catalog)
    assert list(catalog) == []
    assert [run.uid for run in databroker_writable.recover(catalog)] == ["scan"]
    assert numbers_in(catalog["scan"]) == [2, 2]


def test_what_is_being_written_or_holds_no_run_is_left_alone(tmp_path):
    catalog = databroker_writable.open_directory(tmp_path)
    (tmp_path / ".cut.msgpack.0123abcd.part").write_bytes(b"\x92\xa5sta")
    with catalog.run_builder(uid="scan") as builder:
        builder.add_stream("primary", data={"x": [1]})
        assert databroker_writable.recover(catalog) == []
        builder.add_data("primary", {"x": [2]})
    assert to_dataset(catalog["scan"])["x"].values.tolist() == [1, 2]
    assert [path.name for path in tmp_path.glob(".*.part")] == [".cut.msgpack.0123abcd.part"]


@pytest.mark.parametrize("site", ["mongo-normalized[mongomock]", "mongo-embedded[mongomock]"], indirect=True)
def test_mongodb_holds_nothing_to_recover_and_says_so(catalog):
    with pytest.raises(NotWritableError, match="only catalogs of files keep what a killed writer has written"):
        databroker_writable.recover(catalog)


def test_the_command_recovers_and_says_what(tmp_path):
    directory = tmp_path / "runs"
    leave_a_killed_writer("msgpack", directory, FOREVER)
    listed = CliRunner().invoke(main, ["check", str(directory)])
    assert "--recover publishes what it holds" in listed.output
    result = CliRunner().invoke(main, ["check", "--recover", str(directory)])
    assert result.exit_code == 0, result.output
    assert "recovered: scan: " in result.output
    assert "1 run recovered" in result.output


def test_the_command_says_of_a_run_with_a_new_uid_which_one_it_was(tmp_path):
    directory = tmp_path / "runs"
    leave_a_killed_writer("msgpack", directory, FOREVER)
    databroker_writable.open_directory(directory).store_run({"x": [7]}, uid="scan")
    result = CliRunner().invoke(main, ["check", "--recover", str(directory)])
    assert "documents of the run 'scan', whose uid another run has" in result.output


ATTACHING = """
import os, signal, sys
from support import sites
kind, directory = sys.argv[1:]
with sites.opened(kind, directory).run_builder(uid="scan") as builder:
    builder.add_stream("primary", data={"x": [1, 2]})
    builder.attach({"notes.txt": "before the crash", "film.mp4": bytes(2_000_000)})
    builder.add_data("primary", data={"x": [3]})
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("kind", ["msgpack", "jsonl"])
def test_attachments_of_a_killed_writer_are_recovered(tmp_path, kind):
    directory = tmp_path / "runs"
    directory.mkdir()
    command = [sys.executable, "-W", "ignore", "-c", ATTACHING, kind, str(directory)]
    assert subprocess.run(command, cwd=Path(__file__).parents[1]).returncode == -signal.SIGKILL
    catalog = sites.opened(kind, str(directory), handler_registry=None)
    databroker_writable.recover(catalog)
    files = databroker_writable.attachments(catalog["scan"])
    assert dict(files) == {"notes.txt": b"before the crash", "film.mp4": bytes(2_000_000)}
    assert to_dataset(catalog["scan"])["x"].values.tolist() == [1, 2, 3]


def insert_and_be_killed(report: Any, directory: str, documents: list[tuple[str, Any]]) -> None:
    """Insert documents as an acquisition does, and wait for the end."""
    catalog = databroker_writable.open_directory(directory)
    for name, doc in documents:
        catalog.v1.insert(name, doc)
    report("inserted")
    time.sleep(1000)


def leave_acquisition(directory: Path, documents: list[tuple[str, Any]]) -> None:
    report = directory.parent / f"report-{documents[0][1]['uid']}"
    with children.child(insert_and_be_killed, report, str(directory), documents) as writer:
        writer.wait_for("inserted")
        writer.kill()


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("start", {"note": "{{ text }}"}),
        ("start", {"sample": 42}),
        ("start", {"a.b": 1}),
        ("descriptor", {"time": None}),
        ("event_page", {"time": [-2.0, -1.0, 0.0]}),
        ("event_page", {"time": [None, "now", 5.0]}),
    ],
)
def test_what_an_acquisition_inserted_is_recovered_though_store_run_refuses_it(tmp_path, name, changes):
    documents = children.documents_of("scan", 3)[:-1]
    for part, doc in documents:
        doc.update(changes if part == name else {})
    leave_acquisition(tmp_path / "runs", documents)
    catalog = databroker_writable.open_directory(tmp_path / "runs")
    (run,) = databroker_writable.recover(catalog)
    assert (run.uid, run.documents) == ("scan", 3)
    assert list(databroker_writable.open_directory(tmp_path / "runs")) == ["scan"]
    stored = list(read_msgpack(str(tmp_path / "runs" / "scan.msgpack")))
    assert next(doc for part, doc in stored if part == name).items() >= changes.items()
    assert stored[-1][1]["exit_status"] == "abort"
    assert not list(tmp_path.rglob("*.part"))


def test_a_run_that_cannot_be_recovered_is_named_and_the_others_are_recovered(tmp_path):
    directory = tmp_path / "runs"
    start, *rest = children.documents_of("bad", 1)[:-1]
    nowhere = {"spec": "DATABROKER_WRITABLE_HDF5", "root": "/", "resource_path": "no.h5", "resource_kwargs": {}}
    resource = ("resource", {"uid": "r", "run_start": "bad", "path_semantics": "posix", **nowhere})
    leave_acquisition(
        directory, [start, resource, ("datum", {"datum_id": "r/0", "resource": "r", "datum_kwargs": {}}), *rest]
    )
    leave_acquisition(directory, children.documents_of("good", 1)[:-1])
    catalog = databroker_writable.open_directory(directory)
    with pytest.warns(StoreWarning, match=r"\.bad\.msgpack\.\w{8}\.part is not recovered, and stays as it is"):
        recovered = databroker_writable.recover(catalog)
    assert [run.uid for run in recovered] == list(catalog) == ["good"]
    assert [path.name[:12] for path in directory.glob(".*.part")] == [".bad.msgpack"]


def test_a_copy_of_arrays_that_a_killed_recovery_left_is_not_taken_for_the_arrays(tmp_path):
    directory = tmp_path / "runs"
    leave_attempt(directory, 3)
    (partial,) = directory.rglob(".scan-primary.h5.*.part")
    partial.with_name(".scan-primary.h5.00000000.part").write_bytes(partial.read_bytes()[:-1000])
    catalog = databroker_writable.open_directory(directory)
    (run,) = databroker_writable.recover(catalog)
    assert run.events_left_out == 0
    assert numbers_in(catalog["scan"]) == [3, 3, 3]
    assert not list(directory.rglob("*.part"))


def test_arrays_are_recovered_after_their_directory_was_moved(tmp_path):
    leave_attempt(tmp_path / "runs", 3)
    (tmp_path / "runs").rename(tmp_path / "moved")
    catalog = databroker_writable.open_directory(tmp_path / "moved")
    (run,) = databroker_writable.recover(catalog)
    assert run.events_left_out == 0
    assert numbers_in(catalog["scan"]) == [3, 3, 3]
    assert not list(tmp_path.rglob("*.part"))


def store_and_be_killed_before_publication(report: Any, directory: str) -> None:
    link = os.link

    def link_arrays(source: str, target: str) -> None:
        if target.endswith(".msgpack"):
            os.kill(os.getpid(), signal.SIGKILL)
        link(source, target)

    os.link = link_arrays  # type: ignore[assignment]
    catalog = databroker_writable.open_directory(directory, asset_threshold=0)
    catalog.store_run({"x": [1, 2], "image": numpy.zeros((2, 20, 20), "u2")}, uid="scan")


def test_a_complete_run_whose_arrays_are_lost_is_recovered_without_their_events(tmp_path):
    with children.child(store_and_be_killed_before_publication, tmp_path / "report", str(tmp_path / "runs")) as writer:
        assert writer.wait() == -signal.SIGKILL
    (arrays,) = tmp_path.rglob("*.h5")
    arrays.unlink()
    catalog = databroker_writable.open_directory(tmp_path / "runs")
    (run,) = databroker_writable.recover(catalog)
    assert (run.uid, run.events_left_out) == ("scan", 2)
    stop = catalog["scan"].metadata["stop"]
    assert (stop["exit_status"], stop["num_events"]) == ("abort", {"primary": 0})
    assert examine(catalog).findings == []


def test_a_run_whose_arrays_are_on_a_disk_that_is_away_is_left_as_it_is(tmp_path):
    directory, assets = tmp_path / "runs", tmp_path / "disk"
    leave_attempt(directory, 3, str(assets))
    assets.rename(tmp_path / "away")
    catalog = databroker_writable.open_directory(directory, asset_root=str(assets))
    with pytest.warns(StoreWarning, match="below .*disk', which is not there; mount its file system again"):
        assert databroker_writable.recover(catalog) == []
    (tmp_path / "away").rename(assets)
    databroker_writable.recover(catalog)
    assert numbers_in(catalog["scan"]) == [3, 3, 3]


def test_a_hidden_name_of_a_stored_run_is_removed_though_its_arrays_are_lost(tmp_path):
    catalog = databroker_writable.open_directory(tmp_path / "runs", asset_threshold=0)
    catalog.store_run({"x": [1, 2], "image": numpy.zeros((2, 20, 20), "u2")}, uid="scan")
    os.link(tmp_path / "runs" / "scan.msgpack", tmp_path / "runs" / ".scan.msgpack.00000000.part")
    (arrays,) = tmp_path.rglob("*.h5")
    arrays.unlink()
    (run,) = databroker_writable.recover(catalog)
    assert (run.uid, run.events_left_out) == ("scan", 0)
    assert list(databroker_writable.open_directory(tmp_path / "runs")) == ["scan"]
    assert not list(tmp_path.rglob("*.part"))


def store_and_be_killed(report: Any, directory: str, threshold: int, table: dict[str, Any], step: int) -> None:
    """Store a table as the run "scan", and be killed before a call of the system that publishes it, or later."""
    links = 0

    def link(source: str, target: str, call: Any = os.link) -> None:
        nonlocal links
        links += 1
        if links > step:
            os.kill(os.getpid(), signal.SIGKILL)
        call(source, target)

    os.link = link  # type: ignore[assignment]
    databroker_writable.open_directory(directory, asset_threshold=threshold).store_run(table, uid="scan")


def leave_killed_store(directory: Path, threshold: int, table: dict[str, Any], step: int = 0) -> None:
    arguments = (str(directory), threshold, table, step)
    with children.child(store_and_be_killed, directory.parent / "report", *arguments) as writer:
        assert writer.wait() == -signal.SIGKILL


TABLE = {"x": [1, 2], "image": numpy.arange(800, dtype="u2").reshape(2, 20, 20)}


@pytest.mark.parametrize(("threshold", "step"), [(FOREVER, 0), (0, 0), (0, 1)], ids=["inline", "arrays", "published"])
def test_an_attempt_that_was_repeated_is_no_run_of_its_own(tmp_path, threshold, step):
    directory = tmp_path / "runs"
    leave_killed_store(directory, threshold, TABLE, step)
    catalog = databroker_writable.open_directory(directory, asset_threshold=threshold)
    catalog.store_run(TABLE, uid="scan")
    before = to_dataset(catalog["scan"]).load()
    with pytest.warns(StoreWarning, match=r"is removed: the run 'scan' was stored meanwhile, with all that it held"):
        assert databroker_writable.recover(catalog) == []
    again = databroker_writable.open_directory(directory)
    assert list(again) == ["scan"]
    assert to_dataset(again["scan"]).load().identical(before)
    assert not list(tmp_path.rglob("*.part"))
    assert {found.category for found in examine(again).findings} <= {"orphan-asset"}


@pytest.mark.parametrize("threshold", [FOREVER, 0], ids=["inline", "arrays"])
@pytest.mark.parametrize(
    "table",
    [
        {**TABLE, "image": TABLE["image"] + 1},
        {**TABLE, "x": [1, 3]},
        {"x": TABLE["x"][:1], "image": TABLE["image"][:1]},
        {"image": TABLE["image"]},
        {**TABLE, "x": [1.0, 2.0]},
    ],
)
def test_an_attempt_that_holds_anything_else_is_recovered(tmp_path, threshold, table):
    directory = tmp_path / "runs"
    leave_killed_store(directory, threshold, TABLE)
    catalog = databroker_writable.open_directory(directory, asset_threshold=threshold)
    catalog.store_run(table, uid="scan")
    (run,) = databroker_writable.recover(catalog)
    recovered = to_dataset(catalog[run.uid])
    assert recovered["x"].values.tolist() == TABLE["x"]
    assert (numpy.asarray(recovered["image"]) == TABLE["image"]).all()


def test_an_attempt_with_other_metadata_is_recovered(tmp_path):
    leave_killed_store(tmp_path / "runs", FOREVER, TABLE)
    catalog = databroker_writable.open_directory(tmp_path / "runs")
    catalog.store_run(TABLE, {"sample": "Cu"}, uid="scan")
    assert len(databroker_writable.recover(catalog)) == 1


def in_pages(documents: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """The documents of a small run with each Event in a page of its own."""
    (number, page), *_ = [(i, doc) for i, (name, doc) in enumerate(documents) if name == "event_page"]
    events = [("event_page", event_model.pack_event_page(event)) for event in event_model.unpack_event_page(page)]
    return [*documents[:number], *events, *documents[number + 1 :]]


@pytest.mark.parametrize(("divide", "recovered"), [(in_pages, 1), (list, 0)])
@pytest.mark.filterwarnings("ignore:.*was stored meanwhile, with all that it held")
def test_the_times_of_events_are_data_if_they_were_measured_one_after_the_other(tmp_path, divide, recovered):
    directory = tmp_path / "runs"
    leave_acquisition(directory, divide(children.documents_of("scan", 3)[:-1]))
    documents = children.documents_of("scan", 3)
    page = documents[2][1]
    page["time"] = [time + 60 for time in page["time"]]
    page["uid"] = [f"{uid}-again" for uid in page["uid"]]
    catalog = databroker_writable.open_directory(directory)
    catalog.store_run(documents)
    assert len(databroker_writable.recover(catalog)) == recovered


def test_the_beginning_of_documents_that_were_sent_again_is_no_run_of_its_own(tmp_path):
    directory = tmp_path / "runs"
    documents = children.documents_of("scan", 3)
    leave_acquisition(directory, documents[:2])
    catalog = databroker_writable.open_directory(directory)
    catalog.store_run(documents)
    with pytest.warns(StoreWarning, match="with all that it held"):
        assert databroker_writable.recover(catalog) == []
    assert list(databroker_writable.open_directory(directory)) == ["scan"]
