"""What is no table is refused, with the culprit and the remedy."""

from __future__ import annotations

import datetime
import decimal
import pathlib
import re

import dask
import dask.bag
import numpy
import pandas
import pytest
import xarray

from databroker_writable.errors import InvalidTableError
from databroker_writable.tables import read_table


def message(table, **options):
    with pytest.raises(InvalidTableError) as caught:
        read_table(table, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, "not None"),
        ("text", "not str"),
        (5, "not int"),
        ([1, 2], "not list; name it, e.g. {'x': values}"),
        (numpy.zeros(3), "not numpy.ndarray; name it"),
    ],
)
def test_what_is_no_table_is_named_with_what_is_accepted(given, expected):
    text = message(given)
    assert text.startswith(
        "a table must be a dict of columns, a list of dicts, a pandas DataFrame or Series, an xarray "
    )
    assert expected in text


@pytest.mark.parametrize("one_event", [False, True])
@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({}, "the table has no columns; give it at least one"),
        (pandas.DataFrame(), "the DataFrame has no columns"),
        (xarray.Dataset(), "the Dataset has no data variables"),
        ({"x": {1, 2}}, "column 'x' is of type set"),
        ({"x": xarray.DataArray([1]), "y": [1]}, "column 'y' has no dims, but 'x' is an xarray DataArray"),
        (
            {"x": xarray.DataArray([1], {"e": [1]}, ["e"]), "y": xarray.DataArray([1], {"e": [2]}, ["e"])},
            "the DataArrays do not fit together",
        ),
        (
            {"x": pandas.Series([1], index=[5]), "y": pandas.Series([1])},
            "column 'y' is a pandas Series with another index than the others; pass pandas.DataFrame(table)",
        ),
        ({"x": pandas.Series([1], index=[5]), "y": [1, 2]}, "do not fit to a pandas Series"),
        (pandas.Series([1]), "the Series has no name"),
        (xarray.DataArray([1]), "the DataArray has no name"),
        ({True: [1]}, "the name of column True is of type bool; make it a str"),
        ({None: [1]}, "the name of column None is of type NoneType; make it a str"),
        ({"": [1]}, "the empty string"),
        (pandas.DataFrame({"x": [1]}, pandas.Index([1], name="")), "an index has the empty string"),
        ({"\ud800": [1]}, "lone surrogate"),
        (pandas.DataFrame([[1, 2]], columns=["a", "a"]), "columns of the same name (a); rename them"),
        (pandas.DataFrame({"x": [1]}, index=pandas.Index([3], name="x")), "both named 'x'"),
        (pandas.DataFrame({"x": [1]}, index=pandas.Index([3], name=7)), "the name of index 7 is of type int"),
        (xarray.Dataset({"a": ("x", [1])}, attrs={"f": print}), "attribute 'f' of the table is of type builtin"),
        (xarray.Dataset({"a": ("x", [1], {"f": {1}})}), "attribute 'f' of variable 'a' is of type set"),
        (xarray.Dataset({"a": ("x", [1], {5: 1})}), "attribute 5 of variable 'a' is not named by a str"),
    ],
)
def test_a_bad_table_is_refused(table, expected, one_event):
    assert expected in message(table, one_event=one_event)


def test_one_name_for_two_levels_is_refused():
    index = pandas.MultiIndex.from_tuples([(1, 2)], names=["a", "a"])
    assert "two levels of the index are named 'a'" in message(pandas.DataFrame({"x": [1]}, index=index))


def test_columns_of_different_lengths_are_told_of_one_event():
    table = {"x": [1, 2], "y": [1]}
    assert "different lengths ('x': 2, 'y': 1); make them equal, or store them as one Event" in message(table)
    assert set(read_table(table, one_event=True).data) == {"x", "y"}


def test_what_is_not_computed_yet_is_named():
    compute = "compute it first"
    assert f"{compute}, with .compute()" in message(dask.delayed({"x": [1, 2]}))
    assert f"column 'x' is not computed yet; {compute}: table['x'] = table['x'].compute()" in message(
        {"x": dask.delayed([1, 2])}
    )
    assert f"column 'x' is not computed yet; {compute}: table['x'] = dask.compute(*table['x'])" in message(
        {"x": [dask.delayed(1), dask.delayed(2)]}
    )
    assert f"column 'x' is not computed yet; {compute}: table['x'] = table['x'].compute()" in message(
        {"x": dask.bag.from_sequence([1, 2])}
    )


