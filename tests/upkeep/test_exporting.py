"""Runs in files for other programs: what these read, and what is refused."""

from __future__ import annotations

import csv
import errno
import importlib.metadata
import importlib.util
import json
import os
import re
import subprocess
import sys
import types
import warnings
from pathlib import Path
from typing import Any

import dask.array
import event_model
import h5py
import numpy
import pandas
import pytest
import suitcase.utils
import xarray

import databroker_writable
from databroker_writable import (
    ExportError,
    InvalidRunError,
    StoreFailedError,
    StoreWarning,
    UnreadableAssetError,
    build_simple_run,
    export,
    open_directory,
    plot,
    to_dataset,
)
from databroker_writable.runs.run_display import display_of
from databroker_writable.runs.upstream import stock_drivers
from databroker_writable.storage.durable_file import NewFile
from databroker_writable.upkeep import export_formats
from databroker_writable.upkeep.export_names import file_name
from databroker_writable.upkeep.exporting import export_with_suitcase
from support import children, example_runs

SUFFIXES = (".nc", ".nxs", ".parquet", ".csv", ".json")


pytestmark = pytest.mark.usefixtures("elsewhere")


def spectra() -> xarray.Dataset:
    """Columns of several shapes and types, with units and attributes."""
    energy = numpy.linspace(8900, 9100, 50)
    return xarray.Dataset(
        {
            "mu": ("energy", numpy.sin(energy), {"units": "1/cm", "fit": {"order": 3}}),
            "good": ("energy", energy > 9000),
            "label": "Cu K",
            "map": (("y", "x"), numpy.arange(12.0).reshape(3, 4), {"units": "counts"}),
            "amplitude": (("y", "x"), numpy.full((3, 4), 1 + 2j)),
        },
        coords={"energy": ("energy", energy, {"units": "eV"})},
        attrs={"edge": "K", "nothing": None, "flag": True},
    )


COMPLEX_IS_TOLD = pytest.mark.filterwarnings("ignore:.* written as complex numbers:databroker_writable.StoreWarning")


def stored(data: Any = None, metadata: dict[str, Any] | None = None, **arguments: Any) -> Any:
    data = {"x": [1, 2, 3], "y": [0.5, float("nan"), 2.5], "name": ["a", "b#", 'c"']} if data is None else data
    return open_directory("results").store_run(data, {"sample": "Cu", **(metadata or {})}, **arguments)


def two_streams() -> Any:
    catalog = open_directory("results")
    with catalog.run_builder() as builder:
        builder.add_stream("primary", data={"x": [1, 2, 3]})
        builder.add_stream("dark", data={"x": [4, 5]})
    return catalog[-1]


# what is read back


@pytest.mark.parametrize(
    "table",
    [
        {"x": [1, 2], "name": ["a", "b"]},
        pandas.DataFrame({"x": [1.5, 2.5]}, index=pandas.Index(["a", "b"], name="key")),
        xarray.Dataset({"big": (("t", "y"), dask.array.arange(40, chunks=7).reshape(10, 4))}),
        xarray.Dataset({"t": ("row", numpy.array(["2024-05-31T12:00:00.123456789", "NaT"], dtype="datetime64[ns]"))}),
        xarray.Dataset({"dt": ("row", numpy.array([1, 2], dtype="timedelta64[ns]"))}),
        spectra().drop_attrs(),
    ],
    ids=["dict", "frame", "dask", "times", "spans", "spectra"],
)
@COMPLEX_IS_TOLD
def test_netcdf_is_read_back_identical(table: Any) -> None:
    run = stored(table, one_event=isinstance(table, xarray.Dataset))
    back = xarray.load_dataset(export(run, "run.nc"), engine="h5netcdf")
    xarray.testing.assert_identical(back, to_dataset(run).load())


COMPLEX = {"x": [1, 2], "z": [1j, 2.5 + 1j], "single": numpy.array([1j, numpy.nan], "c8")}
EITHER_WAY = [{"engine": "h5netcdf"}, {"engine": "netcdf4", "auto_complex": True}]


def test_text_that_the_csv_of_an_old_python_does_not_write_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise csv.Error("need to escape, but no escapechar set")

    monkeypatch.setattr(pandas.DataFrame, "to_csv", refuse)
    with pytest.raises(ExportError, match=r"cannot hold this table .*need to escape.*another format"):
        export(stored({"x": ["a\0b"]}), "run.csv")


@pytest.mark.parametrize("options", EITHER_WAY, ids=["h5netcdf", "netcdf4"])
def test_netcdf_with_complex_numbers_is_read_back_as_its_warning_says(options: dict[str, Any]) -> None:
    if options["engine"] == "netcdf4":
        pytest.importorskip("netCDF4", minversion="1.7", reason="netCDF4 reads complex numbers from 1.7")
    run = stored(COMPLEX)
    with pytest.warns(StoreWarning) as warned:
        path = export(run, "run.nc")
    (message,) = (str(warning.message) for warning in warned)
    assert message == (
        "the columns 'z', 'single' are written as complex numbers, which xarray.open_dataset reads as pairs where "
        "netCDF4 is installed, unless it is given engine='h5netcdf'"
    )
    xarray.testing.assert_identical(xarray.load_dataset(path, **options), to_dataset(run))


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
def test_netcdf_is_read_back_identical_by_either_engine(engine: str) -> None:
    if engine == "netcdf4":
        pytest.importorskip("netCDF4", reason="netCDF4 is not installed: pip install netCDF4")
    times = numpy.array(["2024-05-31T12:00:00.123456789", "NaT"], dtype="datetime64[ns]")
    table = {
        "n": [1, 2],
        "x": [0.5, numpy.nan],
        "name": ["a", "µ"],
        "good": [True, False],
        "t": times,
        "dt": times - times[0],
        "u": numpy.array([1, 2], "u8"),
    }
    run = stored(table)
    back = xarray.load_dataset(export(run, "run.nc"), engine=engine)
    xarray.testing.assert_identical(back, to_dataset(run))


def test_attributes_that_hdf5_and_xarray_use_themselves_get_other_names() -> None:
    attrs = {"CLASS": "IMAGE", "NAME": "x", "DIMENSION_LIST": "y", "_Unsigned": "true", "_NCProperties": "z"}
    table = xarray.Dataset({"x": ("row", [1, -2], attrs)}, attrs=attrs)
    for suffix in (".nc", ".nxs"):
        export(stored(table), f"run{suffix}")
    back = xarray.load_dataset("run.nc")
    assert back["x"].values.tolist() == [1, -2]
    assert back["x"].attrs == back.attrs == {f"original_{name}": value for name, value in attrs.items()}


def levels_of_times() -> pandas.DataFrame:
    times = pandas.to_datetime(["2024-01-01", "2024-07-01"]).tz_localize("Europe/Berlin")
    index = pandas.MultiIndex.from_arrays([times, pandas.array([1, None], "Int64"), ["a", "b"]], names=["t", "n", "s"])
    return pandas.DataFrame({"x": [1, 2]}, index=index)


@pytest.mark.parametrize("suffix", [".nc", ".nxs", ".csv", ".json"])
@pytest.mark.filterwarnings("ignore:the column.*is written as:databroker_writable.StoreWarning")
def test_datetimes_of_a_level_keep_their_zone(suffix: str) -> None:
    path = export(stored(levels_of_times()), f"run{suffix}")
    if suffix == ".nc":
        back = xarray.load_dataset(path)["t"].values.tolist()
    elif suffix == ".nxs":
        with h5py.File(path, "r") as file:
            back = file["entry/primary/t"].asstr()[()].tolist()
    elif suffix == ".csv":
        back = pandas.read_csv(path, comment="#")["t"].tolist()
    else:
        back = json.loads(Path(path).read_text())["streams"]["primary"]["coords"]["t"]["data"]
    assert back == ["2024-01-01 00:00:00+01:00", "2024-07-01 00:00:00+02:00"]


def test_attributes_that_are_text_of_numpy_are_text() -> None:
    text = numpy.array(["mm", "a"])
    attrs = {"units": text[0], "names": list(text)}
    run = stored(xarray.Dataset({"x": ("row", [1, 2], attrs)}, attrs={"note": text[1]}))
    back = xarray.load_dataset(export(run, "run.nc"))
    assert (back["x"].attrs, back.attrs) == ({"units": "mm", "names": ["mm", "a"]}, {"note": "a"})
    with h5py.File(export(run, "run.nxs"), "r") as file:
        assert file["entry/primary/x"].attrs["units"] == "mm"


