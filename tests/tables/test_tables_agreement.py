"""Table after table in one stream."""

from __future__ import annotations

import warnings

import numpy
import pandas
import pytest
import xarray

from databroker_writable.errors import InvalidTableError
from databroker_writable.runs.builder import RunBuilder
from databroker_writable.tables import StreamSchema, ragged, read_table
from support.table_roundtrip import assert_same_frame, there_and_back

NAME_OF_TEXT = str(pandas.Series(["a"]).dtype)


def refusal(first, later, **options):
    with pytest.raises(InvalidTableError) as caught:
        read_table(first, **options).schema.check_agrees(read_table(later, **options).schema, "primary")
    text = str(caught.value)
    assert text.startswith("stream 'primary' began with ")
    return text


@pytest.mark.parametrize("backend", ["msgpack", "json", "mongo"])
def test_tables_of_one_stream_come_back_as_one(backend):
    pieces = [
        pandas.DataFrame({"x": [1, 2], "s": ["a", "b"], "n": pandas.array([1, None], dtype="Int64")}),
        pandas.DataFrame({"x": [3], "s": ["a longer text"], "n": pandas.array([5], dtype="Int64")}),
    ]
    back = there_and_back(*pieces, backend=backend).to_dataframe()
    assert_same_frame(back, pandas.concat(pieces, ignore_index=True))


def test_longer_strings_in_a_later_table_are_not_cut():
    back = there_and_back({"s": ["a"]}, {"s": ["abcdef"]}, backend="json")
    assert back["s"].values.tolist() == ["a", "abcdef"]


@pytest.mark.parametrize("backend", ["msgpack", "json", "mongo"])
@pytest.mark.parametrize(
    ("first", "later"), [(["a", None], ["b"]), ([1, None], [2]), ([0.5, None], [2.5]), ([True, None], [False])]
)
def test_a_column_that_began_with_missing_values_may_go_on_without(backend, first, later):
    back = there_and_back({"x": first}, {"x": later}, backend=backend)["x"].values.tolist()
    assert back == [*first, *later]
    assert list(map(type, back)) == list(map(type, [*first, *later]))


def test_whole_tables_as_events_come_back_along_a_new_dim():
    pieces = [xarray.Dataset({"v": ("x", [i, i + 1])}, {"x": [0.5, 1.5]}) for i in range(3)]
    back = there_and_back(*pieces, one_event=True)
    assert back["v"].dims == ("event", "x")
    assert back["v"].values.tolist() == [[0, 1], [1, 2], [2, 3]]
    assert back["x"].values.tolist() == [0.5, 1.5]


OF_PANDAS = {
    "Arrow's integers": ([0, None], "int64[pyarrow]"),
    "Arrow's bools": ([True, None], "bool[pyarrow]"),
    "integers": ([2**64 - 1, None], "UInt64"),
    "floats": ([1.5, None], "Float32"),
    "categories": (["a", None], "category"),
    "intervals": ([pandas.Interval(0, 1), None], "interval[float64, right]"),
    "periods": (["2024Q1", None], "period[Q]"),
}


@pytest.mark.parametrize("rows", [1, 2])
@pytest.mark.parametrize(("values", "dtype"), OF_PANDAS.values(), ids=OF_PANDAS.keys())
def test_columns_of_pandas_in_whole_tables_come_back_as_objects(values, dtype, rows):
    if "pyarrow" in dtype:
        pytest.importorskip("pyarrow")
    frame = pandas.DataFrame({"v": pandas.array(values, dtype)[:rows], "n": range(rows)})
    back = there_and_back(frame, frame, one_event=True)
    assert back["v"].dims[0] == "event"
    assert back["n"].dtype == "int64"
    column = frame["v"].astype(object)
    for event in (0, 1):
        pandas.testing.assert_series_equal(pandas.Series(back["v"].values[event], name="v", dtype=object), column)
    assert len(back.to_dataframe()) == 2 * rows
    assert "event" in repr(back)


@pytest.mark.parametrize("dtype", [">i2", ">f8", ">c16", ">U2"])
def test_whole_tables_keep_the_order_of_bytes(dtype):
    column = numpy.array([1, 2]).astype(dtype)
    table = xarray.Dataset({"v": ("x", column)})
    back = there_and_back(table, table, one_event=True)["v"]
    assert back.dtype == dtype
    numpy.testing.assert_array_equal(back.values, [column, column])


def test_an_index_that_goes_on_comes_back_whole():
    frame = pandas.DataFrame({"x": range(4)}, index=pandas.Index([7, 8, 9, 10], name="n"))
    assert_same_frame(there_and_back(frame[:2], frame[2:]).to_dataframe(), frame)


def test_an_index_whose_frequency_breaks_comes_back_without():
    frame = pandas.DataFrame({"x": range(4)}, index=pandas.date_range("2024", periods=4, name="t"))
    back = there_and_back(frame[:2], frame[3:]).to_dataframe()
    assert back.index.tolist() == frame.index[[0, 1, 3]].tolist()
    assert back.index.freq is None


