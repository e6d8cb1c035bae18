"""Coordinates, attributes, dims and the configuration."""

from __future__ import annotations

import functools
import json

import dask
import dask.array
import event_model
import numpy
import pandas
import pytest
import xarray

from databroker_writable.errors import InvalidTableError
from databroker_writable.tables import read_table
from support.table_roundtrip import assert_same_attributes, assert_same_dataset, stored_run, there_and_back

BACKENDS = ("msgpack", "json", "mongo")


@dask.delayed
def fail():
    pytest.fail("computed")


FOREVER = dask.array.from_delayed(fail(), (4, 3), dtype="float32")


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
def test_a_variable_whose_file_is_gone_is_refused_by_name(tmp_path, engine):
    if engine == "netcdf4":
        pytest.importorskip("netCDF4", reason="netCDF4 is not installed: pip install netCDF4")
    path = tmp_path / "a.nc"
    xarray.Dataset({"x": ("q", [1, 2])}, {"energy": ("q", [0.5, 1.5])}).to_netcdf(path, engine="h5netcdf")
    dataset = xarray.open_dataset(path, engine=engine)
    dataset.close()
    path.unlink()
    with pytest.raises(InvalidTableError, match=r"column '(x|energy)' cannot be read: .*a\.nc"):
        read_table(dataset)
    with pytest.raises(InvalidTableError, match=r"cannot be read: .*a\.nc"):
        read_table({"x": dataset["x"]})


@pytest.fixture
def curves():
    return xarray.Dataset(
        {"I": (("frame", "q"), numpy.arange(6.0).reshape(2, 3), {"units": "1/cm", "source": "SAXS"})},
        {
            "frame": ("frame", [10, 20], {"long_name": "frame number"}),
            "q": ("q", [0.1, 0.2, numpy.nan], {"units": "1/Å"}),
            "sample": "Cu",
            "when": numpy.datetime64("2024-01-01T00:00:00.123456789", "ns"),
            "pixel": (("q", "side"), [[1j, 2], [3, 4], [5, 6]]),
            "label": ("frame", ["dark", "light"]),
        },
        {"title": "test", "limits": numpy.array([1, 2], "int16"), "nested": {"a": [1, (2.0, None)]}},
    )


def test_coordinates_along_the_events_are_data_keys_and_the_others_configuration(curves):
    schema = read_table(curves).schema
    assert set(schema.data_keys) == {"I", "frame", "label"}
    assert set(schema.configuration["table"]["data"]) == {"q", "sample", "when", "when_ns", "pixel", "layout"}
    assert schema.object_keys == {"table": list(schema.data_keys)}
    assert schema.hints == {}


def test_data_keys_name_units_dims_and_source(curves):
    assert read_table(curves).schema.data_keys["I"] == {
        "source": "SAXS",
        "dtype": "array",
        "dtype_numpy": "<f8",
        "shape": [3],
        "dims": ["q"],
        "units": "1/cm",
    }


def test_the_configuration_is_plain_json(curves):
    configuration = read_table(curves).schema.configuration["table"]
    assert json.loads(json.dumps(configuration))["data"]["sample"] == "Cu"
    assert configuration["data"]["pixel"][0] == [[0.0, 1.0], [2.0, 0.0]]
    assert configuration["data_keys"]["q"]["units"] == "1/Å"
    assert all(stamp > 1.6e9 for stamp in configuration["timestamps"].values())


@pytest.mark.parametrize("one_event", [False, True])
@pytest.mark.parametrize("backend", BACKENDS)
def test_all_of_a_dataset_comes_back(curves, backend, one_event):
    assert_same_dataset(there_and_back(curves, backend=backend, one_event=one_event), curves)


@pytest.mark.parametrize("one_event", [False, True])
def test_databrokers_reader_shows_the_configuration(curves, one_event):
    read = stored_run(curves, one_event=one_event).primary.config["table"].read()
    assert read["q"].values[0].tolist()[:2] == [0.1, 0.2]
    assert read["sample"].values[0] == "Cu"
    assert read["pixel"].shape[1:] == (3, 2, 2)


def test_one_event_keeps_named_dims_and_large_coordinates_as_data():
    large = numpy.zeros((400, 400))
    dataset = xarray.Dataset({"v": (("y", "x"), large)}, {"x": numpy.arange(400), "lat": (("y", "x"), large + 1)})
    table = read_table(dataset, one_event=True)
    assert table.length == 1
    assert table.data["v"].shape == (1, 400, 400)
    assert table.schema.data_keys["v"]["dims"] == ["y", "x"]
    assert set(table.schema.data_keys) == {"v", "lat"}
    assert_same_dataset(there_and_back(dataset, one_event=True), dataset)


def test_a_table_as_one_event_has_the_dim_row():
    schema = read_table({"x": [1, 2], "img": numpy.zeros((2, 3, 4))}, one_event=True).schema
    assert schema.data_keys["x"]["dims"] == ["row"]
    assert schema.data_keys["img"]["dims"] == ["row", "img_1", "img_2"]


