"""Each argument takes any object: what it cannot mean is refused by its name, and nothing is written."""

import os
import sys

import numpy
import pandas
import pytest
import xarray

import databroker_writable
from databroker_writable import ExportError, InvalidMetadataError, InvalidRunError, NotFoundError, StoreError

WITHOUT_TRUTH = [pandas.NA, pandas.Series([1, 2]), numpy.array([1, 2]), xarray.Dataset({"a": ("x", [1])})]
NO_DIMS = numpy.array(3)


@pytest.fixture
def catalog(tmp_path):
    return databroker_writable.open_directory(tmp_path / "results")


@pytest.fixture
def run(catalog):
    return catalog.store_run({"x": [1, 2], "y": [[1], [2, 3]]}, uid="run-1")


@pytest.mark.parametrize("argument", ["derived_from", "supersedes"])
def test_an_array_without_dims_is_no_list_of_runs(catalog, run, argument):
    with pytest.raises(InvalidMetadataError, match=rf"^{argument} takes a run, .* not array\(3\), of type ndarray"):
        catalog.store_run({"x": [1]}, **{argument: NO_DIMS})
    with pytest.raises(InvalidMetadataError, match="not array"):
        catalog.build_simple_run({"x": [1]}, **{argument: NO_DIMS})
    with pytest.raises(InvalidMetadataError, match="not array"):
        catalog.run_builder(**{argument: NO_DIMS})
    assert list(catalog) == ["run-1"]


def test_an_array_without_dims_finds_and_copies_nothing(catalog, run, tmp_path):
    for find in (catalog.table, catalog.latest):
        with pytest.raises(InvalidMetadataError, match="derived_from takes a run"):
            find(derived_from=NO_DIMS)
    other = databroker_writable.open_directory(tmp_path / "other")
    with pytest.raises(InvalidMetadataError, match=r"not array\(3\)"):
        databroker_writable.copy_runs(catalog, other, NO_DIMS)
    with pytest.raises(ExportError, match=r"there is no column array\(3\)"):
        databroker_writable.export(run, tmp_path / "run.csv", columns=NO_DIMS)


@pytest.mark.parametrize("value", [*WITHOUT_TRUTH, [], {}, NO_DIMS], ids=lambda value: type(value).__name__)
def test_what_cannot_be_compared_with_names_is_none_of_them(catalog, run, tmp_path, value):
    for find in (catalog.table, catalog.latest):
        with pytest.raises(InvalidMetadataError, match="status must be one of"):
            find(status=value)
    with pytest.raises(InvalidMetadataError, match="status must be one of"):
        catalog.results_of(run, value)
    with pytest.raises(NotFoundError, match="the run has no stream"):
        databroker_writable.to_dataset(run, value)
    with pytest.raises(NotFoundError, match="there is no column"):
        databroker_writable.ragged(databroker_writable.to_dataset(run), value)
    for act in (
        lambda: databroker_writable.plot(run, stream=value),
        lambda: databroker_writable.export(run, tmp_path / "run.csv", stream=value),
        lambda: databroker_writable.export(run, tmp_path / "run.csv", columns=[value]),
    ):
        with pytest.raises(ExportError, match=r"there is no (stream|column)"):
            act()
    assert not (tmp_path / "run.csv").exists()


@pytest.mark.parametrize("value", [*WITHOUT_TRUTH, "no", "", 0, 1, None], ids=lambda value: repr(value)[:8])
def test_a_switch_is_on_or_off(catalog, run, tmp_path, value):
    file = tmp_path / "run.csv"
    file.write_text("kept")
    other = databroker_writable.open_directory(tmp_path / "other")
    for name, error, call in (
        ("force", ExportError, lambda switch: databroker_writable.export(run, file, **switch)),
        ("with_inputs", ExportError, lambda switch: databroker_writable.export(run, tmp_path / "new.csv", **switch)),
        ("as_is", InvalidMetadataError, lambda switch: databroker_writable.copy_runs(catalog, other, **switch)),
        ("progress", InvalidMetadataError, lambda switch: databroker_writable.copy_runs(catalog, other, **switch)),
        ("progress", InvalidRunError, lambda switch: catalog.store_run({"x": [1]}, **switch)),
        ("progress", InvalidRunError, lambda switch: catalog.store_runs([{"x": [1]}], **switch)),
    ):
        with pytest.raises(error, match=f"^{name} must be True or False, not "):
            call({name: value})
    assert file.read_text() == "kept"
    assert not (tmp_path / "new.csv").exists()
    assert list(catalog) == ["run-1"]
    assert not list(other)


def test_switches_of_numpy_are_switches(catalog, run, tmp_path):
    path = databroker_writable.export(run, tmp_path / "run.nc", force=numpy.True_, with_inputs=numpy.False_)
    assert os.path.exists(path)


@pytest.mark.parametrize("value", [0, "h5", [], len, numpy.array(1)], ids=repr)
def test_handlers_are_a_dict(value):
    with pytest.raises(InvalidRunError, match="handler_registry must be a dict of handlers by their spec"):
        databroker_writable.build_simple_run({"x": [1]}, handler_registry=value)
    with pytest.raises(InvalidRunError, match="handler_registry must be a dict"):
        databroker_writable.RunBuilder(handler_registry=value)


def test_more_runs_than_python_counts_are_all(catalog, run):
    assert list(catalog.table(limit=10 * sys.maxsize).index) == ["run-1"]


def test_no_path_holds_a_nul(catalog, run, tmp_path):
    for act in (
        lambda: databroker_writable.open_directory(f"{tmp_path}/a\0b"),
        lambda: databroker_writable.open_directory(tmp_path / "new", asset_root=f"{tmp_path}/a\0b"),
        lambda: databroker_writable.export(run, f"{tmp_path}/a\0b.csv"),
    ):
        with pytest.raises(StoreError, match="holds a NUL character"):
            act()
    assert sorted(os.listdir(tmp_path)) == ["results"]
