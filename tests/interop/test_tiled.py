"""Runs are written into a Tiled server by bluesky-tiled-plugins' TiledWriter, and read back equal."""

from __future__ import annotations

import numpy
import pandas
import pytest
import xarray

from databroker_writable import open_directory, to_dataset
from databroker_writable.storage.assets import HDF5_SPEC
from support import example_results, tiled_server

plugins = pytest.importorskip(
    "bluesky_tiled_plugins", reason="bluesky-tiled-plugins is not installed: pip install '.[interop]'"
)
pytest.importorskip("tiled.server.simple", reason="no Tiled server: pip install '.[interop]'")

# What Tiled has no value for comes back as text or NaN.
WITH_MISSING_VALUES = {"fits": {"peak", "iterations"}}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A Tiled server on loopback that may read the asset files of a catalog."""
    directory = tmp_path_factory.mktemp("tiled")
    with tiled_server.started(directory / "server", readable_storage=[directory / "runs" / "assets"]) as running:
        yield running, directory


@pytest.fixture(scope="module")
def client(server):
    with tiled_server.connected(server[0].uri) as connected:
        yield connected


@pytest.fixture(scope="module")
def catalog(server):
    return open_directory(server[1] / "runs")


def as_tiled_reads_it(resource):
    """Tell Tiled's HDF5 adapter where the dataset of a column is."""
    return {**resource, "resource_kwargs": {"dataset": resource["resource_kwargs"]["key"], "swmr": False}}


def without_arguments(datum):
    return {**datum, "datum_kwargs": {}}


def write(run, client):
    """Write a stored run, of which databroker gives documents that cannot be copied, into Tiled."""
    writer = plugins.TiledWriter(
        client,
        max_array_size=0,  # else small arrays go to a table of text
        spec_to_mimetype={HDF5_SPEC: "application/x-hdf5"},
        patches={"resource": as_tiled_reads_it, "datum": without_arguments},
    )
    for name, doc in run.documents(fill="no"):
        writer(name, doc.to_dict() if hasattr(doc, "to_dict") else doc)
    return client[run.metadata["start"]["uid"]]


@pytest.mark.parametrize("external", [False, True], ids=["inline", "in files"])
@pytest.mark.parametrize("one_event", [False, True], ids=["rows", "one event"])
@pytest.mark.parametrize("name", example_results.EXAMPLES)
def test_a_result_is_read_back_equal(catalog, client, name, one_event, external):
    if name == "fits" and one_event:
        pytest.skip("TiledWriter 2.0.12 takes no arrays with missing values; rows as Events it takes")
    run = catalog.store_run(
        example_results.EXAMPLES[name](),
        {"sample": "Cu"},
        one_event=one_event,
        asset_threshold=0 if external else 1024**2,
    )
    written = write(run, client)
    assert written.metadata["start"]["sample"] == "Cu"
    assert written.metadata["stop"]["exit_status"] == "success"
    expected, actual = run.primary.read(), written["primary"].read()
    names = set(expected.data_vars) - WITH_MISSING_VALUES.get(name, set())
    assert names
    for column in names:
        assert actual[column].dtype == expected[column].dtype
        numpy.testing.assert_array_equal(actual[column].values, expected[column].values)
        if external and expected[column].ndim > 1:
            assert actual[column].dims == expected[column].dims


def test_streams_and_their_pieces_are_read_back(catalog, client):
    with catalog.run_builder() as builder:
        builder.add_stream("primary", data={"x": [1, 2], "image": numpy.arange(12, dtype="uint8").reshape(2, 3, 2)})
        builder.add_stream("baseline", data={"T": [300.5]})
        builder.add_data("primary", data={"x": [3], "image": numpy.full((1, 3, 2), 7, dtype="uint8")})
    written = write(builder.stored_run, client)
    assert written["primary"].read()["x"].values.tolist() == [1, 2, 3]
    assert written["primary"].read()["image"].values[2].tolist() == [[7, 7]] * 3
    assert written["baseline"].read()["T"].values.tolist() == [300.5]


TABLES = {
    "missing values of every type": lambda: pandas.DataFrame(
        {
            "text": ["a", None, "ccc"],
            "text like nulls": ["None", None, "<NA>"],
            "count": pandas.array([1, None, 3], dtype="Int64"),
            "flag": pandas.array([True, None, False], dtype="boolean"),
            "value": pandas.array([1.5, None, 2.5], dtype="Float64"),
            "when": numpy.array(["2024-03-31T01:30:00.123456789", "NaT", "2024-04-01"], dtype="M8[ns]"),
            "label": pandas.Categorical(["b", None, "a"]),
        }
    ),
    "numbers and text": lambda: pandas.DataFrame(
        {"n": [1, 2], "x": [0.5, numpy.nan], "on": [True, False], "s": ["a", "bb"]}
    ),
    "lists with None": lambda: {"n": [1, None, 3], "s": ["a", None, "c"], "b": [True, None, False]},
    "a Dataset": lambda: xarray.Dataset(
        {"counts": (("t", "e"), numpy.arange(6.0).reshape(2, 3), {"units": "counts"})},
        coords={"e": ("e", [1.0, 2.0, 3.0], {"units": "eV"}), "t": [10, 20]},
    ),
}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_to_dataset_gives_through_tiled_what_was_stored(catalog, client, table):
    run = catalog.store_run(table())
    written = write(run, client)
    assert_same_dataset(to_dataset(written), to_dataset(run))


def test_to_dataset_gives_a_whole_dataset_through_tiled(catalog, client):
    run = catalog.store_run(TABLES["a Dataset"](), one_event=True)
    assert_same_dataset(to_dataset(write(run, client)), to_dataset(run))


def assert_same_dataset(one, other):
    assert str(one.dtypes) == str(other.dtypes)
    assert {name: variable.attrs for name, variable in one.variables.items()} == {
        name: variable.attrs for name, variable in other.variables.items()
    }
    pandas.testing.assert_frame_equal(one.to_dataframe(), other.to_dataframe())