def test_a_series_of_dask_is_told_to_compute_it():
    frames = pytest.importorskip("dask.dataframe")
    series = frames.from_pandas(pandas.DataFrame({"x": [1, 2]}), npartitions=1)["x"]
    assert "column 'x' is not computed yet; compute it first: table['x'] = table['x'].compute()" in message(
        {"x": series}
    )


@pytest.mark.parametrize("table", [{"x": []}, pandas.DataFrame({"x": []}), xarray.Dataset({"x": ("t", [])})])
def test_rows_must_be_at_least_one(table):
    assert "the table has no rows" in message(table)
    assert read_table(table, one_event=True).schema.data_keys["x"]["shape"] == [0]


def test_a_dataset_without_common_leading_dim_is_told_of_one_event():
    dataset = xarray.Dataset({"a": ("x", [1]), "b": ("y", [1.0, 2.0]), "c": 5})
    assert "a: ('x',), b: ('y',), c: ()" in message(dataset)
    assert "one_event=True" in message(dataset)
    assert set(read_table(dataset, one_event=True).data) == {"a", "b", "c"}


def test_an_index_that_cannot_be_put_back_is_refused():
    from xarray.indexes import RangeIndex

    dataset = xarray.Dataset({"a": ("x", [1, 2])})
    dataset = dataset.assign_coords(xarray.Coordinates.from_xindex(RangeIndex.arange(0.0, 2.0, dim="x")))
    assert "drop it with dataset.drop_indexes(['x'])" in message(dataset)


class Fit:
    """A result whose text says nothing of it."""


@pytest.mark.parametrize(
    ("value", "remedy"),
    [
        (b"abc", r"\[bytes\(v\)\.decode\(\) for v in table\['x'\]\], other bytes as numbers, \[list\(v\)"),
        (Fit(), "store their numbers or text, each as a column; .* attachments="),
        (decimal.Decimal("0.1"), r"\[str\(v\) for v in table\['x'\]\]"),
    ],
)
def test_no_remedy_destroys_what_is_to_be_stored(value, remedy):
    with pytest.raises(InvalidTableError, match=remedy) as caught:
        read_table({"x": [value, value]})
    assert ("str(v)" in str(caught.value)) == isinstance(value, decimal.Decimal)


def test_the_remedy_for_mixed_types_keeps_the_content_of_each():
    assert "[str(v) for v in table['x']]" in message({"x": [1, "a"]})
    for values in ([b"abc", "a"], [object(), 1], [[1], 2]):
        assert "mixed types" in message({"x": values})
        assert "give the values of each type a column of their own" in message({"x": values})


@pytest.mark.parametrize(
    ("value", "remedy"),
    [
        (datetime.date(2024, 5, 31), "store value.isoformat()"),
        (decimal.Decimal("0.1"), "store str(value) or float(value)"),
        (pathlib.PurePosixPath("/data"), "store os.fspath(value)"),
        (object(), "make it text, numbers, or lists and dicts of these"),
        (b"abc", "make it text, numbers, or lists and dicts of these"),
    ],
)
def test_a_single_value_that_cannot_be_stored_is_told_what_to_store(value, remedy):
    text = message({"x": [1, 2], "v": value})
    assert f"column 'v' holds a single value of type {type(value).__name__}, which cannot be stored exactly" in text
    assert remedy in text


def test_a_dict_as_a_column_is_told_where_it_belongs():
    assert (
        "column 'v' is a dict; give each of its values a column of its own, or pass it as parameters=table['v']"
        in message({"v": {"a": 1}})
    )


def test_a_dict_that_gives_its_values_as_an_array_is_a_dict():
    class Parameters(dict):
        """As those of lmfit, whose array has neither names nor errors."""

        def __array__(self, dtype=None, copy=None):
            return numpy.array(list(self.values()))

    assert "column 'v' is a dict; give each of its values a column of its own" in message({"v": Parameters(a=1, b=2)})


