"""Directories with runs that others wrote, and files that are no runs, are read and stored into as before."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy
import pandas
import pytest
import xarray
from bluesky import RunEngine
from bluesky.plans import count
from bluesky_live.bluesky_run import BlueskyRun, DocumentCache

from databroker_writable import StoreWarning, build_simple_run, export, to_dataset
from databroker_writable.runs.run_display import display_of
from support import command_line, example_runs, sites

OLD_RUNS = Path(__file__).parents[1] / "old_runs"

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
    for name, doc in example_runs.small_documents(uid="by-recipe"):
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
        example_runs.assert_identical(list(catalog[uid].documents(fill="no")), expected)
    catalog.store_run(example_runs.TABLE, uid="new")
    after = site.snapshot()
    if site.is_mongo:
        assert all(doc in after[collection] for collection in before for doc in before[collection])
    else:
        assert {name: after[name] for name in before} == before
    assert sorted(site.stock(**site.args)) == sorted([*old, "new"])


@pytest.mark.parametrize(
    "odd",
    [{"num_events": 3}, {"num_events": {"primary": "three"}}, {"num_rows": "three"}, {"num_rows": [3]}, {"time": None}],
    ids=str,
)
@pytest.mark.parametrize("site", ["msgpack", "jsonl", "mongo-normalized[mongomock]"], indirect=True)
def test_odd_counts_of_other_programs_are_passed_over(site, odd, tmp_path):
    *documents, (_, stop) = example_runs.small_documents(uid="odd")
    assert_passed_over(site, [*documents, ("stop", {**stop, **odd})], tmp_path)


@pytest.mark.parametrize("time", [math.nan, math.inf, -math.inf, 1e20, -1e20])
@pytest.mark.parametrize("site", ["msgpack", "jsonl", "mongo-normalized[mongomock]"], indirect=True)
def test_times_of_other_programs_that_are_none_are_shown_as_they_are(site, time, tmp_path):
    (_, start), *documents = example_runs.small_documents(uid="odd")
    catalog = assert_passed_over(site, [("start", {**start, "time": time}), *documents], tmp_path)
    for words in (repr(catalog), catalog._repr_html_(), display_of(catalog["odd"]).text()):
        assert str(time).lower() in words.lower()
    assert catalog.table()["time"].isna().sum() == 1


def assert_passed_over(site, documents, tmp_path):
    stock = site.stock(**site.args)
    for name, doc in documents:
        stock.v1.insert(name, doc)
    catalog = site.open()
    catalog.store_run(example_runs.TABLE, uid="new")
    assert sorted(catalog.table().index) == ["new", "odd"]
    assert "odd" in repr(catalog) + display_of(catalog["odd"]).text()
    for suffix in (".nxs", ".nc", ".json"):
        export(catalog["odd"], tmp_path / f"run{suffix}")
    if not site.is_mongo:
        for words in (["ls"], ["show", "odd"], ["show", "odd", "--json"], ["check"]):
            command_line.succeed(words[0], str(site.directory), *words[1:])
    return catalog


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
    catalog.store_run(example_runs.TABLE, uid="new")
    catalog.force_reload()
    assert sorted(catalog) == sorted([*old, "new"])
    after = sites.tree(site.directory)
    assert after.pop(f"new{suffix}")
    assert after == before


@pytest.mark.parametrize("site", ["msgpack"], indirect=True)
def test_a_run_file_that_is_cut_off_is_what_it_is_for_stock_databroker(site, old):
    """databroker 1.2.5 gives a cut-off msgpack file as a run without stop."""
    path = site.directory / f"by-recipe.{site.kind}"
    path.write_bytes(path.read_bytes()[:-20])
    before = site.snapshot()
    assert sorted(site.open()) == sorted(site.stock(**site.args))
    assert site.snapshot() == before


@pytest.mark.parametrize("site", ["jsonl"], indirect=True)
def test_a_run_file_with_a_line_that_is_cut_off_is_named_and_the_others_are_there(site, old):
    """databroker 1.2.5 cannot open a catalog with such a file."""
    path = site.directory / f"by-recipe.{site.kind}"
    path.write_bytes(path.read_bytes()[:-20])
    before = site.snapshot()
    with pytest.warns(StoreWarning, match=r"by-recipe\.jsonl.*is skipped: it is not a run, or is damaged"):
        catalog = site.open()
    assert set(catalog) == set(old) - {"by-recipe"}
    with pytest.raises(ValueError, match=r"Expected object or value|Unterminated|expected|Expecting"):
        site.stock(**site.args)
    assert site.snapshot() == before


def rows() -> pandas.DataFrame:
    index = pandas.Index([10, 20, 30], name="spot")
    when = numpy.array(["2023-11-14T22:13:20.000000001", "NaT", "2023-11-15"], dtype="M8[ns]")
    return pandas.DataFrame({"energy": [8979.0, numpy.nan, 8981.5], "n": [1, 2, 3], "when": when}, index=index)


def one_event() -> xarray.Dataset:
    data = {"mu": (("z", "energy"), numpy.arange(6.0).reshape(2, 3), {"units": "1/cm"})}
    return xarray.Dataset(data, {"energy": [8979.0, 8980.0, 8981.0]}, {"edge": "K"})


@pytest.mark.parametrize("site", ["msgpack", "jsonl"], indirect=True)
def test_runs_of_an_earlier_version_are_read_and_stored_beside(site):
    shutil.copytree(OLD_RUNS / site.kind, site.directory, dirs_exist_ok=True)
    before = sites.tree(site.directory)
    catalog = site.open()
    catalog.store_run(example_runs.TABLE, uid="new")
    assert sorted(site.open()) == ["new", "one-event", "pieces", "rows"]
    for uid, table, is_one in (("rows", rows(), False), ("one-event", one_event(), True)):
        today = build_simple_run(table, one_event=is_one)
        xarray.testing.assert_identical(to_dataset(catalog[uid]), to_dataset(today))
        read, expected = catalog[uid].primary.read(), today.primary.read()
        assert sorted(read.data_vars) == sorted(expected.data_vars)
        for name in set(read.data_vars) - {"seq_num", "time"}:
            # the integers beside datetimes had null for NaT, and now have NaT's own
            nat = numpy.iinfo("int64").min if name.endswith("_ns") else None
            values = [nat if value is None else value for value in read[name].values.tolist()]
            numpy.testing.assert_array_equal(values, expected[name].values)
    assert catalog["rows"].metadata["start"]["sample"] == "Cu"
    assert list(catalog.results_of("rows")) == ["one-event"]
    assert catalog["pieces"].primary.read().x.values.tolist() == [1, 2, 3]
    assert catalog["pieces"].baseline.read()["T"].values.tolist() == [300.0]
    after = sites.tree(site.directory)
    assert {name: after[name] for name in before} == before
