"""Missing values: exact through `to_dataset`, and shown as missing by readers that cast to the dtype of a data key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy
import pandas
import pytest

from databroker_writable import build_simple_run, open_directory, to_dataset
from databroker_writable.runs.run_or_table import documents_of
from support import sites
from support.ferretdb_limits import ferretdb_can_hold

STORED = Path(__file__).parent / "stored"

CAST = {
    "text": (["a", None, "ccc"], "<U4", ["a", "None", "ccc"]),
    "text like a null": (["None", None, "b"], "<U4", ["None", "None", "b"]),
    "integers": ([1, None, 2], "<f8", [1.0, numpy.nan, 2.0]),
    "bools": ([True, None, False], "<f8", [1.0, numpy.nan, 0.0]),
    "floats": ([1.5, None, 2.5], "<f8", [1.5, numpy.nan, 2.5]),
    "Int16": (pandas.array([1, None, 2], dtype="Int16"), "<f8", [1.0, numpy.nan, 2.0]),
    "boolean": (pandas.array([True, None, False], dtype="boolean"), "<f8", [1.0, numpy.nan, 0.0]),
    "Float32": (pandas.array([1.5, None, 2.5], dtype="Float32"), "<f4", [1.5, numpy.nan, 2.5]),
    "string": (pandas.array(["a", None, "a long text"], dtype="string"), "<U11", ["a", "None", "a long text"]),
    "category": (pandas.Categorical(["b", None, "a"]), "<U4", ["b", "None", "a"]),
    "category of integers": (pandas.Categorical([7, None, 8]), "<f8", [7.0, numpy.nan, 8.0]),
    "period": (pandas.array(["2024-01", None], dtype="period[M]"), "<U7", ["2024-01", "None"]),
    "masked": (numpy.ma.masked_array([1, 2, 3], [False, True, False]), "<f8", [1.0, numpy.nan, 3.0]),
    "rows of masked": (
        numpy.ma.masked_array([[1, 2], [3, 4]], [[False, True], [False, False]]),
        "<f8",
        [[1.0, numpy.nan], [3.0, 4.0]],
    ),
}
"""A column, the dtype of its data key, and what databroker 2 and Tiled show: they cast it to that dtype."""


def columns_of(run: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The data keys of a run's only descriptor, and its columns."""
    documents = list(documents_of(run))
    (descriptor,) = [doc for name, doc in documents if name == "descriptor"]
    data: dict[str, list[Any]] = {}
    for name, doc in documents:
        if name == "event_page":
            for key, values in doc["data"].items():
                data.setdefault(key, []).extend(values)
    return descriptor["data_keys"], data


def stored_or_skipped(catalog: Any, site: sites.Site, table: Any) -> Any:
    if not ferretdb_can_hold(site, build_simple_run(table)):
        pytest.skip("FerretDB 1.24 refuses arrays in arrays and NaN")
    return catalog.store_run(table)


@pytest.mark.parametrize(("column", "dtype", "shown"), CAST.values(), ids=CAST)
def test_a_reader_that_casts_shows_missing_values_as_missing(catalog, site, column, dtype, shown):
    data_keys, data = columns_of(stored_or_skipped(catalog, site, {"x": column}))
    assert data_keys["x"]["dtype_numpy"] == dtype
    cast = numpy.array(list(data["x"]), dtype=object).astype(dtype)
    numpy.testing.assert_array_equal(cast, numpy.array(shown))


def test_text_that_looks_like_a_null_is_told_from_it(catalog):
    run = catalog.store_run({"x": ["None", None, "b"], "y": ["a", None, "b"]})
    _, data = columns_of(run)
    assert list(data["x_missing"]) == [False, True, False]
    assert "y_missing" not in data
    assert to_dataset(run).x.values.tolist() == ["None", None, "b"]


def test_a_nan_that_is_no_null_is_told_from_it(catalog, site):
    values = pandas.arrays.FloatingArray(numpy.array([1.0, numpy.nan, 0.0]), numpy.array([False, False, True]))
    run = stored_or_skipped(catalog, site, pandas.DataFrame({"x": values}))
    _, data = columns_of(run)
    assert list(data["x_missing"]) == [False, False, True]
    assert to_dataset(run).to_dataframe()["x"].isna().tolist() == [False, False, True]


