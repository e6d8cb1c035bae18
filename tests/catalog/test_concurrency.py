"""Threads and processes that store at the same time lose nothing and never see a partial run."""

from __future__ import annotations

import contextlib
import sys
import threading
import types

import dask.array
import numpy
import pytest

from databroker_writable import InvalidRunError, RunExistsError, StoreWarning
from databroker_writable.catalog import catalog_sink
from databroker_writable.runs.comparison import same_run
from databroker_writable.storage.remark_files import RemarkFolder
from support import children

THREADED = [
    "msgpack",
    "jsonl",
    "collecting",
    "mongo-normalized[mongomock]",
    "mongo-normalized[server]",
    "mongo-embedded[server]",
]
SHARED = ["msgpack", "jsonl", "mongo-normalized[server]", "mongo-embedded[server]"]


@pytest.fixture
def impatient():
    """Switch threads as often as the interpreter can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def in_threads(number, work):
    """Do the work in threads that begin together; give their results, or raise the first error."""
    barrier = threading.Barrier(number)
    results, errors = [], []

    def run(i):
        barrier.wait()
        try:
            results.append(work(i))
        except Exception as exc:
            errors.append(exc)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results


def assert_threads_lose_nothing(site, catalog, per_thread):
    def store(thread):
        return [
            catalog.store_run(children.documents_of(f"run-{thread}-{i}", 4)).metadata["start"]["uid"]
            for i in range(per_thread)
        ]

    uids = {uid for found in in_threads(8, store) for uid in found}
    assert len(uids) == 8 * per_thread
    again = site.open()
    for reading in (catalog, again):
        assert set(reading) == uids
    for uid in sorted(uids)[::4]:
        assert same_run(again[uid].documents(fill="no"), children.documents_of(uid, 4))


@pytest.mark.parametrize("site", THREADED, indirect=True)
def test_threads_share_one_catalog_object(site, catalog, impatient):
    assert_threads_lose_nothing(site, catalog, 6)


@pytest.mark.nightly
@pytest.mark.parametrize("site", THREADED, indirect=True)
def test_threads_share_one_catalog_object_for_long(site, catalog, impatient):
    assert_threads_lose_nothing(site, catalog, 60)


@pytest.mark.parametrize("site", THREADED, indirect=True)
@pytest.mark.parametrize("how", ["builder", "store_runs"])
def test_a_run_is_shown_though_an_acquisition_publishes_another_before_the_catalog_is_loaded(
    site, catalog, how, monkeypatch
):
    load, published, is_stored = type(catalog._backend).load, threading.Event(), threading.Event()

    def acquire():
        for item in children.documents_of("acquired", 4):
            catalog.v1.insert(*item)

    acquisition = threading.Thread(target=acquire)

    def load_later(self, load_all):
        if threading.current_thread() is acquisition:
            published.set()
            is_stored.wait(10)
        elif self is catalog._backend and not published.is_set():
            acquisition.start()
            published.wait(10)
        load(self, load_all)

    assert list(catalog) == []
    monkeypatch.setattr(type(catalog._backend), "load", load_later)
    if how == "builder":
        with catalog.run_builder(uid="mine") as builder:
            builder.add_stream("primary", data={"x": [1]})
    else:
        catalog.store_runs([catalog.build_simple_run({"x": [1]}, uid="mine")])
    assert "mine" in set(catalog._entries)
    is_stored.set()
    acquisition.join()
    assert set(catalog._entries) == set(site.open()) == {"mine", "acquired"}
    catalog.store_run({"x": [1]}, uid="afterwards")
    assert set(catalog._entries) == {"mine", "acquired", "afterwards"}


@pytest.mark.parametrize("site", THREADED, indirect=True)
def test_threads_that_store_the_same_run_all_get_it(site, catalog, impatient):
    documents = children.documents_of("fit-1", 3)
    found = in_threads(8, lambda thread: catalog.store_run(documents).metadata["start"]["uid"])
    assert found == ["fit-1"] * 8
    assert list(site.open()) == ["fit-1"]


@pytest.mark.parametrize("site", THREADED, indirect=True)
def test_of_threads_that_store_other_runs_under_one_uid_one_wins(site, catalog, impatient):
    def store(thread):
        try:
            return catalog.store_run({"x": [thread]}, uid="fit-1", metadata={"owner": str(thread)})
        except RunExistsError as exc:
            return exc

    found = in_threads(8, store)
    (winner,) = [run for run in found if not isinstance(run, Exception)]
    losers = [error for error in found if isinstance(error, Exception)]
    owner = winner.metadata["start"]["owner"]
    assert {error.run.metadata["start"]["owner"] for error in losers} == {owner}
    assert site.open()["fit-1"].primary.read()["x"].values.tolist() == [int(owner)]


@pytest.mark.parametrize(
    "site", ["msgpack", "jsonl", "mongo-normalized[server]", "mongo-embedded[server]"], indirect=True
)
def test_of_catalog_objects_that_store_other_runs_under_one_uid_one_wins(site, impatient):
    catalogs = [site.open() for _ in range(4)]

    for attempt in range(5):
        uid = f"fit-{attempt}"

        def store(thread, uid=uid):
            try:
                return catalogs[thread].store_run({"x": [thread]}, uid=uid, metadata={"owner": str(thread)})
            except RunExistsError as exc:
                return exc

        found = in_threads(4, store)
        (winner,) = [run for run in found if not isinstance(run, Exception)]
        owner = winner.metadata["start"]["owner"]
        assert {e.run.metadata["start"]["owner"] for e in found if isinstance(e, Exception)} == {owner}
        assert site.open()[uid].primary.read()["x"].values.tolist() == [int(owner)]


@pytest.mark.parametrize("site", ["msgpack", "mongo-normalized[mongomock]", "mongo-embedded[mongomock]"], indirect=True)
def test_a_run_that_another_stores_while_the_arrays_of_this_one_are_computed_wins(site, tmp_path):
    assets = tmp_path / "assets"
    one, other = (site.open(asset_root=str(assets)) for _ in range(2))

    def computed(block):
        other.store_run({"x": numpy.ones(3)}, uid="fit-1", one_event=True, asset_threshold=0)
        return block

    lazy = dask.array.zeros(3).map_blocks(computed, dtype=float, meta=numpy.empty(0))
    with pytest.raises(RunExistsError) as caught:
        one.store_run({"x": lazy}, uid="fit-1", one_event=True)
    assert caught.value.run.primary.read()["x"].values.tolist() == [[1, 1, 1]]
    assert site.open()["fit-1"].primary.read()["x"].values.tolist() == [[1, 1, 1]]
    assert len([path for path in assets.rglob("*") if path.is_file()]) == 1


@pytest.mark.parametrize("site", ["msgpack", "mongo-normalized[mongomock]", "mongo-embedded[mongomock]"], indirect=True)
@pytest.mark.parametrize("how", ["store_run", "store_runs"])
def test_runs_are_stored_while_arrays_are_computed_for_another(site, tmp_path, how):
    catalog = site.open(asset_root=str(tmp_path / "assets"))

    def computed(block, block_info=None):
        catalog.store_run({"mean": [float(block.mean())]})
        return block

    lazy = dask.array.ones((8, 4), chunks=(2, 4)).map_blocks(computed, dtype=float, meta=numpy.empty((0, 0)))
    table = {"x": lazy}

    def store():
        if how == "store_run":
            catalog.store_run(table, uid="fit-1", one_event=True)
        else:
            before = catalog.build_simple_run({"x": [1]}, uid="before")
            catalog.store_runs([before, catalog.build_simple_run(table, uid="fit-1", one_event=True)])

    thread = threading.Thread(target=store, daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    means = [uid for uid in site.open() if uid not in ("fit-1", "before")]
    assert len(means) >= 1
    assert [site.open()[uid].primary.read()["mean"].values.tolist() for uid in means] == [[1.0]] * len(means)
    assert site.open()["fit-1"].primary.read()["x"].values.sum() == 32


def assert_processes_lose_nothing(site, tmp_path, number, contested):
    owners = [f"owner-{i}" for i in range(4)]
    place = (site.kind, site.place)
    with contextlib.ExitStack() as stack:
        start = stack.enter_context
        total = 4 * number + len(contested)
        readers = [start(children.child(children.watch, tmp_path / f"reader-{i}", *place, total)) for i in range(2)]
        for reader in readers:
            reader.wait_for("ready")
        writers = [
            start(children.child(children.store_some, tmp_path / owner, *place, owner, number, contested))
            for owner in owners
        ]
        results = [line for writer in writers for line in writer.result()[1:]]
        for reader in readers:
            *findings, (_, looks, count) = reader.result()[1:]
            assert findings == []
            assert looks > 1
            assert count == total
    for uid in contested:
        (winner,) = [owner for name, state, owner in results if (name, state) == (uid, "won")]
        assert {owner for name, state, owner in results if (name, state) == (uid, "lost")} <= {winner}
        assert site.open()[uid].metadata["start"]["owner"] == winner
    stored = {f"{owner}-{i}" for owner in owners for i in range(number)}
    catalog = site.open()
    assert set(catalog) == stored | set(contested)
    for uid in stored:
        assert catalog.v1[uid].table()["x"].tolist() == children.column(5)


@pytest.mark.parametrize("site", SHARED, indirect=True)
def test_processes_share_one_place(site, tmp_path):
    assert_processes_lose_nothing(site, tmp_path, 6, [f"contested-{i}" for i in range(6)])


@pytest.mark.nightly
@pytest.mark.parametrize("site", ["msgpack", "jsonl"], indirect=True)
def test_processes_share_one_directory_for_long(site, tmp_path):
    assert_processes_lose_nothing(site, tmp_path, 200, [f"contested-{i}" for i in range(50)])


@pytest.mark.nightly
@pytest.mark.parametrize("part", range(5))  # FerretDB reads all documents of a collection to find one
@pytest.mark.parametrize("site", ["mongo-normalized[server]", "mongo-embedded[server]"], indirect=True)
def test_processes_share_one_database_for_long(site, tmp_path, part):
    assert_processes_lose_nothing(site, tmp_path, 40, [f"contested-{i}" for i in range(10)])


@pytest.mark.parametrize("site", THREADED, indirect=True)
def test_threads_that_share_a_builder_add_one_after_the_other(catalog, site, impatient):
    def add_stream(thread):
        try:
            builder.add_stream("primary", data={"x": [thread]})
        except InvalidRunError:
            return []
        return [thread]

    def add_data(thread):
        for i in range(20):
            builder.add_data("primary", {"x": [i]})

    with catalog.run_builder(uid="fit-1") as builder:
        (first,) = [thread for added in in_threads(4, add_stream) for thread in added]
        in_threads(4, add_data)
    read = site.open()["fit-1"].primary.read()["x"].values.tolist()
    assert read[0] == first
    assert sorted(read[1:]) == sorted([*range(20)] * 4)


@pytest.mark.parametrize("site", THREADED, indirect=True)
def test_a_builder_that_is_closed_while_a_thread_adds_is_stored(catalog, site, impatient):
    def close_or_add(thread):
        if thread:
            builder.close()
            return
        with contextlib.suppress(InvalidRunError):
            for i in range(10_000):
                builder.add_data("primary", {"x": [i]})

    builder = catalog.run_builder(uid="fit-1")
    builder.add_stream("primary", data={"x": [0]})
    in_threads(2, close_or_add)
    run = site.open()["fit-1"]
    assert run.metadata["stop"]["num_events"]["primary"] == len(run.primary.read()["x"])


def test_builders_that_are_begun_at_the_same_time_are_all_closed_at_exit(monkeypatch):
    class Begun:
        uid, is_closed = "unclosed", False
        meanwhile = None  # what another thread does while this one is looked at

        @property
        def closed(self):
            before, meanwhile, self.meanwhile = self.is_closed, self.meanwhile, None
            if meanwhile is not None:
                meanwhile()
            return before

        def close(self, *reason):
            self.is_closed = True

    monkeypatch.setattr(catalog_sink, "_open", type(catalog_sink._open)())
    sink = types.SimpleNamespace(is_lost=False, has_begun=True)
    builders = first, second, third, fourth = [Begun() for _ in range(4)]
    catalog_sink.close_at_exit(first, sink)
    catalog_sink.close_at_exit(second, sink)

    def close_the_first_and_begin_the_third():
        first.close()
        catalog_sink.close_at_exit(third, sink)

    first.meanwhile = close_the_first_and_begin_the_third
    catalog_sink.close_at_exit(fourth, sink)
    with pytest.warns(StoreWarning, match="was not closed before the process ended"):
        catalog_sink._close_all()
    assert [builder.is_closed for builder in builders] == [True] * 4


def test_remarks_are_read_while_another_thread_reads_an_older_list_of_them(tmp_path):
    folder = RemarkFolder(str(tmp_path))
    remark = {"uid": "note", "run": "fit", "text": "good", "user": "me", "time": 1.0, "tags": []}
    folder.add(remark)

    class Replaced(dict):
        def __contains__(self, name):
            folder._known = {}  # as another thread does, whose list is older
            return super().__contains__(name)

    folder._known = Replaced({"note.json": remark})
    assert folder.read() == [remark]
