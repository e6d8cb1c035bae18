"""What a scientist has at hand is a table: single values beside arrays, quantities, rows, tables of other packages."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import re
import types

import astropy.table
import astropy.time
import astropy.units
import lmfit
import numpy
import pandas
import pint
import pytest
import scipy.sparse
import uncertainties
import uncertainties.unumpy
import xarray

import databroker_writable
from databroker_writable import InvalidMetadataError, InvalidRunError, InvalidTableError, NotFoundError
from databroker_writable.tables import read_table
from support.table_roundtrip import assert_same_frame, there_and_back

UREG = pint.UnitRegistry()
backends = pytest.mark.parametrize("backend", ["msgpack", "json", "mongo"])
both = pytest.mark.parametrize("one_event", [False, True])

SINGLE = {
    "an integer": 5,
    "a number": 0.25,
    "a bool": True,
    "text": "gauss",
    "numpy's own": numpy.float32(0.1),
    "an array without dims": numpy.array(7),
    "a datetime": datetime.datetime(2024, 5, 31, 12),
    "a timedelta": datetime.timedelta(seconds=1.5),
    "NaN": float("nan"),
}


@backends
@both
@pytest.mark.parametrize("value", SINGLE.values(), ids=SINGLE.keys())
def test_a_single_value_beside_a_column_comes_back_alone(value, backend, one_event):
    back = there_and_back({"x": [1, 2, 3], "value": value}, backend=backend, one_event=one_event)
    assert back["x"].dims == ("row",)
    assert back["value"].dims == ()
    numpy.testing.assert_array_equal(back["value"].values, numpy.asarray(value))


@backends
@both
def test_what_is_missing_may_be_single(backend, one_event):
    back = there_and_back({"x": [1, 2, 3], "value": None}, backend=backend, one_event=one_event)
    assert back["value"].values.tolist() is None


@backends
@both
def test_single_values_alone_are_a_table(backend, one_event):
    back = there_and_back({"center": 8979.5, "model": "gauss"}, backend=backend, one_event=one_event)
    assert dict(back.sizes) == {}
    assert (back["center"].item(), back["model"].item()) == (8979.5, "gauss")


@both
def test_a_dataset_may_have_single_values_beside_its_columns(one_event):
    dataset = xarray.Dataset({"mu": ("energy", [1.0, 2.0]), "e0": 8979.0}, {"energy": [1, 2], "edge": "K"})
    xarray.testing.assert_identical(there_and_back(dataset, one_event=one_event, backend="msgpack"), dataset)


def test_every_reader_sees_a_single_value_in_each_row():
    run = databroker_writable.build_simple_run({"x": [1, 2, 3], "chi2": 0.25, "model": "gauss"})
    read = run.primary.read()
    assert read["chi2"].values.tolist() == [0.25] * 3
    assert read["model"].values.tolist() == ["gauss"] * 3


def test_a_single_datetime_with_a_zone_is_refused_with_a_remedy():
    when = datetime.datetime(2024, 5, 31, tzinfo=datetime.timezone.utc)
    with pytest.raises(InvalidTableError, match=r"column 'when' holds a single datetime with a time zone.*\[value\]"):
        databroker_writable.build_simple_run({"x": [1, 2], "when": when})


def test_single_values_added_one_by_one_are_rows():
    with databroker_writable.RunBuilder() as builder:
        builder.add_stream("primary", data={"x": 0.5, "label": "a"})
        builder.add_data("primary", data={"x": 0.5, "label": "b"})
    back = databroker_writable.to_dataset(builder.get_run())
    assert back["x"].values.tolist() == [0.5, 0.5]
    assert back["label"].values.tolist() == ["a", "b"]
    assert back["x"].dims == back["label"].dims == ("row",)


@pytest.mark.parametrize(("second", "expected"), [(0.25, 0.25), (0.75, [0.25, 0.25, 0.75])])
def test_a_single_value_that_changes_between_pieces_is_a_column(second, expected):
    with databroker_writable.RunBuilder() as builder:
        builder.add_stream("primary", data={"x": [1, 2], "chi2": 0.25})
        builder.add_data("primary", data={"x": [3], "chi2": second})
    back = databroker_writable.to_dataset(builder.get_run())
    assert back["chi2"].values.tolist() == expected
    assert back["x"].values.tolist() == [1, 2, 3]


@backends
def test_columns_of_different_lengths_each_have_a_dim_in_one_event(backend):
    table = {"x": [1, 2, 3], "counts": [4.0, 5.0], "y": [6, 7, 8], "edges": [[1, 2], [3, 4]], "chi2": 0.5}
    back = there_and_back(table, backend=backend, one_event=True)
    assert {name: variable.dims for name, variable in back.items()} == {
        "x": ("row",),
        "counts": ("counts_0",),
        "y": ("row",),
        "edges": ("counts_0", "edges_1"),
        "chi2": (),
    }
    for name, values in table.items():
        assert back[name].values.tolist() == values


NAMES = ["I/I0", "a.1", "$p", "a\nb", 0, 0.5, ("I", "mean"), ("I", 2)]


@backends
@both
def test_names_that_documents_do_not_allow_come_back(backend, one_event):
    table = {name: [float(number)] for number, name in enumerate(NAMES)}
    back = there_and_back(table, backend=backend, one_event=one_event)
    assert list(back.data_vars) == NAMES
    assert [back[name].item() for name in NAMES] == [table[name][0] for name in NAMES]


def test_a_name_that_is_made_does_not_take_one_that_is_there():
    run = databroker_writable.build_simple_run({"a.b": [1], "a_b": [2], "a/b": [3]})
    read = run.primary.read()
    assert [read[key].item() for key in ("a_b", "a_b_", "a_b__")] == [2, 1, 3]


FRAMES = {
    "numbers": pandas.DataFrame(numpy.arange(6.0).reshape(3, 2)),
    "levels": pandas.DataFrame({"g": ["a", "b", "a"], "v": [1.0, 2.0, 4.0]}).groupby("g").agg({"v": ["mean", "min"]}),
    "a slash, in the index, too": pandas.DataFrame({"I/I0": [1.0, 2.0]}, pandas.Index([1, 2], name="E/keV")),
    "a slash in a level": pandas.DataFrame(
        {"x.1": [1.0, 2.0]}, pandas.MultiIndex.from_tuples([(1, 2), (3, 4)], names=["a/b", "c"])
    ),
}


@backends
@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES.keys())
def test_frames_with_names_that_are_no_text_or_no_keys_come_back(backend, frame):
    back = there_and_back(frame, backend=backend).to_dataframe()[list(frame.columns)]
    assert_same_frame(back, frame)


def test_a_series_is_a_table():
    series = pandas.Series([0.5, 1.5], [5, 6], name="y")
    assert_same_frame(there_and_back(series, backend="msgpack").to_dataframe(), series.to_frame())


def test_a_named_dataarray_is_a_table():
    array = xarray.DataArray([0.5, 1.5], {"e": [1.0, 2.0]}, ["e"], "mu", {"units": "1"})
    xarray.testing.assert_identical(there_and_back(array, backend="msgpack"), array.to_dataset())


def test_series_of_one_index_keep_it():
    frame = pandas.DataFrame({"x": [1, 2, 3], "y": [0.5, 1.5, 2.5]}).query("x > 1")
    back = there_and_back({"x": frame["x"], "y": frame["y"], "n": [None, "a"], "s": 5}, backend="msgpack")
    assert back["row"].values.tolist() == [1, 2]
    assert back["x"].values.tolist() == [2, 3]
    assert back["n"].values.tolist() == [None, "a"]
    assert back["s"].values.tolist() == [5, 5]


def test_dataarrays_in_a_dict_keep_their_dims():
    table = {"mu": xarray.DataArray([1.0, 2.0], {"e": [5, 6]}, ["e"]), "e0": 5.5}
    xarray.testing.assert_identical(there_and_back(table, backend="msgpack"), xarray.Dataset(table))


@backends
def test_a_list_of_dicts_is_a_table_of_rows(backend):
    back = there_and_back([{"x": 1, "y": "a"}, {"x": 2}, {"x": 3, "y": "c", "z": 0.5}], backend=backend)
    assert back["x"].values.tolist() == [1, 2, 3]
    assert back["y"].values.tolist() == ["a", None, "c"]
    assert back["z"].values.tolist() == [None, None, 0.5]


def test_a_structured_array_is_a_table_of_its_fields():
    records = numpy.array([(1, 0.5), (2, 1.5)], dtype=[("n", "i8"), ("e", "f8")])
    back = there_and_back(records, backend="msgpack")
    assert (back["n"].values.tolist(), back["e"].values.tolist()) == ([1, 2], [0.5, 1.5])


QUANTITIES = {
    "pint's array": ([1.0, 2.0] * UREG.mm, "mm"),
    "pint's numbers": ([1.0 * UREG.keV, 2.0 * UREG.keV], "keV"),
    "astropy's array": ([1.0, 2.0] * astropy.units.mm, "mm"),
    "astropy's numbers": ([1.0 * astropy.units.keV, 2.0 * astropy.units.keV], "keV"),
    "astropy's magnitudes": ([1.0, 2.0] * astropy.units.mag, "mag"),
    "astropy's magnitudes one by one": ([1.0 * astropy.units.mag, 2.0 * astropy.units.mag], "mag"),
    "astropy's decibels": ([1.0, 2.0] * astropy.units.dB, "dB"),
    "astropy's decibels of a power": ([1.0, 2.0] * astropy.units.dB(astropy.units.mW), "dB(mW)"),
    "astropy's dex": ([1.0, 2.0] * astropy.units.dex, "dex"),
}


@backends
@both
@pytest.mark.parametrize(("column", "units"), QUANTITIES.values(), ids=QUANTITIES.keys())
def test_quantities_are_numbers_with_units(column, units, backend, one_event):
    back = there_and_back({"x": column, "single": column[0]}, backend=backend, one_event=one_event)
    assert back["x"].values.tolist() == [1.0, 2.0]
    assert back["single"].item() == 1.0
    assert back["x"].attrs == back["single"].attrs == {"units": units}


@pytest.mark.parametrize("dtype", ["float64", "Float64", "Int64"])
def test_columns_of_pint_pandas_are_numbers_with_units(dtype):
    pytest.importorskip("pint_pandas")
    frame = pandas.DataFrame({"x": pandas.Series([1, 2], dtype=f"pint[mm][{dtype}]"), "y": [3, 4]})
    for table in (frame, frame["x"], {"x": frame["x"]}, {"x": frame["x"].set_axis([5, 6])}, frame.to_xarray()):
        back = there_and_back(table)["x"]
        assert (back.values.tolist(), back.dtype, back.attrs) == ([1, 2], dtype, {"units": "mm"})
    with pytest.raises(
        InvalidTableError, match=r"keep it as a column, with its units, after table = table.reset_index"
    ):
        read_table(frame.set_index("x"))


def test_integers_of_pint_pandas_are_exact_beside_missing_ones():
    pytest.importorskip("pint_pandas")
    column = pandas.Series([2**60 + 1, None], dtype="pint[mm][Int64]")
    back = there_and_back({"x": column})["x"].variable.data
    assert back[0] == 2**60 + 1
    assert back[1] is pandas.NA


def test_units_stand_in_the_data_key():
    run = databroker_writable.build_simple_run({"x": [1.0] * UREG.mm, "y": [2]}, units={"y": "s"})
    [descriptor] = [doc for name, doc in run.documents() if name == "descriptor"]
    assert {key: data_key["units"] for key, data_key in descriptor["data_keys"].items()} == {"x": "mm", "y": "s"}


def test_units_that_contradict_the_magnitudes_of_astropy_are_refused():
    for table in ({"x": [1.0] * astropy.units.mag}, astropy.table.QTable({"x": [1.0] * astropy.units.mag})):
        with pytest.raises(InvalidTableError, match="'x' carries the units 'mag', but the argument units says 'mm'"):
            databroker_writable.build_simple_run(table, units={"x": "mm"})


def test_an_attribute_that_contradicts_the_units_of_a_quantity_is_refused():
    dataset = xarray.Dataset({"x": ("row", [1.0, 2.0] * UREG.mm, {"units": "cm"})})
    with pytest.raises(InvalidTableError, match="'x' carries the units 'mm', but its attribute units says 'cm'"):
        databroker_writable.build_simple_run(dataset)
    dataset["x"].attrs["units"] = "mm"
    stored = databroker_writable.to_dataset(databroker_writable.build_simple_run(dataset))
    assert stored["x"].attrs["units"] == "mm"


def test_quantities_of_several_units_are_refused():
    with pytest.raises(InvalidTableError, match=r"column 'x' holds values in several units \(m, mm\)"):
        databroker_writable.build_simple_run({"x": [1.0 * UREG.mm, 1.0 * UREG.m]})


@pytest.mark.parametrize(
    "table",
    [{"x": [1, 2], "y": 5}, pandas.DataFrame({"x": [1, 2], "y": [5, 6]}), xarray.Dataset({"x": ("q", [1, 2]), "y": 5})],
    ids=["dict", "frame", "dataset"],
)
def test_units_can_be_said_beside_the_table(table):
    run = databroker_writable.build_simple_run(table, units={"x": "mm", "y": "keV"})
    back = databroker_writable.to_dataset(run)
    assert (back["x"].attrs["units"], back["y"].attrs["units"]) == ("mm", "keV")


def test_units_of_a_stream_hold_for_its_later_tables():
    with databroker_writable.RunBuilder() as builder:
        builder.add_stream("primary", data={"x": [1]}, units={"x": "mm"})
        builder.add_data("primary", data={"x": [2]})
    assert databroker_writable.to_dataset(builder.get_run())["x"].attrs == {"units": "mm"}


@backends
def test_uncertain_numbers_are_numbers_and_standard_deviations(backend):
    array = uncertainties.unumpy.uarray([[1.0, 2.0], [3.0, 4.0]], [[0.1, 0.2], [0.3, 0.4]])
    table = {
        "x": [uncertainties.ufloat(1.0, 0.5), uncertainties.ufloat(2.0, 0.25)],
        "u": array,
        "c": uncertainties.ufloat(5, 1),
    }
    back = there_and_back(table, backend=backend)
    assert (back["x"].values.tolist(), back["x_std"].values.tolist()) == ([1.0, 2.0], [0.5, 0.25])
    assert (back["c"].item(), back["c_std"].item()) == (5.0, 1.0)
    numpy.testing.assert_array_equal(back["u"].values, uncertainties.unumpy.nominal_values(array))
    numpy.testing.assert_array_equal(back["u_std"].values, uncertainties.unumpy.std_devs(array))


@pytest.fixture
def fitted():
    """Parameters as lmfit leaves them after a fit: a fitted one, and one that was kept fixed without an error."""
    parameters = lmfit.create_params(center={"value": 8979.5, "min": 8970}, width={"value": 2, "vary": False})
    parameters["center"].stderr = 0.25
    return parameters


@both
@backends
def test_parameters_of_lmfit_are_numbers_and_standard_deviations(fitted, backend, one_event):
    expected = {"center": 8979.5, "center_std": 0.25, "width": 2.0, "width_std": float("nan")}
    back = there_and_back(fitted, backend=backend, one_event=one_event)
    assert list(back) == list(expected)
    numpy.testing.assert_array_equal([back[name].item() for name in back], list(expected.values()))
    beside = there_and_back({"x": [1, 2], **fitted}, backend=backend, one_event=one_event)
    assert (beside["x"].values.tolist(), beside["center"].item(), beside["center_std"].item()) == ([1, 2], 8979.5, 0.25)


def test_parameters_of_several_fits_are_rows(fitted):
    # not from a list, which older pandas asks for the array of each parameter
    objects = numpy.empty(2, object)
    objects[0] = objects[1] = fitted["center"]
    for table in (
        [fitted, fitted],
        [{"scan": 1, **fitted}, {"scan": 2, **fitted}],
        {"center": [fitted["center"], fitted["center"]]},
        pandas.DataFrame({"center": objects}),
    ):
        back = there_and_back(table)
        assert (back["center"].values[0], back["center_std"].values[0]) == (8979.5, 0.25)
        assert back["center"].shape == (2,)


def test_parameters_of_lmfit_beside_a_series_with_an_index_keep_their_errors(fitted):
    back = there_and_back({"x": pandas.Series([1, 2], index=[5, 6]), "center": fitted["center"]})
    assert (back["center"].values.tolist(), back["center_std"].values.tolist()) == ([8979.5] * 2, [0.25] * 2)


def test_results_of_lmfit_are_refused_with_a_way_to_store_their_parts(tmp_path):
    x = numpy.linspace(0, 1, 5)
    fit = lmfit.models.LinearModel().fit(2 * x + 1, x=x, slope=1, intercept=0)
    catalog = databroker_writable.open_directory(tmp_path)
    for store in (catalog.store_run, databroker_writable.build_simple_run):
        with pytest.raises(InvalidTableError, match=r"ModelResult.*give \{\*\*result\.params, 'x': x\}"):
            store(fit)
    back = databroker_writable.to_dataset(catalog.store_run({**fit.params, "x": x, "fit": fit.best_fit}))
    assert {"slope", "slope_std", "x", "fit"} <= set(back)


def test_groups_of_columns_are_refused_with_the_way_to_give_these(tmp_path):
    group = types.SimpleNamespace(filename="cu.dat", energy=numpy.arange(3.0), mu=[0.5, 1.0, 1.5])
    catalog = databroker_writable.open_directory(tmp_path)
    for store in (catalog.store_run, databroker_writable.build_simple_run):
        with pytest.raises(
            InvalidTableError, match=r"; give a dict of its columns, e\.g\. \{'energy': table\.energy\}"
        ):
            store(group)


@pytest.mark.parametrize(
    "matrix", [scipy.sparse.csr_matrix(numpy.eye(2)), pandas.arrays.SparseArray([0, 1])], ids=["scipy", "pandas"]
)
def test_sparse_columns_are_refused_with_a_remedy_that_keeps_their_type(matrix):
    table = {"m": matrix, "x": [1, 2]}
    with pytest.raises(InvalidTableError, match=r"column 'm' .*(toarray|to_dense)\(\)") as caught:
        read_table(table)
    way = re.search(r"(table|pandas\.Series)\S+\)$", str(caught.value)).group()
    table["m"] = eval(way, {"table": table, "pandas": pandas})
    assert there_and_back(table)["m"].dtype == numpy.asarray(table["m"]).dtype


def test_labels_that_look_like_attributes_are_no_uncertainties():
    fit = pandas.DataFrame({"value": [3.0, 4.0], "stderr": [0.1, 0.2]}, ["slope", "offset"])
    back = there_and_back({"fit": fit.loc["slope"]})
    assert list(back.data_vars) == ["fit"]
    assert back["fit"].values.tolist() == [3.0, 0.1]
    for column, said in {
        "rows": ([fit.loc["slope"], fit.loc["offset"]], r"holds values of type Series"),
        "frame": (fit, r"is itself a table \(DataFrame\)"),
        "dataset": (fit.to_xarray(), r"is itself a table \(Dataset\)"),
        "records": (list(fit.to_records()), r"holds structured or void values"),
    }.values():
        with pytest.raises(InvalidTableError, match=f"column 'x' {said}"):
            read_table({"x": column})


def test_labels_and_attributes_that_look_like_units_are_not_taken_for_numbers():
    row = pandas.Series([1.0, 2.0], ["unit", "value"])
    with pytest.raises(InvalidTableError, match="column 'x' holds values of type Series"):
        read_table({"x": [row]})
    with pytest.raises(InvalidMetadataError, match=r"of type Series, .*value\.to_list\(\)"):
        databroker_writable.build_simple_run({"x": [1]}, {"fit": row})
    array = xarray.DataArray(1.0, attrs={"units": "mm", "value": 2.0})
    with pytest.raises(InvalidTableError, match=r"column 'x' carries units of its own \(mm\)"):
        read_table({"x": [array]})


def test_uncertain_numbers_of_a_frame_do_not_take_the_place_of_a_column():
    frame = pandas.DataFrame({"x": [uncertainties.ufloat(1.0, 0.5), None], "x_std": [7, 8]})
    back = there_and_back(frame, backend="msgpack")
    assert back["x_std"].values.tolist() == [7, 8]
    numpy.testing.assert_array_equal(back["x"].values, [1.0, numpy.nan])
    numpy.testing.assert_array_equal(back["x_std_"].values, [0.5, numpy.nan])


RAGGED = {
    "floats": ([[1.5], [2.5, 3.5], []], "float64"),
    "integers": ([[1], [2, 3], []], "int64"),
    "arrays": ([numpy.float32([1.5]), numpy.float32([2.5, 3.5])], "float32"),
    "unsigned arrays": ([numpy.uint16([1]), numpy.uint16([2, 3])], "uint16"),
    "arrays of several types": ([numpy.int8([1]), numpy.uint64([2, 3]), numpy.int64([-4])], "int64"),
    "integers and floats": ([numpy.int64([2**53]), numpy.float32([2.5, 3.5])], "float64"),
    "integers and an empty array": ([numpy.int64([1, 2]), numpy.array([])], "int64"),
    "with NaN": ([[float("nan")], [2.5, float("nan")]], "float64"),
}


@backends
@both
@pytest.mark.parametrize(("rows", "dtype"), RAGGED.values(), ids=RAGGED.keys())
def test_rows_of_unequal_length_are_padded_and_come_back(rows, dtype, backend, one_event):
    back = there_and_back({"peaks": rows, "n": list(range(len(rows)))}, backend=backend, one_event=one_event)
    assert back["peaks"].shape == (len(rows), 2)
    assert back["peaks_count"].values.tolist() == list(map(len, rows))
    ragged = databroker_writable.ragged(back, "peaks")
    assert [row.dtype for row in ragged] == [numpy.dtype(dtype)] * len(rows)
    for row, expected in zip(ragged, rows, strict=True):
        numpy.testing.assert_array_equal(row, expected)


@both
@pytest.mark.parametrize("other", [numpy.array([0.5, 1.0]), numpy.uint64([1, 2]), numpy.array([]), [0.5, 1.0]])
@pytest.mark.parametrize("form", [dict, pandas.DataFrame])
def test_integers_in_rows_of_several_types_are_not_rounded(other, form, one_event):
    with pytest.raises(InvalidTableError, match=r"'x' holds .*integers (beyond|among)"):
        databroker_writable.build_simple_run(form({"x": [numpy.array([2**60 + 1]), other]}), one_event=one_event)


def test_a_column_of_rows_of_one_length_is_not_ragged():
    run = databroker_writable.build_simple_run({"x": [[1, 2], [3, 4]]})
    with pytest.raises(InvalidRunError, match="the rows of 'x' have equal lengths"):
        databroker_writable.ragged(databroker_writable.to_dataset(run), "x")


def test_ragged_takes_the_rows_of_one_table_with_their_lengths():
    tables = [{"x": [[1, 2], [3]]}, {"x": [[4], [5, 6]]}]
    back = there_and_back(*tables, one_event=True)
    for several in (back, back.isel(event=0, row=0)):
        with pytest.raises(InvalidRunError, match=r"rows along one dim, but 'x' is along .*isel\(event=0\)"):
            databroker_writable.ragged(several, "x")
    rows = [databroker_writable.ragged(back.isel(event=event), "x") for event in (0, 1)]
    assert [[row.tolist() for row in table] for table in rows] == [table["x"] for table in tables]
    with pytest.raises(NotFoundError, match="lacks the column 'x_count', the lengths of the rows of 'x'"):
        databroker_writable.ragged(back.isel(event=0)[["x"]], "x")


@backends
def test_an_astropy_table_keeps_units_descriptions_and_missing_values(backend):
    table = astropy.table.QTable({"x": [1.0, 2.0] * astropy.units.mm, "name": ["a", "b"]}, meta={"sample": "Cu"})
    table["n"] = astropy.table.MaskedColumn([1, 2], mask=[False, True], description="number")
    table["t"] = astropy.table.MaskedColumn([1.5, 2.5], mask=[False, True], unit="s")
    back = there_and_back(table, backend=backend)
    assert back.attrs == {"sample": "Cu"}
    assert (back["x"].values.tolist(), back["x"].attrs) == ([1.0, 2.0], {"units": "mm"})
    assert back["name"].values.tolist() == ["a", "b"]
    assert (back["n"].values.tolist(), back["n"].attrs) == ([1, None], {"description": "number"})
    assert (back["t"].values.tolist()[:1], back["t"].attrs) == ([1.5], {"units": "s"})
    assert numpy.isnan(back["t"].values[1])


@pytest.mark.parametrize("table", [astropy.table.Table, astropy.table.QTable])
@pytest.mark.parametrize("unit", ["mag", "dB", "dex"])
def test_an_astropy_table_keeps_logarithmic_units(table, unit):
    back = there_and_back(table({"x": [1.0, 2.0] * astropy.units.Unit(unit)}))
    assert back["x"].attrs["units"] == unit


def test_text_of_an_astropy_table_may_be_masked_or_bytes():
    table = astropy.table.Table({"target": [b"M31", b"Cr\xc3\xa9"], "x": [1, 2]})
    table["flag"] = astropy.table.MaskedColumn(["a", "None"], mask=[True, False])
    table["kept"] = astropy.table.MaskedColumn([b"a", b"b"], mask=[False, False])
    back = there_and_back(table)
    assert {name: back[name].values.tolist() for name in back} == {
        "target": ["M31", "Cr\xe9"],
        "x": [1, 2],
        "flag": [None, "None"],
        "kept": ["a", "b"],
    }
    assert table["target"].dtype == "S4"
    indexed = astropy.table.Table({"target": [b"ab", b"c"]})
    indexed.add_index("target")
    assert there_and_back(indexed)["target"].values.tolist() == ["ab", "c"]
    with pytest.raises(InvalidTableError, match="column 't' is of type Time"):
        there_and_back(astropy.table.Table({"n": [b"x"], "t": astropy.time.Time(["2020-01-01"])}))
    with pytest.raises(InvalidTableError, match="column 'x' holds bytes"):
        there_and_back(astropy.table.Table({"x": [b"\xff", b"a"]}))


@pytest.mark.parametrize("shape", [(2,), (2, 1)])
def test_masked_text_becomes_none(shape):
    masked = numpy.ma.masked_array(numpy.reshape(["Cu", ""], shape), numpy.reshape([False, True], shape))
    for values in (masked, masked.astype(object)):
        back = there_and_back({"x": values})["x"].values
        assert back.tolist() == numpy.reshape(numpy.array(["Cu", None], object), shape).tolist()
    whole = numpy.ma.masked_array(["Cu", "Ni"], [False, False])
    assert there_and_back({"x": whole})["x"].dtype == "<U2"


@pytest.mark.parametrize("form", [dict, pandas.DataFrame, lambda table: xarray.Dataset({"I/I0": ("q", table["I/I0"])})])
def test_what_a_column_with_an_odd_name_becomes_has_data_keys_that_documents_allow(form):
    table = {"I/I0": numpy.array([uncertainties.ufloat(1.0, 0.5), uncertainties.ufloat(2.0, 0.25)], object)}
    back = there_and_back(form(table), backend="mongo")
    assert back["I/I0_std"].values.tolist() == [0.5, 0.25]


@pytest.mark.skipif(not hasattr(xarray, "DataTree"), reason="this xarray has no DataTree")
def test_a_tree_of_one_dataset_is_that_dataset_and_others_are_refused():
    dataset = xarray.Dataset({"x": ("a", [1, 2], {"units": "mm"})}, {"a": [3, 4]}, {"sample": "Cu"})
    tree = xarray.DataTree(dataset)
    assert there_and_back(tree).identical(dataset)
    tree["fit"] = xarray.DataTree(dataset)
    with pytest.raises(InvalidTableError, match=r"the node 'fit' below its root; .*add_stream\('fit'"):
        there_and_back(tree)


def test_a_variable_needs_a_name():
    with pytest.raises(InvalidTableError, match=r"Variable; name it, e.g. {'x': values}"):
        databroker_writable.build_simple_run(xarray.Variable("x", [1, 2]))


@dataclasses.dataclass
class Peak:
    position: float


@pytest.mark.parametrize("row", [Peak(1.0), collections.namedtuple("Row", "position")(1.0)])
def test_a_list_of_rows_that_are_no_dicts_names_the_way_to_a_table(row, tmp_path):
    catalog = databroker_writable.open_directory(tmp_path)
    with pytest.raises(InvalidRunError, match=r"make a table of them: pandas\.DataFrame\(rows\)"):
        catalog.store_run([row, row])
    assert len(catalog) == 0


@backends
def test_a_frame_without_rows_keeps_its_types_but_for_text_and_zones(backend):
    """As docs/types.md says: a Dataset, which holds Python objects of these, has none to tell the type from."""
    frame = pandas.DataFrame(
        {
            "n": pandas.Series([], dtype="Int64"),
            "x": pandas.Series([], dtype="float32"),
            "c": pandas.Categorical([], categories=["a"]),
            "p": pandas.PeriodIndex([], freq="M"),
            "s": pandas.Series([], dtype="string"),
            "t": pandas.Series([], dtype="datetime64[us, UTC]"),
        }
    )
    back = there_and_back(frame, backend=backend, one_event=True).to_dataframe()
    kept = ["n", "x", "c", "p"]
    pandas.testing.assert_frame_equal(back[kept], frame[kept])
    assert (back["s"].dtype, back["t"].dtype, len(back)) == ("object", "object", 0)


@pytest.mark.parametrize("of", [astropy.table.Table, astropy.table.QTable])
def test_a_row_of_an_astropy_table_is_a_table_of_one_row(of):
    table = of({"x": [1.5, 2.5] * astropy.units.mm, "s": ["a", "b"], "t": [b"a", b"b"]}, meta={"title": "test"})
    table["s"].info.description = "sample"
    back = there_and_back(table[1])
    assert back.attrs == {"title": "test"}
    assert {name: back[name].values.tolist() for name in back} == {"x": [2.5], "s": ["b"], "t": ["b"]}
    assert (back["x"].attrs, back["s"].attrs) == ({"units": "mm"}, {"description": "sample"})
