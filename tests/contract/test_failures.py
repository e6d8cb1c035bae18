"""A store that fails in the middle leaves the catalog as it was, and can be tried again."""

from __future__ import annotations

import errno
import os
import socket
import warnings

import numpy
import pymongo.errors
import pytest

from databroker_writable import NotWritableError, ServerAwayError, StoreError, StoreFailedError, StoreWarning
from databroker_writable.drivers import driver_class
from databroker_writable.runs.comparison import same_run
from databroker_writable.storage import mongo_normalized
from support import children, example_runs, facility, faults, sites

FILES = [*sites.FILE_SITES, "prefixed", "adopted"]
SERIALIZED = [*FILES, "patching", "collecting"]
MONGO = [name for name in sites.ALL_SITES if name.startswith("mongo")]


def disk_is_full():
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def assert_whole(site, documents):
    uid = documents[0][1]["uid"]
    assert same_run(site.documents(uid), documents)


def hidden_names(directory):
    return [name for name in os.listdir(directory) if name.startswith(".")]


def assert_says_what_to_do(error, documents):
    assert isinstance(error, StoreFailedError), error
    assert isinstance(error, OSError)
    assert repr(documents[0][1]["uid"]) in str(error)
    assert "nothing was published and a retry is safe" in str(error)


@pytest.mark.parametrize("late", [False, True], ids=["before it is written", "after it is written"])
@pytest.mark.parametrize("site", SERIALIZED, indirect=True)
def test_a_serializer_that_fails_at_any_document_leaves_nothing(catalog, site, monkeypatch, tmp_path, late):
    if site.is_collecting and late:
        pytest.skip("a facility's own callable that has written the run has stored it")
    catalog.store_run(example_runs.small_documents())
    fault = faults.Fault(disk_is_full, late=late)
    faults.at_each_document(fault, site.kind, monkeypatch)
    failures = 0
    for _ in fault.positions():
        documents = example_runs.documents_with_images(tmp_path)
        before, threads = site.snapshot(), faults.threads()
        with fault:
            error = faults.attempt(catalog.store_run, documents)
        if fault.fired:
            failures += 1
            assert_says_what_to_do(error, documents)
            assert "No space left" in str(error)
            assert site.snapshot() == before
            assert faults.open_files(site.directory) == []
            assert faults.threads() <= threads
            assert documents[0][1]["uid"] not in list(catalog)
        catalog.store_run(documents)
        assert_whole(site, documents)
    # two of the three single events are packed into a page
    assert failures == len(documents) - 1


@pytest.mark.parametrize("site", SERIALIZED, indirect=True)
def test_the_documented_recipe_can_be_repeated_after_a_failure(catalog, site, monkeypatch):
    fault = faults.Fault(disk_is_full)
    faults.at_each_document(fault, site.kind, monkeypatch)
    for _ in fault.positions():
        before = site.snapshot()
        documents = example_runs.small_documents()
        with fault:
            error = faults.attempt(lambda docs: [catalog.v1.insert(name, doc) for name, doc in docs], documents)
        if not fault.fired:
            break
        assert "No space left" in str(error)
        assert site.snapshot() == before
        for name, doc in documents:
            catalog.v1.insert(name, doc)
        assert_whole(site, documents)


