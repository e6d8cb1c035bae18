"""What readers of other packages lose without a word: kept here, or refused by name."""

from __future__ import annotations

import datetime
import unittest.mock

import dask.array
import numpy
import pandas
import pytest
import xarray

import databroker_writable
from databroker_writable.errors import InvalidTableError
from databroker_writable.tables import read_table
from databroker_writable.tables.decode import decode
from support.table_roundtrip import assert_same_dataset, assert_same_frame, stored_run, there_and_back

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
backends = pytest.mark.parametrize("backend", ["msgpack", "json", "mongo"])
both = pytest.mark.parametrize("one_event", [False, True])


class Quantity(numpy.ndarray):
    """As astropy's and unyt's: an array with units of its own."""

    units = "mm"


class DuckQuantity:
    """As pint's: no array, but one that numpy can make an array of, without its units."""

    units = "mm"
    shape = (2,)
    ndim = 1
    dtype = numpy.dtype("float64")

    def __array__(self, dtype=None, copy=None):
        return numpy.array([1.0, 2.0])

    def __array_function__(self, *_):
        return NotImplemented

    def __array_ufunc__(self, *_):
        return NotImplemented


class DuckArray(DuckQuantity):
    units = None


def quantity(*values):
    return numpy.asarray(values).view(Quantity)


@both
@pytest.mark.parametrize(
    "table",
    [
        lambda: {"x": quantity(1.0, 2.0)},
        lambda: {"x": [quantity(1.0, 2.0), quantity(3.0, 4.0)]},
        lambda: {"x": list(quantity(1.0, 2.0).reshape(2, 1))},
        lambda: {"x": [numpy.array(1.0).view(Quantity)]},
        lambda: pandas.DataFrame({"y": [1, 2]}).assign(x=quantity(1.0, 2.0)),
        lambda: xarray.Dataset({"x": ("q", quantity(1.0, 2.0))}),
    ],
    ids=["array", "list of arrays", "rows", "scalars", "frame", "dataset"],
)
def test_units_that_an_array_carries_itself_become_an_attribute(table, one_event):
    back = there_and_back(table(), one_event=one_event, backend="msgpack")["x"]
    assert back.attrs["units"] == "mm"
    assert type(back.data) is numpy.ndarray
    assert back.values.ravel()[0] == 1.0


@both
@pytest.mark.parametrize("table", [{"x": DuckQuantity()}, xarray.Dataset({"x": ("q", DuckQuantity())})])
def test_units_of_a_quantity_whose_numbers_are_not_known_are_not_dropped(table, one_event):
    with pytest.raises(InvalidTableError, match=r"column 'x' carries units of its own \(mm\).*attribute 'units'"):
        read_table(table, one_event=one_event)


def test_an_array_of_another_package_in_a_dataset_is_refused_by_name():
    with pytest.raises(InvalidTableError, match="column 'x' holds an array of type DuckArray"):
        read_table(xarray.Dataset({"x": ("q", DuckArray())}))


@backends
@both
def test_the_masks_of_arrays_in_a_list_are_kept(backend, one_event):
    rows = [numpy.ma.masked_array([1.0, 2.0], [False, True]), numpy.ma.masked_array([3.0, 4.0], [True, False])]
    back = there_and_back({"x": rows}, backend=backend, one_event=one_event)
    numpy.testing.assert_array_equal(back["x"].values, [[1.0, numpy.nan], [numpy.nan, 4.0]])


@backends
@both
@pytest.mark.parametrize(
    "value", [numpy.ma.masked_all(3).mean(), *(numpy.ma.masked_array(value, mask=True) for value in (5, True, "Cu"))]
)
def test_a_single_masked_value_is_missing(value, backend, one_event):
    for table in ({"x": [1, 2], "one": value}, {"one": value}):
        back = there_and_back(table, backend=backend, one_event=one_event)["one"]
        assert back.dims == ()
        assert pandas.isna(back.values[()])


