"""Whatever is or makes a run can be stored, and comes back as it went in."""

from __future__ import annotations

import copy
import pickle

import bluesky_live.run_builder
import dask.array
import databroker
import event_model
import numpy
import pandas
import pytest
import xarray
from databroker._drivers.msgpack import BlueskyMsgpackCatalog
from databroker.core import BlueskyRun

from databroker_writable import InvalidMetadataError, InvalidRunError, RunBuilder, build_simple_run, to_dataset
from databroker_writable.runs.comparison import same_run
from support import example_runs


def pickled(run):
    return pickle.loads(pickle.dumps(run))


def assert_table(run, table=example_runs.TABLE, stream="primary"):
    read = run[stream].read()
    for name, values in table.items():
        assert read[name].values.tolist() == list(values)


def assert_stored(stored, documents, site):
    """The documents that went in are those that come out of a catalog that is opened anew."""
    assert isinstance(stored, BlueskyRun)
    uid = documents[0][1]["uid"]
    assert stored.metadata["start"]["uid"] == uid
    assert same_run(site.documents(uid), documents)


@pytest.mark.parametrize(
    "table",
    [
        pytest.param(example_runs.TABLE, id="dict of lists"),
        pytest.param({name: numpy.array(values) for name, values in example_runs.TABLE.items()}, id="dict of arrays"),
        pytest.param(pandas.DataFrame(example_runs.TABLE), id="DataFrame"),
        pytest.param(
            xarray.Dataset({name: ("row", numpy.array(values)) for name, values in example_runs.TABLE.items()}),
            id="Dataset",
        ),
    ],
)
def test_a_table_is_stored_in_one_call(catalog, site, table):
    stored = catalog.store_run(table, metadata={"sample": "Cu"})
    assert stored.metadata["start"]["sample"] == "Cu"
    assert stored.metadata["stop"]["exit_status"] == "success"
    assert_table(stored)
    assert_table(site.open()[stored.metadata["start"]["uid"]])


@pytest.mark.filterwarnings("ignore:derived_from names the run 'raw-1':databroker_writable.StoreWarning")
def test_arguments_of_a_table_go_into_its_documents(catalog):
    stored = catalog.store_run(
        example_runs.TABLE,
        {"sample": "Cu"},
        "fit-1",
        example_runs.START_TIME,
        "abort",
        "the beam was lost",
        derived_from="raw-1",
    )
    start, stop = stored.metadata["start"], stored.metadata["stop"]
    assert (start["uid"], start["time"]) == ("fit-1", example_runs.START_TIME)
    assert (stop["exit_status"], stop["reason"]) == ("abort", "the beam was lost")
    assert start["original_run_uid"] == "raw-1"
    assert_table(stored)


def test_a_table_as_one_event_comes_back_whole(catalog, site):
    if site.is_ferretdb and site.kind == "mongo-embedded":
        pytest.skip("FerretDB 1.24 refuses arrays in arrays, such as a page of arrays")
    table = {"x": numpy.arange(6.0)}
    if not site.is_ferretdb:  # FerretDB 1.24 refuses arrays in arrays
        table["image"] = numpy.arange(24).reshape(6, 4)
    stored = catalog.store_run(table, one_event=True)
    read = site.open()[stored.metadata["start"]["uid"]].primary.read()
    for name, values in table.items():
        assert read[name].values.tolist() == [values.tolist()]
    assert stored.metadata["stop"]["num_events"] == {"primary": 1}


def test_a_run_built_by_the_catalog_is_not_stored_until_asked_for(catalog, site):
    before = site.snapshot()
    run = catalog.build_simple_run(pandas.DataFrame(example_runs.TABLE), metadata={"sample": "Cu"})
    assert len(catalog) == 0
    assert site.snapshot() == before
    stored = catalog.store_run(run)
    assert_stored(stored, list(run.documents(fill="no")), site)
    assert_table(stored)


def test_a_run_of_bluesky_live_is_stored_as_it_is(catalog, site):
    with bluesky_live.run_builder.RunBuilder({"sample": "Cu"}) as builder:
        builder.add_stream("primary", data={"x": [1, 2, 3]})
        builder.add_stream("baseline", data={"A": [-1, -1], "B": [250, 250]})
    run = builder.get_run()
    stored = catalog.store_run(run)
    assert_stored(stored, list(run.documents(fill="no")), site)
    assert sorted(stored) == ["baseline", "primary"]
    assert stored.baseline.read()["B"].values.tolist() == [250, 250]


