"""What is stored is what another catalog object gives back, for any table, on every backend."""

from __future__ import annotations

import numpy
import pandas
import pytest
import xarray
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from databroker_writable import InvalidRunError, InvalidTableError, build_simple_run, to_dataset
from databroker_writable.tables import read_table
from support import example_results, new_process, sites, strategies
from support.ferretdb_limits import ferretdb_can_hold
from support.table_roundtrip import assert_same_dataset, assert_same_table

BACKENDS = [
    *sites.FILE_SITES,
    *(f"{name}[{server}]" for name in sites.MONGO_SITES for server in ("mongomock", "server")),
]
on_every_backend = pytest.mark.parametrize("site", BACKENDS, indirect=True)
fewer = settings(max_examples=max(1, settings.default.max_examples // 2))
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore:.*float16:FutureWarning")

NOT_HELD = "FerretDB 1.24 refuses arrays in arrays, NaN and infinities"
INT64_MAX = 2**63 - 1


@pytest.fixture
def writing(site, tmp_path):
    """A catalog that puts every array into files, as those that share its site put only large ones."""
    return site.open(asset_threshold=0, **site.with_assets(tmp_path))


def read_back(site, run):
    """The Dataset of a stored run, by a catalog object that has not seen it before."""
    return to_dataset(site.open()[run.metadata["start"]["uid"]])


def has_integers_beyond(run):
    """Whether a run holds integers that BSON has no type for."""
    for _, doc in run.documents():
        configuration = doc.get("configuration", {}).get("table", {}).get("data", {})
        for values in [*doc.get("data", {}).values(), *configuration.values()]:
            # numpy makes floats of a list with integers beyond int64 and others
            items = numpy.asarray(values, dtype=None if hasattr(values, "dtype") else object).ravel().tolist()
            if any(isinstance(item, int | numpy.integer) and item > INT64_MAX for item in items):
                return True
    return False


@on_every_backend
@fewer
@given(case=strategies.tables_and_modes(), external=st.booleans())
def test_any_table_comes_back_identical(site, writing, case, external):
    table, one_event = case
    built = build_simple_run(table, one_event=one_event)
    assume(ferretdb_can_hold(site, built))
    store = {"asset_threshold": 0 if external else 1024**2}
    if site.is_mongo and has_integers_beyond(built):
        if not external:
            with pytest.raises((InvalidTableError, InvalidRunError), match=str(INT64_MAX)):
                writing.store_run(built, **store)
        return
    assert_same_table(read_back(site, writing.store_run(built, **store)), table)


@on_every_backend
@fewer
@given(table=strategies.frames() | strategies.datasets(leading=True), cut=st.integers(1, 3))
def test_a_table_in_pieces_comes_back_whole(site, writing, table, cut):
    pieces = cut_in_two(table, cut)
    built = build_simple_run(table)
    assume(ferretdb_can_hold(site, built) and not (site.is_mongo and has_integers_beyond(built)))
    with writing.run_builder() as builder:
        builder.add_stream("primary", data=pieces[0])
        builder.add_data("primary", data=pieces[1])
    assert_same_table(read_back(site, builder.stored_run), table)


def cut_in_two(table, row):
    """Cut a table at a row; pieces of which the second cannot follow the first are left out."""
    if isinstance(table, pandas.DataFrame):
        pieces = [table.iloc[:row], table.iloc[row:]]
        if isinstance(table.index, pandas.RangeIndex):
            pieces[1] = pieces[1].reset_index(drop=True)
    else:
        dim = next(iter(table.data_vars.values())).dims[0]
        pieces = [table.isel({dim: slice(row)}), table.isel({dim: slice(row, None)})]
    try:
        first, second = map(read_table, pieces)
        first.schema.check_agrees(second.schema, "primary")
    except InvalidTableError:
        assume(False)
    if first.time is not None:
        assume(second.time[0] - first.time[-1] >= 1e-6)
    return pieces


@on_every_backend
def test_an_empty_coordinate_stands_beside_arrays_in_files(site, writing):
    dataset = xarray.Dataset(
        {"v": ("x", numpy.ones(2))}, {"y": ("y", numpy.zeros(0)), "lat": (("y", "x"), numpy.zeros((0, 2)))}
    )
    assert_same_dataset(read_back(site, writing.store_run(dataset, one_event=True)), dataset)


EMPTY = {
    "first": numpy.zeros((0, 2)),
    "between others": numpy.zeros((2, 0, 3), "int16"),
    "datetimes": numpy.zeros((0, 2), "M8[ns]"),
    "bools": numpy.zeros((0, 2), bool),
    "last": numpy.zeros((2, 0)),
}


@on_every_backend
@pytest.mark.parametrize("empty", EMPTY.values(), ids=EMPTY.keys())
def test_empty_arrays_keep_their_dims_and_the_other_columns_of_the_stream(site, tmp_path, empty):
    catalog = site.open(**site.with_assets(tmp_path))
    rows = numpy.zeros((3, *empty.shape), empty.dtype)
    table = {"x": rows, "y": [1.0, 2.0, 3.0]}
    dims = tuple("abc"[: empty.ndim])
    dataset = xarray.Dataset({"x": (dims, empty), "y": ("q", [1.0])})
    for columns, one_event, shape in [(table, False, rows.shape), (dataset, True, (1, *empty.shape))]:
        if site.is_ferretdb and (empty.shape[-1] == 0 or (one_event and site.kind == "mongo-embedded")):
            continue  # FerretDB 1.24 refuses arrays in arrays
        stored = catalog.store_run(columns, one_event=one_event)
        read = site.open()[stored.metadata["start"]["uid"]].primary.read()
        assert read["x"].shape == shape
        assert read["y"].size == (1 if one_event else 3)
        assert_same_table(read_back(site, stored), columns)


@pytest.mark.parametrize("site", ["mongo-normalized[mongomock]", "mongo-embedded[mongomock]"], indirect=True)
def test_empty_arrays_are_refused_where_there_is_no_place_for_assets(catalog, site):
    with pytest.raises(InvalidTableError, match=r"column 'x' .* of shape \(0, 2\) .*asset_root"):
        catalog.store_run({"x": numpy.zeros((3, 0, 2)), "y": [1, 2, 3]})
    assert site.snapshot() == {}


@pytest.mark.parametrize("dtype", ["U3", object])
def test_empty_arrays_of_text_that_lists_cannot_hold_are_refused(dtype):
    empty = numpy.zeros((0, 2), dtype)
    with pytest.raises(InvalidTableError, match=r"column 'x' is an empty array of text or objects of shape \(0, 2\)"):
        read_table(xarray.Dataset({"x": (("a", "b"), empty), "y": ("q", [1.0])}), one_event=True)


@on_every_backend
def test_types_that_numpy_does_not_have_come_back_from_files(site, writing):
    dataset = xarray.Dataset(
        {
            "edge": ("row", pandas.Categorical([2, 1, 2])),
            "good": ("row", pandas.Categorical([True, False, True])),
            "counts": ("row", pandas.array([1, 2, 3], dtype="UInt8")),
            "bins": ("row", pandas.arrays.IntervalArray.from_breaks([0, 1, 2, 3])),
            "numbers": ("row", numpy.array([1, 2, 3], dtype=object)),
        }
    )
    built = build_simple_run(dataset, one_event=True)
    if not ferretdb_can_hold(site, built):
        pytest.skip(NOT_HELD)
    run = writing.store_run(built)
    assert {"edge", "good", "counts", "bins", "numbers"} <= set(run.primary.read().load())
    back = read_back(site, run)
    assert_same_dataset(back, dataset)
    assert list(map(type, back["numbers"].values)) == [int, int, int]


@on_every_backend
@pytest.mark.parametrize("one_event", [False, True], ids=["rows", "one event"])
@pytest.mark.parametrize("external", [False, True], ids=["inline", "in files"])
@pytest.mark.parametrize("name", example_results.EXAMPLES)
def test_a_result_comes_back_as_it_was(site, writing, name, one_event, external):
    table = example_results.EXAMPLES[name]()
    run = build_simple_run(table, one_event=one_event)
    if not ferretdb_can_hold(site, run):
        pytest.skip(NOT_HELD)
    stored = writing.store_run(run, asset_threshold=0 if external else 1024**2)
    assert_same_table(read_back(site, stored), table)


@on_every_backend
@pytest.mark.parametrize("one_event", [False, True], ids=["rows", "one event"])
def test_many_columns_in_files_come_back_as_they_were(site, writing, one_event):
    pieces = [
        {f"c{i}": numpy.arange(6, dtype="u2" if i % 3 else "f4").reshape(3, 2) + i + shift for i in range(24)}
        for shift in (0, 100)
    ]
    with writing.run_builder(one_event=one_event) as builder:
        builder.add_stream("primary", data=pieces[0])
        builder.add_data("primary", data=pieces[1])
    read = site.open()[builder.uid].primary.read()
    for name, first in pieces[0].items():
        expected = numpy.stack([first, first + 100]) if one_event else numpy.concatenate([first, first + 100])
        assert read[name].dtype == first.dtype
        numpy.testing.assert_array_equal(read[name].values, expected)


READ = """
import sys
import intake
from support import example_results
from databroker_writable import to_dataset
from support.table_roundtrip import assert_same_table
catalog = intake.open_catalog(sys.argv[1])["results"]
for uid, run in catalog.items():
    assert_same_table(to_dataset(run), example_results.EXAMPLES[run.metadata["start"]["example"]]())
    print(uid)
"""


@on_every_backend
def test_results_come_back_as_they_were_in_another_process(site, writing, tmp_path):
    if site.driver is None:
        pytest.skip("mongomock lives in one process")
    path = tmp_path / "catalog.yml"
    path.write_text(yaml.safe_dump({"sources": {"results": {"driver": site.driver, "args": site.args}}}))
    uids = []
    for name, example in example_results.EXAMPLES.items():
        for one_event, threshold in [(False, 1024**2), (True, 1024**2), (True, 0)]:
            run = build_simple_run(example(), {"example": name}, one_event=one_event)
            if ferretdb_can_hold(site, run):
                uids.append(run.metadata["start"]["uid"])
                writing.store_run(run, asset_threshold=threshold)
    assert uids
    assert sorted(new_process.output_of(READ, str(path)).split()) == sorted(uids)


@on_every_backend
def test_whole_results_in_pieces_come_back_along_a_new_dim(site, writing):
    if site.is_ferretdb:
        pytest.skip(NOT_HELD)
    slices = example_results.slices()
    with xarray.set_options(keep_attrs=True):  # which is the default only since xarray 2025.11
        later = slices + 1
    with writing.run_builder(one_event=True) as builder:
        builder.add_stream("primary", data=slices)
        builder.add_data("primary", data=later)
    back = read_back(site, builder.stored_run)
    assert back["density"].dims == ("event", "slice", "y", "x")
    assert back["density"].dtype == "uint16"
    numpy.testing.assert_array_equal(back["density"].values, [slices["density"], slices["density"] + 1])
    numpy.testing.assert_array_equal(back["x"].values, slices["x"].values)


@on_every_backend
@pytest.mark.parametrize(
    "table",
    [
        {"x": numpy.array([["2024-01-01", "2024-01-02"], ["2024-01-03", "NaT"]], "M8[ns]")},
        {"x": numpy.ma.masked_array([[1.0, 2.0], [3.0, 4.0]], [[False, False], [False, True]])},
    ],
    ids=["datetimes", "masked floats"],
)
def test_values_that_are_missing_in_a_later_piece_go_to_the_file_too(site, writing, table):
    with writing.run_builder() as builder:
        builder.add_stream("primary", data={"x": table["x"][:1]})
        builder.add_data("primary", data={"x": table["x"][1:]})
    filled = numpy.ma.filled(table["x"], numpy.nan) if numpy.ma.isMaskedArray(table["x"]) else table["x"]
    numpy.testing.assert_array_equal(read_back(site, builder.stored_run)["x"].values, filled)


@on_every_backend
def test_missing_integers_that_a_file_cannot_hold_are_refused_and_what_came_before_is_kept(site, writing):
    pieces = [numpy.ma.masked_array([[1, 2]], [[False, missing]]) for missing in (False, True)]
    with pytest.raises(InvalidTableError, match=r"'x' holds missing values"), writing.run_builder() as builder:  # noqa: PT012
        builder.add_stream("primary", data={"x": pieces[0], "y": [1]})
        builder.add_data("primary", data={"x": pieces[1], "y": [2]})
    back = to_dataset(site.open()[builder.uid])
    assert back["x"].values.tolist() == [[1, 2]]
    assert back["y"].values.tolist() == [1]


COMPLEX = numpy.array([1 + 2j, -0.5j])


@pytest.mark.parametrize(
    ("table", "one_event"),
    [
        ({"x": [1, 2], "field": COMPLEX}, False),
        ({"x": [1, 2], "field": COMPLEX.astype("complex64")}, True),
        ({"x": [1, 2], "field": [COMPLEX, COMPLEX]}, False),
        ({"x": [1, 2], "field": numpy.ma.masked_array(COMPLEX, [True, False])}, False),
        (xarray.Dataset({"x": ("t", [1, 2])}, {"field": ("t", COMPLEX)}), False),
    ],
    ids=["rows", "one event", "nested", "masked", "coordinate"],
)
@pytest.mark.parametrize("site", BACKENDS[1:], indirect=True)
def test_complex_columns_are_refused_where_there_is_no_type_for_them(catalog, site, table, one_event):
    before = site.snapshot()
    with pytest.raises(InvalidTableError, match=r"'field'.*(real|complex)"):
        catalog.store_run(table, one_event=one_event)
    assert site.snapshot() == before


@pytest.mark.parametrize("site", BACKENDS[1:], indirect=True)
def test_a_complex_column_in_a_later_piece_is_refused_and_the_pieces_before_it_are_kept(catalog, site):
    with pytest.raises(InvalidTableError, match="'field'"), catalog.run_builder() as builder:  # noqa: PT012
        builder.add_stream("primary", data={"x": [1, 2, 3]})
        builder.add_stream("fields", data={"field": COMPLEX})
    run = site.open()[builder.uid]
    assert run.metadata["stop"]["exit_status"] == "fail"
    assert run.metadata["stop"]["num_events"]["primary"] == 3
    assert to_dataset(run)["x"].values.tolist() == [1, 2, 3]
    if site.directory:
        assert len(site.snapshot()) == 1


@on_every_backend
def test_complex_arrays_in_files_and_coordinates_beside_the_events_come_back(site, writing):
    if site.is_ferretdb:
        pytest.skip(NOT_HELD)
    dataset = xarray.Dataset(
        {"field": (("y", "x"), COMPLEX.reshape(1, 2))}, {"x": ("x", COMPLEX), "phase": ((), COMPLEX[0])}
    )
    assert_same_dataset(read_back(site, writing.store_run(dataset, one_event=True)), dataset)
