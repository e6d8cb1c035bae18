"""Hypothesis strategies: columns, tables, DataFrames and Datasets of every type that can be stored."""

from __future__ import annotations

import numpy
import pandas
import xarray
from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

NAMES = st.sampled_from(["x", "y", "energy", "I(q)", "σ", "time", "layout", "row", "index", "x_ns", "a b", "table"])

NUMBERS = ["?", "i1", "<i2", ">i2", "<i4", "<i8", "u1", "<u2", "<u4", "<u8", "<f2", "<f4", ">f4", "<f8"]
PANDAS = int(pandas.__version__.split(".")[0])
TIMES = [f"{kind}8[{unit}]" for kind in "Mm" for unit in ("s", "ms", "us", "ns")]

# No surrogates: they have no UTF-8 form. No NUL at the end: numpy's strings drop it.
texts = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=0, max_size=6)


def elements(dtype):
    """Values of a dtype that each backend holds (BSON and JSON have no integers beyond 64 bits)."""
    dtype = numpy.dtype(dtype)
    if dtype.kind == "U":
        return texts
    if dtype.kind in "mM":
        # pandas and xarray hold the range of nanoseconds, from 1677 to 2262, at every resolution.
        per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[numpy.datetime_data(dtype)[0]]
        bound = 9 * 10**9 * per_second
        ticks = st.integers(-bound, bound)
        return st.one_of(ticks, st.just("NaT")).map(
            lambda tick: (
                numpy.array(tick, dtype="int64").view(dtype)[()] if tick != "NaT" else numpy.array(tick, dtype)[()]
            )
        )
    return npst.from_dtype(dtype)


def arrays(shape, *, dtypes=None):
    """numpy arrays of one of the dtypes."""
    dtypes = dtypes or [*NUMBERS, *TIMES, "U"]

    def make(dtype):
        if dtype == "U":
            size = int(numpy.prod(shape, dtype=int))
            return st.lists(texts, min_size=size, max_size=size).map(
                lambda flat: numpy.asarray(flat, dtype=str).reshape(shape)
            )
        return npst.arrays(dtype, shape, elements=elements(dtype))

    return st.sampled_from(dtypes).flatmap(make)


def optional(values, length):
    return st.lists(st.none() | values, min_size=length, max_size=length)


ZONES = ["UTC", "Europe/Berlin", "US/Eastern"]


def not_all_missing(values, length):
    """Values of which only the first must be present: xarray gives all-missing ones back without their dtype."""
    return st.tuples(values, optional(values, length - 1)).map(lambda drawn: [drawn[0], *drawn[1]])


def zoned(ticks, zone):
    stamps = numpy.array([numpy.iinfo("int64").min if tick is None else tick for tick in ticks], dtype="M8[us]")
    if PANDAS < 3:
        stamps = stamps.astype("M8[ns]")  # in which pandas 2 makes columns of Timestamps
    return pandas.DatetimeIndex(stamps).tz_localize("UTC").tz_convert(zone).array


def pandas_columns(length):
    """Columns of the dtypes that only pandas has, missing values included."""
    nullable = [
        optional(st.sampled_from([3, 1]), length).map(lambda v: pandas.Categorical(v, categories=[3, 1])),
        optional(st.booleans(), length).map(lambda v: pandas.Categorical(v, categories=[False, True])),
        st.tuples(not_all_missing(st.integers(0, 4 * 10**15), length), st.sampled_from(ZONES)).map(
            lambda drawn: zoned(*drawn)
        ),
        optional(st.integers(-100, 100), length).map(lambda v: pandas.array(v, dtype="Int64")),
        optional(st.integers(0, 255), length).map(lambda v: pandas.array(v, dtype="UInt8")),
        optional(st.floats(width=32, allow_nan=False), length).map(lambda v: pandas.array(v, dtype="Float32")),
        optional(st.booleans(), length).map(lambda v: pandas.array(v, dtype="boolean")),
        optional(st.sampled_from(["a", "bb", ""]), length).map(
            lambda v: pandas.Categorical(v, categories=["bb", "a", "", "unused"], ordered=True)
        ),
        optional(st.integers(-500, 500), length).map(
            lambda v: (
                pandas.PeriodIndex([pandas.NaT if i is None else i for i in v], dtype="period[M]").array
                if all(i is None for i in v)
                else pandas.arrays.PeriodArray(
                    numpy.asarray([numpy.iinfo("int64").min if i is None else i for i in v], dtype="int64"),
                    dtype="period[M]",
                )
            )
        ),
        st.lists(st.integers(-99, 99), min_size=length, max_size=length).map(
            lambda v: pandas.arrays.IntervalArray.from_arrays(v, [i + 1 for i in v], closed="left")
        ),
    ]
    if PANDAS >= 3:
        nullable.append(not_all_missing(texts, length).map(lambda v: pandas.array(v, dtype="str")))
    return st.one_of(*nullable)