@pytest.mark.parametrize("late", [False, True], ids=["not done", "done, but reported as failed"])
@pytest.mark.parametrize("links", [True, False], ids=["hard links", "no hard links"])
@pytest.mark.parametrize(
    ("site", "number"),
    [
        pytest.param("msgpack", errno.ENOSPC, id="msgpack-ENOSPC"),
        pytest.param("msgpack", errno.EACCES, id="msgpack-EACCES"),
        pytest.param("jsonl", errno.EIO, id="jsonl-EIO"),
        pytest.param("prefixed", errno.EIO, id="prefixed-EIO"),
    ],
    indirect=["site"],
)
def test_a_system_call_that_fails_leaves_the_directory_as_it_was(catalog, site, monkeypatch, number, late, links):
    if not links:

        def link(*args, **kwargs):
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))

        monkeypatch.setattr(os, "link", link)
    catalog.store_run(example_runs.small_documents())
    fault = faults.Fault(lambda: OSError(number, os.strerror(number)), late=late)
    faults.at_each_system_call(fault, monkeypatch)
    for _ in fault.positions():
        documents = example_runs.small_documents()
        before = site.snapshot()
        with warnings.catch_warnings(record=True) as caught, fault:
            warnings.simplefilter("always")
            error = faults.attempt(catalog.store_run, documents)
        for name in hidden_names(site.directory):
            # what fails after publication, such as removing the hidden name, does not unmake the run
            assert error is None
            assert any(name in str(warning.message) for warning in caught if warning.category is StoreWarning)
            os.unlink(site.directory / name)
        if error is None:
            assert_whole(site, documents)
        else:
            assert isinstance(error, StoreFailedError | NotWritableError), error
            assert isinstance(error, NotWritableError) == (number == errno.EACCES)
            assert site.snapshot() == before
        assert faults.open_files(site.directory) == []
        catalog.store_run(documents)
        assert_whole(site, documents)
        assert hidden_names(site.directory) == []


@pytest.mark.parametrize("site", ["msgpack", "jsonl"], indirect=True)
def test_a_file_that_may_not_grow_leaves_nothing(catalog, site):
    pytest.importorskip("resource")
    catalog.store_run(example_runs.small_documents())
    before = site.snapshot()
    table = {"text": ["x" * 1000] * 500}
    with faults.files_grow_to(100_000), pytest.raises(StoreFailedError, match="File too large"):
        catalog.store_run(table, uid="fit-1")
    assert site.snapshot() == before
    assert len(catalog.store_run(table, uid="fit-1").primary.read()["text"]) == 500


@pytest.mark.parametrize("late", [False, True], ids=["not done", "done, but the answer is lost"])
@pytest.mark.parametrize("site", MONGO, indirect=True)
def test_a_command_that_fails_leaves_the_collections_as_they_were(catalog, site, monkeypatch, tmp_path, late):
    catalog.store_run(example_runs.small_documents())
    fault = faults.Fault(faults.lost_connection, late=late)
    faults.at_each_command(fault, site.database, monkeypatch)
    failures = 0
    for _ in fault.positions():
        documents = example_runs.documents_with_images(tmp_path)
        before, threads = site.snapshot(), faults.threads()
        with fault:
            error = faults.attempt(catalog.store_run, documents)
        if error is not None:
            failures += 1
            assert_says_what_to_do(error, documents)
            assert site.snapshot() == before
            assert documents[0][1]["uid"] not in list(catalog)
        assert faults.threads() <= threads
        catalog.store_run(documents)
        assert_whole(site, documents)
    assert failures >= 3


@pytest.mark.parametrize("site", MONGO, indirect=True)
def test_a_server_that_stays_away_publishes_nothing_and_a_retry_succeeds(catalog, site, monkeypatch):
    monkeypatch.setattr(mongo_normalized, "CLAIM_SECONDS", 0.05)
    catalog.store_run(example_runs.small_documents())
    fault = faults.Fault(faults.lost_connection, lasting=True)
    faults.at_each_command(fault, site.database, monkeypatch, faults.ALL_COMMANDS)
    for _ in fault.positions():
        documents = example_runs.small_documents()
        visible = sorted(site.open())
        with fault:
            error = faults.attempt(catalog.store_run, documents)
        if fault.fired and error is not None:
            assert isinstance(error, StoreError), error
            assert len(str(error)) < 1000
            if documents[0][1]["uid"] not in site.open():
                assert sorted(site.open()) == visible
        catalog.store_run(documents)
        assert_whole(site, documents)


