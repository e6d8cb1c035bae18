"""dask arrays are written block by block, in bounded memory, whoever computes them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dask
import dask.array
import dask.callbacks
import event_model
import numpy
import pytest

import databroker_writable
from databroker_writable import to_dataset
from databroker_writable.runs.comparison import same_run
from support import new_process
from support.asset_files import handler, path_of, published, stream_assets, whole

VALUES = numpy.random.default_rng(0).integers(0, 60000, (24, 300, 310), dtype="u2")


@pytest.mark.parametrize(
    "chunks", [(5, 300, 310), (24, 300, 310), (1, 300, 310), (7, 100, 99), (24, 10, 310), ((3, 5, 2, 14), 300, 310)]
)
def test_blocks_of_any_cut_come_back(tmp_path: Path, chunks: Any) -> None:
    path, assets = published(tmp_path, img=dask.array.from_array(VALUES, chunks=chunks))
    assert (whole(path, assets, "img", 24).compute() == VALUES).all()


def test_lazy_arrays_follow_arrays_that_do_not_end_at_a_chunk(tmp_path: Path) -> None:
    assets = stream_assets(tmp_path)
    lazy = dask.array.from_array(VALUES, chunks=(5, 150, 310))
    for part in (VALUES[:3], lazy, VALUES[:1], lazy[::-1]):
        assets.append("img", part, dims="tyx")
    assets.publish()
    read = whole(path_of(tmp_path, assets), assets, "img", 52).compute()
    assert (read == numpy.concatenate([VALUES[:3], VALUES, VALUES[:1], VALUES[::-1]])).all()


@pytest.mark.parametrize("scheduler", ["threads", "synchronous", "processes", ThreadPoolExecutor(2)])
def test_every_local_scheduler_writes(tmp_path: Path, scheduler: Any) -> None:
    lazy = dask.array.from_array(VALUES, chunks=(5, 300, 310)) + 1
    with dask.config.set(scheduler=scheduler):
        path, assets = published(tmp_path, img=lazy)
    assert (whole(path, assets, "img", 24).compute() == VALUES + 1).all()


def test_dask_works_apart_from_the_main_thread_whose_interrupts_can_lock_its_pool_for_ever(tmp_path: Path) -> None:
    threads = set()
    lazy = dask.array.from_array(VALUES, chunks=(5, 300, 310)) + 1
    with dask.callbacks.Callback(pretask=lambda key, graph, state: threads.add(threading.current_thread())):
        published(tmp_path, img=lazy)
    assert threads
    assert threading.main_thread() not in threads
    assert not any(thread.is_alive() for thread in threads)


def test_a_pool_that_is_chosen_for_dask_computes_the_blocks(tmp_path: Path) -> None:
    used = set()

    def noted(block: numpy.ndarray) -> numpy.ndarray:
        used.add(threading.current_thread().name)
        return block

    lazy = dask.array.from_array(VALUES, chunks=(5, 300, 310)).map_blocks(noted, meta=VALUES[:0])
    with ThreadPoolExecutor(2, thread_name_prefix="chosen") as pool, dask.config.set(pool=pool):
        path, assets = published(tmp_path, img=lazy)
    assert used
    assert all(name.startswith("chosen") for name in used)
    assert (whole(path, assets, "img", 24).compute() == VALUES).all()


def test_what_blocks_share_is_computed_once(tmp_path: Path) -> None:
    calls = []

    def counted(block: numpy.ndarray) -> numpy.ndarray:
        if block.size:  # dask tries it on an empty one
            calls.append(threading.get_ident())
        return block

    source = dask.array.from_array(VALUES.astype("f4"), chunks=(2, 300, 310)).map_blocks(counted, dtype="f4")
    published(tmp_path, img=source - source.mean())
    assert len(calls) == 12


def test_a_stored_array_can_be_stored_again(tmp_path: Path) -> None:
    path, assets = published(tmp_path / "one", img=VALUES)
    again, copy = published(tmp_path / "two", img=whole(path, assets, "img", 24) // 2)
    assert (whole(again, copy, "img", 24).compute() == VALUES // 2).all()


def test_many_small_blocks_are_merged(tmp_path: Path) -> None:
    counts: list[int] = []
    lazy = dask.array.arange(4000, chunks=1).reshape(4000, 1)
    assets = stream_assets(tmp_path)
    assets.append("x", lazy, dims="ty", progress=counts.append)
    assets.publish()
    assert counts == [lazy.nbytes]
    assert (whole(path_of(tmp_path, assets), assets, "x", 4000).compute()[:, 0] == numpy.arange(4000)).all()


PEAK = """
import resource, sys
from pathlib import Path
import dask.array, h5py
from support.asset_files import stream_assets

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

