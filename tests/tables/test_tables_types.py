"""Each row of the table in docs/types.md: what is stored, what is read, what comes back."""

from __future__ import annotations

import datetime
import decimal
import fractions
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask.array
import numpy
import pandas
import pytest

from databroker_writable import tables
from databroker_writable.errors import InvalidTableError
from databroker_writable.tables import read_table
from support.table_roundtrip import BACKENDS, stored_run

DOCS = Path(__file__).parents[2] / "docs" / "types.md"
BERLIN = "Europe/Berlin"
UTC = datetime.timezone.utc
pandas_3 = pytest.mark.skipif(int(pandas.__version__.split(".")[0]) < 3, reason="the table shows the types of pandas 3")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@dataclass(frozen=True)
class Row:
    """One row of the table: a column that goes in, and, where it is not itself, what comes back."""

    given: str
    column: Callable[[], Any]
    note: str = ""
    back: Callable[[], Any] | None = None
    backends: tuple[str, ...] = tuple(BACKENDS)


NOT_COMPLEX = ("memory", "msgpack")  # JSON and BSON have no complex numbers: storing there is refused
STAMPS = ["2024-03-31T01:30:00", "1969-12-31T23:59:59.999", "NaT"]
EXACT = "exact"


def stamps(unit):
    return numpy.array(STAMPS, dtype=f"M8[{unit}]")


def spans(unit):
    return numpy.array([1, -(10**15), "NaT"], dtype=f"m8[{unit}]")


def extremes(dtype):
    info = numpy.iinfo(dtype)
    return numpy.array([info.min, info.max, 1], dtype=dtype)


def floats(dtype):
    return numpy.array([0.1, -0.0, numpy.nan, numpy.inf, -numpy.inf], dtype=dtype)


def zoned(unit):
    return pandas.DatetimeIndex(stamps(unit)).tz_localize("UTC").tz_convert(BERLIN).array


class Quantity(numpy.ndarray):
    """As the arrays of astropy and unyt are."""

    unit = "mm"


def object_array(*values):
    array = numpy.empty(len(values), dtype=object)
    array[:] = values
    return array


def signed_and_unsigned():
    for dtype in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"):
        yield Row(f"array of {dtype}", lambda dtype=dtype: extremes(dtype), EXACT)


NUMBERS = [
    Row("array of bool", lambda: numpy.array([True, False]), EXACT),
    *signed_and_unsigned(),
    Row(
        "array of uint64",
        lambda: extremes("uint64"),
        "exact; MongoDB refuses values over 2⁶³-1",
    ),
    *(
        Row(f"array of {name}", lambda name=name: floats(name), "exact: NaN, infinities and -0.0 too")
        for name in ("float16", "float32", "float64")
    ),
    *(
        Row(
            f"array of {name}",
            lambda name=name: numpy.array([1 + 2j, numpy.inf, -0.5j], dtype=name),
            "exact; msgpack only, JSON and MongoDB refuse it",
            backends=NOT_COMPLEX,
        )
        for name in ("complex64", "complex128")
    ),
    Row("array of big-endian float32 (`>f4`)", lambda: floats(">f4"), "exact, byte order included"),
    Row("array of two or more dims", lambda: numpy.arange(12, dtype="uint16").reshape(2, 2, 3), EXACT),
    Row("array of str", lambda: numpy.array(["a", "", "µm"]), EXACT),
    Row(
        "dask array of numbers",
        lambda: dask.array.arange(6, chunks=2, dtype="float32").reshape((3, 2)),
        "computed only when it is written; its blocks must have the announced shape, and values that the announced "
        "dtype holds exactly; lazy again if it was stored as an asset",
        backends=("memory",),
    ),
    Row(
        "masked array of floats",
        lambda: numpy.ma.masked_array([1.5, 2.5, numpy.nan], [False, True, False], dtype="float32"),
        "masked: null, then NaN, as in xarray",
        back=lambda: numpy.array([1.5, numpy.nan, numpy.nan], dtype="float32"),
    ),
    Row(
        "list of masked arrays",
        lambda: [numpy.ma.masked_array([1.5, 2.5], [False, True]), numpy.ma.masked_array([3.5, 4.5], [True, False])],
        "stacked to one masked array",
        back=lambda: numpy.array([[1.5, numpy.nan], [numpy.nan, 4.5]]),
    ),
    Row(
        "masked array of ints or bools",
        lambda: numpy.ma.masked_array([1, 2], [False, True], dtype="int16"),
        "masked: null, then None; nothing masked: as the array",
        back=lambda: object_array(1, None),
    ),
    Row(
        "masked array of str",
        lambda: numpy.ma.masked_array(["Cu", "Ni"], [False, True]),
        "masked: null, then None; nothing masked: as the array",
        back=lambda: object_array("Cu", None),
    ),
]