def test_hints_name_the_plain_numbers_only():
    table = {"x": [1], "y": [0.5], "flag": [True], "name": ["a"], "img": [[1, 2]], "gap": [None], "z": [1j]}
    assert read_table(table).schema.hints == {"table": {"fields": ["x", "y"]}}


def test_a_coordinate_called_layout_does_not_hide_the_layout():
    dataset = xarray.Dataset({"v": ("x", [1])}, {"layout": "mine", "layout__": 5})
    assert "layout___" in read_table(dataset).schema.configuration["table"]["data"]
    assert_same_dataset(there_and_back(dataset), dataset)


def test_a_coordinate_that_crosses_the_events_is_turned_and_turned_back():
    dataset = xarray.Dataset({"v": (("t", "x"), numpy.zeros((2, 3)))}, {"c": (("x", "t"), numpy.ones((3, 2)))})
    assert read_table(dataset).data["c"].shape == (2, 3)
    assert_same_dataset(there_and_back(dataset, backend="json"), dataset)


def test_dims_and_variables_named_time_are_renamed_in_one_event_and_come_back():
    dataset = xarray.Dataset({"v": (("time", "x"), numpy.zeros((2, 3)))}, {"time": [1.0, 2.0]})
    schema = read_table(dataset, one_event=True).schema
    assert schema.data_keys["v"]["dims"] == ["time_", "x"]
    assert "time_" in schema.configuration["table"]["data"]
    assert_same_dataset(there_and_back(dataset, one_event=True), dataset)
    assert stored_run(dataset, one_event=True).primary.read()["v"].dims == ("time", "time_", "x")


def test_dask_variables_are_described_without_being_computed():
    for one_event, shape in ((False, (4, 3)), (True, (1, 4, 3))):
        table = read_table(xarray.Dataset({"v": (("t", "x"), FOREVER)}), one_event=one_event)
        assert isinstance(table.data["v"], dask.array.Array)
        assert table.data["v"].shape == shape
        assert table.schema.data_keys["v"]["dtype_numpy"] == "<f4"


def test_lazy_datetimes_stay_lazy_and_exact():
    stamps = numpy.array(["2024-01-01T00:00:00.123456789", "NaT"], dtype="M8[ns]")
    lazy = dask.array.from_array(stamps, chunks=1)
    table = read_table({"when": lazy})
    assert all(isinstance(values, dask.array.Array) for values in table.data.values())
    back = there_and_back({"when": lazy}, backend="memory")["when"]
    numpy.testing.assert_array_equal(back.values, stamps, strict=True)


def test_small_dask_coordinates_are_computed():
    dataset = xarray.Dataset({"v": ("t", [1.0, 2.0])}, {"c": ("t", dask.array.arange(2, chunks=1))})
    assert isinstance(read_table(dataset).data["c"], numpy.ndarray)


def test_descriptors_are_valid_for_event_model(curves):
    bundle = event_model.compose_run()
    for one_event in (False, True):
        schema = read_table(curves, one_event=one_event).schema
        bundle.compose_descriptor(
            name=f"s{one_event}",
            data_keys=schema.data_keys,
            object_keys=schema.object_keys,
            configuration=schema.configuration,
            hints=schema.hints,
        )


@pytest.mark.parametrize(
    "value",
    [
        "text",
        True,
        2**80,
        numpy.nan,
        -numpy.inf,
        None,
        1 + 2j,
        numpy.float32(0.1),
        numpy.datetime64("2024-01-01", "D"),
        numpy.str_("a"),
        numpy.array([[1.5, numpy.nan]], "float16"),
        numpy.array([1j], "complex64"),
        numpy.array([], complex),
        numpy.zeros((0, 3), "complex64"),
        numpy.zeros((2, 0), complex),
        numpy.array("2024", "M8[ns]"),
        numpy.zeros((0, 3)),
        numpy.array(["a", "bc"]),
        [1, "a", None, [numpy.int8(1)]],
        (1, (2, [3])),
        {"a": {"b": (1,)}, "c": [numpy.float32(0.5)]},
    ],
    ids=repr,
)
def test_attributes_keep_value_and_type(value):
    dataset = xarray.Dataset({"v": ("x", [1], {"a": value})}, attrs={"b": value})
    assert_same_dataset(there_and_back(dataset, backend="json"), dataset)


@pytest.mark.parametrize("backend", ["msgpack", "json", "mongo"])
@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_a_complex_coordinate_keeps_infinite_parts_and_the_signs_of_zeros(dtype, backend):
    parts = [0.0, -0.0, numpy.inf, -numpy.inf, 1.5]
    numbers = numpy.array([complex(real, imag) for real in parts for imag in parts], dtype)
    dataset = xarray.Dataset({"v": ("x", [1])}, {"z": ("y", numbers), "one": numbers[7]})
    back = there_and_back(dataset, backend=backend)
    assert back["z"].dtype == dtype
    assert back["z"].values.tobytes() == numbers.tobytes()
    assert back["one"].values.tobytes() == numbers[7].tobytes()


