"""Columns that bring attributes, of files and of pandas: kept as those of xarray's arrays."""

from __future__ import annotations

import h5py
import numpy
import pandas
import pytest
import xarray

from databroker_writable.errors import InvalidTableError
from databroker_writable.runs.run_or_table import is_table
from databroker_writable.tables import ragged, read_table
from support.table_roundtrip import there_and_back

both = pytest.mark.parametrize("one_event", [False, True])


@pytest.fixture
def file():
    with h5py.File("in memory", "w", driver="core", backing_store=False) as file:
        yield file


def dataset_with(file, data, **attrs):
    dataset = file.create_dataset("data", data=data)
    dataset.attrs.update(attrs)
    return dataset


@both
def test_a_column_of_an_hdf5_file_keeps_its_attributes(file, one_event):
    x = dataset_with(file, [1.0, 2.0], units="mm", long_name="position", range=numpy.array([0.5, 1.5]), n=3)
    back = there_and_back({"x": x, "y": [1, 2]}, one_event=one_event, backend="json")
    assert back["x"].values.tolist() == [1.0, 2.0]
    assert back["x"].attrs.pop("range").tolist() == [0.5, 1.5]
    assert (back["x"].attrs, back["y"].attrs) == ({"units": "mm", "long_name": "position", "n": 3}, {})
    assert read_table({"x": x}, one_event=one_event).schema.data_keys["x"]["units"] == "mm"


def test_a_single_value_of_an_hdf5_file_keeps_its_attributes(file):
    schema = read_table({"x": [1, 2], "temperature": dataset_with(file, 4.0, units="K")}).schema
    assert schema.data_keys["temperature"]["units"] == "K"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (numpy.bytes_("µm".encode()), "µm"),
        ("µm", "µm"),
        (["mm"], "mm"),
        (numpy.array([b"mm"]), "mm"),
        (["a", "b"], ["a", "b"]),
        (numpy.array([b"a", b"bc"]), ["a", "bc"]),
        ([["a"], ["b"]], [["a"], ["b"]]),
        (h5py.Empty("S1"), ""),
        (h5py.Empty(h5py.string_dtype()), ""),
        (h5py.Empty("f8"), None),
        (numpy.bool_(True), True),
    ],
    ids=str,
)
def test_attributes_of_hdf5_are_text_where_hdf5_has_text(file, given, kept):
    assert there_and_back({"x": dataset_with(file, [1, 2], a=given)})["x"].attrs == {"a": kept}


def test_attributes_with_which_hdf5_links_scales_are_left_out(file):
    y, x = file.create_dataset("y", data=[[1, 2]]), file.create_dataset("x", data=[5])
    x.make_scale("position")
    y.dims[0].attach_scale(x)
    y.dims[0].label = "position"
    x.attrs["units"] = "mm"
    y.attrs["CLASS"] = "IMAGE"
    back = there_and_back({"x": x, "y": y})
    assert back["x"].attrs == {"units": "mm"}
    assert back["y"].attrs == {"CLASS": "IMAGE", "DIMENSION_LABELS": ["position", ""]}


@pytest.mark.parametrize("value", [numpy.bytes_(b"\xff"), numpy.void(b"ab"), numpy.array([b"\xff", b"a"])])
def test_an_attribute_that_cannot_be_stored_is_refused_by_name(file, value):
    with pytest.raises(InvalidTableError, match=r"attribute 'a' of variable 'x' .*cannot be stored exactly"):
        read_table({"x": dataset_with(file, [1], a=value)})


def test_units_that_contradict_those_of_the_file_are_refused(file):
    with pytest.raises(InvalidTableError, match="carries the units 'mm', but the argument units says 'cm'"):
        read_table({"x": dataset_with(file, [1], units="mm")}, units={"x": "cm"})


def test_a_group_of_an_hdf5_file_is_a_table_with_its_attributes(file):
    group = file.create_group("data")
    group.attrs.update(NX_class="NXdata", signal=numpy.bytes_(b"mu"), axes=["energy"])
    for name, units in (("energy", "eV"), ("mu", "1")):
        group.create_dataset(name, data=[1.0, 2.0]).attrs["units"] = units
    back = there_and_back(group, backend="json")
    assert back.attrs == {"NX_class": "NXdata", "signal": "mu", "axes": "energy"}
    assert {name: back[name].attrs["units"] for name in back} == {"energy": "eV", "mu": "1"}


@pytest.mark.parametrize(
    "given",
    [["K", "µ", "L"], numpy.array([b"K", "µ".encode(), b"L"])],
    ids=["variable length", "fixed length"],
)
@both
def test_text_of_hdf5_files_is_text(file, given, one_event):
    back = there_and_back({"x": dataset_with(file, given)}, one_event=one_event, backend="json")["x"]
    assert (back.dtype, back.values.tolist()) == ("<U1", ["K", "µ", "L"])


def test_nested_and_single_text_of_hdf5_files_is_text(file):
    nested = file.create_dataset("nested", data=[["a", "b"], ["c", "d"]])
    back = there_and_back({"nested": nested, "edge": dataset_with(file, "K")})
    assert (back["nested"].values.tolist(), back["edge"].item()) == ([["a", "b"], ["c", "d"]], "K")


def test_bytes_of_hdf5_files_that_are_no_text_are_refused(file):
    with pytest.raises(InvalidTableError, match=r"column 'x' holds bytes \(\|S2\)"):
        read_table({"x": dataset_with(file, numpy.array([b"\xff", b"ab"]))})


def test_rows_of_unequal_length_of_an_hdf5_file_are_taken(file):
    rows = file.create_dataset("rows", 3, h5py.vlen_dtype("f4"))
    rows[0], rows[1], rows[2] = [1.5], [2, 3], []
    back = there_and_back({"rows": rows})
    assert [row.tolist() for row in ragged(back, "rows")] == [[1.5], [2, 3], []]