DAYS = ["2024-01-01", "2024-01-02"]


def breaks(unit):
    return pandas.arrays.IntervalArray.from_breaks(pandas.to_datetime(DAYS).as_unit(unit))


@pytest.mark.parametrize(
    ("first", "later", "said"),
    [
        (numpy.array(DAYS, "M8[us]"), numpy.array(DAYS, "M8[ns]"), "datetime64[us], but this table has datetime64[ns]"),
        (numpy.array([1], "m8[ns]"), numpy.array([1], "m8[us]"), "timedelta64[ns], but this table has timedelta64[us]"),
        ([1], numpy.array([1], "m8[ns]"), "int64, but this table has timedelta64[ns]"),
        (breaks("us"), breaks("ns"), "'dtype': 'M8[us]'}, but this table has interval, closed right with"),
        (numpy.array(DAYS, "M8[us]"), numpy.array(["9020-01-01T00:00:00.000001"], "M8[us]"), "with exact 'us'"),
    ],
    ids=["datetimes", "timedeltas", "numbers", "intervals", "late datetimes"],
)
def test_times_of_other_units_are_refused_by_their_types(first, later, said):
    text = refusal({"t": first}, {"t": later})
    assert text.startswith("stream 'primary' began with the type of column 't' ")
    assert said in text


def test_other_columns_are_refused_with_both_lists():
    text = refusal({"x": [1], "y": [2]}, {"x": [1], "z": [2]})
    assert "the columns ['x', 'y'], but this table has ['x', 'z']" in text


def test_a_piece_of_a_larger_frame_is_told_to_reset_its_index():
    frame = pandas.DataFrame({"x": range(4)})
    assert ".reset_index(drop=True)" in refusal(frame[:2], frame[2:])


@pytest.mark.parametrize(
    ("first", "later", "expected"),
    [
        ({"x": [True]}, {"x": [1.5]}, "the dtype_numpy of column 'x' '|b1', but this table has '<f8'"),
        ({"x": [[1, 2]]}, {"x": [[1, 2, 3]]}, "the shape of column 'x' [2], but this table has [3]"),
        (
            {"x": pandas.Categorical(["a"])},
            {"x": pandas.Categorical(["b"])},
            "the categories of column 'x' ['a'], but this table has ['b']; give each table all of them",
        ),
        (
            {"x": pandas.array([1], dtype="Int64")},
            {"x": [1]},
            "the type of column 'x' pandas' Int64, but this table has int64",
        ),
        (
            {"time": [1.0], "x": [1]},
            {"time": [numpy.nan], "x": [1]},
            "'time' as \"the Events' own time\", but this table has 'a column'; make it increase in every table",
        ),
        ({"x": [1]}, pandas.DataFrame({"x": [1]}), "the kind of the table 'mapping'"),
        (
            xarray.Dataset({"v": (("t", "x"), [[1]])}),
            xarray.Dataset({"v": (("t", "y"), [[1]])}),
            "the dims of column 'v' ['x'], but this table has ['y']",
        ),
        (
            xarray.Dataset({"v": (("t", "x"), [[1]])}, {"x": [5]}),
            xarray.Dataset({"v": (("t", "x"), [[1]])}, {"x": [6]}),
            "the values of coordinate 'x' [5], but this table has [6]",
        ),
        (
            xarray.Dataset({"v": ("t", [1])}, attrs={"a": 1}),
            xarray.Dataset({"v": ("t", [1])}, attrs={"a": 2}),
            "the attributes [['a', 1]], but this table has [['a', 2]]",
        ),
        (
            xarray.Dataset({"v": ("t", [1], {"units": "mm"})}),
            xarray.Dataset({"v": ("t", [1], {"units": "m"})}),
            "the attrs of 'v'",
        ),
    ],
)
def test_what_differs_is_refused_with_both_sides(first, later, expected):
    assert expected in refusal(first, later)


def test_rows_and_one_event_do_not_mix():
    first, later = read_table({"x": [[1]]}), read_table({"x": [1]}, one_event=True)
    with pytest.raises(InvalidTableError):
        first.schema.check_agrees(later.schema, "primary")


def test_coordinates_with_nan_agree_with_themselves():
    dataset = xarray.Dataset({"v": (("t", "x"), [[1]])}, {"x": [numpy.nan]})
    read_table(dataset).schema.check_agrees(read_table(dataset).schema, "primary")


def test_data_keys_given_by_the_user_need_only_what_they_name():
    mine = StreamSchema({"x": {"source": "me", "dtype": "number", "shape": []}}, {}, {}, {})
    mine.check_agrees(read_table({"x": [1.5]}).schema, "primary")
    with pytest.raises(InvalidTableError, match="the shape of column 'x'"):
        mine.check_agrees(StreamSchema({"x": {"dtype": "number", "shape": [2]}}, {}, {}, {}), "primary")