@pytest.mark.parametrize("duplicate", [pickled, copy.copy, copy.deepcopy], ids=["pickle", "copy", "deepcopy"])
def test_a_run_in_memory_is_sent_to_another_process_and_stored_once(catalog, site, duplicate):
    table = xarray.Dataset({"x": ("row", numpy.arange(3.0), {"units": "mm"})}, coords={"row": [5, 6, 7]})
    lazy = build_simple_run({"x": dask.array.arange(4, chunks=2)}, one_event=True)
    # FerretDB holds no arrays in arrays, which attachments are in the embedded layout
    attached = None if site.is_ferretdb else {"note.txt": "text"}
    run = catalog.build_simple_run(table, {"sample": "Cu"}, attachments=attached)
    again = duplicate(run)
    assert type(again) is type(run)
    example_runs.assert_identical(list(again.documents()), list(run.documents()))
    stored = catalog.store_run(again)
    assert catalog.store_run(run).metadata == stored.metadata
    xarray.testing.assert_identical(to_dataset(stored), table)
    assert to_dataset(duplicate(lazy))["x"].values.tolist() == [0, 1, 2, 3]
    assert len(site.open()) == 1


def test_a_run_that_is_still_built_is_copied_as_it_is():
    builder = RunBuilder({"sample": "Cu"})
    builder.add_stream("primary", data={"x": [1, 2]})
    before = pickled(builder.get_run())
    builder.add_data("primary", data={"x": [3]})
    builder.close()
    assert before.metadata["stop"] is None
    assert before.primary.read()["x"].values.tolist() == [1, 2]
    assert builder.get_run().primary.read()["x"].values.tolist() == [1, 2, 3]


def test_a_run_of_another_catalog_is_stored_with_its_resources_and_datums(catalog, site, tmp_path):
    documents = example_runs.documents_with_images(tmp_path)
    other = databroker.temp().v2
    for name, doc in documents:
        other.v1.insert(name, doc)
    stored = catalog.store_run(other[-1])
    assert_stored(stored, documents, site)
    reading = site.open(handler_registry={"TEST_NPY": example_runs.NpyHandler})[documents[0][1]["uid"]]
    images = numpy.load(tmp_path / "images.npy")
    numpy.testing.assert_array_equal(reading.primary.read()["image"].values, images)
    assert reading.baseline.read()["T"].values.tolist() == [300.5, 301.5]


def test_a_run_of_the_same_kind_of_catalog_is_stored_by_its_copy(site, catalog, tmp_path):
    source = BlueskyMsgpackCatalog([str(tmp_path / "*.msgpack")])
    documents = example_runs.small_documents(sample="Cu")
    for name, doc in documents:
        source.v1.insert(name, doc)
    assert_stored(catalog.store_run(source[-1]), documents, site)


def test_a_run_that_was_paused_and_resumed_is_stored(catalog, site):
    documents = example_runs.resumed_documents()
    stored = catalog.store_run(documents)
    assert_stored(stored, documents, site)
    assert stored.metadata["stop"]["num_events"] == {"primary": 2}


def test_a_v1_header_is_stored(catalog, site):
    other = databroker.temp()
    documents = example_runs.small_documents()
    for name, doc in documents:
        other.insert(name, doc)
    assert_stored(catalog.store_run(other[-1]), documents, site)


@pytest.mark.parametrize("paged", [True, False], ids=["pages", "single events and datums"])
@pytest.mark.parametrize("as_iterable", [list, iter], ids=["list", "generator"])
def test_documents_are_stored(catalog, site, tmp_path, paged, as_iterable):
    documents = example_runs.documents_with_images(tmp_path, paged=paged)
    stored = catalog.store_run(as_iterable(documents))
    assert_stored(stored, documents, site)


def test_document_names_may_be_event_models_own(catalog, site):
    documents = example_runs.small_documents()
    stored = catalog.store_run([(event_model.DocumentNames[name], doc) for name, doc in documents])
    assert_stored(stored, documents, site)


def test_a_closed_builder_is_stored(catalog, site):
    builder = RunBuilder({"sample": "Cu"})
    builder.add_stream("primary", data=example_runs.TABLE)
    builder.close()
    stored = catalog.store_run(builder)
    assert_stored(stored, list(builder.get_run().documents()), site)
    assert_table(stored)


def test_an_open_builder_is_refused(catalog, site):
    before = site.snapshot()
    builder = RunBuilder()
    builder.add_stream("primary", data=example_runs.TABLE)
    with pytest.raises(InvalidRunError, match="still open; close"):
        catalog.store_run(builder)
    assert site.snapshot() == before
    builder.close()
    assert_table(catalog.store_run(builder))


