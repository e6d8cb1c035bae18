"""What a message advises is done, and works: refused input, what the error says, its remedy, and what is read back."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

import dask.array
import event_model
import numpy
import pandas
import pyarrow
import pytest
import xarray

import databroker_writable
from databroker_writable import open_directory, to_dataset
from databroker_writable.upkeep.copying import copy_runs
from support import example_runs

UTC = datetime.timezone.utc
EASTWARD = datetime.timezone(datetime.timedelta(hours=2))
NOON = datetime.datetime(2026, 5, 1, 12)


@dataclass(frozen=True)
class Table:
    """A table that is refused.

    Attributes
    ----------
    says : str
        What the message advises: code that changes `table` or gives a new one, or words that `follow` acts upon.
    refused : callable
        Gives the table.
    values : dict
        What is read back of the table that was mended.
    follow : callable, optional
        Does what the words say to the table, and gives the other one.
    options : dict
        With which the table is stored.
    """

    says: str
    refused: Callable[[], Any]
    values: dict[str, Any]
    follow: Callable[[Any], Any] | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def mended(self, table: Any) -> Any:
        if self.follow is not None:
            return self.follow(table)
        names = dict.fromkeys(("table", "df", "dataset"), table)
        names |= {"numpy": numpy, "pandas": pandas, "xarray": xarray, "dask": dask, "datetime": datetime}
        try:
            code = compile(self.says, "remedy", "eval")
        except SyntaxError:
            exec(self.says, names)
            return table
        return eval(code, names)


def renamed(old: Any, new: str) -> Callable[[Any], Any]:
    return lambda table: {new if name == old else name: values for name, values in table.items()}


def column(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """What changes the column `x` of a dict of columns."""
    return lambda table: {**table, "x": change(table["x"])}


def frame(*args: Any, **kwargs: Any) -> Callable[[], pandas.DataFrame]:
    return lambda: pandas.DataFrame(*args, **kwargs)


def two_levels(*names: str) -> pandas.MultiIndex:
    return pandas.MultiIndex.from_tuples([(1, 2), (3, 4)], names=names)


def with_odd_index() -> xarray.Dataset:
    dataset = xarray.Dataset({"y": ("x", [1, 2])}, {"x": [0.5, 1.5]})
    midpoints = xarray.indexes.PandasIndex(pandas.Index([0.5, 1.5]), "x")
    odd = type("OddIndex", (xarray.indexes.PandasIndex,), {})(midpoints.index, "x")
    return dataset.drop_indexes("x").set_xindex("x", type(odd))


def units(value: Any) -> numpy.ndarray:
    class Quantity(numpy.ndarray):
        units = "mm"

    return numpy.asarray(value).view(Quantity)


def fields() -> numpy.ndarray:
    return numpy.array([(1, 0.5), (2, 1.5)], dtype=[("n", "i8"), ("e", "f8")])


def categories_with_none() -> pyarrow.Array:
    return pyarrow.DictionaryArray.from_arrays([0, 1], pyarrow.array(["a", None]))


TABLES = {
    "no columns": Table("{'x': [1, 2, 3]}", dict, {"x": [1, 2, 3]}),
    "columns of different lengths": Table(
        "store them as one Event, each with a dim of its own, with one_event=True",
        lambda: {"x": [1, 2], "y": [1, 2, 3]},
        {"x": [1, 2], "y": [1, 2, 3]},
        dict,
        {"one_event": True},
    ),
    "names that are no text, of a dict": Table(
        "{str(k): v for k, v in table.items()}", lambda: {True: [1, 2]}, {"True": [1, 2]}
    ),
    "names that are no text, of a frame": Table("table.rename(columns=str)", frame({None: [1, 2]}), {"None": [1, 2]}),
    "a Series without a name": Table(
        "series.rename('y')", lambda: pandas.Series([1, 2]), {"y": [1, 2]}, lambda series: series.rename("y")
    ),
    "a name that is empty": Table("give it a name", lambda: {"": [1]}, {"x": [1]}, renamed("", "x")),
    "a name that is too long": Table("shorten it", lambda: {"x" * 2000: [1]}, {"x": [1]}, renamed("x" * 2000, "x")),
    "a set as a column": Table("list(table['x'])", lambda: {"x": {1, 2}}, {"x": [1, 2]}, column(list)),
    "Series of different indexes": Table(
        ".array to drop it",
        lambda: {"x": pandas.Series([1, 2], [3, 4]), "y": pandas.Series([1, 2], [4, 5])},
        {"x": [1, 2], "y": [1, 2]},
        lambda table: {name: series.array for name, series in table.items()},
    ),
    "a MultiIndex as a column": Table(
        "table['x'].get_level_values(0)",
        lambda: {"x": two_levels("a", "b")},
        {"x": [1, 3]},
        column(lambda index: index.get_level_values(0)),
    ),
    "mixed types": Table("table['x'] = [str(v) for v in table['x']]", lambda: {"x": [1, "a"]}, {"x": ["1", "a"]}),
    "mixed types, some missing": Table(
        "table['x'] = [None if pandas.isna(v) else str(v) for v in table['x']]",
        lambda: {"x": [1, "a", None]},
        {"x": ["1", "a", None]},
    ),
    "values of another type, some missing": Table(
        "table['x'] = [None if pandas.isna(v) else str(v) for v in table['x']]",
        lambda: {"x": [decimal.Decimal("0.10"), None, None]},
        {"x": ["0.10", None, None]},
    ),
    "values of another type": Table(
        "table['x'] = [str(v) for v in table['x']]", lambda: {"x": [decimal.Decimal("0.10")]}, {"x": ["0.10"]}
    ),
    "integers beyond 64 bits": Table(
        "[str(v) for v in values]",
        lambda: {"x": [2**64, 1]},
        {"x": [str(2**64), "1"]},
        column(lambda values: [str(value) for value in values]),
    ),
    "integers among floats": Table(
        "make them all integers or all floats",
        lambda: {"x": [2**53 + 1, 0.5]},
        {"x": [2.0**53, 0.5]},
        column(lambda values: [float(value) for value in values]),
    ),
    "months": Table(
        "use days or seconds",
        lambda: {"x": numpy.array([1, 2], "m8[M]")},
        {"x": numpy.array([30, 60], "m8[D]")},
        column(lambda months: months.astype("i8") * numpy.timedelta64(30, "D")),
    ),
    "times out of the range of pandas": Table(
        "give all one resolution",
        lambda: {"x": [numpy.datetime64("3000-01-01", "s"), numpy.datetime64("2026-01-01", "ns")]},
        {"x": numpy.array(["3000-01-01", "2026-01-01"], "M8[s]")},
        column(lambda times: [time.astype("M8[s]") for time in times]),
    ),
    "days": Table(
        "table['x'] = pandas.to_datetime(table['x'])",
        lambda: {"x": [NOON.date(), None]},
        {"x": pandas.to_datetime([NOON.date(), None])},
        column(lambda days: pandas.to_datetime(days)),
    ),
    "days as an index": Table(
        "table['index'] = pandas.to_datetime(table['index']), after table = table.reset_index()",
        lambda: pandas.DataFrame({"x": [1, 2]}, index=[NOON.date(), NOON.date()]),
        {"index": pandas.to_datetime([NOON.date()] * 2), "x": [1, 2]},
        lambda table: table.reset_index().assign(index=lambda frame: pandas.to_datetime(frame["index"])),
    ),
    "days and times": Table(
        "table['x'] = pandas.to_datetime(table['x'])",
        lambda: pandas.DataFrame({"x": pandas.Series([NOON.date(), NOON], dtype=object)}),
        {"x": pandas.to_datetime([NOON.replace(hour=0), NOON])},
        column(lambda times: pandas.to_datetime(times)),
    ),
    "times in different zones": Table(
        "with pandas.to_datetime",
        lambda: {"x": [NOON.replace(tzinfo=UTC), NOON]},
        {"x": pandas.DatetimeIndex([NOON, NOON])},
        column(lambda times: pandas.to_datetime([time.replace(tzinfo=None) for time in times])),
    ),
    "nested times in a zone": Table(
        "convert them to UTC without a zone",
        lambda: {"x": [[NOON.replace(tzinfo=UTC)], [NOON.replace(tzinfo=UTC)]]},
        {"x": numpy.array([[NOON], [NOON]], "M8[us]")},
        column(lambda rows: [[time.astimezone(UTC).replace(tzinfo=None) for time in row] for row in rows]),
    ),
    "a masked dask array, filled": Table(
        "dask.array.ma.filled(table['x'], 0)",
        lambda: {"x": dask.array.ma.masked_array(dask.array.ones(3), mask=[True, False, False])},
        {"x": [0.0, 1.0, 1.0]},
        column(lambda values: dask.array.ma.filled(values, 0)),
    ),
    "a masked dask array, computed": Table(
        "table['x'].compute()",
        lambda: {"x": dask.array.ma.masked_array(dask.array.arange(3), mask=[True, False, False])},
        {"x": numpy.ma.masked_array([0, 1, 2], [True, False, False])},
        column(lambda values: values.compute()),
    ),
    "no rows": Table(
        "store it with one_event=True",
        lambda: {"x": []},
        {"x": []},
        lambda table: table,
        {"one_event": True},
    ),
    "images of different sizes": Table(
        "give each a column of its own",
        lambda: {"x": [numpy.ones((2, 2)), numpy.ones((3, 3))]},
        {"x_0": [numpy.ones((2, 2))], "x_1": [numpy.ones((3, 3))]},
        lambda table: {f"x_{number}": [image] for number, image in enumerate(table["x"])},
    ),
    "an empty array of text": Table(
        "leave the column out",
        lambda: {"x": [1], "y": numpy.empty((1, 0, 2), dtype="U1")},
        {"x": [1]},
        lambda table: {"x": table["x"]},
    ),
    "a frame without columns": Table(
        "give it at least one", frame(index=[1, 2]), {"x": [0, 0]}, lambda table: table.assign(x=0)
    ),
    "a frame with a name twice": Table(
        "rename them",
        frame([[1, 2]], columns=["x", "x"]),
        {"x": [1], "y": [2]},
        lambda table: table.set_axis(["x", "y"], axis="columns"),
    ),
    "an index named like a column": Table(
        "df.rename_axis('index')",
        frame({"x": [1, 2]}, index=pandas.Index([3, 4], name="x")),
        {"x": [1, 2], "index": [3, 4]},
    ),
    "two levels of one name": Table(
        "rename one",
        frame({"x": [1, 2]}, index=two_levels("a", "a")),
        {"x": [1, 2], "b": [2, 4]},
        lambda table: table.set_axis(table.index.set_names(["a", "b"])),
    ),
    "a Dataset without variables": Table(
        "give it at least one",
        lambda: xarray.Dataset(coords={"x": [1, 2]}),
        {"y": [1, 2]},
        lambda table: table.assign(y=("x", [1, 2])),
    ),
    "a dim that is no text": Table(
        "dataset.rename(",
        lambda: xarray.Dataset({"y": ((0,), [1, 2])}),
        {"y": [1, 2]},
        lambda table: table.rename({0: "row"}),
    ),
    "an index that cannot be put back": Table(
        "dataset.drop_indexes(['x'])", with_odd_index, {"y": [1, 2], "x": [0.5, 1.5]}
    ),
    "an attribute that is not named by text": Table(
        "rename it",
        lambda: xarray.Dataset({"x": ("row", [1])}, attrs={1: "a"}),
        {"x": [1]},
        lambda table: table.assign_attrs({"one": "a"}).drop_attrs().assign_attrs({"one": "a"}),
    ),
    "an array": Table("{'x': values}", lambda: numpy.array([1, 2]), {"x": [1, 2]}, lambda values: {"x": values}),
    "Arrow values of another type": Table(
        ".cast('string') in pyarrow",
        lambda: {"x": pyarrow.array([decimal.Decimal("0.1")])},
        {"x": ["0.1"]},
        column(lambda values: values.cast("string")),
    ),
    "a missing category of Arrow": Table(
        "cast it to the type of its categories",
        lambda: {"x": categories_with_none()},
        {"x": ["a", None]},
        column(lambda values: values.cast(values.type.value_type)),
    ),
    "fields of Arrow": Table(
        "table.flatten()",
        lambda: pyarrow.table({"x": [{"a": 1, "b": 0.5}]}),
        {"x.a": [1], "x.b": [0.5]},
    ),
    "lists of values of another type of Arrow": Table(
        "[str(v) for v in values.to_pylist()]",
        lambda: {"x": pyarrow.array([[("k", 1)], [("k", 2)]], pyarrow.map_(pyarrow.string(), pyarrow.int64()))},
        {"x": ["[('k', 1)]", "[('k', 2)]"]},
        column(lambda values: [str(value) for value in values.to_pylist()]),
    ),
    "missing lists of Arrow": Table(
        "fill them",
        lambda: {"x": pyarrow.array([[1], None])},
        {"x": [[1], [0]]},
        column(lambda values: values.fill_null([0])),
    ),
}


def split(values: numpy.ndarray) -> dict[str, numpy.ndarray]:
    return {name: values[name] for name in values.dtype.names or ()}


@pytest.fixture
def catalog(tmp_path: Any) -> Any:
    return open_directory(tmp_path / "runs")


def assert_read(catalog: Any, uid: str, values: dict[str, Any]) -> None:
    """A run, opened by another catalog object, holds these values."""
    again = open_directory(catalog._backend.directory)
    dataset = to_dataset(again[uid])
    for name, expected in values.items():
        read = dataset[name]
        if isinstance(expected, pandas.DatetimeIndex):
            pandas.testing.assert_index_equal(
                pandas.DatetimeIndex(read.to_series().array), expected, check_names=False, exact=False
            )
        else:
            numpy.testing.assert_array_equal(read.values, expected)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_is_refused_is_stored_when_the_advice_is_followed(catalog: Any, name: str) -> None:
    case = TABLES[name]
    table = case.refused()
    with pytest.raises(databroker_writable.StoreError) as caught:
        catalog.store_run(table, **{key: value for key, value in case.options.items() if key != "one_event"})
    assert case.says in str(caught.value)
    assert list(catalog) == []
    catalog.store_run(case.mended(table), uid="mended", **case.options)
    assert_read(catalog, "mended", case.values)


Steps = Generator[tuple[str, Callable[[], Any]], None, dict[str, Any]]
"""First what a message advises, and the call that is refused; in the end what the run `mended` holds."""


def a_stream_that_exists(catalog: Any) -> Steps:
    with catalog.run_builder(uid="mended") as builder:
        builder.add_stream("primary", data={"x": [1]})
        yield "add_data('primary', ...) adds to it", lambda: builder.add_stream("primary", data={"x": [2]})
        builder.add_data("primary", {"x": [2]})
    return {"x": [1, 2]}


def a_stream_that_does_not_exist(catalog: Any) -> Steps:
    with catalog.run_builder(uid="mended") as builder:
        yield "add_stream('primary', ...) defines it", lambda: builder.add_data("primary", {"x": [1]})
        builder.add_stream("primary", data={"x": [1]})
    return {"x": [1]}


def a_stream_of_nothing(catalog: Any) -> Steps:
    with catalog.run_builder(uid="mended") as builder:
        yield "give one of them", lambda: builder.add_stream("primary")
        builder.add_stream("primary", data={"x": [1]})
    return {"x": [1]}


def other_columns(catalog: Any) -> Steps:
    with catalog.run_builder(uid="mended") as builder:
        builder.add_stream("other", data={"x": [1]})
        yield "or begin another stream", lambda: builder.add_data("other", {"y": [2]})
        builder.add_stream("primary", data={"y": [2]})
    return {"y": [2]}


def an_index_in_later_tables(catalog: Any) -> Steps:
    later = pandas.DataFrame({"x": [2]}, index=[5])
    with catalog.run_builder(uid="mended") as builder:
        builder.add_stream("primary", data=pandas.DataFrame({"x": [1]}))
        yield ".reset_index(drop=True)", lambda: builder.add_data("primary", later)
        builder.add_data("primary", later.reset_index(drop=True))
    return {"x": [1, 2]}


def another_dtype(catalog: Any) -> Steps:
    with catalog.run_builder(uid="mended") as builder:
        builder.add_stream("primary", data={"x": [1.5]})
        yield "convert it", lambda: builder.add_data("primary", {"x": ["2"]})
        builder.add_data("primary", {"x": [2.0]})
    return {"x": [1.5, 2.0]}


def other_values_of_a_coordinate(catalog: Any) -> Steps:
    def table(energy: list[float]) -> xarray.Dataset:
        return xarray.Dataset({"y": (("row", "energy"), [[1, 2]])}, {"energy": energy})

    with catalog.run_builder(uid="mended") as builder:
        builder.add_stream("other", data=table([0.5, 1.5]))
        yield "begin another stream for them", lambda: builder.add_data("other", table([0.5, 2.5]))
        builder.add_stream("primary", data=table([0.5, 2.5]))
    return {"y": [[1, 2]], "energy": [0.5, 2.5]}


def the_configuration_of_the_table(catalog: Any) -> Steps:
    with catalog.run_builder(uid="mended") as builder:
        (name,) = catalog.build_simple_run({"x": [1]}).primary._descriptors[0]["configuration"]
        parts = {"data": {"gain": 1}, "timestamps": {"gain": 1.0}}
        keys = {"data_keys": {"gain": {"dtype": "integer", "shape": [], "source": "test"}}}

        def add(owner: str, configuration: Any) -> None:
            builder.add_stream("primary", data={"x": [1]}, configuration={owner: configuration})

        yield "choose another name for the object", lambda: add(name, {**parts, **keys})
        yield "name the same in each", lambda: add("det", {**parts, "data_keys": {}})
        add("det", {**parts, **keys})
    return {"x": [1]}


def a_builder_that_is_open(catalog: Any) -> Steps:
    builder = databroker_writable.build_simple_run({"x": [0]}) and catalog.run_builder(uid="mended")
    builder.add_stream("primary", data={"x": [1]})
    yield "close() it", lambda: catalog.store_run(builder)
    builder.close()
    return {"x": [1]}


def a_uid_that_is_taken(catalog: Any) -> Steps:
    catalog.store_run({"x": [1]}, uid="taken")
    yield "store yours under another uid", lambda: catalog.store_run({"x": [2]}, uid="taken")
    catalog.store_run({"x": [2]}, uid="mended")
    return {"x": [2]}


def search_results(catalog: Any) -> Steps:
    catalog.store_run({"x": [1]}, {"sample": "Cu"})
    found = catalog.search({"sample": "Cu"})
    yield "store into the catalog that was searched", lambda: found.store_run({"x": [2]}, uid="mended")
    catalog.store_run({"x": [2]}, uid="mended")
    return {"x": [2]}


def a_guarded_catalog(catalog: Any) -> Steps:
    guarded = open_directory(catalog._backend.directory, writable=False)
    yield "store into another one", lambda: guarded.store_run({"x": [1]}, uid="mended")
    catalog.store_run({"x": [1]}, uid="mended")
    return {"x": [1]}


def times_in_milliseconds(catalog: Any) -> Steps:
    now = 1.7e12
    yield "milliseconds since 1970, divide by 1000", lambda: catalog.store_run({"x": [1]}, {"time": now})
    catalog.store_run({"x": [1]}, {"time": now / 1000}, uid="mended")
    assert catalog["mended"].metadata["start"]["time"] == 1.7e9
    return {"x": [1]}


def keys_of_metadata(catalog: Any) -> Steps:
    for says, key, better in (
        ("make it a string", 5, "5"),
        ("give it a name", "", "name"),
        ("use for example 'a_b'", "a.b", "a_b"),
    ):
        yield says, lambda key=key: catalog.store_run({"x": [1]}, {"note": {key: 1}})
        catalog.store_run({"x": [1]}, {"note": {better: 1}}, uid=f"key-{better}")
        assert catalog[f"key-{better}"].metadata["start"]["note"] == {better: 1}
    yield "rename it, for example to 'id'", lambda: catalog.store_run({"x": [1]}, {"_id": 5})
    catalog.store_run({"x": [1]}, {"id": 5}, uid="mended")
    assert catalog["mended"].metadata["start"]["id"] == 5
    return {"x": [1]}


def an_input_whose_uid_is_cut_short(catalog: Any) -> Steps:
    for uid in ("raw-1", "raw-2"):
        catalog.store_run({"x": [1]}, uid=uid)
    yield "give more characters", lambda: catalog.store_run({"x": [1]}, derived_from="raw")
    catalog.store_run({"x": [1]}, derived_from="raw-1", uid="mended")
    assert list(catalog.results_of("raw-1")) == ["mended"]
    return {"x": [1]}


def an_input_that_is_the_run_itself(catalog: Any) -> Steps:
    catalog.store_run({"x": [1]}, uid="raw")
    says = "name the runs that it was made from"
    yield says, lambda: catalog.store_run({"x": [1]}, derived_from="mended", uid="mended")
    catalog.store_run({"x": [1]}, derived_from="raw", uid="mended")
    return {"x": [1]}


def documents_without_a_stop(catalog: Any) -> Steps:
    documents = example_runs.small_documents(uid="mended")
    yield "close its builder, or wait for its end", lambda: catalog.store_run(documents[:-1])
    catalog.store_run(documents)
    return {"x": [0.5, 1.5, 2.5]}


def an_uneven_datum(catalog: Any) -> Steps:
    run = event_model.compose_run(uid="mended")
    data_key = {"dtype": "array", "shape": [2], "source": "test", "external": "FILESTORE:"}
    stream = run.compose_descriptor(name="primary", data_keys={"x": {"dtype": "number", "shape": [], "source": "test"}})
    del data_key

    def documents(resources: int) -> list[Any]:
        made = [
            run.compose_resource(spec="TEST", root="/", resource_path=f"{i}", resource_kwargs={})
            for i in range(resources)
        ]
        datums = [
            made[0].compose_datum(datum_kwargs={"frame": 0}),
            made[-1].compose_datum(datum_kwargs={"line": 0}),
        ]
        event = stream.compose_event(data={"x": 1.5}, timestamps={"x": 1.7e9}, seq_num=1, validate=False)
        return [
            ("start", run.start_doc),
            ("descriptor", stream.descriptor_doc),
            *(("resource", resource.resource_doc) for resource in made),
            *(("datum", datum) for datum in datums),
            ("event", event),
            ("stop", {**stop, "num_events": {"primary": 1}}),
        ]

    stop = run.compose_stop()
    yield "use a resource for each set", lambda: catalog.store_run(documents(1))
    catalog.store_run(documents(2))
    return {}


def a_directory_named_by_its_files(catalog: Any) -> Steps:
    directory = catalog._backend.directory
    yield f"open_directory({directory!r})", lambda: open_directory(f"{directory}/*.msgpack")
    open_directory(directory).store_run({"x": [1]}, uid="mended")
    return {"x": [1]}


def a_copy_of_documents_that_break_the_rules(catalog: Any) -> Steps:
    *documents, (_, stop) = example_runs.small_documents(uid="mended")
    writer = catalog._backend.open_writer(documents[0][1])
    for name, doc in [*documents, ("stop", {**stop, "num_events": {"primary": 9}})]:
        writer(name, doc)
    writer.publish()
    catalog.force_reload()
    destination = open_directory(f"{catalog._backend.directory}/../copies")

    def copy(*, as_is: bool = False) -> None:
        for error in copy_runs(catalog, destination, as_is=as_is).failures.values():
            raise error

    yield "were some lost?", copy
    copy(as_is=True)
    assert destination["mended"].primary.read()["x"].values.tolist() == [0.5, 1.5, 2.5]
    return {"x": [0.5, 1.5, 2.5]}


def frames_with_different_indexes(catalog: Any) -> Steps:
    with catalog.run_builder(one_event=True) as builder:
        builder.add_stream("fits", data=pandas.DataFrame({"x": [1, 2]}, index=[5, 6]))
        builder.add_data("fits", pandas.DataFrame({"x": [3, 4]}, index=[7, 8]))
    run = builder.stored_run
    yield "run['fits'].read().isel(time=0)", lambda: to_dataset(run, "fits")
    second = run["fits"].read().isel(time=1)
    catalog.store_run({name: second[name].values for name in ("index", "x")}, uid="mended")
    return {"index": [7, 8], "x": [3, 4]}


STEPS: list[Callable[[Any], Steps]] = [
    a_stream_that_exists,
    a_stream_that_does_not_exist,
    a_stream_of_nothing,
    other_columns,
    an_index_in_later_tables,
    another_dtype,
    other_values_of_a_coordinate,
    the_configuration_of_the_table,
    a_builder_that_is_open,
    a_uid_that_is_taken,
    search_results,
    a_guarded_catalog,
    times_in_milliseconds,
    keys_of_metadata,
    an_input_whose_uid_is_cut_short,
    an_input_that_is_the_run_itself,
    documents_without_a_stop,
    an_uneven_datum,
    a_directory_named_by_its_files,
    a_copy_of_documents_that_break_the_rules,
    frames_with_different_indexes,
]


@pytest.mark.filterwarnings("ignore::databroker_writable.StoreWarning")
@pytest.mark.parametrize("steps", STEPS, ids=lambda steps: steps.__name__.replace("_", " "))
def test_what_is_refused_works_when_the_advice_is_followed(catalog: Any, steps: Callable[[Any], Steps]) -> None:
    generator = steps(catalog)
    while True:
        try:
            says, refused = next(generator)
        except StopIteration as stop:
            assert_read(catalog, "mended", stop.value)
            return
        with pytest.raises(Exception) as caught:
            refused()
        assert says in str(caught.value)