READING = {
    "derived_from": lambda catalog: catalog.store_run({"x": [1]}, derived_from="first"),
    "supersedes": lambda catalog: catalog.build_simple_run({"x": [1]}, supersedes="first"),
    "a builder": lambda catalog: catalog.run_builder(uid="second"),
    "a taken uid": lambda catalog: catalog.run_builder(uid="first"),
}


@pytest.mark.parametrize("use", READING.values(), ids=READING)
@pytest.mark.parametrize("site", MONGO, indirect=True)
def test_a_server_that_is_away_while_something_is_looked_up_fails_no_store(catalog, site, use, monkeypatch):
    catalog.store_run({"x": [1]}, uid="first")
    fault = faults.Fault(faults.lost_connection, lasting=True)
    faults.at_each_command(fault, site.database, monkeypatch, ("find_one", "find"))
    before = site.snapshot()
    with (
        fault,
        pytest.raises(StoreFailedError, match=r"the catalog .* could not be read .*; nothing was published"),
    ):
        use(catalog)
    assert site.snapshot() == before


@pytest.mark.parametrize("site", MONGO, indirect=True)
def test_a_remark_that_cannot_be_stored_is_not_called_a_run(catalog, site, monkeypatch):
    catalog.store_run({"x": [1]}, uid="first")
    fault = faults.Fault(faults.lost_connection)
    faults.at_each_command(fault, site.database, monkeypatch, ("insert_one",))
    with fault, pytest.raises(StoreFailedError, match="storing a remark into 'contract' failed"):
        catalog.annotate("first", "note")
    fault = faults.Fault(faults.lost_connection)
    faults.at_each_command(fault, site.database, monkeypatch, ("find_one", "find"))
    with fault, pytest.raises(StoreError, match=r"could not be read|^no MongoDB server answers"):
        catalog.annotations("first")


@pytest.mark.parametrize("site", MONGO, indirect=True)
def test_a_retry_whose_run_cannot_be_read_fails_in_words(catalog, site, monkeypatch):
    documents = example_runs.small_documents()
    catalog.store_run(documents)
    fault = faults.Fault(faults.lost_connection, lasting=True)
    faults.at_each_command(fault, site.database, monkeypatch, ("find_one", "find"))
    failures = 0
    for _ in fault.positions():
        with fault:
            error = faults.attempt(catalog.store_run, documents)
        assert error is None or isinstance(error, StoreFailedError), error
        failures += error is not None
    assert failures >= 2


@pytest.mark.parametrize("site", MONGO, indirect=True)
def test_a_refused_document_is_named_shortly(catalog, site, monkeypatch):
    catalog.store_run(example_runs.small_documents())
    before = site.snapshot()
    values = [float(i) for i in range(2000)]

    def refuse():
        operation = {"data": {"x": values}}
        errors = [{"index": 0, "code": 2, "errmsg": "nested arrays are not supported", "op": operation}]
        return pymongo.errors.BulkWriteError({"writeErrors": errors, "writeConcernErrors": [], "nInserted": 0})

    fault = faults.Fault(refuse)
    faults.at_each_command(fault, site.database, monkeypatch, ("insert_many",))
    with fault, pytest.raises(StoreFailedError, match="nested arrays are not supported") as caught:
        catalog.store_run({"x": values})
    assert len(str(caught.value)) < 1000
    assert "a retry would be refused again: change it, or store it in a catalog of files" in str(caught.value)
    assert "a retry is safe" not in str(caught.value)
    assert site.snapshot() == before


@pytest.mark.parametrize("site", MONGO, indirect=True)
def test_metadata_that_the_validation_of_a_database_refuses_are_not_to_be_tried_again(catalog, site, monkeypatch):
    def refuse():
        details = {"index": 0, "code": 121, "errmsg": "Document failed validation"}
        return pymongo.errors.WriteError("Document failed validation", 121, details)

    fault = faults.Fault(refuse)
    faults.at_each_command(fault, site.database, monkeypatch, ("insert_one", "insert_many"))
    before = site.snapshot()
    with (
        fault,
        pytest.raises(StoreFailedError, match=r"refuses what it holds \(WriteError: Document failed validation\)"),
    ):
        catalog.store_run({"x": [1]})
    assert site.snapshot() == before


