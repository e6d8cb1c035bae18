"""The file speaks for itself: h5py, xarray and other readers of netCDF understand it without this package."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy
import pytest
import xarray

from databroker_writable.errors import InvalidTableError
from databroker_writable.storage.assets import HDF5Writer
from support.asset_files import frames, path_of, stream_assets


def opened(tmp_path: Path, assets: HDF5Writer) -> xarray.Dataset:
    assets.publish()
    return xarray.open_dataset(path_of(tmp_path, assets), engine="h5netcdf").load()


@pytest.fixture
def assets(tmp_path: Path) -> HDF5Writer:
    return stream_assets(tmp_path)


def test_dims_coordinates_and_units_are_there(tmp_path: Path, assets: HDF5Writer) -> None:
    assets.append("img", frames(), dims=["t", "y", "x"], units="count")
    assets.append("spectrum", numpy.ones((6, 3)), dims=["t", "energy"])
    assets.add_coordinate("energy", numpy.array([1.0, 2.0, 4.0]), dims=["energy"], attrs={"units": "keV"})
    assets.add_coordinate("t", numpy.arange(6), dims=["t"], attrs={})
    assets.add_coordinate("label", numpy.array(["a", "é", "", "d", "e"]), dims=["x"], attrs={})
    assets.add_coordinate("mask", numpy.ones((8, 5), bool), dims=["y", "x"], attrs={})
    assets.add_coordinate("distance", numpy.array(0.25), dims=[], attrs={"units": "m"})
    dataset = opened(tmp_path, assets)
    expected = xarray.Dataset(
        {
            "img": (("t", "y", "x"), frames(), {"units": "count"}),
            "spectrum": (("t", "energy"), numpy.ones((6, 3))),
        },
        coords={
            "energy": ("energy", [1.0, 2.0, 4.0], {"units": "keV"}),
            "t": numpy.arange(6),
            "label": ("x", ["a", "é", "", "d", "e"]),
            "mask": (("y", "x"), numpy.ones((8, 5), bool)),
            "distance": ((), 0.25, {"units": "m"}),
        },
        attrs={
            "creator": "DATABROKER_WRITABLE_HDF5",
            "run_uid": "d34db33f",
            "stream": "primary",
            "descriptor": "descriptor-1",
        },
    )
    xarray.testing.assert_identical(dataset, expected)
    assert "_FillValue" not in dataset.img.encoding


@pytest.mark.parametrize("dtype", ["?", "<f2", ">f8", "<c8", "<c16", ">u2", "i1"])
def test_dtypes_are_kept(tmp_path: Path, assets: HDF5Writer, dtype: str) -> None:
    values = numpy.array([0, 1, 1]).astype(dtype)
    assets.append("x", values, dims=["t"])
    dataset = opened(tmp_path, assets)
    assert dataset.x.dtype == numpy.dtype(dtype).newbyteorder("=")
    assert (dataset.x.values == values).all()


def test_a_column_along_its_own_name_is_a_coordinate(tmp_path: Path, assets: HDF5Writer) -> None:
    assets.append("img", frames(), dims=["t", "y", "x"])
    assets.append("x", numpy.arange(5.0), dims=["x"])
    dataset = opened(tmp_path, assets)
    assert list(dataset.coords) == ["x"]
    assert dataset.img.dims == ("t", "y", "x")


def test_dims_of_one_name_and_two_lengths_stay_apart(tmp_path: Path, assets: HDF5Writer) -> None:
    assets.append("a", numpy.zeros((2, 3)), dims=["t", "x"])
    assets.append("b", numpy.zeros((2, 4)), dims=["t", "x"])
    assets.append("c", numpy.zeros((2, 4)), dims=["t", "x"])
    dataset = opened(tmp_path, assets)
    assert dataset.a.dims == ("t", "x")
    assert dataset.b.dims == dataset.c.dims == ("t", "x_4")


def test_a_column_and_a_dim_of_one_name_stay_apart(tmp_path: Path, assets: HDF5Writer) -> None:
    assets.append("x", numpy.zeros((2, 3)), dims=["t", "y"])
    assets.append("b", numpy.zeros((2, 4)), dims=["t", "x"])
    dataset = opened(tmp_path, assets)
    assert dataset.x.dims == ("t", "y")
    assert dataset.b.dims == ("t", "x_4")


def test_columns_of_different_lengths_are_read(tmp_path: Path, assets: HDF5Writer) -> None:
    assets.append("a", numpy.zeros(2), dims=["event"])
    assets.append("b", numpy.zeros(0), dims=["event"])
    dataset = opened(tmp_path, assets)
    assert (dataset.a.shape, dataset.b.shape) == ((2,), (0,))


def test_two_axes_of_one_name_are_read_by_h5py(tmp_path: Path, assets: HDF5Writer) -> None:
    assets.append("a", numpy.zeros((3, 3)), dims=["x", "x"])
    assets.publish()
    with h5py.File(path_of(tmp_path, assets)) as file:
        assert [file["a"].dims[axis][0].name for axis in (0, 1)] == ["/x", "/x"]


def test_h5py_finds_the_scales_of_each_axis(tmp_path: Path, assets: HDF5Writer) -> None:
    assets.append("img", frames(), dims=["t", "y", "x"], units="count")
    assets.add_coordinate("x", numpy.arange(5) * 0.5, dims=["x"], attrs={"units": "mm"})
    assets.publish()
    with h5py.File(path_of(tmp_path, assets)) as file:
        image = file["img"]
        assert image.attrs["units"] == "count"
        assert [image.dims[axis][0].name for axis in range(3)] == ["/t", "/y", "/x"]
        assert list(image.dims[2][0]) == [0, 0.5, 1, 1.5, 2]
        assert dict(file.attrs) == {
            "creator": "DATABROKER_WRITABLE_HDF5",
            "run_uid": "d34db33f",
            "stream": "primary",
            "descriptor": "descriptor-1",
        }


def test_text_that_hdf5_would_cut_off_is_refused(tmp_path: Path, assets: HDF5Writer) -> None:
    with pytest.raises(InvalidTableError, match=r"coordinate 'c' holds 'a\\x00b', whose null characters"):
        assets.add_coordinate("c", numpy.array(["a\0b", ""]), dims=["t"], attrs={})
    with pytest.raises(InvalidTableError, match=r"coordinate 'c' holds 'm\\x00', whose null characters"):
        assets.add_coordinate("c", numpy.zeros(2), dims=["t"], attrs={"units": "m\0"})
    with pytest.raises(InvalidTableError, match=r"the unit of column 'x' holds 'm\\x00', whose null characters"):
        assets.append("x", numpy.zeros(2), dims=["t"], units="m\0")
    assert list(tmp_path.iterdir()) == []


def test_a_coordinate_of_the_name_of_a_column_leaves_the_column(tmp_path: Path, assets: HDF5Writer) -> None:
    assets.append("c", numpy.ones(3), dims=["t"])
    assets.add_coordinate("c", numpy.zeros(4), dims=["x"], attrs={})
    assert opened(tmp_path, assets).c.values.tolist() == [1, 1, 1]


@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0)])
def test_coordinates_without_elements_are_written(tmp_path: Path, assets: HDF5Writer, shape: tuple[int, ...]) -> None:
    assets.append("x", numpy.zeros(3), dims=["t"])
    dims = ["a", "b"][: len(shape)]
    assets.add_coordinate("number", numpy.zeros(shape), dims=dims, attrs={})
    assets.add_coordinate("text", numpy.zeros(shape, "U3"), dims=dims, attrs={})
    assert opened(tmp_path, assets).number.shape == shape
