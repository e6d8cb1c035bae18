"""``run_builder`` and ``store_runs``: runs in pieces, and many runs."""

from __future__ import annotations

import copy
import errno
import os
import pickle
import traceback
import warnings

import cloudpickle
import dask.array
import numpy
import pytest
import xarray
from bluesky_live.run_builder import StreamDoesNotExist, StreamExists

from databroker_writable import (
    InvalidRunError,
    InvalidTableError,
    RunBuilder,
    RunExistsError,
    StoreFailedError,
    StoreWarning,
    recover,
    to_dataset,
)
from databroker_writable.errors import FULL_TRACEBACK
from support import example_runs, new_process


@pytest.mark.filterwarnings("ignore:derived_from names the run 'raw-1':databroker_writable.StoreWarning")
def test_a_block_that_ends_stores_its_run(catalog, site):
    with catalog.run_builder(metadata={"sample": "Cu"}, uid="fit-1", derived_from="raw-1") as builder:
        builder.add_stream("primary", data={"x": [1, 2, 3], "y": [10, 20, 30]})
        builder.add_stream("baseline", data={"A": [-1, -1], "B": [250, 250]})
        assert len(catalog) == 0
    run = site.open()["fit-1"]
    assert run.metadata["start"]["sample"] == "Cu"
    assert run.metadata["start"]["original_run_uid"] == "raw-1"
    assert run.metadata["stop"]["exit_status"] == "success"
    assert run.baseline.read()["B"].values.tolist() == [250, 250]
    assert builder.stored_run.metadata == catalog["fit-1"].metadata


def test_a_block_that_raises_keeps_what_was_added_as_a_failed_run(catalog, site):
    with pytest.raises(ZeroDivisionError), catalog.run_builder(uid="fit-1") as builder:  # noqa: PT012
        builder.add_stream("primary", data={"x": [1, 2, 3]})
        builder.add_data("primary", data={"x": [1 / 0]})
    run = site.open()["fit-1"]
    assert run.metadata["stop"]["exit_status"] == "fail"
    assert "division by zero" in run.metadata["stop"]["reason"]
    assert run.primary.read()["x"].values.tolist() == [1, 2, 3]
    assert builder.stored_run.metadata["start"]["uid"] == "fit-1"


def test_a_bad_table_in_a_block_keeps_what_was_added_before(catalog, site):
    with pytest.raises(InvalidTableError), catalog.run_builder(uid="fit-1") as builder:  # noqa: PT012
        builder.add_stream("primary", data={"x": [1, 2, 3]})
        builder.add_data("primary", data={"x": [1, 2], "y": [1]})
    run = site.open()["fit-1"]
    assert run.metadata["stop"]["exit_status"] == "fail"
    assert run.primary.read()["x"].values.tolist() == [1, 2, 3]


def failing(block):
    raise ZeroDivisionError("in a block")


def test_an_array_that_cannot_be_computed_is_left_out_and_the_rest_is_kept(site, tmp_path):
    catalog = site.open(**site.with_assets(tmp_path))
    good = dask.array.ones((2, 3))
    bad = good.map_blocks(failing, dtype=float, meta=numpy.empty((0, 0)))
    with pytest.raises(ZeroDivisionError), catalog.run_builder(uid="fit-1") as builder:  # noqa: PT012
        builder.add_stream("primary", data={"image": good, "mask": good > 0})
        with pytest.raises(ZeroDivisionError, match="in a block"):
            builder.add_data("primary", data={"image": good, "mask": bad > 0})
        builder.add_data("primary", data={"image": 2 * good, "mask": good > 1})
        builder.add_stream("second", data={"image": bad})
    run = site.open()["fit-1"]
    assert run.metadata["stop"]["exit_status"] == "fail"
    assert run.metadata["stop"]["num_events"]["primary"] == 4
    read = run.primary.read()
    assert read["image"].values.tolist() == [[1, 1, 1]] * 2 + [[2, 2, 2]] * 2
    assert read["mask"].values.tolist() == [[True] * 3] * 2 + [[False] * 3] * 2
    assert len(list(tmp_path.rglob("*.h5"))) == 1