@backends
@pytest.mark.parametrize("values", [[1, 2], [True, False], ["a", "b"], [1.5, 2.5], [[1], "b"]])
def test_masks_beside_a_series_with_an_index_are_kept(values, backend):
    indexed = pandas.Series([1.0, 2.0], [5, 6])
    column = numpy.ma.masked_array(values, [True, False], dtype=object if [1] in values else None)
    back = there_and_back({"x": indexed, "y": column, "one": column[0:1].reshape(())}, backend=backend)
    assert pandas.isna(back["y"].values[0])
    assert back["y"].values[1] == values[1]
    assert pandas.isna(back["one"].values).all()


@backends
def test_nan_and_missing_in_an_arrow_column_stay_apart(backend):
    pyarrow = pytest.importorskip("pyarrow")
    column = pandas.arrays.ArrowExtensionArray(pyarrow.array([1.5, float("nan"), None]))
    back = there_and_back({"x": column}, backend=backend)["x"].variable.data
    assert back.dtype == column.dtype
    assert back._pa_array.to_pylist()[::2] == [1.5, None]
    assert numpy.isnan(back._pa_array.to_pylist()[1])


def interval_array(*bounds, dtype):
    array = pandas.array(bounds, dtype=dtype)
    try:
        return pandas.arrays.IntervalArray.from_arrays(array, array, closed="both")
    except ValueError:
        pytest.skip("pandas 2 has no such intervals")


INTERVALS = {
    "Int64": ([2**60 + 1, -(2**60) - 1, None], "Int64"),
    "UInt64": ([2**64 - 1, 0, None], "UInt64"),
    "Int8": ([1, 2, None], "Int8"),
    "Int8 without missing ones": ([1, 2], "Int8"),
    "Float32": ([0.5, 1.5, None], "Float32"),
    "float32": ([0.5, 1.5, None], "float32"),
    "nanoseconds": (["2024-01-01T00:00:00.123456789", "2024-01-02", None], "M8[ns]"),
    "spans": (["1ns", "2D", None], "m8[ns]"),
}


@backends
@both
@pytest.mark.parametrize(("bounds", "dtype"), INTERVALS.values(), ids=INTERVALS)
def test_intervals_keep_the_type_and_the_digits_of_their_bounds(bounds, dtype, backend, one_event):
    values = interval_array(*bounds, dtype=dtype)
    back = there_and_back({"x": values}, backend=backend, one_event=one_event)["x"].variable.data
    pandas.testing.assert_extension_array_equal(getattr(back, "array", back), values)


@pytest.mark.parametrize(("bounds", "dtype"), INTERVALS.values(), ids=INTERVALS)
def test_intervals_of_an_index_and_of_categories_come_back(bounds, dtype):
    index = pandas.IntervalIndex(interval_array(*bounds[:2], dtype=dtype))
    frame = pandas.DataFrame({"x": pandas.CategoricalIndex(index[:1].append(index[:1]), index)}, index=index)
    assert_same_frame(there_and_back(frame, backend="json").to_dataframe(), frame)


def test_where_pandas_has_no_missing_ones_among_intervals_of_integers_they_are_objects():
    encoding = {"is": "interval", "closed": "left", "bounds": {"is": "extension", "dtype": "Int64"}}
    with unittest.mock.patch.object(pandas.arrays.IntervalArray, "from_arrays", side_effect=ValueError):
        back = decode(encoding, [[value, value] for value in [2**60 + 1, None]], (2, 2))
    assert back[0] == pandas.Interval(2**60 + 1, 2**60 + 1, "left")
    assert numpy.isnan(back[1])


@pytest.mark.parametrize("dtype", ["M8[ns, UTC]", "timestamp[ns, tz=UTC][pyarrow]"])
def test_intervals_of_datetimes_with_a_zone_are_refused(dtype):
    pytest.importorskip("pyarrow")
    bounds = pandas.array(pandas.to_datetime(["2024-01-01", "2024-01-02"], utc=True)).astype(dtype)
    with pytest.raises(InvalidTableError, match="convert its bounds to UTC without a zone"):
        read_table({"x": pandas.arrays.IntervalArray.from_breaks(bounds)})


