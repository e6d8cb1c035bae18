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
import numpy
import pytest

import databroker_writable
from databroker_writable import to_dataset
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
    with stream_assets(tmp_path) as assets:
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