@pytest.mark.parametrize("code", [13, 18])
@pytest.mark.parametrize("site", MONGO, indirect=True)
def test_a_user_without_the_right_to_write_is_told_so(catalog, site, monkeypatch, code):
    def refuse():
        return pymongo.errors.OperationFailure("not authorized", code)

    fault = faults.Fault(refuse, lasting=True)
    faults.at_each_command(fault, site.database, monkeypatch, (*faults.WRITING_COMMANDS, "create_index"))
    before = site.snapshot()
    with fault, pytest.raises(NotWritableError, match=r"refuses to write.*administrator.*readWrite"):
        catalog.store_run(example_runs.TABLE)
    assert site.snapshot() == before
    catalog.store_run(example_runs.TABLE)


@pytest.mark.parametrize("site", MONGO, indirect=True)
def test_a_server_without_some_index_takes_runs_all_the_same(catalog, site, monkeypatch):
    def refuse():
        return pymongo.errors.OperationFailure("text indexes are not implemented", 238)

    fault = faults.Fault(refuse, lasting=True)
    faults.at_each_command(fault, site.database, monkeypatch, ("create_index",))
    documents = example_runs.small_documents()
    with fault:
        catalog.store_run(documents)
    assert fault.fired
    assert_whole(site, documents)


IMAGES = {"x": [1, 2, 3], "image": numpy.arange(36, dtype="uint16").reshape(3, 3, 4)}


def store_in_pieces(catalog, uid):
    with catalog.run_builder(uid=uid) as builder:
        builder.add_stream("primary", data=IMAGES)
        builder.add_data("primary", data=IMAGES)


WAYS = {
    "arrays in a file": lambda catalog, uid: catalog.store_run(IMAGES, uid=uid),
    "run_builder": store_in_pieces,
    "store_runs": lambda catalog, uid: catalog.store_runs([{"x": [1]}, catalog.build_simple_run(IMAGES, uid=uid)]),
}


def assert_each_fault_leaves_whole_runs(site, catalog, tmp_path, way, fault):
    """Whatever step fails, a run is stored whole or not at all, and it is said which; then it can be stored."""

    def arrays():
        return sites.tree(tmp_path / "arrays")

    failures = 0
    for position in fault.positions(limit=150):
        uid = f"fit-{position}"
        before, files, visible, threads = site.snapshot(), arrays(), set(site.open()), faults.threads()
        opened = faults.open_files(tmp_path)
        with fault:
            error = faults.attempt(WAYS[way], catalog, uid)
        assert set(faults.open_files(tmp_path)) <= set(opened)
        assert faults.threads() <= threads
        new = set(site.open()) - visible
        if error is None:
            assert uid in new
        else:
            failures += 1
            assert isinstance(error, StoreFailedError), error
            assert "nothing was published" in str(error)
            if way == "store_runs":
                assert (uid in new) == (1 not in error.failures), error
            else:
                assert new == set(), error
                assert site.snapshot() == before
                assert arrays() == files
        if uid not in new:
            WAYS[way](catalog, uid)
        assert_images(site.open(asset_root=str(tmp_path / "arrays")), uid, 2 if way == "run_builder" else 1)
    return failures


def assert_images(catalog, uid, times):
    read = catalog[uid].primary.read()
    assert read["x"].values.tolist() == IMAGES["x"] * times
    numpy.testing.assert_array_equal(read["image"].values, numpy.concatenate([IMAGES["image"]] * times))


