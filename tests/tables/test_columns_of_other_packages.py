"""Columns that pandas, Arrow, polars, dask and others give: taken exactly, or refused by name."""

from __future__ import annotations

import datetime
import decimal
import enum
import re
import zoneinfo

import dask.array
import numpy
import pandas
import pytest
import xarray

from databroker_writable.errors import InvalidTableError
from databroker_writable.tables import ragged, read_table
from support.table_roundtrip import there_and_back

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
BIG = 2**60 + 1
UTC = datetime.timezone.utc
both = pytest.mark.parametrize("one_event", [False, True])
backends = pytest.mark.parametrize("backend", ["msgpack", "json", "mongo"])


class Mode(str, enum.Enum):
    FAST = "fast"


class Gain(enum.IntEnum):
    LOW = 1


STAMPS = pandas.DatetimeIndex(numpy.array([1, 10**18], "M8[ns]"))

TIMES = {
    "Timestamps": (list(STAMPS), "M8[ns]"),
    "a tuple of Timestamps": (tuple(STAMPS), "M8[ns]"),
    "the list of a Series": (pandas.Series(STAMPS).tolist(), "M8[ns]"),
    "Timestamps of microseconds": (list(STAMPS.as_unit("us")), "M8[us]"),
    "Timedeltas": (list(pandas.to_timedelta([1, 2], unit="ns")), "m8[ns]"),
    "datetimes": ([datetime.datetime(1, 1, 1), datetime.datetime.max], "M8[us]"),
    "datetimes beside Timestamps": ([datetime.datetime(2024, 1, 1), STAMPS[0]], "M8[ns]"),
    "datetimes of numpy": ([numpy.datetime64("2024-01-01"), numpy.datetime64("2024-01-01T00:00:00.001")], "M8[ms]"),
    "timedeltas": ([datetime.timedelta(-1, 1, 1), datetime.timedelta(1)], "m8[us]"),
    "timedeltas of numpy": ([numpy.timedelta64(1, "s"), numpy.timedelta64(1, "ms")], "m8[ms]"),
    "days": ([numpy.datetime64("2024-01-01"), numpy.datetime64("2024-01-02")], "M8[s]"),
}


@both
@backends
@pytest.mark.parametrize("what", TIMES)
def test_lists_of_times_keep_their_digits(what, backend, one_event):
    values, dtype = TIMES[what]
    back = there_and_back({"t": values, "x": [1, 2]}, backend=backend, one_event=one_event)["t"].values
    assert back.dtype == dtype
    scalars = [value.to_numpy() if hasattr(value, "to_numpy") else numpy.array(value, dtype) for value in values]
    assert back.tolist() == numpy.array(scalars, dtype).tolist()


@both
@backends
@pytest.mark.parametrize(
    "zone", [BERLIN, UTC, zoneinfo.ZoneInfo("UTC"), datetime.timezone(datetime.timedelta(hours=-3.5))], ids=str
)
def test_lists_of_datetimes_keep_their_zone(zone, backend, one_event):
    values = [datetime.datetime(2024, 7, 1, 12, tzinfo=zone), None, datetime.datetime(2024, 12, 1, 12, tzinfo=zone)]
    for given in (values, pandas.Series(values).tolist()):
        back = there_and_back({"t": given}, backend=backend, one_event=one_event)["t"].values.tolist()
        assert [v.isoformat() for v in back[::2]] == [v.isoformat() for v in values[::2]]
        assert str(back[0].tz) == str(zone)
        assert back[1] is pandas.NaT


def test_a_zone_without_a_name_is_refused_in_a_list_with_a_remedy_that_works():
    named = datetime.timezone(datetime.timedelta(hours=1), "CET")
    table = {"t": [datetime.datetime(2024, 7, 1, tzinfo=named)]}
    with pytest.raises(InvalidTableError, match=r"column 't' holds datetimes in a zone without .*\(CET\)") as caught:
        read_table(table)
    exec(str(caught.value).partition("e.g. ")[2], {"table": table, "datetime": datetime})
    read_table(table)


