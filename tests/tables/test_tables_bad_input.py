"""What is no table is refused, with the culprit and the remedy."""

from __future__ import annotations

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
        (pandas.Series([1]), "make a DataFrame of it with .to_frame()"),
        (xarray.DataArray([1]), "make a Dataset of it with .to_dataset(name=...)"),
    ],
)
def test_what_is_no_table_is_named_with_what_is_accepted(given, expected):
    text = message(given)
    assert text.startswith("a table is a dict of lists or arrays, a pandas DataFrame or an xarray Dataset, not ")
    assert expected in text


@pytest.mark.parametrize("one_event", [False, True])
@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({}, "the table has no columns; give it at least one"),
        (pandas.DataFrame(), "the DataFrame has no columns"),
        (xarray.Dataset(), "the Dataset has no data variables"),
        ({"x": [1, 2], "y": [1]}, "different lengths ('x': 2, 'y': 1)"),
        ({"x": numpy.array(5)}, "column 'x' is a single value (array(5))"),
        ({"x": 5}, "column 'x' is of type int; make it a list or an array, e.g. [5]"),
        ({"x": "abc"}, "column 'x' is of type str"),
        ({"x": {1, 2}}, "column 'x' is of type set"),
        ({"x": xarray.DataArray([1])}, "pass xarray.Dataset(table)"),
        ({"x": pandas.Series([1], index=[5])}, "pass pandas.DataFrame(table)"),
        ({1: [1]}, "the name of column 1 is of type int; make it a str"),
        ({"": [1]}, "the empty string"),
        ({"a.b": [1]}, "the name of column 'a.b' holds '.', which documents do not allow in keys; rename it"),
        ({"a/b": [1]}, "e.g. to 'a_b'"),
        ({"$a": [1]}, "starts with '$'"),
        ({"a\0b": [1]}, "control character"),
        ({"a\nb": [1]}, "control character"),
        ({"\ud800": [1]}, "lone surrogate"),
        (pandas.DataFrame([[1, 2]]), "the name of column 0 is of type int"),
        (pandas.DataFrame([[1, 2]], columns=["a", "a"]), "columns of the same name (a); rename them"),
        (pandas.DataFrame([[1]], columns=pandas.MultiIndex.from_tuples([("a", "b")])), "join their levels"),
        (pandas.DataFrame({"x": [1]}, index=pandas.Index([3], name="x")), "both named 'x'"),
        (pandas.DataFrame({"x": [1]}, index=pandas.Index([3], name=7)), "the name of index 7 is of type int"),
        (xarray.Dataset({"a.b": ("x", [1])}), "the name of variable 'a.b' holds '.'"),
        (xarray.Dataset({"a": ("x", [1])}, {"b/c": 5}), "the name of coordinate 'b/c' holds '/'"),
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