@pytest.mark.filterwarnings("ignore:.*its hidden name .* could not be removed:databroker_writable.StoreWarning")
@pytest.mark.parametrize("late", [False, True], ids=["not done", "done, but reported as failed"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("site", ["msgpack"], indirect=True)
def test_a_system_call_that_fails_leaves_runs_with_arrays_whole(site, monkeypatch, tmp_path, way, late):
    catalog = site.open(asset_root=str(tmp_path / "arrays"), asset_threshold=0)
    fault = faults.Fault(disk_is_full, late=late)
    faults.at_each_system_call(fault, monkeypatch)
    assert_each_fault_leaves_whole_runs(site, catalog, tmp_path, way, fault)


@pytest.mark.parametrize("late", [False, True], ids=["not done", "done, but the answer is lost"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("site", [name for name in MONGO if "mongomock" in name], indirect=True)
def test_a_command_that_fails_leaves_runs_with_arrays_whole(site, monkeypatch, tmp_path, way, late):
    catalog = site.open(asset_root=str(tmp_path / "arrays"), asset_threshold=0)
    catalog.store_run(example_runs.small_documents())
    fault = faults.Fault(faults.lost_connection, late=late)
    faults.at_each_command(fault, site.database, monkeypatch)
    assert assert_each_fault_leaves_whole_runs(site, catalog, tmp_path, way, fault) >= (way != "store_runs")


def fail_to_store(report, layout):
    catalog = sites.opened(layout, "mongodb://127.0.0.1:9/db?serverSelectionTimeoutMS=10&connectTimeoutMS=50")
    for store in (catalog.store_run, lambda table: catalog.store_runs([table]), lambda table: catalog.run_builder()):
        report(str(faults.attempt(store, example_runs.TABLE)))


@pytest.mark.parametrize("layout", sites.MONGO_SITES)
def test_a_process_whose_server_is_away_is_told_so_and_ends(layout, tmp_path):
    with children.child(fail_to_store, tmp_path / "report", layout) as child:
        messages = child.result()
    assert len(messages) == 3
    for message in messages:
        assert "nothing was published and a retry is safe" in message


@pytest.mark.parametrize("kind", ["mongo-normalized", "mongo-embedded"])
def test_a_server_that_is_away_is_named_by_host_and_port(kind):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    uri = f"mongodb://someone:secret@127.0.0.1:{port}/runs?serverSelectionTimeoutMS=200"
    catalog = driver_class(f"writable-{kind}-catalog")(*([uri, uri] if kind == "mongo-normalized" else [uri]))
    for call, error in (
        (lambda: catalog.store_run({"x": [1]}), StoreFailedError),
        (catalog.table, ServerAwayError),
        (catalog.latest, ServerAwayError),
        (lambda: catalog.lineage("0123456789"), ServerAwayError),
        (lambda: catalog.annotations("0123456789"), ServerAwayError),
    ):
        with pytest.raises(error, match=rf"127\.0\.0\.1:{port}: .*refused.*check that it runs") as caught:
            call()
        assert "opology" not in str(caught.value)
        assert "secret" not in str(caught.value)
        assert len(str(caught.value)) < 400


@pytest.mark.parametrize("site", ["own-backend"], indirect=True)
def test_errors_that_a_backend_names_are_failures_of_storing(catalog, site, monkeypatch):
    class DatabaseError(Exception):
        pass

    def publish(self):
        raise DatabaseError("database is locked")

    before = site.snapshot()
    with monkeypatch.context() as patch:
        patch.setattr(facility.CollectingWriter, "publish", publish)
        with pytest.raises(DatabaseError):
            catalog.store_run(example_runs.small_documents())
        patch.setattr(facility.CollectingBackend, "failures", (DatabaseError,))
        documents = example_runs.small_documents()
        with pytest.raises(StoreFailedError, match="DatabaseError: database is locked") as caught:
            catalog.store_run(documents)
    assert_says_what_to_do(caught.value, documents)
    assert site.snapshot() == before
    catalog.store_run(documents)
    assert_whole(site, documents)