@pytest.mark.parametrize(
    "values",
    [
        [datetime.datetime(2024, 1, 1), datetime.datetime(2024, 1, 1, tzinfo=UTC)],
        [datetime.datetime(2024, 1, 1, tzinfo=BERLIN), datetime.datetime(2024, 1, 1, tzinfo=UTC)],
    ],
    ids=["with and without", "two"],
)
def test_datetimes_of_several_zones_are_refused(values):
    with pytest.raises(InvalidTableError, match="column 't' holds datetimes of different time zones"):
        read_table({"t": values})


@pytest.mark.parametrize("form", [numpy.asarray, dask.array.from_array])
def test_days_beyond_the_range_of_seconds_are_refused(form):
    days = numpy.array([2**50], "M8[D]")
    with pytest.raises(
        InvalidTableError, match=r"column 't' holds datetime64\[D\] out of the range of datetime64\[s\]"
    ):
        dask.compute(read_table({"t": form(days)}).data)


def test_blocks_of_times_beyond_the_announced_range_are_refused():
    times = dask.array.from_array(numpy.array(["3000"], "M8[s]")).map_blocks(lambda block: block, dtype="M8[ns]")
    with pytest.raises(InvalidTableError, match=r"column 't' computes to a block of datetime64\[s\]"):
        dask.compute(read_table({"t": times}).data)


def test_datetimes_that_the_finest_unit_among_them_cannot_hold_are_refused():
    with pytest.raises(InvalidTableError, match=r"column 't' holds .*out of the range of"):
        read_table({"t": [datetime.datetime(9000, 1, 1), STAMPS[0]]})


@both
@backends
@pytest.mark.parametrize(
    ("values", "held"),
    [
        ([Mode.FAST, Mode.FAST], ["fast", "fast"]),
        ([Mode.FAST, None], ["fast", None]),
        ([Gain.LOW, 2], [1, 2]),
        ([Gain.LOW, None], [1, None]),
        ([numpy.array(1), numpy.array(2.5)], [1.0, 2.5]),
    ],
)
def test_members_of_enumerations_and_arrays_without_dims_are_their_values(values, held, backend, one_event):
    back = there_and_back({"x": values, Mode.FAST: [1, 2]}, backend=backend, one_event=one_event)
    assert back["x"].values.tolist() == held
    assert {type(name) for name in back} == {str}


def arrow_columns():
    pyarrow = pytest.importorskip("pyarrow")
    stamp = datetime.datetime(2024, 7, 1, 12, tzinfo=UTC)
    return {
        "integers": (pyarrow.array([BIG, 1], "uint64"), [BIG, 1], "uint64"),
        "integers, some missing": (pyarrow.array([BIG, None]), [BIG, None], "object"),
        "floats, some missing": (pyarrow.array([0.5, None], "float32"), [0.5, None], "object"),
        "bools, some missing": (pyarrow.array([True, None]), [True, None], "object"),
        "text": (pyarrow.array(["a", "bc"], "large_string"), ["a", "bc"], "<U2"),
        "text, some missing": (pyarrow.array(["a", None]), ["a", None], "object"),
        "nothing": (pyarrow.nulls(2), [None, None], "object"),
        "chunks": (pyarrow.chunked_array([[1], [2]], "int8"), [1, 2], "int8"),
        "categories": (pyarrow.chunked_array([["b"], ["a"]]).dictionary_encode(), ["b", "a"], "category"),
        "datetimes": (
            pyarrow.array([1, None], pyarrow.timestamp("ns")),
            numpy.array([1, "NaT"], "M8[ns]").tolist(),
            "M8[ns]",
        ),
        "timedeltas": (
            pyarrow.array([1, 2], pyarrow.duration("ms")),
            numpy.array([1, 2], "m8[ms]").tolist(),
            "m8[ms]",
        ),
        "datetimes with a zone": (
            pyarrow.array([stamp, stamp], pyarrow.timestamp("us", "Europe/Berlin")),
            [pandas.Timestamp("2024-07-01T14", tz="Europe/Berlin")] * 2,
            "object",
        ),
        "datetimes with an offset": (
            pyarrow.array([stamp, stamp], pyarrow.timestamp("us", "+02:00")),
            [pandas.Timestamp("2024-07-01T14+02:00")] * 2,
            "object",
        ),
        "lists": (pyarrow.array([[1, 2], [3, 4]], pyarrow.list_(pyarrow.int16())), [[1, 2], [3, 4]], "int16"),
        "lists of one size": (
            pyarrow.array([[1, 2], [3, 4]], pyarrow.list_(pyarrow.float32(), 2)),
            [[1, 2], [3, 4]],
            "float32",
        ),
    }


