"""Directories with runs that others wrote, and files that are no runs, are read and stored into as before."""

from __future__ import annotations

import pytest
from bluesky import RunEngine
from bluesky.plans import count
from bluesky_live.bluesky_run import BlueskyRun, DocumentCache

import runs
import sites

NOT_RUNS = {
    "notes.txt": b"measured on a Monday",
    "archive.msgpack.gz": b"\x1f\x8b\x08\x00",
    ".hidden.part": b"half a run",
    "empty": b"",
}


@pytest.fixture
def old(site):
    """Runs by stock databroker: of a RunEngine, and by the recipe of its documentation; their uids."""
    stock = site.stock(**site.args)
    engine = RunEngine({})
    engine.subscribe(stock.v1.insert)
    (measured,) = engine(count([], num=2))
    cache = DocumentCache()
    for name, doc in runs.small_documents(uid="by-recipe"):
        cache(name, doc)
    for name, doc in BlueskyRun(cache).documents(fill="no"):
        stock.v1.insert(name, doc)
    return [measured, "by-recipe"]


@pytest.mark.parametrize("site", ["msgpack", "jsonl", "mongo-normalized[mongomock]"], indirect=True)
def test_runs_of_stock_databroker_are_read_and_stored_beside(site, old):
    before = site.snapshot()
    stock, catalog = site.stock(**site.args), site.open()
    for uid in old:
        expected = list(stock[uid].documents(fill="no"))
        runs.assert_identical(list(catalog[uid].documents(fill="no")), expected)
    catalog.store_run(runs.TABLE, uid="new")
    after = site.snapshot()
    if site.is_mongo:
        assert all(doc in after[collection] for collection in before for doc in before[collection])
    else:
        assert {name: after[name] for name in before} == before
    assert sorted(site.stock(**site.args)) == sorted([*old, "new"])


@pytest.mark.parametrize("site", ["msgpack", "jsonl"], indirect=True)
def test_files_that_are_no_runs_are_not_touched(site, old):
    suffix = f".{site.kind}"
    for name, content in {**NOT_RUNS, f"empty{suffix}": b""}.items():
        (site.directory / name).write_bytes(content)
    (site.directory / "subdirectory").mkdir()
    (site.directory / "subdirectory" / f"other{suffix}").write_bytes(b"\xc1")
    before = sites.tree(site.directory)
    catalog = site.open()
    assert sorted(catalog) == sorted(old)
    catalog.store_run(runs.TABLE, uid="new")
    catalog.force_reload()
    assert sorted(catalog) == sorted([*old, "new"])
    after = sites.tree(site.directory)
    assert after.pop(f"new{suffix}")
    assert after == before


@pytest.mark.parametrize("site", ["msgpack", "jsonl"], indirect=True)
def test_a_run_file_that_is_cut_off_is_what_it_is_for_stock_databroker(site, old):
    """databroker 1.2.5 gives a cut-off msgpack file as a run without stop, and cannot open with a cut-off line."""
    path = site.directory / f"by-recipe.{site.kind}"
    path.write_bytes(path.read_bytes()[:-20])
    before = site.snapshot()

    def listed(make):
        try:
            return sorted(make())
        except Exception as exc:
            return type(exc), str(exc)

    assert listed(site.open) == listed(lambda: site.stock(**site.args))
    assert site.snapshot() == before