def test_several_streams_with_data_in_pieces(catalog, site):
    with catalog.run_builder(metadata={"sample": "Cu"}) as builder:
        builder.add_stream("primary", data={"x": [1, 2, 3], "y": [10, 20, 30]})
        builder.add_stream("baseline", data={"A": [-1, -1], "B": [250, 250]})
        builder.add_data("primary", data={"x": [4], "y": [40]})
    for run in (builder.stored_run, site.open()[-1]):
        assert run.primary.read()["y"].values.tolist() == [10, 20, 30, 40]
        assert run.baseline.read()["A"].values.tolist() == [-1, -1]
        assert run.metadata["stop"]["num_events"] == {"primary": 4, "baseline": 2}


def test_documents_come_back_literally_where_arrays_are_kept(catalog, site, tmp_path):
    if site.kind not in ("msgpack", "prefixed", "adopted"):
        pytest.skip("JSON and BSON have no arrays; a patching catalog adds to what it reads")
    table = {
        "x": numpy.arange(3, dtype="uint16"),
        "y": numpy.array([0.5, numpy.nan, -0.0], dtype="float32"),
        "image": numpy.arange(24, dtype="uint8").reshape(3, 2, 4),
    }
    run = build_simple_run(table, {"sample": "Cu", "nested": {"a": [1, {"b": None}], "t": (1, 2)}})
    stored = catalog.store_run(run)
    # in strict order databroker packs the events anew, to interlace streams
    example_runs.assert_identical(list(stored.documents(fill="no", strict_order=False)), list(run.documents()))


def test_numbers_text_and_metadata_survive(catalog, site):
    metadata = {
        "sample": {"name": "Cu", "nested": {"list": [1, 2.5, None, True, "µm"]}},
        "empty": {"list": [], "dict": {}, "text": ""},
        "large": 2**53 + 1,
        "negative": -(2**62),
        "small": 5e-324,
    }
    table = {"big": [2**62, -(2**62)], "flag": [True, False], "text": ["µ", ""], "tiny": [5e-324, 1.7e308]}
    if not site.is_ferretdb:  # FerretDB 1.24 refuses arrays in arrays
        table["list"] = [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]
    stored = catalog.store_run(table, metadata=metadata)
    found = site.open()[stored.metadata["start"]["uid"]]
    start = found.metadata["start"]
    example_runs.assert_identical({key: start[key] for key in metadata}, metadata)
    read = found.primary.read()
    for name, values in table.items():
        assert read[name].values.tolist() == values


def test_numbers_that_are_not_finite_survive(catalog, site):
    if site.is_ferretdb:
        pytest.skip("FerretDB 1.24 refuses infinities, and NaN closes the connection")
    values = [numpy.nan, numpy.inf, -numpy.inf, -0.0, 1.5]
    stored = catalog.store_run({"x": values}, metadata={"limits": [numpy.inf, -numpy.inf]})
    found = site.open()[stored.metadata["start"]["uid"]]
    numpy.testing.assert_array_equal(found.primary.read()["x"].values, values)
    assert numpy.signbit(found.primary.read()["x"].values[3])
    assert list(found.metadata["start"]["limits"]) == [numpy.inf, -numpy.inf]


@pytest.mark.parametrize("site", ["msgpack", "mongo-normalized[mongomock]"], indirect=True)
def test_the_origin_of_a_run_may_be_said_in_its_metadata(catalog, site):
    catalog.store_run({"x": [1]}, uid="raw-1-long")
    metadata = {"derived_from": "raw-1", "supersedes": ["raw-1-long"], "parameters": {"window": numpy.int64(3)}}
    in_metadata = catalog.store_run({"x": [2]}, metadata).metadata["start"]
    by_arguments = catalog.store_run({"x": [2]}, **metadata).metadata["start"]
    for key in ("derived_from", "supersedes", "parameters", "original_run_uid"):
        assert in_metadata[key] == by_arguments[key], key
    with catalog.run_builder(metadata) as builder:
        builder.add_stream("primary", data={"x": [3]})
    assert builder.stored_run.metadata["start"]["derived_from"] == by_arguments["derived_from"]


@pytest.mark.parametrize("site", ["msgpack"], indirect=True)
@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"derived_from": 5}, "derived_from takes a run"),
        ({"supersedes": [1]}, "supersedes takes a run"),
        ({"parameters": "fast"}, "parameters must be a dict"),
        ({"derived_from": {"uid": "raw-1", "color": "red"}}, "color"),
    ],
)
def test_the_origin_in_metadata_is_held_to_the_rules_of_the_arguments(catalog, metadata, message):
    with pytest.raises(InvalidMetadataError, match=message):
        catalog.store_run({"x": [1]}, metadata)
    with pytest.raises(InvalidMetadataError, match=message):
        build_simple_run({"x": [1]}, metadata)
    assert len(catalog) == 0