ARROW = [
    "integers",
    "integers, some missing",
    "floats, some missing",
    "bools, some missing",
    "text",
    "text, some missing",
    "nothing",
    "chunks",
    "categories",
    "datetimes",
    "timedeltas",
    "datetimes with a zone",
    "datetimes with an offset",
    "lists",
    "lists of one size",
]


@both
@backends
@pytest.mark.parametrize("what", ARROW)
def test_arrow_columns_keep_digits_zones_and_categories(what, backend, one_event):
    column, values, dtype = arrow_columns()[what]
    back = there_and_back({"x": column}, backend=backend, one_event=one_event)["x"]
    assert str(back.dtype) == str(pandas.api.types.pandas_dtype(dtype))
    assert back.values.tolist() == values


@both
@pytest.mark.parametrize(
    "what", ["integers", "text", "text, some missing", "categories", "datetimes", "timedeltas", "datetimes with a zone"]
)
def test_frames_of_the_arrow_backend_are_taken(what, one_event):
    column, values, _ = arrow_columns()[what]
    frame = pandas.DataFrame({"x": pandas.arrays.ArrowExtensionArray(column)})
    back = there_and_back(frame, one_event=one_event)["x"].values
    assert [None if value is pandas.NA else value for value in back.tolist()] == values


def test_a_frame_as_pandas_reads_it_with_the_arrow_backend_comes_back():
    pytest.importorskip("pyarrow")
    frame = pandas.DataFrame(
        {"name": ["a", "b"], "when": pandas.to_datetime(["2024-01-01", "2024-01-02"]), "x": [1, 2]}
    ).convert_dtypes(dtype_backend="pyarrow")
    back = there_and_back(frame, backend="json")
    assert back["name"].values.tolist() == ["a", "b"]
    assert (back["when"].values == frame["when"].to_numpy("M8[us]")).all()
    assert back["x"].dtype == frame["x"].dtype


def test_arrow_tables_are_taken_with_the_metadata_of_their_schema():
    pyarrow = pytest.importorskip("pyarrow")
    fields = [pyarrow.field("x", pyarrow.int64(), metadata={"units": "mm"}), pyarrow.field("s", pyarrow.string())]
    table = pyarrow.table({"x": [BIG, None], "s": ["a", "b"]}, schema=pyarrow.schema(fields, {"title": "test"}))
    for given in (table, table.to_batches()[0]):
        back = there_and_back(given, backend="json")
        assert back["x"].values.tolist() == [BIG, None]
        assert back["s"].values.tolist() == ["a", "b"]
        assert (back["x"].attrs, back.attrs) == ({"units": "mm"}, {"title": "test"})
    assert read_table(table).schema.data_keys["x"]["units"] == "mm"
    twice = pyarrow.table([[1], [2]], names=["x", "x"])
    with pytest.raises(InvalidTableError, match=r"columns of the same name \(x\)"):
        read_table(twice)


@pytest.mark.parametrize(
    ("values", "kind", "remedy"),
    [
        ([datetime.date(2024, 1, 1)], "date32", lambda column: column.cast("string")),
        ([decimal.Decimal("1.5")], "decimal128", lambda column: column.cast("string")),
        ([{"a": 1}], "struct", None),
        ([b"a"], "binary", lambda column: column.cast("string")),
        ([[1], None], "missing lists", None),
        ([["a"], ["b", "c"]], "different lengths", None),
    ],
    ids=["dates", "decimals", "structs", "bytes", "missing lists", "ragged lists of text"],
)
def test_arrow_values_of_other_types_are_refused_by_name(values, kind, remedy):
    column = pytest.importorskip("pyarrow").array(values)
    with pytest.raises(InvalidTableError, match=f"column 'x' holds .*{kind}") as caught:
        read_table({"x": column})
    if remedy is not None:
        assert ".cast('string')" in str(caught.value)
        read_table({"x": remedy(column)})