@pytest.mark.parametrize("units", ["s since start", "days since 2000-01-01"])
def test_numbers_that_are_since_something_are_read_as_numbers(units: str) -> None:
    run = stored({"x": [0.5, 1.5]}, units={"x": units})
    back = xarray.load_dataset(export(run, "run.nc"))["x"]
    assert (back.values.tolist(), back.attrs) == ([0.5, 1.5], {"original_units": units})
    with h5py.File(export(run, "run.nxs"), "r") as file:
        assert file["entry/primary/x"].attrs["units"] == units


@COMPLEX_IS_TOLD
def test_attributes_that_netcdf_cannot_hold_are_json() -> None:
    back = xarray.load_dataset(export(stored(spectra(), one_event=True), "run.nc"))
    assert back.attrs == {"edge": "K", "nothing": "null", "flag": "true"}
    assert json.loads(back["mu"].attrs["fit"]) == {"order": 3}
    assert back["energy"].attrs == {"units": "eV"}


def test_columns_that_netcdf_cannot_hold_are_written_in_the_nearest_form_and_told() -> None:
    frame = pandas.DataFrame(
        {
            "gaps": pandas.array([1, None], dtype="Int64"),
            "large": pandas.array([2**60 + 1, None], dtype="Int64"),
            "whole": pandas.array([1, 2], dtype="Int16"),
            "span": pandas.interval_range(0, 2),
            "text": ["a", None],
            "half": numpy.array([0.5, 1.5], dtype="float16"),
        }
    )
    run = stored(frame)
    with pytest.warns(StoreWarning) as warned:
        back = xarray.load_dataset(export(run, "run.nc"))
    assert {str(warning.message).partition("'")[2].partition("'")[0] for warning in warned} == set(frame)
    numpy.testing.assert_equal(back["gaps"].values, [1, numpy.nan])
    assert back["large"].values.tolist() == [str(2**60 + 1), ""]
    assert back["whole"].dtype == "int16"
    assert back["span"].values.tolist() == ["(0, 1]", "(1, 2]"]
    assert back["text"].values.tolist() == ["a", ""]
    assert back["half"].values.tolist() == [0.5, 1.5]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([290.5, None, 291.5], [290.5, numpy.nan, 291.5]),
        ([1, None, 3], [1.0, numpy.nan, 3.0]),
        ([True, None, False], [1.0, numpy.nan, 0.0]),
        ([2**60 + 1, None], [str(2**60 + 1), ""]),
        ([2**53 + 1, None], [str(2**53 + 1), ""]),
    ],
)
def test_numbers_with_none_stay_numbers_in_netcdf(values: list[Any], expected: list[Any]) -> None:
    run = stored({"T": values})
    how = "text, empty where missing" if isinstance(expected[0], str) else "float64, NaN where missing"
    with pytest.warns(StoreWarning, match=f"the column 'T' .* is written as {how}"):
        back = xarray.load_dataset(export(run, "run.nc"))
    numpy.testing.assert_equal(back["T"].values.tolist(), expected)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_says_that_its_run_is_retracted(suffix: str) -> None:
    run = stored({"x": [1, 2]})
    open_directory("results").retract(run, "wrong dark image")
    with pytest.warns(StoreWarning, match="is retracted: wrong dark image .*; the file says so"):
        path = export(run, f"run{suffix}")
    assert b"wrong dark image" in Path(path).read_bytes()
    open_directory("results").restore(run)
    assert b"wrong dark image" not in Path(export(run, f"again{suffix}")).read_bytes()


def test_one_column_can_be_named_alone() -> None:
    path = export(stored({"mu": [1, 2], "m": [3, 4]}), "run.csv", columns="mu")
    assert list(pandas.read_csv(path, comment="#")) == ["mu"]


def test_a_slash_in_the_name_of_a_dimension_is_replaced() -> None:
    run = stored(xarray.Dataset({"y": ("a/b", [1, 2])}), one_event=True)
    with pytest.warns(StoreWarning, match="'a/b' is written as 'a_b'"):
        back = xarray.load_dataset(export(run, "run.nc"))
    assert back["y"].dims == ("a_b",)


def test_csv_is_read_back_behind_its_metadata() -> None:
    run = stored(metadata={"note": "first line\nsecond # line", "units": "Å"}, parameters={"window": 3})
    path = export(run, "run.csv")
    back = pandas.read_csv(path, comment="#")
    expected = to_dataset(run).to_dataframe().reset_index(drop=True)
    pandas.testing.assert_frame_equal(back, expected, check_dtype=False)
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    header = dict(line.removeprefix("# ").split(": ", 1) for line in lines if line.startswith("#"))
    start = {key.removeprefix("start."): json.loads(v) for key, v in header.items() if key.startswith("start.")}
    assert start == json.loads(json.dumps(dict(run.metadata["start"])))
    assert header["stop.exit_status"] == '"success"'


def test_csv_tells_units() -> None:
    run = stored(spectra()[["mu"]], one_event=True)
    text = Path(export(run, "run.csv")).read_text(encoding="utf-8")
    assert '# column.energy: {"units": "eV"}' in text
    assert text.splitlines()[-50:][0].split(",")[0] == "8900.0"


def test_parquet_is_read_back_identical() -> None:
    frame = pandas.DataFrame(
        {"x": [1, 2], "gaps": pandas.array([1, None], dtype="Int64"), "kind": pandas.Categorical(["a", "b"])},
        index=pandas.Index([5, 6], name="i"),
    )
    path = export(stored(frame), "run.parquet")
    pandas.testing.assert_frame_equal(pandas.read_parquet(path), frame)
    from pyarrow import parquet

    start = json.loads(parquet.read_schema(path).metadata[b"databroker_run.start"])
    assert start["sample"] == "Cu"


