"""Runs that are deleted for good: whole, with assets and remarks, and no other run with them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import event_model
import msgpack
import numpy
import pytest
import suitcase.msgpack
from databroker._drivers.msgpack import BlueskyMsgpackCatalog
from msgpack_numpy import encode

from databroker_writable import (
    InvalidMetadataError,
    InvalidRunError,
    NotFoundError,
    NotWritableError,
    RunExistsError,
    StoreFailedError,
    StoreWarning,
    copy_runs,
    open_directory,
    to_dataset,
    writable_class,
)
from databroker_writable.drivers import WritableCatalog, WritableJSONLCatalog, WritableMsgpackCatalog
from databroker_writable.results.remarks import tags_of
from databroker_writable.upkeep import clean, examine
from databroker_writable.upkeep.deleting import deletion_of
from support import children, sites

SITES = [site for site in sites.ALL_SITES if site not in ("collecting", "own-backend")]


@pytest.fixture
def assets(tmp_path):
    return tmp_path / "arrays"


@pytest.fixture
def catalog(site, assets):
    if site.kind == "adopted":
        pytest.skip("opened without an asset_root")
    return site.open(asset_root=str(assets))


def store(catalog, uid, **arguments):
    table = {"image": [numpy.arange(6.0).reshape(2, 3)], "x": [1.0]}
    return catalog.store_run(table, uid=uid, asset_threshold=0, **arguments)


def files(directory):
    return sorted(path.name for path in Path(directory).rglob("*.h5"))


@pytest.mark.parametrize("site", SITES, indirect=True)
def test_nothing_of_a_deleted_run_is_left(site, catalog, assets):
    store(catalog, "run-1")
    before, files_before = site.snapshot(), files(assets)
    store(catalog, "run-2")
    catalog.annotate("run-2", "beam dump", tags=["bad-frames"])
    deletion = deletion_of(catalog, "run-2")
    assert deletion.is_visible
    assert [os.path.basename(path) for path in deletion.assets] == ["run-2-primary.h5"]
    assert deletion.kept == []
    deletion.execute()
    assert files(assets) == files_before == ["run-1-primary.h5"]
    assert {key: value for key, value in site.snapshot().items() if value} == before
    again = site.open(asset_root=str(assets))
    assert list(again) == ["run-1"]
    assert again["run-1"].primary.read()["image"].shape == (1, 2, 3)
    assert tags_of(again) == {}
    assert examine(again).findings == []


@pytest.mark.parametrize("site", ["msgpack", "mongo-normalized[mongomock]"], indirect=True)
def test_a_run_that_is_not_there_is_refused(catalog):
    store(catalog, "run-1")
    store(catalog, "run-2")
    with pytest.raises(InvalidRunError, match="no run 'elsewhere', and no interrupted deletion of it"):
        deletion_of(catalog, "elsewhere")
    with pytest.raises(InvalidRunError, match="Multiple matches to 'run-'"):
        deletion_of(catalog, "run-")
    assert deletion_of(catalog, "run-1").uid == "run-1"


def test_a_guarded_catalog_is_left_alone(tmp_path):
    run = open_directory(tmp_path / "raw").store_run({"x": [1]})
    guarded = open_directory(tmp_path / "raw", writable=False)
    with pytest.raises(NotWritableError, match="writable: false"):
        deletion_of(guarded, run.metadata["start"]["uid"])


def test_a_driver_of_others_deletes_nothing(tmp_path):
    catalog = WritableCatalog("support.facility.CollectingCatalog", {"directory": str(tmp_path)})
    catalog.store_run({"x": [1]}, uid="run-1")
    with pytest.raises(NotWritableError, match="use the facility's own tools"):
        deletion_of(catalog, "run-1")


def test_assets_that_another_catalog_of_the_directory_uses_stay(tmp_path, assets):
    catalog = open_directory(tmp_path / "runs")
    store(catalog, "run-1")
    copy = WritableJSONLCatalog([str(tmp_path / "runs" / "*.jsonl")])
    copy.store_run(catalog["run-1"])
    deletion = deletion_of(catalog, "run-1")
    assert deletion.assets == []
    assert [os.path.basename(path) for path in deletion.kept] == ["run-1-primary.h5"]
    deletion.execute()
    assert copy["run-1"].primary.read()["image"].shape == (1, 2, 3)


@pytest.mark.parametrize("damage", ["pickled", "truncated"])
def test_assets_that_a_run_could_use_that_cannot_be_read_stay(tmp_path, damage):
    catalog = open_directory(tmp_path / "runs")
    store(catalog, "run-1")
    other = tmp_path / "runs" / "run-2.msgpack"
    if damage == "truncated":
        other.write_bytes((tmp_path / "runs" / "run-1.msgpack").read_bytes()[:-100])
    else:
        other.write_bytes(msgpack.packb(["start", {"uid": "run-2", "x": numpy.array([{}])}], default=encode))
    deletion = deletion_of(catalog, "run-1")
    assert deletion.assets == []
    assert [os.path.basename(path) for path in deletion.kept] == ["run-1-primary.h5"]


@pytest.mark.filterwarnings("ignore:the arrays of the run 'run-1' stay in")
def test_assets_that_lie_elsewhere_stay(tmp_path):
    first = open_directory(tmp_path / "first")
    store(first, "run-1")
    second = open_directory(tmp_path / "second")
    second.store_run(first["run-1"])
    deletion = deletion_of(second, "run-1")
    assert deletion.assets == []
    deletion.execute()
    assert first["run-1"].primary.read()["image"].shape == (1, 2, 3)


@pytest.mark.parametrize(
    "site",
    ["msgpack", "jsonl", "prefixed", "mongo-embedded[mongomock]", "mongo-normalized[mongomock]"],
    indirect=True,
)
def test_no_run_takes_the_uid_of_one_whose_deletion_was_cut_off(site, catalog, assets):
    store(catalog, "run-1")
    catalog.retract("run-1", reason="beam dump")
    deletion_of(catalog, "run-1").hide()
    again = site.open(asset_root=str(assets))
    documents = children.documents_of("run-1", 3)
    for storing in (
        lambda: store(again, "run-1"),
        lambda: again.store_run(documents),
        lambda: again.v1.insert(*documents[0]),
    ):
        with pytest.raises(RunExistsError, match=r"was interrupted: .* delete CATALOG UID finishes it"):
            storing()
    with pytest.raises(StoreFailedError, match=r"delete CATALOG UID finishes it"):
        again.store_runs([documents])
    deletion_of(again, "run-1").execute()
    again.store_run(documents)
    assert not list(again.annotations("run-1"))
    assert examine(again).findings == []


def test_nor_where_the_driver_stores_into_a_directory_for_each_cycle(tmp_path):
    class CatalogOfCycles(BlueskyMsgpackCatalog):
        def _get_serializer(self):
            def factory(name, doc):
                return [suitcase.msgpack.Serializer(str(tmp_path), file_prefix="{start[cycle]}/{start[uid]}")], []

            return event_model.RunRouter([factory])

    catalog = writable_class(CatalogOfCycles)([str(tmp_path / "*.msgpack"), str(tmp_path / "*" / "*.msgpack")])
    catalog.store_run({"x": [1]}, {"cycle": "2026-3"}, uid="run-1")
    deletion_of(catalog, "run-1").hide()
    with pytest.raises(RunExistsError, match="was interrupted"):
        catalog.store_run({"x": [1]}, {"cycle": "2026-3"}, uid="run-1")


@pytest.mark.parametrize("site", ["msgpack", "mongo-embedded[mongomock]"], indirect=True)
def test_a_check_does_not_advise_to_delete_a_run_that_is_there(site, catalog, assets):
    store(catalog, "run-1")
    before = site.snapshot()
    kept = {path: path.read_bytes() for path in site.directory.glob("*")} if site.directory else None
    headers = None if site.database is None else list(site.database.header.find())
    deletion_of(catalog, "run-1").hide()
    if kept is None:
        site.database.header.insert_many(headers)
    else:
        for path, data in kept.items():
            path.write_bytes(data)
    assert before.items() <= site.snapshot().items()
    (finding,) = examine(site.open(asset_root=str(assets))).findings
    assert finding.category == "cut-off-deletion"
    assert "of a run that is there: " in finding.message
    assert "finishes it" not in finding.message


@pytest.mark.parametrize("patterns", [["first/*.msgpack", "second/*.msgpack"], ["first/*.msgpack", "s*d/*.msgpack"]])
def test_a_deletion_that_was_cut_off_is_found_in_each_directory(tmp_path, monkeypatch, patterns):
    monkeypatch.chdir(tmp_path)
    open_directory("second").store_run({"x": [1]}, uid="run-1")
    deletion_of(WritableMsgpackCatalog(patterns, name="both"), "run-1").hide()
    catalog = WritableMsgpackCatalog(patterns, name="both")
    assert list(catalog) == []
    (finding,) = examine(catalog).findings
    assert "databroker-writable delete CATALOG run-1 finishes it" in finding.message
    deletion_of(catalog, "run-1").execute()
    assert os.listdir("second") == []


def test_a_run_file_of_another_name_is_found(tmp_path):
    catalog = open_directory(tmp_path / "runs")
    catalog.store_run({"x": [1]}, uid="run-1")
    os.rename(tmp_path / "runs" / "run-1.msgpack", tmp_path / "runs" / "scan_7.msgpack")
    catalog = open_directory(tmp_path / "runs")
    catalog.store_run({"x": [1]}, uid="run-2")
    deletion_of(catalog, "run-1").execute()
    assert sorted(os.listdir(tmp_path / "runs")) == ["run-2.msgpack"]


@pytest.mark.parametrize("suffix", ["msgpack", "jsonl"])
def test_the_file_that_is_named_after_a_run_may_hold_another(tmp_path, suffix):
    driver = {"msgpack": WritableMsgpackCatalog, "jsonl": WritableJSONLCatalog}[suffix]
    paths = [str(tmp_path / f"*.{suffix}")]
    catalog = driver(paths)
    catalog.store_run({"x": [1]}, uid="run-1")
    catalog.store_run({"x": [2]}, uid="abc")
    os.rename(tmp_path / f"run-1.{suffix}", tmp_path / f"other.{suffix}")
    os.rename(tmp_path / f"abc.{suffix}", tmp_path / f"run-1.{suffix}")
    deletion_of(driver(paths), "run-1").execute()
    assert list(driver(paths)) == ["abc"]
    with pytest.raises(InvalidRunError, match="no run 'run-1'"):
        deletion_of(driver(paths), "run-1")
    assert list(driver(paths)) == ["abc"]


def test_nor_is_it_taken_for_the_rest_of_a_deletion(tmp_path):
    catalog = open_directory(tmp_path)
    catalog.store_run({"x": [1]}, uid="run-1")
    catalog.store_run({"x": [2]}, uid="abc")
    deletion_of(catalog, "run-1").hide()
    os.rename(tmp_path / "abc.msgpack", tmp_path / "run-1.msgpack")
    (finding,) = examine(open_directory(tmp_path)).findings
    assert "databroker-writable delete CATALOG run-1 finishes it" in finding.message
    deletion_of(open_directory(tmp_path), "run-1").execute()
    assert list(open_directory(tmp_path)) == ["abc"]
    assert examine(open_directory(tmp_path)).findings == []


def test_a_file_that_does_not_say_whose_it_is_goes_by_its_name(tmp_path):
    catalog = open_directory(tmp_path)
    catalog.store_run({"x": [1]}, uid="run-1")
    (tmp_path / "run-1.msgpack").write_bytes(b"")
    deletion_of(catalog, "run-1").execute()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("site", ["msgpack", "mongo-embedded[mongomock]"], indirect=True)
def test_a_check_finds_a_deletion_that_was_cut_off(site, catalog, assets):
    store(catalog, "run-1")
    deletion = deletion_of(catalog, "run-1")
    deletion.hide()
    again = site.open(asset_root=str(assets))
    assert list(again) == []
    categories = {finding.category for finding in examine(again).findings}
    assert {"cut-off-deletion", "orphan-asset"} <= categories
    message = next(found.message for found in examine(again).findings if found.category == "cut-off-deletion")
    assert "databroker-writable delete CATALOG run-1 finishes it" in message
    finishing = deletion_of(again, "run-1")
    assert not finishing.is_visible
    finishing.execute()
    assert examine(again).findings == []
    assert files(assets) == []


@pytest.mark.parametrize("site", ["mongo-embedded[mongomock]", "mongo-normalized[mongomock]"], indirect=True)
@pytest.mark.parametrize("is_cleaned", [False, True])
def test_remarks_of_a_deletion_that_was_cut_off_are_removed_by_the_next(site, catalog, assets, is_cleaned):
    store(catalog, "run-1")
    catalog.retract("run-1", reason="beam dump")
    deletion_of(catalog, "run-1").hide()
    again = site.open(asset_root=str(assets))
    if is_cleaned:
        # also the documents by which the run is found otherwise
        clean(examine(again).findings, grace=0)
    (finding,) = [found for found in examine(again).findings if found.category == "cut-off-deletion"]
    assert "databroker-writable delete CATALOG run-1 finishes it" in finding.message
    deletion_of(again, "run-1").execute()
    assert list(again._backend.remarks()) == []
    # an array whose resource was cleaned is a leftover of its own
    assert {found.category for found in examine(again).findings} <= {"orphan-asset"}


def test_a_deletion_that_was_cut_off_is_named_though_its_file_is_damaged(tmp_path):
    catalog = open_directory(tmp_path)
    catalog.store_run({"x": [1]}, uid="run-1")
    deletion_of(catalog, "run-1").hide()
    (tmp_path / ".run-1.msgpack.deleted").write_bytes(b"")
    (finding,) = examine(catalog).findings
    assert "databroker-writable delete CATALOG run-1 finishes it" in finding.message
    deletion_of(catalog, "run-1").execute()
    assert os.listdir(tmp_path) == []


def test_a_check_knows_remarks_and_finds_those_that_are_none(tmp_path):
    catalog = open_directory(tmp_path / "runs")
    catalog.annotate(catalog.store_run({"x": [1]}, uid="run-1"), "good")
    assert examine(catalog).findings == []
    remarks = tmp_path / "runs" / "remarks"
    (remarks / "other.json").write_text("[]")
    (remarks / ".some.json.0123abcd.part").write_text("{")
    assert [finding.category for finding in examine(catalog).findings] == ["partial-remark", "bad-remark"]
    with pytest.warns(match=r"other\.json is not a remark on a run"):
        assert len(catalog.annotations("run-1")) == 1
    report = examine(catalog)
    clean(report.findings, grace=0)
    assert [finding.category for finding in examine(catalog).findings] == ["bad-remark"]


def test_remarks_go_with_the_directory_and_with_copies(tmp_path):
    catalog = open_directory(tmp_path / "runs")
    run = catalog.store_run({"x": [1]}, uid="run-1")
    catalog.annotate(run, "good", tags=["good"])
    shutil.copytree(tmp_path / "runs", tmp_path / "moved")
    assert tags_of(open_directory(tmp_path / "moved")) == {"run-1": ["good"]}
    other = open_directory(tmp_path / "other")
    for _ in range(2):
        copy_runs(catalog, other)
        assert other.annotations("run-1") == catalog.annotations(run)
    catalog.retract(run, reason="wrong edge")
    copy_runs(catalog, other)
    assert other.annotations("run-1") == catalog.annotations(run)


@pytest.mark.parametrize("site", ["mongo-embedded[mongomock]", "mongo-normalized[mongomock]"], indirect=True)
def test_a_run_that_was_deleted_while_it_was_open_is_no_empty_table(site, catalog):
    stored = catalog.store_run({"x": [1]}, uid="run-1")
    opened = catalog["run-1"]
    assert list(opened) == ["primary"]
    deletion_of(site.open(), "run-1").execute()
    for run in (stored, opened):
        with pytest.raises((NotFoundError, InvalidRunError), match="the run was deleted after it was opened"):
            to_dataset(run)


@pytest.mark.parametrize("suffix", ["msgpack", "jsonl"])
def test_an_open_catalog_does_without_a_run_that_another_process_deleted(tmp_path, suffix):
    driver = {"msgpack": WritableMsgpackCatalog, "jsonl": WritableJSONLCatalog}[suffix]
    catalog = driver([str(tmp_path / f"*.{suffix}")])
    older = catalog.store_run({"x": [1]}, {"sample": "Cu"}, uid="older")
    catalog.store_run({"x": [2]}, {"sample": "Cu"}, uid="newer")
    deletion_of(driver([str(tmp_path / f"*.{suffix}")]), "newer").execute()

    assert catalog.latest(sample="Cu").metadata["start"]["uid"] == older.metadata["start"]["uid"]
    with pytest.raises(InvalidMetadataError, match="has no run 'newer'"):
        catalog.retract("newer", "wrong")
    with pytest.raises(NotFoundError, match="has no run 'newer'"):
        catalog.lineage("newer")
    with pytest.warns(StoreWarning, match="names the run 'newer'"):
        catalog.store_run({"x": [1]}, derived_from="newer")
    assert catalog.store_run({"x": [3]}, uid="newer").primary.read()["x"].values.tolist() == [3]
    assert catalog.latest().metadata["start"]["uid"] == "newer"


@pytest.mark.parametrize("site", [name for name in SITES if name.startswith("mongo")], indirect=True)
def test_the_header_of_a_deleted_run_is_named(catalog):
    store(catalog, "fit-1")
    header = catalog.v1[-1]
    deletion_of(catalog, "fit-1").execute()
    with pytest.raises(NotFoundError, match="'fit-1' any more: it was removed"):
        to_dataset(header)