def test_an_offset_that_has_the_name_of_another_zone_is_refused():
    zone = datetime.timezone(datetime.timedelta(hours=1), "CET")
    frame = pandas.DataFrame({"x": pandas.DatetimeIndex(["2024-07-01"]).tz_localize(zone)})
    with pytest.raises(InvalidTableError, match="column 'x' holds datetimes in a zone without a standard name"):
        read_table(frame)


def test_an_offset_with_seconds_which_pandas_leaves_out_is_refused():
    zone = datetime.timezone(datetime.timedelta(hours=1, seconds=3))
    stamp = pandas.Timestamp("1900-01-01", tz=zone)
    for table in ({"x": [stamp]}, pandas.DataFrame({"x": [stamp]}), pandas.DataFrame({"y": [1]}, [stamp])):
        with pytest.raises(InvalidTableError, match=r"datetimes in a zone without a standard name \(UTC\+01:00:03\)"):
            read_table(table)


def test_a_fixed_offset_comes_back():
    stamps = pandas.date_range("2024-07-01", periods=2, tz=datetime.timezone(datetime.timedelta(hours=1)))
    frame = pandas.DataFrame({"x": stamps})
    assert_same_frame(there_and_back(frame, backend="json").to_dataframe(), frame)


@pytest.mark.parametrize(
    "freq",
    [pandas.offsets.CustomBusinessDay(holidays=["2024-01-01"]), pandas.DateOffset(months=1, day=3)],
    ids=["holidays", "third of the month"],
)
def test_a_frequency_that_has_no_name_of_its_own_is_refused(freq):
    frame = pandas.DataFrame({"x": [1.0, 2.0]}, index=pandas.date_range("2024-01-03", periods=2, freq=freq))
    with pytest.raises(InvalidTableError, match=r"index has the frequency .*df\.index\.freq = None"):
        read_table(frame)


def test_datetimes_finer_than_nanoseconds_in_a_list_are_refused():
    with pytest.raises(InvalidTableError, match=r"column 'x' holds datetime64\[ps\]"):
        read_table({"x": [numpy.datetime64(1, "ps"), numpy.datetime64(2, "s")]})


def test_timedeltas_beyond_the_range_of_pandas_are_refused_as_such():
    with pytest.raises(InvalidTableError, match="column 'x' holds timedeltas that pandas cannot hold"):
        read_table({"x": [datetime.timedelta.max]})


def test_dims_that_have_no_utf_8_form_are_refused_by_name():
    with pytest.raises(InvalidTableError, match=r"dim '\\ud800' holds a lone surrogate"):
        read_table(xarray.Dataset({"x": (("q", "\ud800"), numpy.ones((2, 2)))}))


def test_times_beside_one_constant_are_rows_for_every_reader():
    dataset = xarray.Dataset({"time": ("q", [1.0, 2.0])}, {"edge": "K"})
    run = stored_run(dataset)
    assert run.primary.read()["time_"].values.tolist() == [1.0, 2.0]
    assert_same_dataset(there_and_back(dataset), dataset)


@backends
@both
def test_a_stacked_dataset_keeps_the_dtypes_of_its_levels(backend, one_event):
    dataset = xarray.Dataset(
        {"v": (("x", "y"), numpy.ones((2, 2)))}, {"x": numpy.arange(2, dtype="i2"), "y": ["a", "bb"]}
    )
    stacked = dataset.stack(z=("x", "y"))
    assert_same_dataset(there_and_back(stacked, backend=backend, one_event=one_event), stacked)


@backends
@both
def test_a_dataset_of_a_frame_with_a_time_zone_comes_back(backend, one_event):
    stamps = pandas.DatetimeIndex(["2024-10-27T00:30:00.000000001", None, "2024-10-27T01:30"], tz="UTC")
    frame = pandas.DataFrame({"x": stamps.tz_convert("Europe/Berlin")})
    dataset = xarray.Dataset.from_dataframe(frame)
    assert_same_dataset(there_and_back(dataset, backend=backend, one_event=one_event), dataset)
    # what to_dataset gives can be stored again
    first = there_and_back(frame, backend=backend)
    assert_same_dataset(there_and_back(first, backend=backend, one_event=one_event), first)