def test_json_holds_documents_and_data() -> None:
    data = xarray.Dataset(
        {"y": ("t", [0.5, numpy.nan], {"units": "mm"})},
        coords={"t": numpy.array(["2024-05-31", "NaT"], dtype="datetime64[ns]")},
    )
    run = stored(data, one_event=True)
    record = json.loads(Path(export(run, "run.json")).read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert record["start"]["sample"] == "Cu"
    assert record["stop"]["exit_status"] == "success"
    stream = record["streams"]["primary"]
    assert stream["data_vars"]["y"] == {
        "dims": ["t"],
        "attrs": {"units": "mm"},
        "dtype": "float64",
        "data": [0.5, None],
    }
    assert stream["coords"]["t"]["data"] == ["2024-05-31T00:00:00.000000000", None]
    assert xarray.Dataset.from_dict(stream)["y"].dims == ("t",)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_each_format_carries_the_start_document(suffix: str) -> None:
    raw = stored({"x": [1]}, {"plan_name": "count"}, uid="raw-1")
    run = stored({"x": [1]}, uid="fit-1", derived_from=raw, parameters={"window": 17})
    path = export(run, f"run{suffix}", with_inputs=True)
    content = Path(path).read_bytes().replace(b'\\"', b'"')
    for word in (b"fit-1", b'"window": 17', b"raw-1", b'"plan_name": "count"'):
        assert word in content


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_runs_of_bluesky_are_exported(suffix: str) -> None:
    run = open_directory("results").store_run(example_runs.small_documents(uid="plain"))
    assert os.path.getsize(export(run, f"run{suffix}"))


def test_several_streams_are_groups_of_netcdf() -> None:
    run = two_streams()
    path = export(run, "run.nc")
    for stream in ("primary", "dark"):
        xarray.testing.assert_identical(xarray.load_dataset(path, group=stream), to_dataset(run, stream))
    tree = xarray.open_datatree(path)
    tree.close()
    assert set(tree.children) == {"primary", "dark", "databroker_run"}
    back = xarray.load_dataset(export(run, "dark.nc", stream="dark"))
    xarray.testing.assert_identical(back, to_dataset(run, "dark"))


def test_each_stream_has_a_group_of_its_own_in_netcdf() -> None:
    names = ["a/b", "a_b", "a_b_2", "databroker_run", "a/c"]
    catalog = open_directory("results")
    with catalog.run_builder() as builder:
        for number, name in enumerate(names):
            builder.add_stream(name, data={"x": [number]})
    with pytest.warns(StoreWarning) as warned:
        path = export(catalog[-1], "run.nc")
    groups = {"a/b": "a_b_3", "databroker_run": "databroker_run_2", "a/c": "a_c"}
    assert {str(warning.message) for warning in warned if warning.category is StoreWarning} == {
        f"the stream {name!r} is written as the group {group!r}, because its name cannot be used"
        for name, group in groups.items()
    }
    for number, name in enumerate(names):
        assert xarray.load_dataset(path, group=groups.get(name, name))["x"].values.tolist() == [number]
    assert set(xarray.load_dataset(path, group="databroker_run").variables) == {"start", "stop", "descriptors"}


@pytest.mark.parametrize("dataset", [{"databroker_run": ("i", [1, 2])}, {"x": ("databroker_run", [1, 2])}])
def test_a_name_that_the_documents_have_in_netcdf_gets_a_number(dataset: Any) -> None:
    table = xarray.Dataset({**dataset, "databroker_run_2": ("j", [3])})
    with pytest.warns(StoreWarning, match="'databroker_run' is written as 'databroker_run_3', because") as warned:
        path = export(stored(table, one_event=True), "run.nc")
    assert len(warned) == 1
    xarray.testing.assert_identical(xarray.load_dataset(path), table.rename(databroker_run="databroker_run_3"))
    assert "start" in xarray.load_dataset(path, group="databroker_run")


def test_dates_that_netcdf_cannot_hold_are_refused() -> None:
    for dates in (numpy.array([1 - 2**63, 2**63 - 1], "M8[ns]"), numpy.array(["-20000-01-01", "99999-01-01"], "M8[s]")):
        with pytest.raises(ExportError, match="netCDF has no such dates"):
            export(stored({"date": dates}), "run.nc")


def test_columns_are_chosen_with_their_coordinates() -> None:
    back = xarray.load_dataset(export(stored(spectra(), one_event=True), "run.nc", columns=["mu"]))
    assert list(back.variables) == ["mu", "energy"] or set(back.variables) == {"mu", "energy"}


# NeXus


def test_times_that_seconds_of_their_type_do_not_span_are_refused() -> None:
    with pytest.raises(ExportError, match=r"the times in 'date' are further apart than datetime64\[ns\] can hold"):
        export(stored({"date": numpy.array(["1700-01-01", "2200-01-01"], "M8[ns]"), "x": [1, 2]}), "run.nxs")


def test_nexus_has_what_viewers_plot() -> None:
    run = stored(spectra(), {"analysis_name": "fit"}, one_event=True, parameters={"window": 3}, versions=["numpy"])
    with h5py.File(export(run, "run.nxs"), "r") as file:
        assert file.attrs["default"] == "entry"
        entry = file["entry"]
        assert (entry.attrs["NX_class"], entry.attrs["default"]) == ("NXentry", "primary")
        data = entry["primary"]
        assert (data.attrs["NX_class"], data.attrs["signal"], list(data.attrs["axes"])) == ("NXdata", "mu", ["energy"])
        assert list(data.attrs["auxiliary_signals"]) == ["good"]
        assert data.attrs["energy_indices"] == 0
        assert (data["mu"].attrs["units"], data["energy"].attrs["units"]) == ("1/cm", "eV")
        image = entry["primary_map"]
        assert (image.attrs["signal"], list(image.attrs["axes"])) == ("map", ["y", "x"])
        assert image["x"][()].tolist() == [0, 1, 2, 3]
        assert image["amplitude"].dtype.kind == "c"
        assert entry["primary_more/label"][()] == b"Cu K"
        process = entry["process"]
        assert (process.attrs["NX_class"], process["program"][()]) == ("NXprocess", b"fit")
        assert json.loads(process["parameters/data"][()]) == {"window": 3}
        assert json.loads(process["versions/data"][()])["numpy"] == numpy.__version__
        assert entry["sample/name"][()] == b"Cu"
        assert json.loads(entry["documents/start/data"][()])["uid"] == run.metadata["start"]["uid"]


@pytest.mark.parametrize(
    ("sample", "name"), [({"formula": "Cu"}, None), ({"name": None}, None), ({"name": "foil"}, b"foil"), ("Cu", b"Cu")]
)
def test_a_sample_without_a_name_has_none_in_nexus(sample: Any, name: bytes | None) -> None:
    with h5py.File(export(stored(metadata={"sample": sample}), "run.nxs")) as file:
        group = file["entry/sample"]
        assert (group["name"][()] if "name" in group else None) == name
        assert ("description" in group) == isinstance(sample, dict)


@pytest.mark.parametrize(
    ("column", "is_rounded"),
    [
        (numpy.array(["1975-01-01", "2024-01-01T00:00:00.123456789"], "M8[ns]"), True),
        (numpy.array(["2024-01-01", "2024-01-01T00:00:00.123456789", "NaT"], "M8[ns]"), False),
        (numpy.array(["1975-01-01", "2024-01-01T00:00:00.123456"], "M8[us]"), False),
        (numpy.array([1, 10**17 + 1], "m8[ns]"), True),
    ],
)
def test_nexus_says_where_seconds_are_rounded(column: numpy.ndarray, is_rounded: bool) -> None:
    run = stored({"t": column, "x": range(len(column))})
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", StoreWarning)
        export(run, "run.nxs")
    expected = "the column 't' is written as seconds, rounded to those of float64; .nc keeps each digit"
    assert [str(warning.message) for warning in warned] == [expected] * is_rounded


def test_nexus_plots_against_the_motor_that_a_plan_hints_at() -> None:
    hints = {"dimensions": [[["motor"], "primary"]]}
    run = stored({"motor": [1.0, 2.0], "det": [5, 6], "when": pandas.to_datetime([0, 5], unit="s")}, {"hints": hints})
    with h5py.File(export(run, "run.nxs"), "r") as file:
        data = file["entry/primary"]
        assert (data.attrs["signal"], list(data.attrs["axes"])) == ("det", ["motor"])
        assert data["when"][()].tolist() == [0, 5]
        assert data["when"].attrs["start"].startswith("1970-01-01T00:00:00")


def test_nexus_has_a_process_for_each_input() -> None:
    raw = stored({"x": [1]}, {"plan_name": "count"})
    run = stored({"x": [1]}, derived_from=stored({"x": [1]}, {"analysis_name": "dark"}, derived_from=raw))
    with h5py.File(export(run, "run.nxs", with_inputs=True), "r") as file:
        processes = [group for group in file["entry"].values() if group.attrs.get("NX_class") == "NXprocess"]
        programs = {int(group["sequence_index"][()]): group["program"][()] for group in processes}
    assert programs == {1: b"count", 2: b"dark", 3: b"databroker-writable"}


def test_names_that_nexus_does_not_allow_are_kept_as_long_names() -> None:
    with h5py.File(export(stored({"I (0)": [1], "I (1)": [2], "I_0_": [3]}), "run.nxs"), "r") as file:
        data = file["entry/primary"]
        assert {data[name].attrs.get("long_name", name): data[name][()].tolist() for name in data if "I" in name} == {
            "I (0)": [1],
            "I (1)": [2],
            "I_0_": [3],
        }


def test_nexusformat_plots_the_file() -> None:
    nexus = pytest.importorskip("nexusformat.nexus", reason="nexusformat reads NeXus: pip install nexusformat")
    root = nexus.nxload(export(stored(spectra(), one_event=True), "run.nxs"))
    assert root.plottable_data.nxsignal.nxname == "mu"
    assert [axis.nxname for axis in root.plottable_data.nxaxes] == ["energy"]


@pytest.mark.skipif(not importlib.util.find_spec("punx"), reason="punx checks NeXus: pip install punx")
def test_punx_finds_no_errors() -> None:
    path = export(stored(spectra(), one_event=True), "run.nxs")
    command = [sys.executable, "-c", "from punx.main import main; main()", "validate", "--report", "ERROR", path]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert re.search(r"^ERROR +0 ", result.stdout, re.MULTILINE), result.stdout


# names and files


def test_a_name_is_filled_in_from_the_start_document() -> None:
    start = {"uid": "abcdefghij", "sample": {"name": "Cu/Fe ../x"}, "time": 0.0, "scan_id": 7}
    assert file_name("out/{uid:.6}_{scan_id:04d}.nc", start) == "out/abcdef_0007.nc"
    assert file_name("{sample.name}.nc", start) == "Cu_Fe_.._x.nc"
    assert file_name("{time:%Y}.nc", start) in ("1970.nc", "1969.nc")
    assert file_name("{{x}}.nc", start) == "{x}.nc"
    assert file_name("{sample}/x.nc", {**start, "sample": ".."}) == "_/x.nc"


@pytest.mark.parametrize(
    "template", ["{no}.nc", "{sample.no}.nc", "{", "{}", "{uid!z}", "{uid:d}", "{sample.__class__}", "{time:%Y}"]
)
def test_a_name_that_cannot_be_filled_in_is_refused(template: str) -> None:
    with pytest.raises(ExportError, match="name"):
        file_name(template, {"uid": "abc", "sample": "Cu", "time": 1e20})


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_that_is_there_is_replaced_only_when_told(suffix: str) -> None:
    run = stored({"x": [1]})
    path = Path(f"run{suffix}")
    path.write_text("mine")
    with pytest.raises(ExportError, match=r"exists already.*--force"):
        export(run, path)
    assert path.read_text() == "mine"
    export(run, path, force=True)
    assert b"mine" not in path.read_bytes()
    assert os.listdir() == sorted(["results", path.name]) or set(os.listdir()) == {"results", path.name}


def test_a_file_that_appears_meanwhile_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    run = stored({"x": [1]})
    publish = NewFile.publish

    def late(file: NewFile) -> None:
        Path(file.path).write_text("mine")
        publish(file)

    monkeypatch.setattr(NewFile, "publish", late)
    with pytest.raises(ExportError, match="exists already"):
        export(run, "run.csv")
    assert Path("run.csv").read_text() == "mine"
    assert set(os.listdir()) == {"results", "run.csv"}


def test_what_was_replaced_before_a_failure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    run = stored({"x": [1]}, attachments={"a.txt": b"new"})
    replace = NewFile.replace

    def replace_one(file: NewFile) -> None:
        if file.path == "run.csv":
            raise OSError(28, "No space left on device")
        replace(file)

    Path("run-attachments").mkdir()
    for path in ("run.csv", "run-attachments/a.txt"):
        Path(path).write_text("old")
    monkeypatch.setattr(NewFile, "replace", replace_one)
    with pytest.raises(StoreFailedError) as failure:
        export(run, "run.csv", force=True)
    assert str(failure.value) == (
        "'run.csv' cannot be written (No space left on device); 'run-attachments/a.txt' was written before, and the "
        "rest is as it was; export again"
    )
    assert (Path("run.csv").read_text(), Path("run-attachments/a.txt").read_text()) == ("old", "new")
    assert not list(Path().glob("**/*.part"))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_nothing_is_left_where_the_disk_is_full(suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = stored({"x": list(range(1000))})

    def full(file: NewFile, data: Any) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(NewFile, "write", full)
        with pytest.raises(StoreFailedError, match="No space left"):
            export(run, f"run{suffix}")
    assert os.listdir() == ["results"]
    export(run, f"run{suffix}")


def export_forever(report: Any, directory: str, suffix: str) -> None:
    """What a process that is killed does: it replaces a file again and again."""
    run = open_directory(os.path.join(directory, "results"))[-1]
    export(run, os.path.join(directory, f"run{suffix}"))
    report("begun")
    while True:
        export(run, os.path.join(directory, f"run{suffix}"), force=True)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_killed_export_leaves_a_whole_file(suffix: str, tmp_path: Path) -> None:
    stored({"x": numpy.arange(20_000)}, uid="run-1", one_event=True)
    with children.child(export_forever, tmp_path / "report", str(tmp_path), suffix) as child:
        child.wait_for("begun")
    export(open_directory("results")[-1], f"whole{suffix}")
    assert os.path.getsize(f"run{suffix}") == os.path.getsize(f"whole{suffix}")
    assert not [name for name in os.listdir() if name.startswith("run") and name != f"run{suffix}"]


@pytest.mark.parametrize(
    ("path", "options", "message"),
    [
        ("run.xyz", {}, r"none of the suffixes .nc, .nxs, .parquet, .csv, .json"),
        ("run", {}, "none of the suffixes"),
        ("run.nc", {"columns": ["nu"]}, "no column 'nu'; the run has .*mu"),
        ("run.nc", {"stream": "baseline"}, "no stream 'baseline'; the run has primary"),
        ("run.csv", {}, r"columns along one dimension.*map \(y, x\).*--column"),
        ("run.parquet", {}, r"columns along one dimension"),
    ],
)
def test_what_cannot_be_exported_is_refused_by_name(path: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ExportError, match=message):
        export(stored(spectra(), one_event=True), path, **options)
    assert os.listdir() == ["results"]


@pytest.mark.parametrize("error", [ValueError, TypeError, NotImplementedError, OverflowError, RuntimeError])
def test_what_a_writer_says_of_values_is_told_with_a_way_out(error: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = stored()

    def refuse(*_: Any, **__: Any) -> None:
        raise error("no such values")

    monkeypatch.setattr(pandas.DataFrame, "to_csv", refuse)
    with pytest.raises(ExportError, match=r"cannot hold this table .*no such values.*--column") as caught:
        export(run, "run.csv")
    assert isinstance(caught.value.__context__, error)
    assert caught.value.__context__.__traceback__ is not None


@pytest.mark.parametrize("error", [KeyError, AttributeError, IndexError, AssertionError, ZeroDivisionError])
def test_a_fault_of_the_program_is_not_taken_for_one_of_the_table(error: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = stored()

    def fail(*_: Any, **__: Any) -> None:
        raise error("x")

    monkeypatch.setattr(pandas.DataFrame, "to_csv", fail)
    with pytest.raises(error):
        export(run, "run.csv")
    assert os.listdir() == ["results"]


@pytest.mark.parametrize(
    "value", [numpy.arange(20_000.0), ["abc"] * 20_000, "x" * 100_000], ids=["f8", "texts", "text"]
)
def test_large_attributes_are_json_where_nexus_has_no_place_for_them(value: Any) -> None:
    run = stored(xarray.Dataset({"x": ("row", [1.0, 2.0], {"a": value})}))
    with h5py.File(export(run, "run.nxs"), "r") as file:
        held = file["entry/primary/x"].attrs["a"]
    assert held == (value if isinstance(value, str) else json.dumps(list(value)))
    assert len(xarray.load_dataset(export(run, "run.nc"))["x"].attrs["a"]) == len(value)


def test_a_table_of_two_streams_is_refused() -> None:
    run = two_streams()
    with pytest.raises(ExportError, match="streams primary, dark; choose one"):
        export(run, "run.csv")
    assert pandas.read_csv(export(run, "run.csv", stream="dark"), comment="#")["x"].tolist() == [4, 5]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize(("dims", "values"), [(("energy",), [10.0, 20.0]), (("row", "energy"), [[10.0, 20.0]] * 3)])
def test_a_coordinate_along_a_dimension_of_no_column_does_not_multiply_rows(
    suffix: str, dims: tuple[str, ...], values: Any
) -> None:
    coords = {"e": (dims, values), "number": ("row", [7, 8, 9]), "edge": "K"}
    run = stored(xarray.Dataset({"x": ("row", [1, 2, 3])}, coords), one_event=True)
    with pytest.raises(ExportError, match=rf"'primary' has x \(row\), e \({', '.join(dims)}\); choose some with col"):
        export(run, f"run.{suffix}")
    path = export(run, f"run.{suffix}", columns="x")
    frame = pandas.read_csv(path, comment="#") if suffix == "csv" else pandas.read_parquet(path)
    assert frame["x"].tolist() == [1, 2, 3]
    assert frame["number"].tolist() == [7, 8, 9]
    only = export(run, f"number.{suffix}", columns="number")
    assert len(pandas.read_csv(only, comment="#") if suffix == "csv" else pandas.read_parquet(only)) == 3


@pytest.mark.parametrize("path", ["/proc/run.csv", "/proc/runs/run.csv"])
def test_a_place_where_no_file_can_be_made_is_told(path: str) -> None:
    with pytest.raises(StoreFailedError, match=f"'{path}' cannot be written"):
        export(stored({"x": [1]}), path)


@pytest.mark.parametrize(
    ("values", "shapes"),
    [
        ([[1.0], [1.0, 2.0], [1.0]], r"\(1,\) and \(2,\)"),
        ([5.0, [1.0], [1.0]], r"\(\) and \(1,\)"),
        ([[[1.0, 2.0], [3.0]]] * 3, "rows of unequal length"),
    ],
)
@pytest.mark.parametrize("use", [to_dataset, *(lambda run, s=s: export(run, f"run{s}") for s in SUFFIXES)])
def test_a_column_of_others_whose_arrays_differ_in_shape_is_named(values: Any, shapes: str, use: Any) -> None:
    documents = example_runs.small_documents("run-1")
    documents[1][1]["data_keys"] = {"x": {"dtype": "array", "shape": [2], "source": "test"}}
    documents[2][1]["data"] = {"x": values}
    run = open_directory("results").store_run(documents)
    with pytest.raises(InvalidRunError, match=f"column 'x' of stream 'primary' of the run 'run-1' .*{shapes}, "):
        use(run)


def of_others(documents: list[tuple[str, dict[str, Any]]]) -> Any:
    """A run that databroker's own catalog has stored."""
    stock = stock_drivers().msgpack("results/*.msgpack")
    for name, doc in documents:
        stock.v1.insert(name, doc)
    return open_directory("results")[documents[0][1]["uid"]]


@pytest.mark.parametrize(
    ("name", "data_key", "values", "reason"),
    [
        (
            "x",
            {"shape": [2]},
            numpy.ones((3, 2, 4)),
            r"the shape \(2, 4\) and, in its data key, the shape \[2\], which",
        ),
        ("x", {"shape": None}, numpy.ones((3, 2)), "in its data key, the shape None, which do not fit"),
        (
            "x",
            {"dims": ["row", "side"]},
            numpy.ones((3, 2)),
            r"\(2,\) and, in its data key, the dims \['row', 'side'\]",
        ),
        ("x", {"dims": None}, numpy.ones((3, 2)), "in its data key, the dims None, which do not fit"),
        ("x", {"dims": ["row"]}, numpy.ones((3, 4)), "4 values along the dim 'row', along which column 'y' has 2"),
        ("time", {"shape": []}, numpy.ones(3), "the name of the times of Events"),
    ],
)
@pytest.mark.parametrize("use", [to_dataset, plot, *(lambda run, s=s: export(run, f"run{s}") for s in SUFFIXES)])
def test_a_column_of_others_that_cannot_be_read_is_named(
    name: str, data_key: dict[str, Any], values: Any, reason: str, use: Any
) -> None:
    documents = example_runs.small_documents("run-1")
    documents[1][1]["data_keys"] = {
        "y": {"dtype": "array", "shape": [2], "dims": ["row"], "source": "test"},
        name: {"dtype": "array", "shape": [2], "source": "test", **data_key},
    }
    documents[2][1]["data"] = {"y": numpy.zeros((3, 2)), name: values}
    documents[2][1]["timestamps"] = dict.fromkeys(["y", name], documents[2][1]["time"])
    run = of_others(documents)
    with pytest.raises(InvalidRunError, match=f"column '{name}' of stream 'primary' of the run 'run-1' .*{reason}"):
        use(run)
    assert name in display_of(run).text()


@pytest.mark.parametrize(
    ("data_key", "reason"),
    [
        ({}, r"column 'x' of stream 'primary' of the run 'run-1' has .*, in its data key, the shape None"),
        ({"dims": ["time"], "shape": [2]}, r"stream 'primary' of the run 'run-1' cannot be .*Error: conflicting sizes"),
    ],
    ids=["no shape", "another time"],
)
@pytest.mark.parametrize("use", [to_dataset, plot, *(lambda run, s=s: export(run, f"run{s}") for s in SUFFIXES)])
def test_a_stream_of_others_at_which_databroker_fails_is_named(data_key: dict[str, Any], reason: str, use: Any) -> None:
    documents = example_runs.small_documents("run-1")
    documents[1][1]["data_keys"] = {"x": {"dtype": "array", "source": "test", **data_key}}
    documents[2][1]["data"] = {"x": numpy.ones((3, 2))}
    with pytest.raises(InvalidRunError, match=reason):
        use(of_others(documents))


@pytest.mark.parametrize(
    "hints", [None, {"fields": ["x"]}, {"test": ["x"]}, {"dimensions": 5}, {"dimensions": [[5, 6]]}]
)
def test_hints_of_others_in_another_form_are_passed_over(hints: Any) -> None:
    documents = example_runs.small_documents("run-1")
    documents[0][1]["hints"] = documents[1][1]["hints"] = hints
    run = of_others(documents)
    assert plot(run).get_lines()[0].get_ydata().tolist() == [0.5, 1.5, 2.5]
    export(run, "run.nxs")


@pytest.mark.parametrize("use", [to_dataset, *(lambda run, s=s: export(run, f"run{s}") for s in SUFFIXES)])
def test_arrays_of_others_without_a_handler_are_named_with_the_remedy(use: Any, tmp_path: Path) -> None:
    run = open_directory("results").store_run(example_runs.documents_with_images(tmp_path))
    message = (
        f"stream 'primary' of the run '{run.metadata['start']['uid']}' .*'TEST_NPY'.*; install .*handler_registry="
    )
    with pytest.raises(UnreadableAssetError, match=message):
        use(run)


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait where event_model asks for a file several times, within two seconds."""
    monkeypatch.setattr(event_model.ttime, "sleep", lambda seconds: None)


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("use", [to_dataset, *(lambda run, s=s: export(run, f"run{s}") for s in SUFFIXES)])
def test_a_file_of_others_that_is_gone_is_named_with_its_run(use: Any, tmp_path: Path) -> None:
    documents = example_runs.documents_with_images(tmp_path)
    run = open_directory("results", handler_registry={"TEST_NPY": example_runs.NpyHandler}).store_run(documents)
    os.remove(tmp_path / "images.npy")
    message = f"stream 'primary' of the run '{run.metadata['start']['uid']}' cannot be read .*images.npy.*; restore"
    with pytest.raises(UnreadableAssetError, match=message):
        use(run)


@pytest.mark.usefixtures("no_waiting")
def test_too_many_open_files_say_nothing_of_the_files_of_others(tmp_path: Path) -> None:
    class Handler:
        def __init__(self, path: str) -> None:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), path)

    documents = example_runs.documents_with_images(tmp_path)
    run = open_directory("results", handler_registry={"TEST_NPY": Handler}).store_run(documents)
    with pytest.raises(OSError, match="Too many open files") as caught:
        to_dataset(run)
    assert not isinstance(caught.value, UnreadableAssetError)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_stream_of_others_without_columns_is_written(suffix: str) -> None:
    documents = example_runs.small_documents("run-1")
    documents[1][1]["data_keys"] = {}
    del documents[2]
    documents[-1][1]["num_events"] = {}
    path = export(open_directory("results").store_run(documents), f"run{suffix}")
    assert b"run-1" in Path(path).read_bytes()


def test_a_directory_is_no_file() -> None:
    os.mkdir("run.nc")
    with pytest.raises(ExportError, match="is a directory"):
        export(stored({"x": [1]}), "run.nc", force=True)


def test_inputs_of_a_run_in_memory_are_refused() -> None:
    run = databroker_writable.build_simple_run({"x": [1]})
    with pytest.raises(ExportError, match="store it first"):
        export(run, "run.nc", with_inputs=True)
    export(run, "run.nc")


# suitcases


def has_suitcase(name: str) -> bool:
    try:
        return bool(importlib.metadata.version(f"suitcase-{name}"))
    except importlib.metadata.PackageNotFoundError:
        return False


def test_a_suitcase_that_is_installed_writes_its_files() -> None:
    run = stored({"x": [1, 2]}, uid="run-1")
    (path,) = export_with_suitcase(run, "jsonl", "out/{sample}-")
    assert path == os.path.join("out", "Cu-.jsonl")
    assert json.loads(Path(path).read_text().splitlines()[0])[1]["uid"] == "run-1"
    with pytest.raises(ExportError, match="exists already"):
        export_with_suitcase(run, "jsonl", "out/{sample}-")
    assert os.listdir("out") == ["Cu-.jsonl"]


@pytest.mark.skipif(not has_suitcase("csv"), reason="suitcase-csv is not installed: pip install suitcase-csv")
def test_suitcase_csv_writes_each_stream() -> None:
    (path,) = export_with_suitcase(stored({"x": [1, 2]}, uid="run-1"), "csv", "{uid}-")
    assert path == "run-1-primary.csv"
    assert pandas.read_csv(path)["x"].tolist() == [1, 2]


class SpecSerializer:
    """As that of suitcase-specfile 0.3 looks up its file, and fails without a scan_id."""

    def __init__(self, directory: str, file_prefix: str) -> None:
        self._manager = suitcase.utils.MultiFileManager(directory)
        self._prefix = file_prefix

    def __call__(self, name: str, doc: Any) -> None:
        if name == "start":
            self._file = self._manager.open("stream_data", f"{self._prefix}.spec", "a")
            self._start = doc
        elif name == "stop":
            (path,) = self._manager.artifacts["stream_data"]
            self._file.write(f"#F {os.path.basename(path)}\n#S {self._start['scan_id']}\n")


def test_a_suitcase_can_look_up_its_files_and_its_errors_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "suitcase.specfile", types.SimpleNamespace(Serializer=SpecSerializer))
    (path,) = export_with_suitcase(stored({"x": [1]}, {"scan_id": 3}), "specfile", "run")
    assert Path(path).read_text() == "#F run.spec\n#S 3\n"
    with pytest.raises(
        ExportError, match=r"suitcase-specfile cannot write this run \(.*scan_id.*\), and nothing is left"
    ):
        export_with_suitcase(stored({"x": [1]}), "specfile", "other")
    assert not list(Path().glob("*other*"))


def test_a_suitcase_that_is_not_installed_is_named() -> None:
    with pytest.raises(ExportError, match=r"suitcase .no.such. is not known; known ones are csv, "):
        export_with_suitcase(stored({"x": [1]}), "no_such", "{uid}-")


@pytest.mark.parametrize("suffix", [".nc", ".nxs", ".parquet", ".csv", ".json"])
def test_single_values_and_any_name_are_exported(catalog, tmp_path, suffix):
    run = catalog.store_run({"x": [1, 2], 0: [0.5, 1.5], ("I", "mean"): [3, 4], "chi2": 0.25, "model": "gauss"})
    path = export(run, tmp_path / f"fit{suffix}")
    if suffix in (".parquet", ".csv"):
        frame = pandas.read_csv(path, comment="#") if suffix == ".csv" else pandas.read_parquet(path)
        assert frame["I_mean"].tolist() == [3, 4]
        assert frame["chi2"].tolist() == [0.25, 0.25]
        assert frame["model"].tolist() == ["gauss", "gauss"]
    elif suffix == ".nc":
        dataset = xarray.open_dataset(path, engine="h5netcdf")
        assert (dataset["column_0"].values.tolist(), dataset["chi2"].item()) == ([0.5, 1.5], 0.25)


def test_a_column_is_plotted_rather_than_a_single_value(catalog):
    axes = databroker_writable.plot(catalog.store_run({"chi2": 0.25, "x": [1.0, 2.0]}))
    assert axes.get_ylabel() == "x"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_attachments_are_files_beside_that_of_the_run(suffix: str) -> None:
    run = stored({"x": [1, 2]}, attachments={"fit.png": b"\x89PNG", "notes.txt": "good"})
    path = export(run, f"out/run{suffix}")
    assert Path("out/run-attachments/fit.png").read_bytes() == b"\x89PNG"
    assert Path("out/run-attachments/notes.txt").read_text() == "good"
    assert sorted(os.listdir("out")) == sorted(["run-attachments", os.path.basename(path)])
    if suffix == ".csv":
        assert pandas.read_csv(path, comment="#")["x"].tolist() == [1, 2]


def test_a_stream_that_is_chosen_goes_without_attachments() -> None:
    run = stored({"x": [1, 2]}, attachments={"fit.png": b"\x89PNG"})
    export(run, "run.csv", stream="primary")
    export(run, "run.nc", columns=["x"])
    assert sorted(os.listdir()) == ["results", "run.csv", "run.nc"]


def test_an_attachment_that_is_there_is_replaced_only_when_told() -> None:
    run = stored({"x": [1, 2]}, attachments={"a.txt": "new", "b.txt": "new"})
    Path("run-attachments").mkdir()
    Path("run-attachments/b.txt").write_text("mine")
    with pytest.raises(ExportError, match=r"'run-attachments/b\.txt' exists already.*--force"):
        export(run, "run.nc")
    assert Path("run-attachments/b.txt").read_text() == "mine"
    assert (os.listdir("run-attachments"), sorted(os.listdir())) == (["b.txt"], ["results", "run-attachments"])
    export(run, "run.nc", force=True)
    assert Path("run-attachments/b.txt").read_text() == Path("run-attachments/a.txt").read_text() == "new"


def test_an_attachment_of_others_cannot_leave_the_directory() -> None:
    built = build_simple_run({"x": [1]}, attachments={"a.txt": "a"})
    documents = json.loads(json.dumps(list(built.documents()), default=lambda values: values.tolist()))
    documents = json.loads(json.dumps(documents).replace("a.txt", "../../a.txt"))
    run = open_directory("results").store_run([tuple(document) for document in documents])
    with pytest.raises(InvalidRunError, match=r"'\.\./\.\./a\.txt' holds '\.'"):
        export(run, "deep/run.nc")
    assert os.listdir() == ["results"]


def test_a_run_of_attachments_alone_is_exported() -> None:
    with open_directory("results").run_builder() as builder:
        builder.attach({"report.txt": "nothing was measured"})
    export(builder.stored_run, "run.json")
    assert Path("run-attachments/report.txt").read_text() == "nothing was measured"
    with pytest.raises(ExportError, match="the run has none"):
        export(builder.stored_run, "run.csv")


def test_attachments_may_be_there_from_an_export_to_another_format(site, catalog, tmp_path):
    if site.is_ferretdb and site.kind == "mongo-embedded":
        pytest.skip("FerretDB 1.24 refuses arrays in arrays, such as a page of arrays")
    run = catalog.store_run({"x": [1, 2]}, attachments={"notes.txt": "hello"})
    for suffix in (".json", ".csv", ".nxs"):
        export(run, tmp_path / f"fit{suffix}")
    (tmp_path / "fit-attachments" / "notes.txt").write_text("changed")
    with pytest.raises(ExportError, match=r"notes\.txt' exists already"):
        export(run, tmp_path / "fit.nc")
    assert not (tmp_path / "fit.nc").exists()


def test_an_index_that_was_not_given_is_no_column_of_a_file(catalog, tmp_path):
    run = catalog.store_run(pandas.DataFrame({"x": [1, 2], "y": [3, 4]}))
    assert pandas.read_csv(export(run, tmp_path / "fit.csv"), comment="#").columns.tolist() == ["x", "y"]
    kept = catalog.store_run(pandas.DataFrame({"x": [1, 2]}, index=[5, 6]))
    assert pandas.read_csv(export(kept, tmp_path / "kept.csv"), comment="#", index_col=0).index.tolist() == [5, 6]


@pytest.mark.parametrize(("suffix", "read"), [(".csv", pandas.read_csv), (".parquet", pandas.read_parquet)])
def test_a_coordinate_without_an_index_is_written_once(suffix: str, read: Any) -> None:
    dataset = xarray.Dataset({"mu": ("energy", [1.0, 2.0])}, {"energy": [8979, 8980]}).drop_indexes("energy")
    options = {"comment": "#"} if suffix == ".csv" else {}
    back = read(export(stored(dataset), f"run{suffix}"), **options)
    assert back.to_dict("list") == {"energy": [8979, 8980], "mu": [1.0, 2.0]}


@pytest.mark.parametrize("function", ["export", "plot", "to_dataset", "diff"])
def test_a_stream_in_place_of_a_run_is_named(catalog, tmp_path, function):
    stream = catalog.store_run({"x": [1, 2]}).primary
    others = {"export": [tmp_path / "fit.csv"], "diff": [stream]}.get(function, [])
    with pytest.raises(InvalidRunError, match=f"{function} takes a run, not one of its streams"):
        getattr(databroker_writable, function)(stream, *others)


# what a text format does not hold


def losses(data: Any, path: str, **arguments: Any) -> list[str]:
    """What an export warns of."""
    run = stored(data, **arguments)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        export(run, path)
    return [str(warning.message) for warning in caught if warning.category is StoreWarning]


@pytest.mark.parametrize(
    ("values", "example"),
    [
        (["", "x"], "'' as a missing one"),
        (["NA", "x", None], "'NA' as a missing one"),
        (["None", "x"], "'None' as a missing one"),
        (["007", "12"], "'007' as 7"),
        (["1.0", None], "'1.0' as 1.0"),
        (["True", "False"], "'True' as True"),
        (numpy.array([2**60 + 1, None], dtype=object), "1152921504606846977 as 1.152921504606847e+18"),
        (pandas.array([2**60 + 1, None], dtype="Int64"), "1152921504606846977 as 1.152921504606847e+18"),
        (pandas.Categorical(["1", "2"]), "'1' as 1"),
    ],
)
def test_values_that_csv_gives_back_as_others_are_named(values: Any, example: str) -> None:
    pyarrow = pytest.importorskip("pyarrow.parquet", reason="Parquet needs pyarrow")
    frame = pandas.DataFrame({"x": range(len(values)), "s": values, "t": values})
    assert losses(frame, "run.csv") == [
        f"the columns 's', 't' are read from CSV with other values, such as {example}; .json and .parquet keep each "
        "value"
    ]
    for path in ("run.json", "run.parquet"):
        assert losses(frame, path) == []
    back = [json.loads(Path("run.json").read_text())["streams"]["primary"]["data_vars"]["s"]["data"]]
    back.append(pyarrow.read_table("run.parquet")["s"].to_pylist())
    for found in back:
        assert [None if pandas.isna(value) else value for value in found] == [
            None if pandas.isna(value) else value for value in values
        ]


def test_an_index_that_csv_gives_back_as_another_is_named() -> None:
    frame = pandas.DataFrame({"x": [1.5, 2]}, index=pandas.Index(["01", "02"], name="key"))
    assert losses(frame, "run.csv")[0].startswith(
        "the column 'key' is read from CSV with other values, such as '01' as 1"
    )


@pytest.mark.parametrize(
    "values",
    [["a", None], ['"', "c,d"], ["\n", " x "], ["a#b", "\r"], [None, None], [0.1 + 0.2, None], [True, None], [1, None]],
    ids=repr,
)
def test_what_csv_gives_back_is_not_named(values: list[Any]) -> None:
    assert losses({"s": values}, "run.csv") == []


@COMPLEX_IS_TOLD
def test_infinities_and_numbers_that_json_does_not_have_are_named() -> None:
    table = {"v": [numpy.inf, numpy.nan], "w": [1.0, -numpy.inf], "c": [1j, 2j], "d": numpy.array([1, 2], "m8[s]")}
    assert losses(table, "run.json") == [
        "the columns 'v', 'w' are written with null for infinities, as for NaN; .nc keeps them",
        "the columns 'c', 'd' are written as text, because JSON has no such numbers; .nc keeps them",
    ]
    assert losses({"x": [1.5, numpy.nan, None]}, "other.json") == []
    back = xarray.load_dataset(export(stored(table), "run.nc"), engine="h5netcdf")
    xarray.testing.assert_identical(back, to_dataset(stored(table)))
    assert losses({"c": [1j, 2j]}, "run.csv") == [
        "the column 'c' is written as text, because CSV has no such numbers; .nc keeps them"
    ]


def test_types_that_become_text_in_json_are_named() -> None:
    frame = pandas.DataFrame(
        {"p": pandas.period_range("2024-01", periods=2, freq="M"), "i": pandas.interval_range(0, 2)}
    )
    assert losses(frame, "run.json") == [
        "the columns 'p', 'i' are written as text, because JSON does not have this type; .parquet keeps it"
    ]
    pandas.testing.assert_frame_equal(pandas.read_parquet(export(stored(frame), "run.parquet")), frame)


def test_missing_values_of_pandas_are_null_in_json() -> None:
    times = pandas.to_datetime(["2024-05-31", None], utc=True)
    frame = pandas.DataFrame({"n": pandas.array([2**60 + 1, None], dtype="Int64"), "t": times})
    export(stored(frame), "run.json")
    columns = json.loads(Path("run.json").read_text())["streams"]["primary"]["data_vars"]
    assert columns["n"]["data"] == [2**60 + 1, None]
    assert columns["t"]["data"][1] is None


# values at the edges of a format


def nexus_field(path: str, name: str) -> tuple[Any, dict[str, Any]]:
    """The values and attributes of a field, wherever it is."""
    found: dict[str, tuple[Any, dict[str, Any]]] = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda place, item: (
                found.update({place.rpartition("/")[2]: (item[()], dict(item.attrs))})
                if isinstance(item, h5py.Dataset)
                else None
            )
        )
    return found[name]


@pytest.mark.parametrize("is_lazy", [False, True])
def test_times_in_nexus_begin_with_the_first_that_is_there(is_lazy: bool) -> None:
    times = numpy.array(["NaT", "2024-05-31T12:00:00", "2024-05-31T12:00:01.5"], "M8[ns]")
    run = stored({"t": dask.array.from_array(times) if is_lazy else times, "x": [1, 2, 3]}, one_event=True)
    seconds, attributes = nexus_field(export(run, "run.nxs"), "t")
    numpy.testing.assert_equal(seconds, [numpy.nan, 0, 1.5])
    assert (attributes["units"], attributes["start"]) == ("s", "2024-05-31T12:00:00.000000000")


def test_times_that_are_all_missing_are_nan_in_nexus() -> None:
    seconds, attributes = nexus_field(export(stored({"t": numpy.array(["NaT"], "M8[s]")}), "run.nxs"), "t")
    assert numpy.isnan(seconds).all()
    assert attributes["start"] == ""


def test_coordinates_of_columns_that_are_not_plotted_are_in_nexus() -> None:
    path = export(stored(pandas.DataFrame({"s": ["a", "b"]}, index=pandas.Index([0.1, 0.2], name="q"))), "a.nxs")
    assert nexus_field(path, "q")[0].tolist() == [0.1, 0.2]
    dataset = xarray.Dataset(
        {"map": (("y", "x"), numpy.ones((2, 2))), "label": ("z", ["a", "b"])},
        {"z": [5.0, 6.0], "y": [1, 2], "xz": (("x", "z"), [[1, 2], [3, 4]])},
    )
    path = export(stored(dataset, one_event=True), "b.nxs")
    assert [nexus_field(path, name)[0].tolist() for name in ("z", "xz", "y")] == [[5, 6], [[1, 2], [3, 4]], [1, 2]]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_tables_without_rows_are_written(suffix: str) -> None:
    table = {"x": numpy.array([], "f4"), "s": numpy.array([], "U3"), "t": numpy.array([], "M8[ns]")}
    assert os.path.isfile(export(stored(table, one_event=True), f"run{suffix}"))


def test_an_index_of_several_levels_without_names_is_written() -> None:
    frame = pandas.concat({"a": pandas.DataFrame({"x": [1, 2]}), "b": pandas.DataFrame({"x": [3, 4]})})
    run = stored(frame)
    back = xarray.load_dataset(export(run, "run.nc"))
    assert (back["level_0"].values.tolist(), back["level_1"].values.tolist()) == (["a", "a", "b", "b"], [0, 1, 0, 1])
    assert nexus_field(export(run, "run.nxs"), "level_1")[0].tolist() == [0, 1, 0, 1]
    record = json.loads(Path(export(run, "run.json")).read_text())["streams"]["primary"]
    back = xarray.Dataset.from_dict(record)
    assert (back["level_0"].values.tolist(), back["level_1"].values.tolist()) == (["a", "a", "b", "b"], [0, 1, 0, 1])
    pandas.testing.assert_frame_equal(pandas.read_parquet(export(run, "run.parquet")), frame)


def test_columns_named_as_pandas_names_an_index_are_written_with_one() -> None:
    path = export(stored(pandas.DataFrame({"index": [1, 2], "level_0": [3, 4]}, index=[0.5, 0.6])), "run.csv")
    assert pandas.read_csv(path, comment="#", index_col=0).to_dict("list") == {"index": [1, 2], "level_0": [3, 4]}


def test_long_durations_are_whole_in_json() -> None:
    table = {"d": numpy.array([-(2**62), 1], "m8[ms]")}
    with pytest.warns(StoreWarning, match="as text"):
        export(stored(table), "run.json")
    written = json.loads(Path("run.json").read_text())["streams"]["primary"]["data_vars"]["d"]["data"]
    assert written == ["-4611686018427387904 milliseconds", "1 milliseconds"]


@pytest.mark.parametrize("suffix", [".nc", ".nxs"])
@pytest.mark.parametrize("texts", [["a\0b", "c"], ["c\0", None]])
def test_text_with_nul_is_refused_by_name(suffix: str, texts: list[Any]) -> None:
    run = stored({"x": texts, "y": [1, 2]})
    warnings.simplefilter("ignore", StoreWarning)
    with pytest.raises(ExportError, match=r"the column 'x' holds text with NUL, .* export to \.json"):
        export(run, f"run{suffix}")
    assert os.listdir() == ["results"]
    export(run, f"run{suffix}", columns="y")


def test_what_a_writer_cannot_hold_is_an_error_of_export() -> None:
    run = stored({"t": numpy.array([2**60, -(2**60)], "M8[s]"), "y": [1, 2]})
    for suffix in (".nc", ".parquet"):
        with pytest.raises(ExportError, match=r"cannot hold this table.*choose some.*--column"):
            export(run, f"run{suffix}")
    assert os.listdir() == ["results"]


def columns_in(warned: pytest.WarningsRecorder) -> list[str]:
    """The columns that our warnings name; an old pyarrow has some of its own."""
    ours = [warning for warning in warned if issubclass(warning.category, StoreWarning)]
    return sorted(str(warning.message).split("'")[1] for warning in ours)


def test_parquet_has_categories_of_every_type() -> None:
    spans = pandas.cut([1.0, 2.0, numpy.nan], [0, 1.5, 4])
    frame = pandas.DataFrame(
        {
            "span": spans,
            "period": pandas.Categorical(pandas.period_range("2024-01", periods=3, freq="M")),
            "wait": pandas.Categorical(pandas.to_timedelta([1, 2, None], unit="s")),
            "kept": pandas.Categorical(["a", None, "b"], ordered=True),
        },
        index=pandas.CategoricalIndex(spans, name="bin"),
    )
    with pytest.warns(StoreWarning, match="because Parquet has no such categories") as warned:
        back = pandas.read_parquet(export(stored(frame), "run.parquet"))
    assert columns_in(warned) == ["bin", "period", "span", "wait"]
    plain = {name: frame[name].cat.categories.dtype for name in ("span", "period", "wait")}
    expected = frame.astype(plain).set_axis(pandas.Index(spans.astype(spans.categories.dtype), name="bin"))
    pandas.testing.assert_frame_equal(back, expected)
    nested = frame.set_index("kept", append=True)
    with pytest.warns(StoreWarning):
        back = pandas.read_parquet(export(stored(nested), "nested.parquet"))
    assert back.index.get_level_values("bin").tolist()[:2] == spans.tolist()[:2]


def test_parquet_has_the_values_of_categories_that_are_numbers() -> None:
    large = 2**53 + 1
    frame = pandas.DataFrame(
        {
            "large": pandas.Categorical([large, None]),
            "all": pandas.Categorical([large, large + 1]),
            "good": pandas.Categorical([True, None]),
            "own": pandas.Categorical(pandas.array([large, None], "Int64")),
            "part": pandas.Categorical([1.5, None]),
            "day": pandas.Categorical(pandas.to_datetime(["2024-05-31", None])),
        }
    )
    with pytest.warns(StoreWarning, match="because Parquet has no such categories") as warned:
        back = pandas.read_parquet(export(stored(frame), "run.parquet"))
    assert columns_in(warned) == sorted(frame)
    assert back["large"].tolist() == back["own"].tolist() == [large, pandas.NA]
    assert (back["all"].tolist(), back["good"].tolist()) == ([large, large + 1], [True, pandas.NA])
    assert back["part"].tolist()[:1] == [1.5]
    assert back["day"].tolist()[:1] == [pandas.Timestamp("2024-05-31")]


@pytest.mark.parametrize("closed", ["left", "right"])
def test_parquet_has_intervals_of_integers_of_which_some_are_missing(closed: Any) -> None:
    spans = pandas.cut([0.5, 1.5, 7.0], pandas.interval_range(0, 2, closed=closed))
    with pytest.warns(StoreWarning, match=rf"'span' is written as interval\[float64, {closed}\], because"):
        back = pandas.read_parquet(export(stored(pandas.DataFrame({"span": spans})), "run.parquet"))
    assert back["span"].isna().tolist() == [False, False, True]
    assert back["span"].tolist()[:2] == spans.tolist()[:2]
    # without missing ones they stay integers
    with pytest.warns(StoreWarning, match="interval\\[int64"):
        export(stored(pandas.DataFrame({"span": spans[:2]})), "whole.parquet")
    large = pandas.interval_range(2**53 + 1, periods=1)
    with pytest.raises(ExportError, match="such a file cannot hold this table"):
        export(stored(pandas.DataFrame({"span": pandas.Categorical([large[0], None])})), "large.parquet")


def test_an_index_without_a_name_is_called_the_index_in_warnings() -> None:
    frame = pandas.DataFrame({"x": [1, 2]}, index=pandas.CategoricalIndex(pandas.cut([1, 2], [0, 1, 2])))
    assert losses(frame, "run.parquet") == [
        "the column 'index' is written as interval[int64, right], because Parquet has no such categories"
    ]


def test_empty_arrays_of_several_dims_are_told_in_json() -> None:
    table = {"peaks": numpy.zeros((0, 2)), "x": numpy.zeros(0), "image": numpy.ones((2, 2))}
    assert losses(table, "run.json", one_event=True) == [
        "the column 'peaks' is written without its dimensions, of which one is empty; .nc keeps them"
    ]


def test_a_column_named_title_is_written_as_nexus() -> None:
    table = {"title": [1.5, 2.5], "x": [1.0, 2.0]}
    with h5py.File(export(stored(table), "run.nxs"), "r") as file:
        group = file["entry/primary"]
        held = {field.attrs.get("long_name", name): field[()].tolist() for name, field in group.items() if field.ndim}
        assert group["title"][()].decode().endswith("primary")
    assert held == {**table, "row": [0, 1]}


NAMED = {
    "numbers": pandas.DataFrame([[1.5, 2.5, 3.5]], columns=[0, "column_0", 1.5]),
    "levels": pandas.DataFrame([[1.5, 2.5]], columns=pandas.MultiIndex.from_product([["mu"], ["mean", "std"]])),
}


@pytest.mark.parametrize(
    ("table", "columns", "expected"),
    [
        ("numbers", 0, {"column_0_": [1.5]}),
        ("numbers", [1.5, "column_0"], {"column_1_5": [3.5], "column_0": [2.5]}),
        ("numbers", "column_0_", {"column_0_": [1.5]}),
        ("levels", ("mu", "std"), {"mu_std": [2.5]}),
        ("levels", [("mu", "std"), "mu_mean"], {"mu_std": [2.5], "mu_mean": [1.5]}),
    ],
)
def test_columns_whose_names_are_no_text_can_be_chosen_by_their_names(table: str, columns: Any, expected: Any) -> None:
    run = stored(NAMED[table])
    path = export(run, "run.csv", columns=columns)
    assert pandas.read_csv(path, comment="#").to_dict("list") == expected


@pytest.mark.parametrize("columns", [pandas.Index(["x", "y"]), numpy.array(["x", "y"]), pandas.Series(["x", "y"])])
def test_the_names_of_columns_can_be_those_of_a_frame(columns: Any) -> None:
    path = export(stored({"x": [1, 2], "y": [3, 4], "z": [5, 6]}), "run.csv", columns=columns)
    assert pandas.read_csv(path, comment="#").to_dict("list") == {"x": [1, 2], "y": [3, 4]}


@pytest.mark.parametrize("columns", [7, [["mu", "std"]], ("mu", "nu"), [("mu", "nu")]])
def test_a_column_that_is_not_there_is_named_whatever_its_type(columns: Any) -> None:
    with pytest.raises(ExportError, match=r"there is no column .*; the run has mu_mean, mu_std"):
        export(stored(NAMED["levels"]), "run.csv", columns=columns)


def test_integers_beyond_int64_beside_missing_ones_are_written_exactly() -> None:
    pyarrow = pytest.importorskip("pyarrow.parquet", reason="Parquet needs pyarrow")
    run = stored({"x": [2**63 + 1, None]})
    assert pyarrow.read_table(export(run, "run.parquet"))["x"].to_pylist() == [2**63 + 1, None]
    with pytest.warns(StoreWarning, match="the column 'x' .* is written as text, empty where missing"):
        assert xarray.load_dataset(export(run, "run.nc"))["x"].values.tolist() == [str(2**63 + 1), ""]


def test_pandas_reads_integers_beyond_float64_beside_missing_ones_exactly() -> None:
    pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    run = stored({"x": [2**60 + 1, None, -(2**62) - 1], "small": [1, None, 2]})
    back = pandas.read_parquet(export(run, "run.parquet"))
    assert [None if pandas.isna(value) else value for value in back["x"]] == [2**60 + 1, None, -(2**62) - 1]
    assert [None if pandas.isna(value) else value for value in back["small"]] == [1, None, 2]


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_big_endian_numbers_of_an_index_are_written(suffix: str) -> None:
    index = pandas.Index(numpy.array([5, 6], ">i4"), name="n")
    path = export(stored(pandas.DataFrame({"f": numpy.array([0.5, 1.5], ">f8")}, index)), f"run{suffix}")
    if suffix == ".csv":
        back = pandas.read_csv(path, comment="#", index_col="n")
    else:
        back = pandas.read_parquet(path)
    assert (back.index.tolist(), back["f"].tolist()) == ([5, 6], [0.5, 1.5])


def test_big_endian_numbers_are_written_to_parquet() -> None:
    table = {"i": numpy.array([1, 2], ">i4"), "f": numpy.array([0.5, 1.5], ">f8")}
    back = pandas.read_parquet(export(stored(table), "run.parquet"))
    assert (back["i"].tolist(), back["f"].tolist()) == ([1, 2], [0.5, 1.5])
    back = pandas.read_csv(export(stored(pandas.DataFrame(table)), "run.csv"), comment="#")
    assert list(back) == ["i", "f"]
    assert (back["i"].tolist(), back["f"].tolist()) == ([1, 2], [0.5, 1.5])


def test_netcdf_of_many_columns_does_not_grow_with_their_square(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_formats, "WIDE", 100)
    run = build_simple_run({f"c{i}": numpy.arange(5.0) for i in range(200)}, one_event=True)
    export(run, "wide.nc")
    assert os.path.getsize("wide.nc") < 370_000  # 450,000 where HDF5 does not use freed space again
    with xarray.open_dataset("wide.nc", engine="h5netcdf") as dataset:
        assert dataset.identical(to_dataset(run))


def test_netcdf_of_many_columns_is_warned_of_before_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_formats, "SECONDS_PER_COLUMN", 1)
    run = build_simple_run({f"c{i}": [1.0] for i in range(60)})
    with pytest.warns(StoreWarning, match=r"netCDF takes about a minute for 60 columns; \.nxs, \.parquet and \.json"):
        export(run, "wide.nc")
    export(run, "wide.nxs")
