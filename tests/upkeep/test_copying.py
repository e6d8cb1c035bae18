"""Copies of runs: whose the asset files are, and which run is there already."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import intake
import mongomock
import numpy
import pymongo.errors
import pytest

from databroker_writable import (
    InvalidMetadataError,
    InvalidRunError,
    NotFoundError,
    RunExistsError,
    ServerAwayError,
    copy_runs,
    open_directory,
    to_dataset,
)
from databroker_writable.drivers import WritableJSONLCatalog, WritableMsgpackCatalog
from databroker_writable.results.header_search import header_of
from databroker_writable.storage.file_backend import FileBackend
from databroker_writable.upkeep import copying
from databroker_writable.upkeep.copying import CopyReport
from databroker_writable.upkeep.deleting import deletion_of
from support import example_runs, sites
from support.command_line import run, succeed, unreachable_uri, write_catalog, write_mongo_catalog

IMAGES = numpy.arange(2 * 50 * 40, dtype=numpy.uint16).reshape(2, 50, 40)


pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture
def source() -> Any:
    catalog = open_directory("source")
    catalog.store_run({"img": IMAGES}, uid="images", asset_threshold=0)
    return catalog


def copy_until(error: type[BaseException], source: Any) -> None:
    """Copy while this error is raised; the report has it if it is none that ends the program."""
    ends = contextlib.nullcontext() if issubclass(error, Exception) else pytest.raises(error)
    with ends:
        copy_runs(source, open_directory("copies"))


def assert_is_copied(catalog: Any) -> None:
    numpy.testing.assert_array_equal(to_dataset(catalog["images"])["img"], IMAGES)
    assert not [path for top in ("source", "copies") for path in Path(top).rglob("*.part")]


@pytest.mark.parametrize("site", ["mongo-normalized[mongomock]", "mongo-embedded[mongomock]"], indirect=True)
@pytest.mark.parametrize("method", ["insert_one", "find_one"])
def test_a_mongodb_server_that_goes_away_is_no_failure_of_each_run(
    catalog: Any, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = open_directory("source")
    source.store_runs([{"x": [1]}, {"x": [2]}])
    assert copy_runs(source, catalog, list(source)[:1]).copied

    def gone(*args: Any, **kwargs: Any) -> None:
        raise pymongo.errors.AutoReconnect("connection closed")

    with monkeypatch.context() as patch:
        patch.setattr(mongomock.Collection, method, gone)
        with pytest.raises(ServerAwayError, match="no MongoDB server answers"):
            copy_runs(source, catalog)
    report = copy_runs(source, catalog)
    assert (len(report.copied), len(report.present)) == (1, 1)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_what_stops_a_copy_after_the_run_is_visible_leaves_its_assets(
    source: Any, error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: FileBackend, uid: str) -> Any:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(FileBackend, "stored_run", interrupted)
        copy_until(error, source)
    assert copy_runs(source, open_directory("copies")).present == ["images"]
    assert_is_copied(open_directory("copies"))


@pytest.mark.parametrize("error", [KeyboardInterrupt, InvalidRunError])
@pytest.mark.parametrize("is_stored", [True, False], ids=["the other has stored", "the other is about to store"])
def test_a_copy_that_ends_early_leaves_the_files_that_another_one_uses(
    source: Any, error: type[BaseException], is_stored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = copying.CatalogDestination._store
    others: list[Callable[[], Any]] = []

    def store_later(destination: Any, documents: Any) -> None:
        others.append(lambda: store(destination, documents))

    def overtaken(destination: Any, documents: Any) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(copying.CatalogDestination, "_store", store if is_stored else store_later)
            copy_runs(open_directory("source"), open_directory("copies"))
        raise error("the first one ends here")

    with monkeypatch.context() as patch:
        patch.setattr(copying.CatalogDestination, "_store", overtaken)
        copy_until(error, source)
    for finish in others:
        finish()
    assert_is_copied(open_directory("copies"))


def test_a_run_that_is_refused_leaves_no_files(source: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(destination: Any, documents: Any) -> None:
        raise InvalidRunError("no such runs here")

    monkeypatch.setattr(copying.CatalogDestination, "_store", refuse)
    copies = open_directory("copies")
    assert list(copy_runs(source, copies).failures) == ["images"]
    assert not [path for path in Path("copies").rglob("*") if path.is_file()]


@pytest.fixture(params=["msgpack", "mongo-normalized[server]", "mongo-embedded[server]"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A catalog with the asset root of the other one."""
    with sites.site(request.param, tmp_path, lambda: request.getfixturevalue("mongo_server")) as site:
        yield write_catalog("archive.yml", str(site.driver), **site.args, asset_root=str(tmp_path / "arrays"))


def test_a_copy_under_the_same_asset_root_outlives_the_original(archive: str, tmp_path: Path) -> None:
    catalog = open_directory("source", asset_root=str(tmp_path / "arrays"))
    catalog.store_run({"img": IMAGES, "dark": IMAGES + 1}, uid="images", asset_threshold=0)
    write_catalog(
        "source.yml", "writable-msgpack-catalog", paths=["source/*.msgpack"], asset_root=str(tmp_path / "arrays")
    )
    assert succeed("copy", "source.yml", archive) == "1 copied, 0 there already\n"
    assert len(list(Path("arrays").rglob("*.h5"))) == 2
    succeed("delete", "source.yml", "images", "--yes")
    succeed("check", archive, "--clean", "--grace", "0", "--unshared")
    succeed("copy", archive, "again")
    copied = to_dataset(open_directory("again")["images"])
    numpy.testing.assert_array_equal(copied["img"], IMAGES)
    numpy.testing.assert_array_equal(copied["dark"], IMAGES + 1)