TIMES = [
    *(
        Row(
            f"array of datetime64[{unit}]",
            lambda unit=unit: stamps(unit),
            "exact"
            if unit != "ns"
            else "exact, from whole nanoseconds in `x_ns`; NaT is NaN in the seconds, the smallest int64 in `x_ns`",
        )
        for unit in ("s", "ms", "us", "ns")
    ),
    Row(
        "array of datetime64 in hours, days, months, ...",
        lambda: numpy.array(["2024-02", "1969-12"], dtype="M8[M]"),
        "xarray has no coarser unit than seconds",
        back=lambda: numpy.array(["2024-02", "1969-12"], dtype="M8[s]"),
    ),
    *(
        Row(
            f"array of timedelta64[{unit}]",
            lambda unit=unit: spans(unit),
            "exact" if unit != "ns" else "exact, from whole nanoseconds in `x_ns`",
        )
        for unit in ("s", "ms", "us", "ns")
    ),
    Row(
        "list or object array of datetime",
        lambda: [datetime.datetime(2024, 1, 1, 12, 0, 0, 5), None],
        "in the finest resolution among them, Python's own in microseconds; None becomes NaT",
        back=lambda: numpy.array(["2024-01-01T12:00:00.000005", "NaT"], "M8[us]"),
    ),
    Row(
        "list or object array of datetime, with a zone",
        lambda: [datetime.datetime(2024, 1, 1, 12, tzinfo=UTC)],
        "Timestamps in that zone",
        back=lambda: object_array(pandas.Timestamp("2024-01-01T12", tz="UTC")),
    ),
    Row(
        "list of timedelta",
        lambda: [datetime.timedelta(seconds=1.5)],
        "in the finest resolution among them, Python's own in microseconds",
        back=lambda: numpy.array([1500000], "m8[us]"),
    ),
]


def extension(values, dtype):
    return lambda: pandas.array(values, dtype=dtype)


PANDAS = [
    Row("pandas Int8 to UInt64, without missing values", extension([1, 2], "Int64"), EXACT),
    Row("pandas Int8 to UInt64, with missing values", extension([1, None], "UInt8"), "exact: missing is null"),
    Row("pandas Float32, Float64, with missing values", extension([0.5, None], "Float32"), "exact"),
    Row("pandas boolean, with missing values", extension([True, None], "boolean"), EXACT),
    Row("pandas int64[pyarrow] and other Arrow numbers", extension([1, None], "int64[pyarrow]"), EXACT),
    *(
        Row(
            f"pandas {name}",
            extension(["a", None, "c"], name),
            "a Dataset holds Python strings; `.to_dataframe()` returns pandas' default type of strings. "
            "In the index: exact",
            back=lambda: object_array("a", pandas.NA, "c"),
        )
        for name in ("string[python]", "string[pyarrow]")
    ),
    Row(
        "pandas str",
        lambda: pandas.Series(["a", numpy.nan, "c"], dtype="str").array,
        "`.to_dataframe()` returns pandas' str, unless all values are missing or there are no rows",
        back=lambda: object_array("a", numpy.nan, "c"),
    ),
    Row(
        "pandas category of strings, numbers or bools",
        lambda: pandas.Categorical(["a", None, "b"], categories=["b", "a", "unused"], ordered=True),
        "exact: categories and order are in the layout",
    ),
    Row(
        "pandas category of intervals, dates, ...",
        lambda: pandas.cut([0.1, 0.6], [-numpy.inf, 0.5, 1.0]),
        "exact; in the Events, their text",
    ),
    *(
        Row(
            f"pandas datetime64[{unit}, zone]",
            lambda unit=unit: zoned(unit),
            "Timestamps in that zone; `.to_dataframe()` returns the type, unless all values are missing or there are "
            "no rows. In the index: exact",
            back=lambda unit=unit: zoned(unit).astype(object),
        )
        for unit in ("us", "ns")
    ),
    Row("pandas period", lambda: pandas.PeriodIndex(["2024-01", None], freq="M").array, EXACT),
    Row(
        "pandas interval",
        lambda: pandas.arrays.IntervalArray.from_breaks([0, 1, 2], closed="left"),
        "exact: pairs of bounds",
    ),
]