@backends
def test_python_datetimes_of_an_object_column_come_back_as_numpy_has_them(backend):
    table = numpy.array([[datetime.datetime(2024, 1, 1), None], [datetime.datetime(2024, 1, 2), None]], dtype=object)
    back = there_and_back({"x": table, "dt": [datetime.timedelta(1), None]}, backend=backend)
    numpy.testing.assert_array_equal(
        back["x"].values, numpy.array([["2024-01-01", "NaT"], ["2024-01-02", "NaT"]], "M8[us]"), strict=True
    )
    assert back["dt"].dtype == "m8[us]"


def test_nested_python_datetimes_with_a_zone_are_refused():
    stamp = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)
    with pytest.raises(InvalidTableError, match="column 'x' holds nested datetimes with a time zone"):
        read_table({"x": numpy.array([[stamp, stamp]], dtype=object)})


def test_a_lazy_column_that_computes_to_masked_blocks_is_refused(tmp_path):
    blocks = dask.array.zeros((4, 3), chunks=(2, 3)).map_blocks(
        lambda block: numpy.ma.masked_array(block, block == 0), meta=numpy.empty((0, 0))
    )
    catalog = databroker_writable.open_directory(tmp_path)
    with pytest.raises(InvalidTableError, match=r"'x' is a masked array, whose mask would be lost"):
        catalog.store_run({"x": blocks}, one_event=True)
    assert list(catalog) == []


def announcing(dtype, function):
    """A lazy column of 0 to 5 changed by a function, which is believed to give a dtype."""
    numbers = dask.array.arange(6, chunks=2, dtype="i8")
    return numbers.map_blocks(function, dtype=dtype, meta=numpy.empty(0, dtype))


@both
@pytest.mark.parametrize(
    ("dtype", "function"),
    [
        ("i2", lambda block: block * 10_000),
        ("u1", lambda block: block - 1),
        ("i8", lambda block: block + 0.5),
        ("f4", lambda block: block + 0.1),
        ("f8", lambda block: block + 2**60),
        ("?", lambda block: block),
        ("f8", lambda block: block * 1j),
        ("M8[s]", lambda block: block.astype("M8[ms]")),
        ("f8", lambda block: block[:1].astype("f8")),
    ],
)
def test_a_lazy_column_that_computes_to_other_values_than_it_announced_is_refused(tmp_path, dtype, function, one_event):
    catalog = databroker_writable.open_directory(tmp_path / "runs")
    with pytest.raises(InvalidTableError, match="column 'x' computes to"):
        catalog.store_run({"x": announcing(dtype, function)}, one_event=one_event)
    assert len(catalog) == 0


@both
@pytest.mark.parametrize(
    ("dtype", "function"),
    [
        ("f8", lambda block: block),
        ("i8", lambda block: block.astype("u2")),
        ("i2", lambda block: block * 2),
        ("f4", lambda block: block + 0.5),
        ("f8", lambda block: numpy.where(block == 1, numpy.nan, block).astype("f4")),
        ("c16", lambda block: block * 0.5),
        ("i8", lambda block: block > 2),
        ("M8[ns]", lambda block: block.astype("M8[ms]")),
    ],
)
def test_a_lazy_column_keeps_its_values_in_the_dtype_that_it_announced(tmp_path, dtype, function, one_event):
    column = announcing(dtype, function)
    catalog = databroker_writable.open_directory(tmp_path / "runs")
    stored = databroker_writable.to_dataset(catalog.store_run({"x": column}, one_event=one_event))["x"]
    assert stored.dtype == dtype
    numpy.testing.assert_array_equal(numpy.asarray(stored), column.compute().astype(dtype))