@pytest.mark.parametrize("second", [{"y": [1, 2]}, {"image": numpy.ones((2, 4), "u1")}], ids=["other", "same"])
def test_a_stream_whose_first_arrays_cannot_be_computed_leaves_no_trace(site, tmp_path, second):
    if site.is_ferretdb and site.kind == "mongo-embedded":
        pytest.skip("FerretDB 1.24 refuses arrays in arrays")
    catalog = site.open(**site.with_assets(tmp_path))
    good = dask.array.ones((2, 3))
    bad = good.map_blocks(failing, dtype=float, meta=numpy.empty((0, 0)))
    with catalog.run_builder(uid="fit-1") as builder:
        for key in ("mask", "a"):  # the good column is written before, and after
            with pytest.raises(ZeroDivisionError, match="in a block"):
                builder.add_stream("primary", data={"image": good, key: bad})
        builder.add_stream("declared", data_keys={"image": {"source": "s", "dtype": "array", "shape": [3]}})
        with pytest.raises(ZeroDivisionError, match="in a block"):
            builder.add_data("declared", {"image": bad})
        builder.add_data("declared", {"image": numpy.full((1, 3), 2.0)})
        builder.add_stream("primary", data=second)
    run = site.open()["fit-1"]
    streams = [doc["name"] for name, doc in run.documents(fill="no") if name == "descriptor"]
    assert sorted(streams) == ["declared", "primary"]
    assert run.metadata["stop"]["num_events"] == {"primary": 2, "declared": 1}
    for key, values in second.items():
        assert run.primary.read()[key].values.tolist() == numpy.asarray(values).tolist()
    assert run.declared.read()["image"].values.tolist() == [[2, 2, 2]]
    assert list(tmp_path.rglob("*.h5*")) == []


def test_a_stream_of_declared_columns_is_read_as_declared_though_integers_become_floats(catalog):
    data_keys = {"x": {"source": "here", "dtype": "number", "shape": [], "units": "mm"}}
    with catalog.run_builder() as builder:
        builder.add_stream("primary", data_keys=data_keys, object_keys={"motor": ["x"]})
        for values in ([1, 2], [3.5], [4]):
            builder.add_data("primary", {"x": values})
    run = builder.stored_run
    read = run.primary.read()
    assert read["x"].values.tolist() == [1.0, 2.0, 3.5, 4.0]
    xarray.testing.assert_identical(to_dataset(run), read)


@pytest.mark.parametrize("site", ["msgpack"], indirect=True)
def test_a_block_that_catches_a_failed_store_is_told_that_nothing_is_stored(site, tmp_path, monkeypatch):
    catalog = site.open(asset_root=str(tmp_path / "arrays"), asset_threshold=0)

    def disk_is_full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(InvalidRunError, match=r"fit-1.* was not stored"), catalog.run_builder(uid="fit-1") as builder:  # noqa: PT012
        builder.add_stream("primary", data={"image": numpy.zeros((1, 3))})
        with monkeypatch.context() as patch:
            patch.setattr(os, "mkdir", disk_is_full)
            patch.setattr(os, "open", disk_is_full)
            with pytest.raises(StoreFailedError, match="nothing was published, and a retry is safe"):
                builder.add_stream("other", data={"image": numpy.zeros((1, 3))})
    assert list(site.open()) == []
    with catalog.run_builder(uid="fit-1") as builder:
        builder.add_stream("primary", data={"image": numpy.zeros((1, 3))})
    assert list(site.open()) == ["fit-1"]