@pytest.mark.parametrize(
    ("first", "later", "expected"),
    [
        ([0.5], [None], "has None for missing values, which its first table, of float64, did not have; write nan for"),
        ([1], [None, 2], "has None for missing values, which its first table, of int64, did not have; write nan for"),
        (["a"], [None], "has None for missing values, which its first table, of text, did not have; begin with a"),
        ([None], [0.5], "began with None, alone or among text, but this table has float64; write nan for missing"),
        ([None], [3, None], "began with None, alone or among text, but this table has int64; write nan for missing"),
    ],
)
def test_none_is_refused_as_what_it_is_and_without_a_warning(first, later, expected):
    builder = RunBuilder()
    builder.add_stream("primary", data={"x": first})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InvalidTableError, match=f"column 'x' of stream 'primary' {expected}"):
            builder.add_data("primary", {"x": later})


@pytest.mark.parametrize("backend", ["msgpack", "json", "mongo"])
@pytest.mark.parametrize("first", [[1, None], [0.5, None], [True, None], ["a", None]], ids=repr)
def test_a_table_may_have_only_missing_values_after_some(backend, first):
    back = there_and_back({"x": first}, {"x": [None, None]}, backend=backend)["x"].values.tolist()
    assert back == [*first, None, None]
    assert list(map(type, back)) == list(map(type, [*first, None, None]))


@pytest.mark.parametrize(
    ("first", "later", "expected"),
    [
        (
            pandas.Categorical(["a"], ordered=True),
            pandas.Categorical(["a"]),
            f"ordered category of {NAME_OF_TEXT}, but this table has category of {NAME_OF_TEXT}",
        ),
        (
            pandas.date_range("2024", periods=1, tz="UTC"),
            pandas.date_range("2024", periods=1, tz="Europe/Berlin"),
            "datetime in the zone UTC, but this table has datetime in the zone Europe/Berlin",
        ),
        (
            pandas.period_range("2024", periods=1, freq="M"),
            pandas.period_range("2024", periods=1, freq="D"),
            "period[M], but this table has period[D]",
        ),
        (
            pandas.interval_range(0, 1),
            pandas.interval_range(0, 1, closed="left"),
            "interval, closed right, but this table has interval, closed left",
        ),
        (
            numpy.array(["2024"], "M8[s]"),
            numpy.array(["2024"], "M8[ms]"),
            "datetime64[s], but this table has datetime64[ms]",
        ),
        (numpy.ma.masked_array([1], [False]), [1], "a masked array of int64, but this table has int64"),
    ],
)
def test_types_that_differ_are_named_in_words(first, later, expected):
    text = refusal(
        pandas.DataFrame({"x": first}) if not isinstance(first, numpy.ndarray) else {"x": first}, {"x": later}
    )
    assert f"the type of column 'x' {expected}" in text
    assert "{" not in text


PADDED = [[[1, 2], [3]], [[4, 5], [6, 7]], [[8]], [[]]]


@pytest.mark.parametrize("backend", ["msgpack", "json", "mongo"])
@pytest.mark.parametrize("of", [dict, pandas.DataFrame])
@pytest.mark.parametrize("number", [int, float])
def test_rows_of_one_length_may_follow_rows_of_different_lengths(backend, of, number):
    pieces = [[[*map(number, row)] for row in piece] for piece in PADDED]
    back = there_and_back(*(of({"peaks": rows}) for rows in pieces), backend=backend)
    found = ragged(back, "peaks")
    assert [row.tolist() for row in found] == [row for piece in pieces for row in piece]
    assert {row.dtype for row in found} == {numpy.dtype(number)}


def test_an_array_may_follow_rows_of_different_lengths():
    back = there_and_back({"peaks": PADDED[0]}, {"peaks": numpy.array([[4, 5]])})
    assert [row.tolist() for row in ragged(back, "peaks")] == [[1, 2], [3], [4, 5]]


@pytest.mark.parametrize(
    ("first", "later", "expected"),
    [
        ([[1.0, 2.0]], [[3.0]], r"the shape of column 'x' \[2\], .*; pad the rows to the length of the first ones"),
        ([[1.0]], [[3.0, 4.0]], r"the shape of column 'x' \[1\], .*; begin with the longest row"),
        ([[1.0, 2.0], [3.0]], [[4.0, 5.0, 6.0]], r"the shape of column 'x' \[2\], .*; begin with the longest row"),
        ([[1.0, 2.0]], [[3.0, 4.0], [5.0]], "began with rows of one length, but this table has rows of different"),
        ([[1, 2], [3]], [[4.5]], "the type of the rows of column 'x' int64, but this table has float64"),
    ],
)
def test_rows_that_do_not_fit_are_refused_with_a_remedy(first, later, expected):
    builder = RunBuilder()
    builder.add_stream("primary", data={"x": first})
    with pytest.raises(InvalidTableError, match=expected):
        builder.add_data("primary", {"x": later})