LIST_IN_ITSELF: list = []
LIST_IN_ITSELF.append(LIST_IN_ITSELF)
DICT_IN_ITSELF: dict = {}
DICT_IN_ITSELF["a"] = [DICT_IN_ITSELF]
DEEP = functools.reduce(lambda value, _: (value,), range(80), 1)


@pytest.mark.parametrize("value", [LIST_IN_ITSELF, DICT_IN_ITSELF, DEEP], ids=["list", "dict", "tuples"])
@pytest.mark.parametrize("form", ["Dataset", "variable", "DataFrame"])
def test_attributes_that_are_nested_deeply_or_in_themselves_are_refused(form, value):
    table = {
        "Dataset": lambda: xarray.Dataset({"v": ("x", [1])}, attrs={"b": value}),
        "variable": lambda: xarray.Dataset({"v": ("x", [1], {"b": value})}),
        "DataFrame": lambda: pandas.DataFrame({"v": [1]}),
    }[form]()
    if form == "DataFrame":
        table.attrs["b"] = value
    with pytest.raises(InvalidTableError, match=r"attribute 'b' of .* is nested deeper than 64 levels"):
        there_and_back(table)


def test_arrays_inside_a_dict_are_kept():
    attrs = {"a": {"b": numpy.arange(2, dtype="uint8")}}
    back = there_and_back(xarray.Dataset({"v": ("x", [1])}, attrs=attrs), backend="json")
    assert_same_attributes(back.attrs, attrs)


def test_an_object_array_as_attribute_is_refused():
    dataset = xarray.Dataset({"v": ("x", [1])}, attrs={"a": numpy.array([None])})
    with pytest.raises(InvalidTableError, match="attribute 'a' of the table is a numpy array of dtype object"):
        read_table(dataset)


def test_attributes_of_a_dataframe_are_those_of_the_dataset():
    frame = pandas.DataFrame({"x": [1]})
    frame.attrs["units"] = "mm"
    assert there_and_back(frame).attrs == {"units": "mm"}


def test_a_large_lazy_coordinate_with_the_event_dim_last_comes_back():
    lazy = dask.array.arange(2 * 100_000, chunks=50_000).reshape(100_000, 2)
    dataset = xarray.Dataset({"v": ("t", [1.0, 2.0])}, {"lat": (("x", "t"), lazy)})
    back = there_and_back(dataset, backend="memory")
    assert isinstance(back["lat"].data, dask.array.Array)
    assert_same_dataset(back, dataset)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("one_event", [False, True])
def test_runs_joined_along_an_index_of_text_come_back(backend, one_event):
    part = xarray.Dataset({"I": ("q", [1.0, 2.0])}, {"q": [0.1, 0.2]})
    # with pandas 3, xarray 2026.9 shows strings of numpy's StringDType
    joined = xarray.concat([part, part], dim=pandas.Index(["dark", "light"], name="run"))
    back = there_and_back(joined, backend=backend, one_event=one_event)
    xarray.testing.assert_identical(back, joined)
    assert back["I"].sel(run="light").values.tolist() == [1.0, 2.0]


JOINED_OF_PANDAS = {
    "integers": (["Int64", 1, None], [1, pandas.NA]),
    "large integers": (["UInt64", 2**64 - 1, None], [2**64 - 1, pandas.NA]),
    "bools": (["boolean", True, None], [True, pandas.NA]),
    "floats": (["Float32", 1.5, 2.5], [1.5, 2.5]),
    "categories": (["category", "a", "b"], ["a", "b"]),
}


@pytest.mark.parametrize("backend", ["msgpack", "json"])
@pytest.mark.parametrize("one_event", [False, True])
@pytest.mark.parametrize(("column", "expected"), JOINED_OF_PANDAS.values(), ids=JOINED_OF_PANDAS.keys())
def test_columns_of_pandas_that_xarray_joined_come_back_as_objects(column, expected, backend, one_event):
    dtype, *values = column
    part = pandas.DataFrame({"v": pandas.array(values, dtype)}).to_xarray()
    try:
        joined = xarray.concat([part, part.isel(index=[1, 0])], dim="run", join="override")
    except NotImplementedError:
        pytest.skip("this version of xarray does not join columns of pandas' types")
    assert joined["v"].shape == (2, 2)
    back = there_and_back(joined, backend=backend, one_event=one_event)["v"]
    assert (back.dims, back.dtype) == (joined["v"].dims, "object")
    assert repr(back.values.tolist()) == repr([expected, expected[::-1]])


class CountedName(str):
    """A name that counts how often it is looked up or made text."""

    looks = 0

    def __hash__(self) -> int:
        CountedName.looks += 1
        return super().__hash__()

    def __str__(self) -> str:
        CountedName.looks += 1
        return super().__str__()


def test_each_variable_costs_the_same_among_many_as_among_few():
    looks = {}
    for number in (20, 200):
        dataset = xarray.Dataset({CountedName(f"x{i}"): ("t", [1.0, 2.0]) for i in range(number)})
        before = CountedName.looks
        read_table(dataset)
        looks[number] = (CountedName.looks - before) / number
    assert looks[200] <= looks[20]