def test_days_of_arrow_are_stored_as_datetimes_when_the_advice_is_followed():
    pyarrow = pytest.importorskip("pyarrow")
    column = pyarrow.array([datetime.date(2024, 1, 1)])
    frame = pandas.DataFrame({"x": pandas.array(column, dtype=pandas.ArrowDtype(column.type))})
    with pytest.raises(InvalidTableError, match=r"column 'x' holds .*date32.*\.cast\('timestamp\[s\]'\) in pyarrow"):
        read_table({"x": column})
    with pytest.raises(InvalidTableError, match=re.escape("table['x'] = pandas.to_datetime(table['x'])")):
        read_table(frame)
    frame["x"] = pandas.to_datetime(frame["x"])
    for table in ({"x": column.cast("timestamp[s]")}, frame):
        assert there_and_back(table)["x"].values.astype("M8[s]").tolist() == [datetime.datetime(2024, 1, 1)]


ARROW_TABLES = {
    "a column": lambda pyarrow, array: {"x": array},
    "a column in chunks": lambda pyarrow, array: {"x": pyarrow.chunked_array([array.slice(0, 1), array.slice(1)])},
    "a table": lambda pyarrow, array: pyarrow.table({"x": array}),
    "a frame": lambda pyarrow, array: pandas.DataFrame({"x": pandas.array(array, pandas.ArrowDtype(array.type))}),
    "a table of polars": lambda pyarrow, array: pytest.importorskip("polars").from_arrow(pyarrow.table({"x": array})),
}


@pytest.mark.parametrize("form", ARROW_TABLES.values(), ids=ARROW_TABLES.keys())
@pytest.mark.parametrize("dtype", ["int8", "uint64", "float32", "float64"])
@pytest.mark.parametrize("kind", ["list_", "large_list"])
def test_arrow_lists_of_numbers_of_unequal_length_are_padded(form, dtype, kind):
    pyarrow = pytest.importorskip("pyarrow")
    type_ = getattr(pyarrow, kind)(pyarrow.type_for_alias(dtype))
    pieces = [[[1, 2], [3]], [[4, 5], [6, 7]], [[]]]
    # slices, whose values do not begin with those of their array
    tables = [form(pyarrow, pyarrow.array([[9, 9, 9], *rows], type_).slice(1)) for rows in pieces]
    found = ragged(there_and_back(*tables), "x")
    assert [row.tolist() for row in found] == [row for piece in pieces for row in piece]
    assert {row.dtype for row in found} == {numpy.dtype(dtype)}
    assert there_and_back(form(pyarrow, pyarrow.array([[1, 2], [3, 4]], type_)))["x"].dtype == dtype


@pytest.mark.parametrize("of", [dict, lambda columns: pytest.importorskip("polars").DataFrame(columns)])
def test_integers_that_arrow_does_not_have_are_refused(of):
    polars = pytest.importorskip("polars")
    pytest.importorskip("pyarrow")
    with pytest.raises(InvalidTableError, match=r"Invalid or unsupported format.*; make it "):
        read_table(of({"x": polars.Series([1, 2], dtype=polars.Int128)}))


def test_polars_columns_and_frames_are_taken_exactly():
    polars = pytest.importorskip("polars")
    pytest.importorskip("pyarrow")
    frame = polars.DataFrame(
        {
            "big": [BIG, None],
            "text": ["a", None],
            "edge": polars.Series(["K", "L"], dtype=polars.Enum(["L", "K"])),
            "when": polars.Series([datetime.datetime(2024, 7, 1)] * 2).dt.replace_time_zone("Europe/Berlin"),
        }
    )
    for table in (frame, {name: frame[name] for name in frame.columns}):
        back = there_and_back(table, backend="json")
        assert back["big"].values.tolist() == [BIG, None]
        assert back["text"].values.tolist() == ["a", None]
        assert list(back["edge"].variable.data.categories) == ["L", "K"]
        assert [v.isoformat() for v in back["when"].values] == ["2024-07-01T00:00:00+02:00"] * 2
    with pytest.raises(InvalidTableError, match=r"collect it first, with \.collect\(\)"):
        read_table(frame.lazy())