def test_a_dataset_of_hdf5_without_values_is_refused_by_name(file):
    with pytest.raises(InvalidTableError, match=r"column 'x' holds no values .*leave the column out"):
        read_table({"x": dataset_with(file, h5py.Empty("f8"))})


def test_a_column_of_a_closed_file_is_refused_by_name():
    with h5py.File("in memory", "w", driver="core", backing_store=False) as file:
        x = dataset_with(file, [1])
    for table in ({"x": x}, {"x": x, "y": pandas.Series([1], index=[5])}):
        with pytest.raises(InvalidTableError, match=r"column 'x' cannot be read: .*"):
            read_table(table)
    with pytest.raises(InvalidTableError, match=r"the table cannot be read: .*; make it a dict of columns"):
        read_table(file)


def test_a_link_to_a_dataset_that_is_not_there_is_refused_by_name(file):
    file["x"] = [1, 2]
    file["frames"] = h5py.ExternalLink("nowhere.h5", "/frames")
    with pytest.raises(InvalidTableError, match=r"column 'frames' cannot be read: KeyError\("):
        read_table(file)


def test_a_series_among_columns_keeps_its_attributes():
    x, y = pandas.Series([1, 2]), pandas.Series(["a", "b"], dtype="string")
    x.attrs["units"], y.attrs["note"] = "mm", "names"
    for index in (x.index, [5, 6]):
        x.index = y.index = index
        back = there_and_back({"x": x, "y": y, "z": [1, 2]})
        assert (back["x"].attrs, back["y"].attrs, back["z"].attrs) == ({"units": "mm"}, {"note": "names"}, {})


def test_variables_of_xarray_among_columns_keep_dims_and_attributes():
    table = {"q": xarray.Variable("q", [5, 6], {"units": "1/nm"}), "intensity": xarray.Variable("q", [1.0, 2.0])}
    xarray.testing.assert_identical(there_and_back(table, one_event=True), xarray.Dataset(table))


def test_a_zarr_array_keeps_its_attributes():
    zarr = pytest.importorskip("zarr", reason="zarr is not installed: pip install zarr")
    x = zarr.array(numpy.arange(3))
    x.attrs["units"] = "mm"
    back = there_and_back({"x": x})["x"]
    assert (back.values.tolist(), back.attrs) == ([0, 1, 2], {"units": "mm"})


def test_a_group_of_zarr_is_a_table():
    zarr = pytest.importorskip("zarr", reason="zarr is not installed: pip install zarr")
    group = zarr.open_group({}, mode="w")
    group["x"] = numpy.arange(3)
    group["x"].attrs["units"] = "mm"
    group.attrs["sample"] = "Cu"
    back = there_and_back(group)
    assert (back["x"].values.tolist(), back["x"].attrs, back.attrs) == ([0, 1, 2], {"units": "mm"}, {"sample": "Cu"})
    assert is_table(group)
    group.create_group("scan")
    with pytest.raises(InvalidTableError, match=r"column 'scan' is itself a table \(Group\)"):
        read_table(group)


@pytest.fixture
def netcdf4_file(tmp_path):
    netCDF4 = pytest.importorskip("netCDF4", reason="netCDF4 is not installed: pip install netCDF4")
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as file:
        file.createDimension("row", 2)
        yield file


def test_a_file_of_netcdf4_is_a_table(netcdf4_file):
    netcdf4_file.createVariable("x", "i4", "row")[:] = [1, 2]
    netcdf4_file.sample = "Cu"
    back = there_and_back(netcdf4_file)
    assert (back["x"].values.tolist(), back.attrs) == ([1, 2], {"sample": "Cu"})
    assert is_table(netcdf4_file)
    netcdf4_file.createGroup("scan")
    with pytest.raises(InvalidTableError, match=r"has the group 'scan' in it; store each group as a stream"):
        read_table(netcdf4_file)


def test_a_group_in_a_group_of_hdf5_is_refused_as_a_table(file):
    file["x"] = [1, 2]
    file.create_group("scan")
    with pytest.raises(InvalidTableError, match=r"column 'scan' is itself a table \(Group\)"):
        read_table(file)


def test_a_variable_of_netcdf4_keeps_attributes_and_masked_values(netcdf4_file):
    counts = netcdf4_file.createVariable("counts", "i4", "row", fill_value=-1)
    counts[:] = numpy.ma.array([1, 2], mask=[False, True])
    counts.units = "1/s"
    scaled = netcdf4_file.createVariable("scaled", "i2", "row")
    scaled.scale_factor = 0.5
    scaled[:] = [1.0, 2.5]
    back = there_and_back({"counts": counts, "scaled": scaled})
    assert (back["counts"].values.tolist(), back["counts"].attrs) == ([1, None], {"units": "1/s"})
    assert (back["scaled"].values.tolist(), back["scaled"].attrs) == ([1.0, 2.5], {})
    assert back["scaled"].dtype == "float64"


def test_a_dataset_of_hdf5_alone_is_no_table_and_the_message_says_what_to_do(file):
    with pytest.raises(InvalidTableError, match=r"not h5py.*Dataset; name it, e.g. \{'x': values\}"):
        read_table(dataset_with(file, [1, 2]))
    fields = file.create_dataset("fields", data=numpy.array([(1, 2.5)], [("n", "i4"), ("x", "f8")]))
    with pytest.raises(InvalidTableError, match=r"read it first, with numpy.asarray\(table\)"):
        read_table(fields)
    assert there_and_back(numpy.asarray(fields))["x"].values.tolist() == [2.5]