def test_the_layout_says_whether_nulls_occur(catalog):
    run = catalog.store_run({"x": [1, None], "y": [1, 2]})
    (descriptor,) = run.primary._descriptors
    layout = json.loads(descriptor["configuration"]["table"]["data"]["layout"])
    assert {entry["name"]: entry.get("nulls") for entry in layout["variables"]} == {"x": "<i8", "y": None}


@pytest.mark.parametrize("later", [["b", "c"], ["None", "c"], [None, "d"], ["None", None]])
@pytest.mark.parametrize("first", [["a", None], ["None", None]])
def test_later_tables_of_a_stream_keep_to_what_the_first_announced(catalog, first, later):
    with catalog.run_builder() as builder:
        builder.add_stream("primary", data={"x": first})
        if first[0] == "a" and later == ["None", None]:
            with pytest.warns(UserWarning, match=r"'x'.*first table did not announce"):
                builder.add_data("primary", {"x": later})
        else:
            builder.add_data("primary", {"x": later})
    assert to_dataset(catalog[builder.uid]).x.values.tolist() == first + later


def test_nulls_that_the_first_table_did_not_announce_are_kept_with_a_warning(catalog):
    with catalog.run_builder() as builder:
        builder.add_stream("primary", data=pandas.DataFrame({"x": pandas.array([1, 2], dtype="Int64")}))
        with pytest.warns(UserWarning, match=r"'x'.*databroker 2 and Tiled"):
            builder.add_data("primary", pandas.DataFrame({"x": pandas.array([3, None], dtype="Int64")}))
    assert to_dataset(catalog[builder.uid]).to_dataframe()["x"].isna().tolist() == [False, False, False, True]


def test_a_run_that_was_stored_before_dtypes_held_nulls_comes_back_exactly(tmp_path):
    text = (STORED / "nulls-before-null-safe-dtypes.jsonl").read_text(encoding="utf-8")
    (tmp_path / "null-old.jsonl").write_text(text, encoding="utf-8")
    table = pandas.DataFrame(
        {
            "text": pandas.Series(["a", None, "ccc"], dtype=object),
            "count": pandas.array([1, None, 2**60], dtype="Int64"),
            "flag": pandas.array([True, None, False], dtype="boolean"),
            "value": pandas.array([1.5, None, 2.5], dtype="Float64"),
            "when": numpy.array(["2024-03-31T01:30:00.123456789", "NaT", "2024-04-01"], dtype="M8[ns]"),
            "label": pandas.Categorical(["b", None, "a"]),
        }
    )
    catalog = open_directory(tmp_path)
    old, new = catalog["null-old"], catalog.store_run(table)
    pandas.testing.assert_frame_equal(to_dataset(old).to_dataframe(), to_dataset(new).to_dataframe())
    assert str(to_dataset(old)) == str(to_dataset(new))
    assert '"dtype_numpy": "<i8"' in text


ROWS = {
    "text": ["a", None],
    "integers": [1, None],
    "bools": [True, None],
    "floats": [1.5, None],
    "pandas' Int64": pandas.array([1, None], dtype="Int64"),
    "datetimes": numpy.array(["2024-01-01", "NaT"], dtype="M8[s]"),
    "timedeltas": numpy.array([1, "NaT"], dtype="m8[s]"),
    "categories": pandas.Categorical(["a", None]),
}
DECISION = Path(__file__).parents[2] / "docs" / "decisions" / "0006-null-for-missing-values.md"


@pytest.mark.parametrize("name", ROWS)
def test_the_decision_says_what_each_reader_shows(tmp_path, name):
    run = open_directory(tmp_path).store_run({"x": ROWS[name]})
    data_keys, data = columns_of(run)
    dtype = data_keys["x"]["dtype_numpy"]
    cast = str(numpy.array(list(data["x"]), dtype=object).astype(dtype)[1])
    ours = ["missing" if pandas.isna(one.x.values[1]) else "?" for one in (run.primary.read(), to_dataset(run))]
    row = f"| {name} | `{dtype}` | {ours[0]} | {cast.replace('nan', 'NaN')} | {ours[1]} |"
    rows = [line for line in DECISION.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    assert row in rows
    assert len(rows) == len(ROWS) + 1
