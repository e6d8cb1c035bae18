"""What is stored is what comes back, for any table."""

from __future__ import annotations

import numpy
import pandas
import pytest
import xarray
from bluesky_live.run_builder import build_one_run_from_documents
from hypothesis import given, settings

from databroker_writable.tables import to_dataset
from support import strategies
from support.table_roundtrip import BACKENDS, assert_same_dataset, assert_same_frame, stored_run, there_and_back

# half of the profile's: the contract tests ask the same of every catalog
fewer = settings(max_examples=max(1, settings.default.max_examples // 2))
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore:.*float16:FutureWarning")


@pytest.mark.parametrize("one_event", [False, True])
@pytest.mark.parametrize("backend", BACKENDS)
@fewer
@given(table=strategies.columns_of_lists())
def test_a_dict_comes_back_as_xarray_would_hold_it(backend, one_event, table):
    dataset = there_and_back(table, backend=backend, one_event=one_event)
    assert list(dataset) == list(table)
    for name, column in table.items():
        expected = numpy.asarray(column)
        assert dataset[name].dtype == expected.dtype
        numpy.testing.assert_array_equal(dataset[name].values, expected)


@pytest.mark.parametrize("one_event", [False, True])
@pytest.mark.parametrize("backend", BACKENDS)
@fewer
@given(frame=strategies.frames())
def test_a_dataframe_comes_back_equal(backend, one_event, frame):
    back = there_and_back(frame, backend=backend, one_event=one_event).to_dataframe()
    # xarray 2025.6 gives the levels of a MultiIndex a second time, as columns.
    assert_same_frame(back[list(frame.columns)], frame)


@pytest.mark.parametrize("backend", BACKENDS)
@fewer
@given(dataset=strategies.datasets(leading=True))
def test_a_dataset_whose_rows_are_events_comes_back_identical(backend, dataset):
    assert_same_dataset(there_and_back(dataset, backend=backend), dataset)


@pytest.mark.parametrize("backend", BACKENDS)
@fewer
@given(dataset=strategies.datasets(leading=False))
def test_a_dataset_as_one_event_comes_back_identical(backend, dataset):
    assert_same_dataset(there_and_back(dataset, backend=backend, one_event=True), dataset)


@pytest.mark.parametrize("one_event", [False, True])
@pytest.mark.parametrize("backend", BACKENDS)
@fewer
@given(dataset=strategies.datasets(leading=True))
def test_databrokers_own_reader_reads_values_and_configuration(backend, one_event, dataset):
    run = stored_run(dataset, backend=backend, one_event=one_event)
    stream = run.primary
    read = stream.read()
    assert set(read.data_vars) == set(stream._descriptors[0]["data_keys"])
    configuration = stream.config["table"].read()
    assert any(name.startswith("layout") for name in configuration.data_vars)


def test_msgpack_arrays_come_back_writable():
    dataset = there_and_back({"x": [1.0, 2.0]})
    dataset["x"][0] = 5.0
    assert dataset["x"].values.tolist() == [5.0, 2.0]


def test_an_unnamed_index_stays_unnamed_and_a_multiindex_keeps_its_names():
    index = pandas.MultiIndex.from_tuples([(1, "a"), (1, "b"), (2, "a")], names=[None, "site"])
    frame = pandas.DataFrame({"value": [1.0, 2.0, numpy.nan]}, index=index)
    back = there_and_back(frame, backend="json").to_dataframe()
    assert_same_frame(back[["value"]], frame)


def test_a_stacked_dataset_comes_back_with_its_multiindex():
    dataset = xarray.Dataset({"v": (("x", "y"), numpy.arange(4.0).reshape(2, 2))}, {"x": [1, 2], "y": ["a", "b"]})
    stacked = dataset.stack(z=("x", "y"))
    stacked["z"].attrs["long_name"] = "position"
    stacked["x"].attrs["units"] = "mm"
    back = there_and_back(stacked, backend="json")
    xarray.testing.assert_identical(back, stacked)
    xarray.testing.assert_equal(back.unstack("z"), dataset)


def test_a_coordinate_without_index_and_an_index_on_another_coordinate_come_back():
    dataset = xarray.Dataset({"v": ("x", [1.0, 2.0])}, {"x": [5, 6], "label": ("x", ["a", "b"])})
    dataset = dataset.drop_indexes("x").set_xindex("label")
    assert_same_dataset(there_and_back(dataset), dataset)


def test_events_are_put_in_the_order_of_their_numbers():
    docs = list(stored_run({"x": [1, 2]}, {"x": [3, 4]})._document_cache)
    docs[2], docs[3] = docs[3], docs[2]
    assert to_dataset(build_one_run_from_documents(docs))["x"].values.tolist() == [1, 2, 3, 4]