def test_another_run_of_the_uid_is_not_called_a_copy() -> None:
    open_directory("source").store_run({"x": [1]}, uid="reduced")
    copies = open_directory("copies")
    copies.store_run({"x": [2]}, uid="reduced")
    report = copy_runs(open_directory("source"), copies)
    assert report.present == []
    assert isinstance(report.failures["reduced"], RunExistsError)
    assert "failed: reduced: another run with the uid 'reduced'" in run("copy", "source", "copies").stderr
    assert to_dataset(copies["reduced"])["x"].values.tolist() == [2]


def test_a_run_that_was_copied_before_it_was_finished_is_named(tmp_path: Path) -> None:
    documents = example_runs.small_documents(uid="scan")
    with sites.site("jsonl", tmp_path, lambda: None) as site:  # type: ignore[arg-type, return-value]
        source = site.open()
        writer = source._backend.open_writer(documents[0][1])
        for name, doc in documents[:-1]:
            writer(name, doc)
        writer.publish()
        assert copy_runs(site.open(), open_directory("copies"), as_is=True).copied == ["scan"]
        (file,) = Path(site.place).iterdir()
        file.unlink()
        site.open().store_run(documents)
        failure = copy_runs(site.open(), open_directory("copies"), as_is=True).failures["scan"]
    assert "before the run was finished; delete it there, and copy again" in str(failure)


@pytest.mark.parametrize("suffix", ["msgpack", "jsonl"])
def test_it_is_named_too_by_the_catalog_that_holds_it_since(suffix: str) -> None:
    driver = {"msgpack": WritableMsgpackCatalog, "jsonl": WritableJSONLCatalog}[suffix]
    documents = example_runs.small_documents(uid="scan")
    target = driver([f"copies/*.{suffix}"])
    source = open_directory("source")
    writer = source._backend.open_writer(documents[0][1])
    for name, doc in documents[:-1]:
        writer(name, doc)
    writer.publish()
    source.force_reload()
    assert copy_runs(source, target, as_is=True).copied == ["scan"]
    assert target["scan"].metadata["stop"] is None
    assert header_of(target, "scan").stop is None  # type: ignore[union-attr]
    Path("source/scan.msgpack").unlink()
    finished = open_directory("source")
    finished.store_run(documents)
    failure = copy_runs(finished, target, as_is=True).failures["scan"]
    assert "before the run was finished; delete it there, and copy again" in str(failure)


@pytest.mark.parametrize("layout", ["mongo-normalized", "mongo-embedded"])
def test_a_server_that_does_not_answer_ends_the_copy(source: Any, layout: str, tmp_path: Path) -> None:
    place = write_mongo_catalog("m.yml", layout, unreachable_uri(), asset_root=str(tmp_path / "arrays"))
    target = intake.open_catalog(place)["m"]
    with contextlib.closing(target._backend.database.client):
        with pytest.raises(ServerAwayError, match="no MongoDB server answers"):
            copy_runs(source, target)
        with pytest.raises(ServerAwayError, match="no MongoDB server answers"):
            copy_runs(target, source)


COPIED = "c8521f69"


@pytest.mark.parametrize(
    "named",
    [
        lambda source: COPIED,
        lambda source: COPIED[:3],
        lambda source: [COPIED],
        lambda source: (uid for uid in [COPIED]),
        lambda source: source[COPIED],
        lambda source: [source[COPIED]],
        lambda source: source.search({"sample": "Cu"}),
    ],
    ids=["a uid", "its first characters", "a list", "a generator", "a run", "a list of runs", "the runs of a search"],
)
def test_the_runs_to_copy_are_named_in_any_way(source: Any, named: Callable[[Any], Any]) -> None:
    for uid in ("8128c23f", "5d2f0000", "ffee0000"):
        source.store_run({"x": [1]}, uid=uid)
    source.store_run({"x": [1]}, {"sample": "Cu"}, uid=COPIED)
    report = copy_runs(source, open_directory("copies"), named(source))
    assert report == CopyReport(copied=[COPIED])


@pytest.mark.parametrize("named", ["nope", ["images", "nope"]])
def test_a_run_to_copy_that_is_not_there_is_named_and_nothing_is_copied(source: Any, named: Any) -> None:
    with pytest.raises(NotFoundError, match="uids names the run 'nope', which the catalog 'source' does not have"):
        copy_runs(source, open_directory("copies"), named)
    assert list(open_directory("copies")) == []


@pytest.mark.parametrize("named", [5, [5], {"x": [1]}, [None]])
def test_what_is_no_run_to_copy_is_refused(source: Any, named: Any) -> None:
    with pytest.raises(InvalidMetadataError, match=r"^uids "):
        copy_runs(source, open_directory("copies"), named)


@pytest.mark.parametrize("metadata", [{"note": "{{ text }}"}, {"sample": 42}, {"a.b": 1}])
def test_metadata_that_break_the_rules_are_copied_as_they_are(metadata: dict[str, Any]) -> None:
    source = open_directory("source")
    for name, doc in example_runs.small_documents(uid="scan"):
        source.v1.insert(name, {**doc, **metadata} if name == "start" else doc)
    failures = copy_runs(source, open_directory("copies")).failures
    assert isinstance(failures["scan"], InvalidMetadataError)
    assert copy_runs(source, open_directory("copies"), as_is=True).copied == ["scan"]
    assert open_directory("copies")["scan"].metadata["start"].items() >= metadata.items()


def test_a_run_that_is_deleted_before_its_turn_is_named_and_the_others_are_copied(source: Any) -> None:
    source.store_run({"x": [1]}, uid="small")
    deletion_of(open_directory("source"), "images").execute()
    report = copy_runs(source, open_directory("copies"))
    assert report.copied == ["small"]
    assert str(report.failures["images"]) == "the run 'images' was deleted in 'source' before it could be copied"