lazy = dask.array.random.default_rng(0).random((int(sys.argv[2]), 512, 1024), chunks=(4, 512, 1024))
stream_assets(Path(sys.argv[1]), "warm").append("img", lazy[:4], dims="tyx")
before = peak()
assets = stream_assets(Path(sys.argv[1]))
assets.append("img", lazy, dims="tyx")
print(lazy.nbytes / 2**20, peak() - before)
assets.discard()
"""


@pytest.mark.parametrize("rows", [128, pytest.param(1024, marks=pytest.mark.nightly)])
def test_memory_does_not_grow_with_the_array(tmp_path: Path, rows: int) -> None:
    result = new_process.run_python(PEAK, tmp_path, rows, timeout=600)
    assert result.returncode == 0, result.stderr
    size, growth = map(float, result.stdout.split())
    assert size == rows * 4
    assert growth < 256


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0", "memory_limit": 0}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as made:
        yield made


def of_process(block: numpy.ndarray) -> numpy.ndarray:
    return numpy.full(block.shape, os.getpid())


def test_a_cluster_computes_the_blocks_and_this_process_writes_them(client: Any, tmp_path: Path) -> None:
    counts: list[int] = []
    lazy = dask.array.zeros((24, 1024, 512), chunks=(2, 1024, 512), dtype="i8").map_blocks(of_process, dtype="i8")
    assets = stream_assets(tmp_path)
    assets.append("img", lazy, dims="tyx", progress=counts.append)
    assets.publish()
    assert sum(counts) == lazy.nbytes
    with dask.config.set(scheduler="threads"):
        pids = numpy.unique(whole(path_of(tmp_path, assets), assets, "img", 24).compute())
    workers = set(client.run(os.getpid).values())
    assert set(pids.tolist()) <= workers


def test_blocks_from_a_cluster_go_to_their_place(client: Any, tmp_path: Path) -> None:
    values = numpy.arange(12 * 1024 * 512).reshape(12, 1024, 512)
    path, assets = published(tmp_path, img=dask.array.from_array(values, chunks=(1, 1024, 512)) * 2)
    with dask.config.set(scheduler="threads"):
        assert (whole(path, assets, "img", 12).compute() == values * 2).all()


def test_a_cluster_reads(client: Any, tmp_path: Path) -> None:
    with dask.config.set(scheduler="threads"):
        path, assets = published(tmp_path, img=VALUES)
    assert int(whole(path, assets, "img", 24).sum(dtype="u8").compute()) == int(VALUES.sum(dtype="u8"))
    assert (handler(path, assets)(index=7).compute() == VALUES[7]).all()


def test_an_error_on_a_cluster_is_passed_on_and_taken_back(client: Any, tmp_path: Path) -> None:
    def fail(block: numpy.ndarray, block_info: Any = None) -> numpy.ndarray:
        if block_info[0]["chunk-location"][0] == 5:
            raise ZeroDivisionError("on a worker")
        return block

    lazy = dask.array.zeros((12, 1024, 512), chunks=(1, 1024, 512)).map_blocks(fail, dtype="f8")
    assets = stream_assets(tmp_path)
    with pytest.raises(ZeroDivisionError, match="on a worker"):
        assets.append("img", lazy, dims="tyx")
    assert assets.append("img", numpy.ones((1, 1024, 512)), dims="tyx") == (0, 1)
    assets.publish()


def store_in_a_task(directory: str, number: int) -> int:
    """Store arrays in a catalog that all tasks of the process share, as a named catalog is."""
    catalog = vars(databroker_writable).setdefault("shared", databroker_writable.open_directory(directory))
    numbers = dask.array.arange(20, chunks=5) + number
    run = catalog.store_run({"x": numbers, "image": numbers[:, None] * numpy.ones(3)}, uid=f"run-{number}")
    return len(run.primary.read()["x"])


def test_tasks_that_store_leave_no_thread_of_the_cluster_waiting(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 1, "threads_per_worker": 2, "dashboard_address": ":0", "memory_limit": 0}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        tasks = client.map(store_in_a_task, [str(tmp_path)] * 6, range(6), retries=0)
        assert client.gather(tasks, errors="raise") == [20] * 6
    catalog = databroker_writable.open_directory(tmp_path)
    with dask.config.set(scheduler="threads"):
        for number in range(6):
            assert to_dataset(catalog[f"run-{number}"])["x"].values.tolist() == list(range(number, number + 20))


def store_what_the_cluster_holds(directory: str, array: Any) -> list[int]:
    catalog = databroker_writable.open_directory(directory)
    return to_dataset(catalog.store_run({"x": array}, one_event=True))["x"].values.tolist()


def test_a_task_stores_what_the_cluster_holds(client: Any, tmp_path: Path) -> None:
    held = (dask.array.arange(20, chunks=5) * 2).persist()
    tasks = [client.submit(store_what_the_cluster_holds, str(tmp_path), held + number) for number in range(4)]
    assert client.gather(tasks) == [list(range(number, number + 40, 2)) for number in range(4)]


def run_of_descriptors(*tables: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """A run of another program, in whose stream 'primary' each table has its own descriptor."""
    run = event_model.compose_run(metadata={}, time=1.7e9)
    documents: list[tuple[str, dict[str, Any]]] = [("start", run.start_doc)]
    for i, table in enumerate(tables):
        data_keys = {
            key: {"source": "test", "dtype": "array" if v.ndim > 1 else "number", "shape": list(v.shape[1:])}
            for key, v in table.items()
        }
        time = 1.7e9 + i
        descriptor = {"uid": f"d-{i}", "run_start": run.start_doc["uid"], "time": time, "data_keys": data_keys}
        (length,) = {len(values) for values in table.values()}
        times = [time + 0.1 * row for row in range(length)]
        page = {
            "descriptor": f"d-{i}",
            "uid": [f"e-{i}-{row}" for row in range(length)],
            "seq_num": list(range(1, length + 1)),
            "time": times,
            "data": table,
            "timestamps": dict.fromkeys(table, times),
        }
        documents += [("descriptor", {"name": "primary", **descriptor}), ("event_page", page)]
    stop = {"uid": "stop", "run_start": run.start_doc["uid"], "time": 1.7e9 + 99, "exit_status": "success"}
    return [*documents, ("stop", stop)]


LAZY = dask.array.from_array(VALUES[:4, :2, :3], chunks=(2, 2, 3))
ONE, OTHER = numpy.arange(4.0), numpy.arange(12.0).reshape(4, 3)


@pytest.mark.parametrize(
    "tables",
    [
        ({"x": ONE, "e": LAZY}, {"x": ONE}),
        ({"x": ONE}, {"x": ONE, "e": LAZY}),
        ({"x": ONE, "e": LAZY}, {"x": ONE, "e": ONE}),
        ({"x": ONE, "e": ONE}, {"x": ONE, "e": LAZY}),
        ({"e": LAZY}, {"e": OTHER}, {"f": LAZY, "e": LAZY}),
    ],
    ids=["lost", "gained", "scalar later", "scalar before", "of three forms"],
)
@pytest.mark.parametrize("site", ["msgpack", "jsonl", "mongo-embedded[mongomock]"], indirect=True)
def test_each_descriptor_of_a_stream_has_its_own_lazy_columns(site: Any, tmp_path: Path, tables: Any) -> None:
    catalog = site.open(**site.with_assets(tmp_path))
    documents = run_of_descriptors(*tables)
    stored = catalog.store_run(documents)
    pages: dict[str, Any] = {}
    for name, doc in stored.documents(fill="yes"):
        if name == "event_page":
            for key, values in doc["data"].items():
                pages.setdefault(doc["descriptor"], {}).setdefault(key, []).extend(map(numpy.asarray, values))
    for i, table in enumerate(tables):
        assert pages[f"d-{i}"].keys() == table.keys()
        for key, values in table.items():
            assert numpy.array_equal(pages[f"d-{i}"][key], numpy.asarray(values))
    assert same_run(catalog.store_run(documents).documents(fill="no"), stored.documents(fill="no"))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (LAZY[:, 0, 0][LAZY[:, 0, 0] > 0], r"data\['x'\].*unknown length; .*compute_chunk_sizes\(\)"),
        (list(LAZY), r"column 'x' of stream 'primary'\[0\] is a dask array; compute it, e.g. with its compute\(\)"),
        ([{"a": row} for row in LAZY], r"column 'x' of stream 'primary'\[0\]\['a'\] is a dask array; compute it"),
        (
            dask.array.from_array(numpy.array(list("abcd"))),
            "column 'x' of stream 'primary' is a dask array; compute it",
        ),
    ],
    ids=["unknown length", "in a list", "in dicts", "text"],
)
@pytest.mark.parametrize("site", ["msgpack"], indirect=True)
def test_documents_with_lazy_values_that_are_no_whole_column_of_numbers_are_refused(
    catalog: Any, site: Any, values: Any, words: str
) -> None:
    documents = run_of_descriptors({"x": ONE})
    documents[2][1]["data"] = {"x": values}
    with pytest.raises(databroker_writable.StoreError, match=words):
        catalog.store_run(documents)
    assert list(site.directory.iterdir()) == []


@pytest.mark.parametrize("values", [LAZY, LAZY[LAZY > 0]], ids=["known", "unknown length"])
@pytest.mark.parametrize("paged", [True, False], ids=["page", "event"])
@pytest.mark.parametrize("site", ["msgpack"], indirect=True)
def test_lazy_values_that_are_inserted_are_refused(catalog: Any, site: Any, values: Any, paged: bool) -> None:
    start, descriptor, (_, page), stop = run_of_descriptors({"x": ONE})
    page = {**page, "data": {"x": values}}
    if not paged:
        event = next(event_model.unpack_event_page({**page, "data": {"x": ONE}, "filled": {}}))
        page = {**event, "data": {"x": values}}
    for item in (start, descriptor):
        catalog.v1.insert(*item)
    with pytest.raises(databroker_writable.StoreError, match=r"'x'.* dask array.*compute"):
        catalog.v1.insert("event_page" if paged else "event", page)
    with pytest.raises(databroker_writable.InvalidRunError, match="is not open"):
        catalog.v1.insert(*stop)
    assert list(site.directory.iterdir()) == []
