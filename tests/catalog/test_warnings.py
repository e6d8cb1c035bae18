"""A warning names the line that the user wrote, however deep in this package it arises."""

from __future__ import annotations

import subprocess
import sys

import event_model
import pytest

import databroker_writable
from databroker_writable import NotWritableError, StoreWarning

MANY = {"x": list(range(9_000))}


def insert_a_stream_resource(catalog):
    bundle = event_model.compose_run()
    catalog.v1.insert("start", bundle.start_doc)
    resource = {"uid": "stream-1", "run_start": bundle.start_doc["uid"], "mimetype": "application/x-hdf5"}
    catalog.v1.insert("stream_resource", {**resource, "data_key": "x", "uri": "file://localhost/x", "parameters": {}})
    catalog._store.serializer.acquired.abandon(bundle.start_doc["uid"])


WARNED = {
    "store_run": lambda catalog: catalog.store_run(MANY),
    "store_runs": lambda catalog: catalog.store_runs([MANY]),
    "a built run": lambda catalog: catalog.store_run(catalog.build_simple_run(MANY)),
    "derived_from of store_run": lambda catalog: catalog.store_run({"x": [1]}, derived_from="raw-1"),
    "derived_from of build_simple_run": lambda catalog: catalog.build_simple_run({"x": [1]}, derived_from=["raw-1"]),
    "supersedes of run_builder": lambda catalog: catalog.run_builder(supersedes="raw-1"),
    "insertion": insert_a_stream_resource,
}


@pytest.mark.parametrize("store", WARNED.values(), ids=WARNED)
def test_a_warning_names_the_line_of_the_user(tmp_path, store):
    catalog = databroker_writable.open_directory(tmp_path)
    with pytest.warns(StoreWarning) as caught:
        store(catalog)
    assert [warning.filename for warning in caught if warning.category is StoreWarning] == [__file__]


def test_a_warning_of_slow_reading_advises_one_event_only_for_several(tmp_path):
    catalog = databroker_writable.open_directory(tmp_path)
    with pytest.warns(StoreWarning, match=r"9000 Events of 1 column .* one_event=True$"):
        catalog.store_run(MANY)
    with pytest.warns(StoreWarning, match=r"the Event of 9000 columns .*, which is fast$"):
        catalog.store_run({f"x{i}": [i] for i in range(9_000)}, one_event=True)
    # 1,000 columns are read in about 1 s, 4,000 in 10 s
    with pytest.warns(StoreWarning, match=r"10 seconds to read\(\) the Event of 4000 columns"):
        catalog.store_run({f"x{i}": [i] for i in range(4_000)})


def test_reading_a_run_is_silent(tmp_path):
    code = (
        "import sys\n"
        "from databroker_writable import open_directory\n"
        "run = open_directory(sys.argv[1]).store_run({'x': [1, 2, 3]})\n"
        "print(run.primary.read()['x'].values.tolist())\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert (done.stdout, done.stderr) == ("[1, 2, 3]\n", "")


def test_an_entry_that_is_set_is_refused_with_what_stores_it(tmp_path):
    catalog = databroker_writable.open_directory(tmp_path)
    with pytest.raises(NotWritableError, match=r"store_run\(run, uid='new'\)"):
        catalog["new"] = {"x": [1]}
    assert list(catalog) == []