def test_ragged_lists_of_text_are_stored_when_the_advice_is_followed():
    assert "by padding with None" in message({"x": [["a"], ["b", "c"]]})
    assert read_table({"x": [["a", None], ["b", "c"]]}).length == 2


@pytest.mark.parametrize("missing", [None, numpy.nan, pandas.NA])
@pytest.mark.parametrize("is_first", [False, True])
@pytest.mark.parametrize("row", [[1, 2], numpy.array([1, 2])], ids=["list", "array"])
@pytest.mark.parametrize("form", [dict, pandas.DataFrame])
def test_missing_lists_are_stored_when_the_advice_is_followed(missing, is_first, row, form):
    rows = [missing, row] if is_first else [row, missing]
    table = form({"x": rows})
    said = message(table)
    assert re.search(r"'x' holds mixed types \((\w+), (\w+)\); write an empty list where one is missing, e.g. ", said)
    exec(said.partition("e.g. ")[2], {"table": table, "pandas": pandas})
    assert sorted(read_table(table).data["x_count"].tolist()) == [0, 2]


TENTHS = [decimal.Decimal("0.1"), decimal.Decimal("0.2")]


@pytest.mark.parametrize(
    "table",
    [
        {"x": TENTHS},
        pandas.DataFrame({"x": TENTHS}),
        pandas.DataFrame({"y": [1, 2]}, index=pandas.Index(TENTHS, name="x")),
        pandas.Series(TENTHS, name="x"),
        xarray.Dataset({"x": ("t", TENTHS)}),
        xarray.Dataset({"y": ("x", [1, 2])}, coords={"x": TENTHS}),
        xarray.DataArray(TENTHS, dims="t", name="x"),
        {"x": xarray.DataArray(TENTHS, dims="t")},
        xarray.DataTree(xarray.Dataset({"x": ("t", TENTHS)})),
        [{"x": TENTHS[0], "y": 1}, {"x": TENTHS[1], "y": 2}],
        numpy.array([(TENTHS[0],), (TENTHS[1],)], dtype=[("x", object)]),
    ],
    ids=lambda table: type(table).__name__,
)
def test_columns_of_every_kind_of_table_are_converted_as_the_message_says(table):
    advice, _, before = message(table).partition("e.g. ")[2].partition(", after ")
    names = {"table": table, "pandas": pandas, "xarray": xarray}
    exec(f"{before}\n{advice}", names)
    assert list(read_table(names["table"]).data["x"]) == ["0.1", "0.2"]


def test_lists_beside_numbers_are_not_taken_for_missing_ones():
    table = {"x": [[1, 2], 1.5]}
    exec(message(table).partition("e.g. ")[2], {"table": table, "pandas": pandas})
    assert table["x"] == [[1, 2], 1.5]


def test_arrays_in_arrays_are_nested_as_lists_are():
    rows = numpy.fromiter(([numpy.array([1, 2]), numpy.array([3, 4])], [numpy.array([5, 6])] * 2), dtype=object)
    given = [numpy.fromiter(row, dtype=object) for row in rows]  # as pandas reads nested lists from Parquet
    for table in ({"x": given}, pandas.DataFrame({"x": given})):
        assert numpy.asarray(read_table(table).data["x"]).tolist() == [[[1, 2], [3, 4]], [[5, 6], [5, 6]]]


@pytest.mark.skipif(numpy.lib.NumpyVersion(numpy.__version__) < "2.0.0", reason="numpy 1 has no such strings")
@pytest.mark.parametrize("missing", [None, numpy.nan])
def test_the_remedy_for_strings_of_numpy_keeps_missing_ones(missing):
    values = numpy.array(["a", missing], numpy.dtypes.StringDType(na_object=missing))
    assert "column 'x' holds strings of numpy's StringDType, which cannot be stored exactly; convert them with " in (
        message({"x": values})
    )
    assert ".astype(object)" in message({"x": values})
    read = read_table({"x": values.astype(object)})
    assert list(read.data["x"]) == ["a", None]