LISTS = [
    Row("list of bool", lambda: [True, False], EXACT, back=lambda: numpy.array([True, False])),
    Row("list of int", lambda: [1, -(2**63)], EXACT, back=lambda: numpy.array([1, -(2**63)])),
    Row(
        "list of int, some over 2⁶³-1",
        lambda: [1, 2**64 - 1],
        EXACT,
        back=lambda: numpy.array([1, 2**64 - 1], "uint64"),
    ),
    Row("list of float", lambda: [0.1, numpy.nan], EXACT, back=lambda: numpy.array([0.1, numpy.nan])),
    Row("list of int and float", lambda: [1, 2.5], "float64, if exact", back=lambda: numpy.array([1.0, 2.5])),
    Row("list of complex", lambda: [1j], EXACT, back=lambda: numpy.array([1j]), backends=NOT_COMPLEX),
    Row("list of str", lambda: ["a", "bc"], EXACT, back=lambda: numpy.array(["a", "bc"])),
    Row(
        "list of str, some ending in NUL",
        lambda: ["a\0", "b"],
        "exact, as Python strings; numpy's own strings drop the NUL",
        back=lambda: object_array("a\0", "b"),
    ),
    Row(
        "list of str and None",
        lambda: ["a", None],
        "None is null",
        back=lambda: object_array("a", None),
    ),
    Row("list of numbers and None", lambda: [1, None], "None is null", back=lambda: object_array(1, None)),
    Row("list of bools and None", lambda: [True, None], "None is null", back=lambda: object_array(True, None)),
    Row("list of None", lambda: [None, None], "null", back=lambda: object_array(None, None)),
    Row(
        "nested lists of one shape",
        lambda: [[1, 2], [3, 4]],
        EXACT,
        back=lambda: numpy.array([[1, 2], [3, 4]]),
    ),
    Row(
        "list or object array of arrays of one shape",
        lambda: object_array(numpy.array([1.0, 2.0]), numpy.array([3.0, 4.0])),
        "stacked to one array",
        back=lambda: numpy.array([[1.0, 2.0], [3.0, 4.0]]),
    ),
    Row("object array of str, with None", lambda: object_array("a", None), "exact in a Dataset; see below"),
    Row(
        "object array of str, with NaN for missing",
        lambda: object_array("a", numpy.nan),
        "NaN is null, then NaN again",
    ),
    Row("object array of int or of float", lambda: object_array(1, 2), EXACT),
    Row("object array of numbers, with None", lambda: object_array(0.5, None), "None is null"),
    Row(
        "object array of int and float",
        lambda: object_array(1, 2.5),
        "floats, if exact",
        back=lambda: object_array(1.0, 2.5),
    ),
    Row(
        "object array of numpy's scalars",
        lambda: object_array(numpy.float32(0.1), numpy.float32(2)),
        "Python numbers of the same values",
        back=lambda: object_array(float(numpy.float32(0.1)), 2.0),
    ),
    Row("object array of bool", lambda: object_array(True, False), EXACT),
]

ROWS = [*NUMBERS, *TIMES, *PANDAS, *LISTS]

REFUSED = {
    "values of different types": lambda: [1, "a"],
    "bools among numbers": lambda: [True, 2],
    "integers beyond 64 bits": lambda: [2**64],
    "integers among floats that float64 cannot hold": lambda: [2**53 + 1, 0.5],
    "lists of different lengths that are not numbers": lambda: [["a", "b"], ["c"]],
    "bytes": lambda: numpy.array([b"a"]),
    "structured arrays": lambda: numpy.zeros(2, dtype=[("a", "f8")]),
    "longdouble and clongdouble": lambda: numpy.zeros(2, dtype="longdouble"),
    "datetimes finer than nanoseconds": lambda: numpy.zeros(2, dtype="M8[ps]"),
    "timedeltas in months or years": lambda: numpy.zeros(2, dtype="m8[M]"),
    "datetimes of several zones": lambda: [
        datetime.datetime(2024, 1, 1, tzinfo=UTC),
        datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=1))),
    ],
    "datetimes with a zone that has no standard name": lambda: (
        pandas.DatetimeIndex(["2024-01-01"]).tz_localize("dateutil/Europe/Berlin").array
    ),
    "pandas Sparse": lambda: pandas.arrays.SparseArray([0, 1]),
    "Arrow lists, dates, decimals": lambda: pandas.array([datetime.date(2024, 1, 1)], dtype="date32[pyarrow]"),
    "Decimal and other objects": lambda: [decimal.Decimal(1)],
    "Fraction in an object array": lambda: object_array(fractions.Fraction(1, 2)),
    "strings with lone surrogates": lambda: ["\ud800"],
    "different marks of missing strings": lambda: object_array("a", None, pandas.NA),
    "dask arrays of strings or objects": lambda: dask.array.from_array(numpy.array(["a"])),
}


def short(dtype):
    if isinstance(dtype, pandas.CategoricalDtype):
        return "category"
    return str(dtype)