def lazily_masked():
    return dask.array.ma.masked_array(dask.array.arange(4, chunks=2), mask=[0, 1, 0, 0])


class Sparse(numpy.lib.mixins.NDArrayOperatorsMixin):
    """As sparse.COO: an array that dask takes as the pattern of its blocks, and numpy does not read."""

    def __init__(self, values):
        self.values = numpy.asarray(values)

    shape = property(lambda self: self.values.shape)
    ndim = property(lambda self: self.values.ndim)
    dtype = property(lambda self: self.values.dtype)

    def __getitem__(self, index):
        return Sparse(self.values[index])

    def __len__(self):
        return len(self.values)

    def __array_function__(self, *_):
        return NotImplemented

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("make me dense first")


@both
def test_lazily_masked_columns_are_refused_by_name(one_event):
    with pytest.raises(InvalidTableError, match=r"column 'x' is a masked array.*table\['x'\]\.compute\(\)"):
        read_table({"x": lazily_masked()}, one_event=one_event)
    read_table({"x": lazily_masked().compute()})
    read_table({"x": dask.array.ma.filled(lazily_masked(), 0)})


def test_lazy_arrays_of_other_packages_are_refused_by_name():
    lazy = dask.array.from_array(Sparse([1, 2]), chunks=1, asarray=False)
    with pytest.raises(InvalidTableError, match="column 'x' holds a lazy array whose blocks are of type Sparse"):
        read_table({"x": lazy})


def test_arrays_of_other_packages_in_a_dataset_are_refused_with_what_xarray_has_for_them():
    class OfXarray(Sparse):
        def __array_ufunc__(self, *_):
            return NotImplemented

    table = xarray.Dataset({"x": ("q", OfXarray([1, 2]))})
    with pytest.raises(InvalidTableError, match=r"array of type OfXarray, .*; convert it, table = table\.as_numpy\(\)"):
        read_table(table)


@both
def test_numbers_of_ml_dtypes_are_told_what_holds_them(one_event):
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="ml_dtypes is not installed: pip install ml_dtypes")
    values = numpy.array([1.5, 2], ml_dtypes.bfloat16)
    for column in (values, list(values), dask.array.from_array(values)):
        with pytest.raises(InvalidTableError, match=r"'x' holds values of dtype bfloat16, .*\.astype\('float32'\)$"):
            read_table({"x": column}, one_event=one_event)
    assert there_and_back({"x": values.astype("float32")})["x"].values.tolist() == [1.5, 2]


LAZY = dask.array.arange(10, chunks=3)


@both
@pytest.mark.parametrize(
    ("column", "words"),
    [
        (lambda: LAZY[LAZY > 4], r"unknown length; .*table\['culprit'\]\.compute_chunk_sizes\(\)"),
        (lambda: Sparse([1, 2]), "cannot be read: .*make me dense first"),
        (lambda: pandas.MultiIndex.from_arrays([[1], [2]]), r"MultiIndex; .*table\['culprit'\]\.get_level_values\(0\)"),
    ],
    ids=["unknown chunks", "__array__ raises", "MultiIndex"],
)
def test_errors_of_other_packages_name_the_column(column, words, one_event):
    with pytest.raises(InvalidTableError, match="column 'culprit' .*" + words):
        read_table({"good": [1, 2], "culprit": column()}, one_event=one_event)


@pytest.mark.parametrize("one_event", [True])
def test_errors_of_other_packages_name_the_variable_of_a_dataset(one_event):
    def fail(block):
        raise OSError("the file is gone")

    lazy = LAZY.map_blocks(fail, dtype=LAZY.dtype)
    dataset = xarray.Dataset({"v": ("q", LAZY)}, {"culprit": ("p", lazy)})
    with pytest.raises(InvalidTableError, match=r"column 'culprit' cannot be read: .*the file is gone"):
        read_table(dataset, one_event=one_event)
