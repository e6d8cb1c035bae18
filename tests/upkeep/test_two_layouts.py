"""Both layouts of MongoDB in one database, where they keep Events, Datums and remarks in the same collections."""

from __future__ import annotations

from typing import Any

import mongomock
import pytest

from databroker_writable import RunExistsError, copy_runs, to_dataset
from databroker_writable.drivers import WritableMongoEmbeddedCatalog, WritableMongoNormalizedCatalog
from databroker_writable.upkeep import examine
from databroker_writable.upkeep.check_report import clean
from databroker_writable.upkeep.deleting import deletion_of


@pytest.fixture
def layouts(tmp_path: Any) -> list[Any]:
    """A catalog of each layout over one database."""
    database = mongomock.MongoClient()["runs"]
    options = {"asset_root": str(tmp_path), "asset_threshold": 0}
    return [
        WritableMongoNormalizedCatalog(database, database, name="normalized", **options),
        WritableMongoEmbeddedCatalog(database, name="embedded", **options),
    ]


TABLE = {"x": [1, 2], "image": [[[1, 2]], [[3, 4]]]}


@pytest.mark.parametrize("first", [0, 1])
def test_a_check_takes_nothing_of_the_other_layout_for_a_leftover(layouts: list[Any], first: int) -> None:
    for i, catalog in enumerate(layouts):
        catalog.store_run(TABLE, uid=f"run-{i}")
    report = examine(layouts[first])
    assert {found.category for found in report.findings} <= {"orphan-asset"}
    clean(report.findings, grace=0)
    for i, catalog in enumerate(layouts):
        assert to_dataset(catalog[f"run-{i}"])["image"].values.tolist() == TABLE["image"]


@pytest.mark.parametrize("first", [0, 1])
def test_a_run_of_the_other_layout_is_not_copied_onto_its_own_events(layouts: list[Any], first: int) -> None:
    one, other = layouts[first], layouts[1 - first]
    one.store_run(TABLE, uid="run-1")
    report = copy_runs(one, other)
    assert "in the same database in another layout" in str(report.failures["run-1"])
    with pytest.raises(RunExistsError, match="store it in another database"):
        other.store_run({"x": [3]}, uid="run-1")
    other.store_run({"x": [3]}, uid="run-2")
    deletion_of(other, "run-2").execute()
    assert to_dataset(one["run-1"])["image"].values.tolist() == TABLE["image"]
    assert list(other) == []