@pytest.mark.parametrize("site", ["msgpack", "jsonl"], indirect=True)
def test_a_builder_whose_directory_was_away_says_how_to_recover_its_run(site, catalog, monkeypatch):
    monkeypatch.delenv(FULL_TRACEBACK, raising=False)
    catalog.store_run({"x": [0]}, uid="earlier")
    builder = catalog.run_builder(uid="fit-1")
    builder.add_stream("primary", data={"x": [1, 2, 3]})
    directory, away = site.directory, site.directory.with_name("away")
    directory.rename(away)
    with pytest.raises(
        StoreFailedError, match=r"this builder has ended: build .* again, or, .*recover\(catalog\)$"
    ) as caught:
        builder.close()
    assert len(traceback.format_exception(caught.value)) <= 5
    away.rename(directory)
    for use in (
        builder.close,
        builder.get_run,
        lambda: builder.add_data("primary", {"x": [4]}),
        lambda: catalog.store_run(builder),
    ):
        with pytest.raises(InvalidRunError, match=r"'fit-1' was not stored: an earlier error .*recover\(catalog\)$"):
            use()
    assert [run.uid for run in recover(catalog)] == ["fit-1"]
    assert site.open()["fit-1"].primary.read()["x"].values.tolist() == [1, 2, 3]


def test_an_exception_before_any_stream_is_recorded_too(catalog, site):
    with pytest.raises(RuntimeError, match="no beam"), catalog.run_builder(uid="fit-1"):
        raise RuntimeError("no beam")
    run = site.open()["fit-1"]
    assert (run.metadata["stop"]["exit_status"], list(run)) == ("fail", [])
    assert "no beam" in run.metadata["stop"]["reason"]


def test_an_interrupted_block_is_recorded_and_the_interruption_goes_on(catalog, site):
    with pytest.raises(KeyboardInterrupt), catalog.run_builder(uid="fit-1") as builder:  # noqa: PT012
        builder.add_stream("primary", data={"x": [1]})
        raise KeyboardInterrupt
    assert site.open()["fit-1"].metadata["stop"]["exit_status"] in ("fail", "abort")


def test_a_taken_uid_is_refused_before_the_block_begins(catalog, site):
    first = catalog.store_run({"x": [1]}, uid="fit-1")
    before = site.snapshot()
    with pytest.raises(RunExistsError, match="fit-1") as caught:
        catalog.run_builder(uid="fit-1")
    assert caught.value.run.metadata == first.metadata
    assert site.snapshot() == before


def test_a_builder_that_was_closed_in_its_block_is_stored(catalog):
    with catalog.run_builder(uid="fit-1") as builder:
        builder.add_stream("primary", data={"x": [1]})
        builder.close(exit_status="abort", reason="enough")
    assert catalog["fit-1"].metadata["stop"]["exit_status"] == "abort"


def test_a_closed_builder_takes_no_more(catalog):
    with catalog.run_builder() as builder:
        builder.add_stream("primary", data={"x": [1]})
    with pytest.raises(InvalidRunError, match="closed"):
        builder.add_data("primary", data={"x": [2]})
    assert len(catalog) == 1


def test_many_runs_are_stored_in_one_call(catalog, site, capsys):
    uids = catalog.store_runs(({"x": [i]} for i in range(4)), progress=True)
    assert [site.open()[uid].primary.read()["x"].values.tolist() for uid in uids] == [[0], [1], [2], [3]]
    assert "4" in capsys.readouterr().err


