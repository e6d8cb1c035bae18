"""The headers of a catalog's runs: newest first, and each document as databroker gives it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from databroker_writable import copy_runs, make_writable, open_directory
from databroker_writable.upkeep import examine
from databroker_writable.upkeep.deleting import deletion_of
from support import example_runs, facility, sites


def count_up(start: dict[str, Any]) -> dict[str, Any]:
    return {**start, "n": start["n"] + 1}


@pytest.fixture
def listing(tmp_path: Path) -> Any:
    """A driver that is neither in memory nor MongoDB's, with runs whose names are not in the order of their times."""
    catalog = make_writable(facility.ListingCatalog(str(tmp_path), transforms={"start": count_up}))
    for time, uid in enumerate(["a-old", "k-mid", "z-new"]):
        catalog.store_run({"x": [1]}, {"n": 0, "sample": "Cu" if time < 2 else "Ag"}, uid=uid, time=1.7e9 + time)
    return catalog


def test_runs_of_any_driver_are_found_newest_first(listing: Any) -> None:
    assert list(listing.table().index) == ["z-new", "k-mid", "a-old"]
    assert list(listing.table(sample="Cu").index) == ["k-mid", "a-old"]
    assert listing.latest().metadata["start"]["uid"] == "z-new"
    assert listing.latest(sample="Cu").metadata["start"]["uid"] == "k-mid"
    assert [line.split()[0] for line in repr(listing).splitlines()[2:]] == ["z-new", "k-mid", "a-old"]


def test_transforms_of_any_driver_are_applied_once(listing: Any) -> None:
    assert listing["a-old"].metadata["start"]["n"] == 1
    assert listing.latest().metadata["start"]["n"] == 1
    assert list(listing.table(None, "n")["n"]) == [1, 1, 1]


@pytest.mark.parametrize("site", ["msgpack", "jsonl", "collecting"], indirect=True)
def test_a_run_whose_time_is_none_does_not_disturb_the_order_of_the_others(catalog: Any, site: sites.Site) -> None:
    for time in (3, 1):
        catalog.store_run({"x": [1]}, uid=f"run-{time}", time=1.7e9 + time)
    documents = example_runs.small_documents(uid="timeless")
    writer = catalog._backend.open_writer(documents[0][1])
    for name, doc in documents:
        writer(name, {**doc, "time": math.nan} if name == "start" else doc)
    if not site.is_collecting:
        writer.publish()
    for time in (5, 2, 4):
        catalog.store_run({"x": [1]}, uid=f"run-{time}", time=1.7e9 + time)
    for opened in (catalog, site.open()):
        assert list(opened.table().index) == ["run-5", "run-4", "run-3", "run-2", "run-1", "timeless"]
        assert opened.latest().metadata["start"]["uid"] == "run-5"


@pytest.mark.parametrize("site", ["msgpack", "jsonl", "adopted", "mongo-normalized[mongomock]"], indirect=True)
def test_a_run_that_another_process_deleted_is_in_no_list(catalog: Any, site: sites.Site) -> None:
    catalog.store_run({"x": [1]}, uid="raw-1")
    for number in range(3):
        catalog.store_run({"x": [1]}, uid=f"fit-{number}", derived_from="raw-1", time=2e9 + number)
    found = catalog.search({"derived_from.uid": "raw-1"})
    assert len(found) == 3
    deletion_of(site.open(), "fit-2").execute()
    for _ in range(2):
        assert list(catalog.table().index) == ["fit-1", "fit-0", "raw-1"]
        assert "fit-2" not in repr(catalog)
        assert set(catalog.lineage("raw-1")) == {"raw-1", "fit-0", "fit-1"}
        assert list(catalog.results_of("raw-1")) == ["fit-1", "fit-0"]
        assert list(catalog.impact("raw-1").index) == ["fit-0", "fit-1"]
        assert list(found.table().index) == ["fit-1", "fit-0"]
        assert catalog.latest().metadata["start"]["uid"] == "fit-1"
    catalog.store_run({"x": [1]}, uid="fit-2", derived_from="raw-1", time=2e9 + 2)
    assert list(catalog.table().index) == ["fit-2", "fit-1", "fit-0", "raw-1"]


FOREIGN: dict[str, list[Any]] = {
    "run_start": [{"hello": "world"}],  # only one, by the unique index
    "event_descriptor": [{"hello": "world"}],
    "header": [{"hello": "world"}, {"start": [{"hello": "world"}]}],
}


@pytest.mark.parametrize("site", ["mongo-normalized[mongomock]", "mongo-embedded[mongomock]"], indirect=True)
def test_documents_of_another_program_in_the_database_are_no_runs(
    catalog: Any, site: sites.Site, tmp_path: Any
) -> None:
    catalog.store_run({"x": [1]}, uid="fit-1")
    names = ["header"] if site.kind == "mongo-embedded" else ["run_start", "event_descriptor"]
    for name in names:
        for document in FOREIGN[name]:
            site.database[name].insert_one(dict(document))
    assert list(catalog.table().index) == ["fit-1"]
    assert catalog.latest().metadata["start"]["uid"] == "fit-1"
    assert "fit-1" in repr(catalog)
    assert copy_runs(catalog, open_directory(tmp_path / "copy")).copied == ["fit-1"]
    findings = examine(catalog).findings
    assert len(findings) == len(FOREIGN[names[0]])
    assert all("databroker cannot list this catalog" in finding.message for finding in findings)