def line(row):
    """The row as docs/types.md has it, all but the note from what really happens."""
    table = read_table({"x": row.column()})
    run = stored_run({"x": row.column()}, backend="msgpack" if "msgpack" in row.backends else "memory")
    stored = []
    for key, data_key in table.schema.data_keys.items():
        form = {list: "list", dask.array.Array: "dask array"}.get(type(table.data[key]), "array")
        units = f", {data_key['units']}" if "units" in data_key else ""
        name = "" if key == "x" else f"`{key}`: "
        stored.append(f"{name}{form}, {data_key['dtype']}, `{data_key['dtype_numpy']}`{units}")
    read = run.primary.read()["x"].dtype
    back = tables.to_dataset(run)["x"].dtype
    cells = (row.given, "; ".join(stored), short(read), short(back), row.note)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def documented():
    columns, heading, _ = DOCS.read_text(encoding="utf-8").partition("## Forms of a table")
    assert heading
    return [line for line in columns.splitlines() if line.startswith("| ")]


@pandas_3
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.given)
def test_the_docs_say_what_happens(row):
    assert line(row) in documented()


def test_the_docs_have_no_row_without_its_test():
    given = [line.split(" | ")[0].removeprefix("| ") for line in documented()]
    assert given == ["column of", *(row.given for row in ROWS), "refused", *REFUSED]


@pytest.mark.parametrize("one_event", [False, True])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.given)
def test_a_column_comes_back_by_its_rule(row, one_event):
    expected = row.back() if row.back is not None else row.column()
    for backend in row.backends:
        run = stored_run({"x": row.column()}, backend=backend, one_event=one_event)
        actual = tables.to_dataset(run)["x"].variable.data
        assert actual.dtype == expected.dtype, backend
        if isinstance(expected, dask.array.Array):
            assert isinstance(actual, dask.array.Array)
            actual, expected = actual.compute(), expected.compute()
        if expected.dtype == object:
            # repr tells None, NaN and pandas' markers apart, which are not all equal to themselves.
            assert list(map(repr, actual)) == list(map(repr, expected))
        elif isinstance(expected, numpy.ndarray):
            assert isinstance(actual, numpy.ndarray)
            numpy.testing.assert_array_equal(actual, expected, strict=True)
            if expected.dtype.kind == "f":
                numpy.testing.assert_array_equal(numpy.signbit(actual), numpy.signbit(expected))
        else:
            pandas.testing.assert_extension_array_equal(actual, expected)


@pytest.mark.parametrize("one_event", [False, True])
@pytest.mark.parametrize("what", REFUSED)
@pandas_3
def test_what_cannot_be_stored_exactly_is_refused_by_name(what, one_event):
    with pytest.raises(InvalidTableError, match=r"column 'x' ") as caught:
        read_table({"x": REFUSED[what]()}, one_event=one_event)
    assert f"| {what} | " + str(caught.value).replace("|", "\\|") + " |" in documented()


def test_missing_values_are_read_as_none():
    read = stored_run({"x": pandas.array([1, None], dtype="Int64")}, backend="json").primary.read()
    assert read["x"].values.tolist() == [1, None]


def test_nan_and_none_among_floats_stay_apart():
    dataset = tables.to_dataset(stored_run({"x": [1.5, numpy.nan, None]}, backend="json"))
    assert dataset["x"].values.tolist()[::2] == [1.5, None]
    assert numpy.isnan(dataset["x"].values[1])


def test_nan_and_na_in_a_nullable_float_stay_apart():
    column = pandas.arrays.FloatingArray(numpy.array([numpy.nan, 0.0]), numpy.array([False, True]))
    back = tables.to_dataset(stored_run({"x": column}, backend="json"))["x"].variable.data
    assert back.isna().tolist() == [False, True]


def test_microseconds_that_seconds_cannot_tell_apart_have_exact_integers_beside_them():
    far = numpy.array(["2300-01-01T00:00:00.000001", "9000-01-01T00:00:00.000003"], dtype="M8[us]")
    table = read_table({"x": far})
    assert list(table.data) == ["x", "x_us"]
    back = tables.to_dataset(stored_run({"x": far}, backend="json"))["x"]
    numpy.testing.assert_array_equal(back.values, far, strict=True)


def test_a_name_taken_by_the_user_is_left_to_the_user():
    stamp = numpy.array(["2024-01-01"], dtype="M8[ns]")
    table = {"x": stamp, "x_ns": [1.5], "x_ns_": ["a"]}
    assert list(read_table(table).data) == ["x", "x_ns__", "x_ns", "x_ns_"]
    dataset = tables.to_dataset(stored_run(table))
    assert list(dataset) == ["x", "x_ns", "x_ns_"]
    assert dataset["x"].values[0] == stamp[0]


def test_integers_of_numpy_that_float64_does_not_hold_are_refused_among_floats_as_those_of_python_are():
    with pytest.raises(InvalidTableError, match="integers among floats, beyond what float64 holds"):
        read_table({"x": [numpy.int64(2**53 + 1), 0.5]})
    assert read_table({"x": [numpy.int64(2**53), 0.5, float("nan")]}).data["x"][:2] == [2.0**53, 0.5]
