"""Stored runs are found and read by databroker's own means."""

from __future__ import annotations

import inspect
import json
import pickle

import numpy
import pytest
import yaml

from databroker_writable.catalog.storing_methods import WritableMixin
from support import example_runs, new_process, sites

READ_METHODS = ["__getitem__", "__iter__", "__len__", "__contains__", "__getattr__"]
MAY_DIFFER = {"name", "configure_new", "get"}


def test_read_methods_are_databrokers_own(catalog, site):
    public = [name for name in dir(site.stock) if not name.startswith("_")]
    assert {"search", "v1", "v2", "items", "force_reload", "describe"} <= set(public)
    cls = type(catalog)
    for name in [*public, *READ_METHODS]:
        if name not in MAY_DIFFER:
            theirs = inspect.getattr_static(site.stock, name, None)
            assert inspect.getattr_static(cls, name, None) is theirs, name


def test_a_writable_catalog_is_one_of_the_drivers(catalog, site):
    assert isinstance(catalog, site.stock)
    assert isinstance(catalog, WritableMixin)
    assert catalog.v2 is catalog
    assert catalog.v1.v2 is catalog


def test_search_finds_runs_by_metadata(catalog):
    for sample in ("Cu", "Ag", "Cu"):
        catalog.store_run({"x": [1]}, metadata={"sample": sample, "fit": {"model": "gauss"}})
    found = catalog.search({"sample": "Cu"})
    assert len(found) == 2
    assert len(found.search({"fit.model": "gauss"})) == 2
    assert {run.metadata["start"]["sample"] for _, run in found.items()} == {"Cu"}
    assert len(catalog.search({"sample": "Au"})) == 0


@pytest.mark.parametrize("runs", [iter, lambda catalog: (uid for uid, _ in catalog.items())], ids=["uids", "items"])
def test_a_loop_over_a_catalog_may_store_results_in_it(catalog, runs):
    raw = [catalog.store_run({"x": [1]}).metadata["start"]["uid"] for _ in range(3)]
    for uid in runs(catalog):
        if uid in raw:
            catalog.store_run({"y": [1]}, derived_from=uid)
    assert len(catalog) == 6
    assert [len(catalog.results_of(uid)) for uid in raw] == [1, 1, 1]


@pytest.mark.parametrize("site", [*sites.FILE_SITES, "adopted"], indirect=True)
def test_a_run_that_is_popped_is_there_again_after_the_catalog_is_loaded(catalog, site):
    uids = [catalog.store_run({"x": [number]}).metadata["start"]["uid"] for number in range(2)]
    assert catalog.pop(uids[1]).name == uids[1]
    assert list(catalog) == uids[:1]
    assert len(catalog) == 1
    assert catalog.latest().metadata["start"]["uid"] == uids[1]
    assert catalog[-1].primary.read()["x"].values.tolist() == [1]
    assert sorted(catalog) == sorted(uids)


def test_runs_are_looked_up_as_databroker_does(catalog, site):
    for i in range(3):
        catalog.store_run(
            {"x": [i]}, metadata={"scan_id": 10 + i}, uid=f"{i}abcdef-fit", time=example_runs.START_TIME + i
        )
    for looking in (catalog, site.open()):
        if not (
            site.is_ferretdb and site.kind == "mongo-embedded"
        ):  # FerretDB 1.24 does not sort by start.time in an array
            assert looking[-1].metadata["start"]["uid"] == "2abcdef-fit"
            assert looking[-3].metadata["start"]["uid"] == "0abcdef-fit"
        assert looking["1abc"].metadata["start"]["scan_id"] == 11
        assert looking[12].metadata["start"]["uid"] == "2abcdef-fit"
        assert looking["1abcdef-fit"].primary.read()["x"].values.tolist() == [1]
        assert "1abcdef-fit" in looking
        assert sorted(looking) == ["0abcdef-fit", "1abcdef-fit", "2abcdef-fit"]
        assert len(looking) == 3
        with pytest.raises(KeyError):
            looking["absent"]


def test_v1_reads_what_was_stored(catalog, site):
    stored = catalog.store_run(example_runs.TABLE, metadata={"sample": "Cu"})
    uid = stored.metadata["start"]["uid"]
    for broker in (catalog.v1, site.open().v1):
        header = broker[uid]
        assert header.start["sample"] == "Cu"
        assert header.stop["exit_status"] == "success"
        table = header.table()
        assert {name: list(table[name]) for name in example_runs.TABLE} == example_runs.TABLE
        assert [found.start["uid"] for found in broker(sample="Cu")] == [uid]


def test_rows_keep_their_order(catalog, site):
    values = numpy.random.default_rng(5).permutation(200).tolist()
    stored = catalog.store_run({"x": values})
    uid = stored.metadata["start"]["uid"]
    assert list(site.open().v1[uid].table()["x"]) == values
    assert site.open()[uid].primary.read()["x"].values.tolist() == values


def test_another_catalog_object_sees_a_new_run(catalog, site):
    early = site.open()
    assert len(early) == 0
    uid = catalog.store_run({"x": [1]}).metadata["start"]["uid"]
    early.force_reload()
    assert early[uid].primary.read()["x"].values.tolist() == [1]


READ = """
import json, pickle, sys
import intake
import databroker
path, uid, pickled = sys.argv[1:]
seen = {}
for how, catalog in {
    "yaml": intake.open_catalog(path)["results"],
    "pickle": pickle.loads(bytes.fromhex(pickled)),
}.items():
    run = catalog[uid]
    stored = catalog.store_run({"x": [7]}, metadata={"from": how})
    seen[how] = {
        "table": {name: run.primary.read()[name].values.tolist() for name in ("x", "y", "name")},
        "sample": run.metadata["start"]["sample"],
        "stored": stored.primary.read()["x"].values.tolist(),
    }
print(json.dumps(seen))
"""


@pytest.mark.parametrize(
    "site", ["msgpack", "jsonl", "collecting", "mongo-normalized[server]", "mongo-embedded[server]"], indirect=True
)
def test_a_new_process_opens_the_catalog_reads_and_stores(catalog, site, tmp_path):
    stored = catalog.store_run(example_runs.TABLE, metadata={"sample": "Cu"})
    path = tmp_path / "catalog.yml"
    source = {"driver": site.driver, "args": site.args}
    path.write_text(yaml.safe_dump({"sources": {"results": source}}))
    output = new_process.output_of(READ, str(path), stored.metadata["start"]["uid"], pickle.dumps(catalog).hex())
    expected = {"table": example_runs.TABLE, "sample": "Cu", "stored": [7]}
    assert json.loads(output) == {"yaml": expected, "pickle": expected}
    catalog.force_reload()
    assert len(catalog) == 3