def test_runs_that_fail_are_named_and_the_others_stay(catalog, site):
    good = example_runs.small_documents(uid="fit-1")
    batch = [
        good,
        {"x": []},
        example_runs.small_documents(uid="fit-2"),
        example_runs.small_documents(uid="fit-1", other=True),
    ]
    with pytest.raises(StoreFailedError) as caught:
        catalog.store_runs(batch)
    assert caught.value.stored == ["fit-1", "fit-2"]
    assert {position: type(e) for position, e in caught.value.failures.items()} == {
        1: InvalidTableError,
        3: RunExistsError,
    }
    message = str(caught.value)
    assert "2 of 4" in message
    assert "1: InvalidTableError" in message
    assert "3: RunExistsError" in message
    assert "fit-1" in message
    assert sorted(site.open()) == ["fit-1", "fit-2"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_runs_that_fail_are_named_though_the_iterable_raises(catalog, site, error):
    def runs(*tables):
        yield from tables
        raise error("the iterable's own")

    good, wrong = example_runs.small_documents(uid="fit-1"), {"x": [1, "a"]}
    message = rf"ended by {error.__name__}; before that, 1 of 2 runs were not stored(?s:.*)1: InvalidTableError: column"
    with pytest.warns(StoreWarning, match=message), pytest.raises(error, match="the iterable's own"):
        catalog.store_runs(runs(good, wrong))
    with warnings.catch_warnings():
        warnings.simplefilter("error", StoreWarning)
        with pytest.raises(error, match="the iterable's own"):
            catalog.store_runs(runs(example_runs.small_documents(uid="fit-2")))
    assert sorted(site.open()) == ["fit-1", "fit-2"]


@pytest.mark.parametrize("duplicate", [pickle.dumps, cloudpickle.dumps, copy.deepcopy])
def test_a_builder_is_not_copied_and_says_what_to_send_to_another_process(catalog, duplicate):
    with catalog.run_builder(uid="fit-1") as builder:
        builder.add_stream("primary", data={"x": [1]})
        for made in (builder, RunBuilder()):
            with pytest.raises(InvalidRunError, match="a builder cannot be copied, or sent to another process"):
                duplicate(made)
        builder.add_data("primary", data={"x": [2]})
    assert to_dataset(catalog["fit-1"])["x"].values.tolist() == [1, 2]


def test_no_runs_are_no_failure(catalog):
    assert catalog.store_runs([]) == []


UNCLOSED = """
import sys
import numpy
from support import sites
assets = {"asset_root": sys.argv[3], "asset_threshold": 0} if sys.argv[3:] else {}
catalog = sites.opened(sys.argv[1], sys.argv[2], **assets)
builder = catalog.run_builder(uid="unclosed")
builder.add_stream("primary", data={"x": [1, 2]})
builder.add_data("primary", data={"x": [3]})
if assets:
    builder.add_stream("images", data={"image": numpy.ones((2, 3, 4))})
untouched = catalog.run_builder(uid="untouched")
"""


@pytest.mark.parametrize(
    "site", ["msgpack", "jsonl", "collecting", "mongo-normalized[server]", "mongo-embedded[server]"], indirect=True
)
def test_a_builder_that_is_not_closed_when_its_process_ends_is_a_failed_run(site):
    new_process.output_of(UNCLOSED, site.kind, site.place)
    catalog = site.open()
    assert list(catalog) == ["unclosed"]
    stop = catalog["unclosed"].metadata["stop"]
    assert (stop["exit_status"], stop["reason"]) == ("fail", "the process ended before the run was closed")
    assert to_dataset(catalog["unclosed"])["x"].values.tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    "site", ["msgpack", "jsonl", "mongo-normalized[server]", "mongo-embedded[server]"], indirect=True
)
def test_the_assets_of_a_builder_that_is_not_closed_when_its_process_ends_are_kept(site, tmp_path):
    new_process.output_of(UNCLOSED, site.kind, site.place, tmp_path / "assets")
    assert to_dataset(site.open()["unclosed"], stream="images")["image"].values.tolist() == [[[1] * 4] * 3] * 2


def test_a_table_can_be_stored_as_a_stream_of_another_name(catalog, site):
    stored = catalog.store_run({"x": [1, 2]}, stream="fit")
    built = catalog.build_simple_run({"x": [1, 2]}, stream="fit")
    assert list(site.open()[stored.metadata["start"]["uid"]]) == list(built) == ["fit"]
    with pytest.raises(InvalidRunError, match="stream"):
        catalog.store_run(built, stream="other")


def test_the_errors_of_streams_are_those_of_this_package_and_of_bluesky_live(site):
    with site.open().run_builder() as builder:
        with pytest.raises(InvalidRunError, match="There is no stream 'primary' yet") as missing:
            builder.add_data("primary", {"x": [1]})
        builder.add_stream("primary", data={"x": [1]})
        with pytest.raises(InvalidRunError, match="The stream 'primary' exists") as existing:
            builder.add_stream("primary", data={"x": [1]})
        with pytest.raises(InvalidRunError, match=r"There is no stream 'primry' yet; .* The run has 'primary'"):
            builder.add_data("primry", {"x": [1]})
    assert isinstance(missing.value, StreamDoesNotExist)
    assert isinstance(existing.value, StreamExists)
