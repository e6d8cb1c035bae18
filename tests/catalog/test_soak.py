"""Many stores in one process cost the same and leave nothing open."""

from __future__ import annotations

import gc
import time
import tracemalloc

import pytest

from databroker_writable import open_directory
from databroker_writable.drivers import WritableJSONLCatalog
from support import faults

TABLE = {"x": list(range(10)), "label": ["a"] * 10}
KEPT_PER_RUN = 8_000
"""Bytes that databroker keeps of each run of an open catalog: its start and stop documents and its entry."""


def store_some(catalog, number):
    """Store runs; give the processor time of each tenth of them."""
    times = []
    for _ in range(10):
        begun = time.process_time()
        for _ in range(number // 10):
            catalog.store_run(TABLE, metadata={"sample": "Cu"})
        times.append(time.process_time() - begun)
    gc.collect()
    return times


@pytest.mark.parametrize("number", [100, pytest.param(10_000, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("kind", ["msgpack", "jsonl"])
def test_stores_leave_no_files_threads_or_memory_behind_and_cost_the_same(tmp_path, kind, number):
    if kind == "msgpack":
        catalog = open_directory(tmp_path)
    else:
        catalog = WritableJSONLCatalog([str(tmp_path / "*.jsonl")], name="soak")
    store_some(catalog, 50)
    tracemalloc.start()
    try:
        early = store_some(catalog, number)
        threads, (first, _) = faults.threads(), tracemalloc.get_traced_memory()
        late = store_some(catalog, number)
        assert faults.open_files(tmp_path) == []
        assert faults.threads() <= threads
        assert tracemalloc.get_traced_memory()[0] - first < KEPT_PER_RUN * number
    finally:
        tracemalloc.stop()
    assert len(catalog) == 2 * number + 50
    # the least disturbed tenths
    assert min(late) < 2 * min(early)
    print(f"{len(catalog)} stores: {min(early) / number * 10_000:.2f} ms, later {min(late) / number * 10_000:.2f} ms")