def scalars():
    return st.one_of(
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(),
        texts,
        st.none(),
        npst.arrays("<f4", st.integers(0, 3)),
        st.floats(width=32).map(numpy.float32),
        st.lists(st.integers(0, 9) | texts, max_size=2),
        st.tuples(st.integers(0, 9), st.floats(allow_nan=False)),  # xarray finds NaN in a tuple unequal to itself
        st.dictionaries(texts, st.integers(0, 9), max_size=2),
    )


def attributes():
    return st.dictionaries(st.sampled_from(["units", "long_name", "comment", "a/b"]), scalars(), max_size=2)


@st.composite
def columns_of_lists(draw):
    """A dict of lists or arrays, of one length."""
    length = draw(st.integers(1, 4))
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    plain = st.one_of(
        *(st.lists(kind, min_size=length, max_size=length) for kind in (st.booleans(), texts, st.floats())),
        st.lists(st.integers(-(2**63), 2**63 - 1), min_size=length, max_size=length),
    )
    inner = st.sampled_from([(), (2,), (0,), (2, 3)])
    either = plain | inner.flatmap(lambda shape: arrays((length, *shape)))
    return {name: draw(either) for name in names}


@st.composite
def frames(draw):
    """DataFrames, with each kind of index."""
    length = draw(st.integers(1, 4))
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    native = [dtype for dtype in (*NUMBERS, *TIMES) if not dtype.startswith(">")]
    column = arrays((length,), dtypes=native) | pandas_columns(length)
    data = {name: pandas.Series(draw(column)) for name in names}
    frame = pandas.DataFrame(data)
    free = draw(st.sampled_from([name for name in ("q", "time", "layout") if name not in names]))
    kind = draw(st.sampled_from(["default", "plain", "named", "multi"]))
    if kind == "default":
        return frame
    values = arrays((length,), dtypes=["<i8", "<f8", "M8[ns]", "M8[us]", "m8[ms]"]) | pandas_columns(length)
    if kind == "multi":
        levels = [numpy.arange(length), draw(arrays((length,), dtypes=["<i8", "M8[us]"]))]
        frame.index = pandas.MultiIndex.from_arrays(levels, names=[free, draw(st.sampled_from([None, "level"]))])
        return frame
    frame.index = pandas.Index(draw(values), name=free if kind == "named" else None)
    return frame


@st.composite
def datasets(draw, *, leading):
    """Datasets; with `leading`, all data variables share their first dim."""
    dims = draw(st.lists(st.sampled_from(["time", "x", "y", "row", "z.z"]), min_size=1, max_size=3, unique=True))
    sizes = {dim: draw(st.integers(1 if leading else 0, 3)) for dim in dims}
    first = dims[0]
    variables = {}
    for name in draw(st.lists(NAMES, min_size=1, max_size=3, unique=True)):
        chosen = [dim for dim in dims if draw(st.booleans())]
        if leading:
            chosen = [first] + [dim for dim in chosen if dim != first]
        if name in sizes and chosen != [name]:
            # xarray takes a variable of a dim's name for that dim's coordinate.
            continue
        shape = tuple(sizes[dim] for dim in chosen)
        variables[name] = (tuple(chosen), draw(arrays(shape, dtypes=None)), draw(attributes()))
    if not variables or all(name in sizes for name in variables):
        variables["value"] = ((first,), draw(arrays((sizes[first],))), {})
    coords = {}
    for name in draw(st.lists(st.sampled_from([*dims, "lat", "label", "layout_"]), max_size=3, unique=True)):
        chosen = [name] if name in sizes else [dim for dim in reversed(dims) if draw(st.booleans())]
        if name in variables or "." in name:
            continue
        shape = tuple(sizes[dim] for dim in chosen)
        coords[name] = (tuple(chosen), draw(arrays(shape)), draw(attributes()))
    dataset = xarray.Dataset(variables, coords, draw(attributes()))
    # lists lose the dims after one of length 0, and files hold no text: such columns are refused
    assume(all(v.dtype.kind in "biufcmM" or 0 not in v.shape[:-1] for v in dataset.data_vars.values()))
    return dataset


def tables_and_modes():
    """Tables of every kind, each with a mode in which it can be stored: rows as Events, or `one_event`."""
    with_rows = st.one_of(columns_of_lists(), frames(), datasets(leading=True))
    return st.tuples(with_rows, st.booleans()) | st.tuples(datasets(leading=False), st.just(True))
