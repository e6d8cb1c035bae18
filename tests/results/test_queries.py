"""Conditions on metadata: values and patterns that are compared alike in every backend, and wrong ones."""

from __future__ import annotations

import datetime
import enum
import pathlib
import re
import uuid
from typing import Any

import numpy
import pandas
import pytest

from databroker_writable import InvalidMetadataError, open_directory

DAY = datetime.date(2024, 5, 31)
NUMBER = uuid.UUID(int=7)


class Sample(str, enum.Enum):
    COPPER = "Cu"


@pytest.fixture
def stored(catalog: Any) -> Any:
    metadata = {"sample": "Cu", "scan_id": 5, "path": pathlib.Path("/data/a"), "day": DAY, "number": NUMBER}
    catalog.store_run({"x": [1]}, metadata, uid="run-1", time=1_700_000_000)
    catalog.store_run({"x": [1]}, {"sample": "Ni", "scan_id": 6}, uid="run-2", time=1_600_000_000)
    return catalog


def is_mongomock(site: Any) -> bool:
    return site.is_mongo and not site.server


def test_values_are_compared_as_they_are_stored(stored: Any) -> None:
    for query in (
        {"scan_id": numpy.int64(5)},
        {"scan_id": {"$lt": numpy.float32(5.5)}},
        {"scan_id": {"$in": numpy.array([5, 9])}},
        {"scan_id": {"$in": {5, 9}}},
        {"scan_id": {"$nin": pandas.Series([6])}},
        {"sample": {"$in": pandas.Index(["Cu"])}},
        {"sample": {"$in": {"Cu": 1}.keys()}},
        {"sample": Sample.COPPER},
        {"$or": [{"sample": Sample.COPPER}, {"scan_id": numpy.uint8(9)}]},
        {"path": pathlib.Path("/data/a")},
        {"day": DAY},
        {"number": NUMBER},
        {"time": {"$gt": datetime.datetime(2022, 1, 1)}},
        {"time": {"$gt": pandas.Timestamp("2022-01-01", tz="UTC")}},
        {"time": {"$gt": numpy.datetime64("2022-01-01T00:00:00")}},
    ):
        assert stored.table(query).index.tolist() == ["run-1"], query
    assert stored.latest(day=DAY, scan_id=numpy.int64(5)).metadata["start"]["uid"] == "run-1"


def test_patterns_fit_as_in_mongodb(stored: Any, site: Any) -> None:
    conditions: list[Any] = [
        {"$regex": "^c", "$options": "i"},
        {"$regex": "u$"},
        {"$regex": re.compile("^c", re.IGNORECASE)},
        re.compile("^c", re.IGNORECASE),
        re.compile("C"),
    ]
    if not is_mongomock(site):
        conditions.append({"$not": {"$regex": "^n", "$options": "i"}})
    if not site.is_ferretdb:
        conditions.append({"$regex": "^c # begins so", "$options": "ix"})
    for condition in conditions:
        assert stored.table({"sample": condition}).index.tolist() == ["run-1"], condition
        assert stored.table(sample=condition).index.tolist() == ["run-1"], condition


def test_patterns_in_a_list_are_found_by_mongodb_and_refused_elsewhere(stored: Any, site: Any) -> None:
    query = {"sample": {"$in": [re.compile("^C"), "Au"]}}
    if site.is_mongo:
        assert stored.table(query).index.tolist() == ["run-1"]
    else:
        with pytest.raises(InvalidMetadataError, match=r"only MongoDB finds patterns in a list.*\$or"):
            stored.table(query)


def test_a_wrong_condition_is_named(stored: Any, site: Any) -> None:
    queries: list[Any] = [{5: "Cu"}, {"$or": {"sample": "Cu"}}, {"$or": [{5: "Cu"}]}, {"$or": ["Cu"]}]
    if not is_mongomock(site):
        queries += [{"sample": {"$regex": "("}}, {"sample": {"$regex": "C", "$options": "q"}}]
    for query in queries:
        for find in (stored.table, stored.latest):
            with pytest.raises(InvalidMetadataError, match=r"the query cannot be answered: .*; write conditions"):
                find(query)


def test_a_value_that_no_document_holds_is_named(stored: Any) -> None:
    with pytest.raises(InvalidMetadataError, match=r"the query for 'sample' holds .*, of type object, which no"):
        stored.table({"sample": {"$gt": object()}})
    with pytest.raises(InvalidMetadataError, match="time is the date 2024-05-31; give a datetime"):
        stored.table({"time": {"$gt": DAY}})


@pytest.mark.parametrize("query", [{"$where": "true"}, {"$text": {"$search": "Cu"}}], ids=str)
def test_operators_that_only_mongodb_has_are_refused_for_files(tmp_path: pathlib.Path, query: Any) -> None:
    catalog = open_directory(tmp_path)
    catalog.store_run({"x": [1]})
    with pytest.raises(InvalidMetadataError, match=r"the query cannot be answered: .*; write conditions"):
        catalog.table(query)
