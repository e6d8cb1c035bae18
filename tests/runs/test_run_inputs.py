"""What a table is, and which documents a run has, is told by its type, not by the names of its columns."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import dask
import databroker
import mongomock
import numpy
import pandas
import pytest
import xarray
from databroker._drivers.mongo_normalized import BlueskyMongoCatalog

from databroker_writable import (
    InvalidRunError,
    InvalidTableError,
    attachments,
    build_simple_run,
    diff,
    export,
    open_directory,
    plot,
    to_dataset,
)
from databroker_writable.runs.comparison import same_run
from databroker_writable.runs.run_or_table import documents_of, is_table
from support import example_runs, sites

NAMES = [
    "documents",
    "get_run",
    "search",
    "columns",
    "to_dataset",
    "data_vars",
    "dtype",
    "db",
    "closed",
    "_document_cache",
    "to_dask",
    "to_pandas",
    "compute",
    "values",
    "items",
    "keys",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("make", [dict, pandas.DataFrame, xarray.Dataset], ids=["dict", "DataFrame", "Dataset"])
def test_a_table_may_have_a_column_named_like_a_method(tmp_path: Any, make: Any, name: str) -> None:
    values = [1, 2]
    columns = {name: ("row", values), "x": ("row", values)} if make is xarray.Dataset else {name: values, "x": values}
    table = make(columns)
    assert is_table(table)
    catalog = open_directory(tmp_path)
    stored = catalog.store_run(table, metadata={"sample": "Cu"})
    assert stored.primary.read()[name].values.tolist() == values
    (uid,) = catalog.store_runs([table])
    assert catalog[uid].primary.read()[name].values.tolist() == values
    with pytest.raises(InvalidRunError, match="one run or table"):
        catalog.store_runs(table)


def test_what_is_not_computed_yet_is_neither_a_run_nor_a_table() -> None:
    with pytest.raises(InvalidTableError, match=r"until it is computed; compute it first, with \.compute\(\)"):
        is_table(dask.delayed({"x": [1]}))


FRAME = pandas.DataFrame({"sample": ["Cu", "Fe"], "x": [1, 2]})
SEVERAL_TABLES = {
    "a list": [FRAME, FRAME],
    "the values of a dict": {"a": FRAME}.values(),
    "groups": FRAME.groupby("sample"),
    "groups of xarray": xarray.Dataset({"x": ("y", [1, 2])}, {"y": [1, 2]}).groupby("y"),
}


@pytest.mark.parametrize("given", SEVERAL_TABLES.values(), ids=SEVERAL_TABLES.keys())
def test_several_tables_in_place_of_one_are_told_of_store_runs(tmp_path: Any, given: Any) -> None:
    for arguments in ({}, {"metadata": {"sample": "Cu"}}):
        with pytest.raises(InvalidRunError, match="if these are tables, store a run for each, with store_runs"):
            open_directory(tmp_path).store_run(given, **arguments)


def without_names(documents: list[Any]) -> list[Any]:
    documents = copy.deepcopy(documents)
    for name, doc in documents:
        if name == "descriptor" and doc["name"] == "primary":
            del doc["name"]
    return documents


SITES = ["msgpack", "jsonl", "mongo-normalized[mongomock]", "mongo-embedded[mongomock]"]


@pytest.mark.parametrize("way", ["store_run", "insert"])
@pytest.mark.parametrize("site", SITES, indirect=True)
def test_a_stream_that_old_bluesky_did_not_name_is_read_as_primary(catalog: Any, site: sites.Site, way: str) -> None:
    documents = without_names(example_runs.small_documents(uid="old-1"))
    if way == "store_run":
        catalog.store_run(documents)
        assert catalog.store_run(documents).metadata["start"]["uid"] == "old-1"
    else:
        for name, doc in documents:
            catalog.v1.insert(name, doc)
    assert site.open()["old-1"].primary.read()["x"].values.tolist() == [0.5, 1.5, 2.5]


def test_a_stream_without_a_name_is_taken_over_from_a_database(tmp_path: Any) -> None:
    database = mongomock.MongoClient()["raw"]
    raw = BlueskyMongoCatalog(database, database)
    documents = without_names(example_runs.documents_with_images(tmp_path, paged=False))
    for name, doc in documents:
        raw.v1.insert(name, copy.deepcopy(doc))
    with pytest.warns(UserWarning, match="has no 'name'"):
        stored = open_directory(tmp_path / "runs").store_run(raw[-1])
    assert same_run(documents_of(stored), documents)


def test_a_header_is_read_as_its_run(tmp_path: Any) -> None:
    catalog = open_directory(tmp_path / "runs")
    stored = catalog.store_run({"x": [1, 2, 3]}, attachments={"notes.txt": "good"})
    for header in (catalog.v1[-1], *catalog.v1(uid=stored.metadata["start"]["uid"])):
        assert to_dataset(header).identical(to_dataset(stored))
        assert dict(attachments(header)) == {"notes.txt": b"good"}
        assert diff(header, stored).compared == diff(stored, stored).compared
        assert Path(export(header, str(tmp_path / "run.csv"), force=True)).exists()
        assert plot(header, "x").get_ylabel() == "x"


def test_a_header_is_recorded_with_its_catalog(tmp_path: Any) -> None:
    raw, results = open_directory(tmp_path / "raw"), open_directory(tmp_path / "results")
    source = raw.store_run({"x": [1]}).metadata["start"]["uid"]
    built = build_simple_run({"y": [1]}, derived_from=raw.v1[-1])
    assert built.metadata["start"]["derived_from"] == [{"uid": source, "catalog": "raw"}]
    stored = results.store_run({"y": [1]}, derived_from={"dark": raw.v1[-1]})
    assert stored.metadata["start"]["derived_from"] == [{"uid": source, "catalog": "raw", "role": "dark"}]


def test_a_header_gives_the_documents_of_its_run(tmp_path: Any) -> None:
    catalog = open_directory(tmp_path / "runs")
    stored = catalog.store_run({"x": numpy.arange(3)})
    assert isinstance(catalog.v1[-1], databroker.v1.Header)
    assert same_run(documents_of(catalog.v1[-1]), documents_of(stored))


def test_a_stream_called_db_is_no_catalog(tmp_path):
    run = build_simple_run({"x": [1]}, stream="db", uid="raw-1")
    catalog = open_directory(tmp_path)
    catalog.store_run(run)
    result = catalog.store_run({"y": [1]}, derived_from=run)
    assert result.metadata["start"]["derived_from"] == [{"uid": "raw-1", "catalog": catalog.name}]
