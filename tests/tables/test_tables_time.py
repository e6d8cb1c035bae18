"""A column, coordinate or index called `time`, and the order of Events."""

from __future__ import annotations

import numpy
import pandas
import pytest
import xarray

from databroker_writable.tables import read_table
from support.table_roundtrip import assert_same_dataset, assert_same_frame, stored_run, there_and_back

RISING = {
    "floats": [1.5, 2.5, 3.5],
    "ints": [1, 2, 3],
    "float32": numpy.array([0.1, 0.2, 0.3], "float32"),
    "nullable": pandas.array([1, 2, 3], dtype="Int64"),
    "seconds": numpy.array([0, 1, 2], "M8[s]"),
    "microseconds": numpy.array([10**15, 10**15 + 1, 10**15 + 2], "M8[us]"),
    "nanoseconds": numpy.array([10**18 + 1, 10**18 + 1001, 10**18 + 2001], "M8[ns]"),
    "zone": pandas.date_range("2024-01-01", periods=3, tz="Europe/Berlin").array,
}
NOT_FIT = {
    "falling": [3.0, 2.0, 1.0],
    "equal": [1, 1, 2],
    "nan": [1.0, numpy.nan, 3.0],
    "infinite": [1.0, 2.0, numpy.inf],
    "too close": [0.0, 1e-7, 1.0],
    "missing": pandas.array([1, None, 3], dtype="Int64"),
    "NaT": numpy.array(["2024-01-01", "NaT", "2024-01-02"], "M8[ns]"),
    "far": [10**18, 2 * 10**18, 3 * 10**18],
    "bools": [False, True, True],
    "strings": ["a", "b", "c"],
    "spans": numpy.array([1, 2, 3], "m8[s]"),
    "nested": [[1.0], [2.0], [3.0]],
}


@pytest.mark.parametrize("backend", ["msgpack", "json", "mongo"])
@pytest.mark.parametrize("kind", RISING)
def test_a_rising_time_becomes_the_time_of_the_events_and_comes_back(kind, backend):
    table = read_table({"time": RISING[kind], "x": [1, 2, 3]})
    assert table.time.dtype == "float64"
    assert (numpy.diff(table.time) > 0).all()
    assert "time" not in table.data
    assert "time_" not in table.data
    frame = pandas.DataFrame({"time": RISING[kind], "x": [1, 2, 3]})
    assert_same_frame(there_and_back(frame, backend=backend).to_dataframe(), frame)


def test_nanoseconds_that_float64_loses_are_kept_beside_the_time():
    table = read_table({"time": RISING["nanoseconds"], "x": [1, 2, 3]})
    assert table.data["time_ns"].tolist() == [10**18 + 1, 10**18 + 1001, 10**18 + 2001]


@pytest.mark.parametrize("backend", ["msgpack", "json", "mongo"])
@pytest.mark.parametrize("kind", NOT_FIT)
def test_another_time_is_stored_under_another_name_and_comes_back(kind, backend):
    table = read_table({"time": NOT_FIT[kind], "time_": [1, 2, 3]})
    assert table.time is None
    assert {"time_", "time__"} <= set(table.data)
    dataset = there_and_back({"time": NOT_FIT[kind], "time_": [1, 2, 3]}, backend=backend)
    assert list(dataset.data_vars) == ["time", "time_"]
    assert dataset["time"].shape[:1] == (3,)
    read = stored_run({"time": NOT_FIT[kind], "x": [1, 2, 3]}, backend=backend).primary.read()
    assert {"time_", "x"} <= set(read.data_vars)


@pytest.mark.parametrize("one_event", [False, True])
@pytest.mark.parametrize("values", [RISING["nanoseconds"], NOT_FIT["falling"]])
def test_time_as_dim_and_coordinate_of_a_dataset_comes_back(values, one_event):
    dataset = xarray.Dataset({"x": ("time", [1, 2, 3])}, {"time": ("time", values, {"long_name": "clock"})})
    assert_same_dataset(there_and_back(dataset, one_event=one_event), dataset)


@pytest.mark.parametrize("one_event", [False, True])
def test_time_as_index_of_a_dataframe_comes_back_with_its_frequency(one_event):
    frame = pandas.DataFrame({"x": [1, 2, 3]}, index=pandas.date_range("2024", periods=3, name="time"))
    back = there_and_back(frame, backend="json", one_event=one_event).to_dataframe()
    assert_same_frame(back, frame)
    assert back.index.freq == frame.index.freq


def test_time_as_one_event_is_never_the_events_own():
    table = read_table({"time": [1.0, 2.0]}, one_event=True)
    assert table.time is None
    assert list(table.data) == ["time_"]


def test_a_table_of_nothing_but_times_keeps_them_as_a_column():
    table = {"time": [1.0, 2.0]}
    assert read_table(table).data["time_"] == [1.0, 2.0]
    assert stored_run(table).primary.read()["time_"].values.tolist() == [1.0, 2.0]
    assert there_and_back(table)["time"].values.tolist() == [1.0, 2.0]
