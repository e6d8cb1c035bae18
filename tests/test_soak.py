"""Many stores in one process cost the same and leave nothing open."""

from __future__ import annotations

import gc
import os
import threading
import tracemalloc

import pytest

from databroker_writable import open_directory
from databroker_writable.drivers import WritableJSONLCatalog

TABLE = {"x": list(range(10)), "label": ["a"] * 10}
KEPT_PER_RUN = 8_000
"""Bytes that databroker keeps of each run of an open catalog: its start and stop documents and its entry."""


def store_some(catalog, number):
    for _ in range(number):
        catalog.store_run(TABLE, metadata={"sample": "Cu"})
    gc.collect()


def open_files():
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts open files in /proc")
@pytest.mark.parametrize("number", [200, pytest.param(10_000, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("kind", ["msgpack", "jsonl"])
def test_stores_leave_no_files_threads_or_memory_behind(tmp_path, kind, number):
    if kind == "msgpack":
        catalog = open_directory(tmp_path)
    else:
        catalog = WritableJSONLCatalog([str(tmp_path / "*.jsonl")], name="soak")
    store_some(catalog, 50)
    tracemalloc.start()
    try:
        store_some(catalog, number)
        files, threads, (first, _) = open_files(), threading.active_count(), tracemalloc.get_traced_memory()
        store_some(catalog, number)
        assert open_files() == files
        assert threading.active_count() == threads
        assert tracemalloc.get_traced_memory()[0] - first < KEPT_PER_RUN * number
    finally:
        tracemalloc.stop()
    assert len(catalog) == 2 * number + 50
