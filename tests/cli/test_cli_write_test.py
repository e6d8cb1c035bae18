"""``databroker-writable check --write-test``: what an admin runs after deployment."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import intake
import pytest

from databroker_writable import open_directory
from databroker_writable.results.header_search import PROBE
from databroker_writable.upkeep import probe_run, write_test
from support import servers, sites
from support.command_line import PASSWORD, run, succeed, unreachable_uri, write_catalog, write_mongo_catalog

posix = pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warm_processes: None) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    before = os.umask(0o002)
    yield
    os.umask(before)


def findings(*arguments: str, status: int) -> list[str]:
    """The kinds of what a write test finds."""
    result = run("check", *arguments, "--write-test", "--json")
    assert result.exit_code == status, result.output
    return sorted(finding["kind"] for finding in json.loads(result.stdout)["findings"])


def found(catalog: Any, complaint: str = "") -> list[str]:
    """The same without a new process."""
    return [finding.category for finding in write_test(catalog, lambda uid: complaint).findings]


def test_a_good_directory_has_no_findings() -> None:
    open_directory("results")
    assert findings("results", status=0) == []
    assert "a probe run was stored; nothing to report" in succeed("check", "results", "--write-test")


def test_the_probe_run_stays_and_is_left_out_of_lists() -> None:
    catalog = open_directory("results")
    raw = catalog.store_run({"x": [1]}, uid="raw")
    succeed("check", "results", "--write-test")
    succeed("check", "results", "--write-test")
    again = open_directory("results")
    assert len([uid for uid in again if again[uid].metadata["start"].get(PROBE) is True]) == 2
    assert [record["uid"] for record in json.loads(succeed("ls", "results", "--json"))] == ["raw"]
    assert again.latest().metadata["start"]["uid"] == "raw"
    assert len(again.results_of(raw)) == 0
    assert run("check", "results").exit_code == 0


@pytest.mark.parametrize("layout", sites.MONGO_SITES)
@pytest.mark.parametrize("asset_root", ["there", None, "missing"])
def test_a_catalog_in_mongodb_is_tested(
    layout: str, asset_root: str | None, mongo_server: servers.MongoServer, tmp_path: Path
) -> None:
    Path("there").mkdir()
    arguments = {} if asset_root is None else {"asset_root": str(tmp_path / asset_root)}
    with mongo_server.database() as database:
        write_mongo_catalog("m.yml", layout, mongo_server.database_uri(database), **arguments)
        expected = {"there": (0, []), None: (0, ["no-asset-root"]), "missing": (1, ["asset-root-unreachable"])}
        status, kinds = expected[asset_root]
        assert findings("m.yml", status=status) == kinds
        assert len(intake.open_catalog("m.yml")["m"]) == 1
    assert not Path("missing").exists()


def test_missing_indexes_are_found(mongo_server: servers.MongoServer) -> None:
    with mongo_server.database() as database:
        write_mongo_catalog("m.yml", "mongo-normalized", mongo_server.database_uri(database))
        catalog = intake.open_catalog("m.yml")["m"]
        catalog._backend.has_indexes = True
        assert "index-missing" in found(catalog)


def test_a_missing_handler_is_found() -> None:
    assert found(open_directory("results", handler_registry={})) == []
    complaint = "UndefinedAssetSpecification: Resource refers to spec 'DATABROKER_WRITABLE_HDF5'"
    assert found(open_directory("others"), complaint) == ["handler-missing"]


def test_a_run_that_cannot_be_read_elsewhere_is_found() -> None:
    assert found(open_directory("results"), "ServerSelectionTimeoutError: gone") == ["not-read"]


def test_reading_elsewhere_compares_the_values() -> None:
    catalog = open_directory("results")
    catalog.store_run({"x": [1.0, 2.5]}, uid="other")
    with pytest.raises(ValueError, match="differ from those that were stored"):
        probe_run.read_probe(catalog, "other")


def test_a_catalog_that_takes_no_runs_is_found() -> None:
    paths = ["{{ CATALOG_DIR }}/results/*.msgpack"]
    write_catalog("guarded.yml", "writable-msgpack-catalog", paths=paths, writable=False)
    assert findings("guarded.yml", status=1) == ["not-stored"]


def test_a_server_that_is_gone_is_found_without_its_password() -> None:
    write_mongo_catalog("m.yml", "mongo-normalized", unreachable_uri())
    result = run("check", "m.yml", "--write-test")
    assert result.exit_code == 1
    assert PASSWORD not in result.output


def test_a_clock_that_differs_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = open_directory("results")
    now = probe_run.time.time()
    monkeypatch.setattr(probe_run.time, "time", lambda: now + 3600)
    assert set(found(catalog)) == {"clock-skew"}


@posix
def test_a_directory_that_everybody_may_write_is_found() -> None:
    catalog = open_directory("results")
    os.chmod("results", 0o777)
    assert "world-writable" in found(catalog)


@pytest.fixture
def rights_stay(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """On a file system that refuses to change rights; gives what changes them all the same."""

    def refuse(*args: Any) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    change = os.chmod
    monkeypatch.setattr(os, "chmod", refuse)
    yield change
    monkeypatch.undo()


@posix
def test_files_that_a_group_cannot_read_are_found(rights_stay: Callable[..., None]) -> None:
    catalog = open_directory("results")
    rights_stay("results", 0o770)
    os.umask(0o077)
    assert "group-permissions" in found(catalog)


@posix
def test_directories_of_arrays_that_a_group_cannot_write_are_found(rights_stay: Callable[..., None]) -> None:
    catalog = open_directory("results")
    rights_stay("results", 0o770)
    os.umask(0o022)
    assert found(catalog) == ["group-permissions"] * 3
    for directory in ("results/assets", *Path("results/assets").rglob("*/")):
        rights_stay(directory, 0o770)
    assert found(catalog) == []


def test_nothing_is_created_where_no_catalog_is() -> None:
    result = run("check", "nowhere", "--write-test")
    assert result.exit_code == 1
    assert "neither a directory nor a catalog" in result.stderr
    assert not os.path.exists("nowhere")


def test_a_write_test_cleans_nothing() -> None:
    open_directory("results")
    assert run("check", "results", "--write-test", "--clean").exit_code == 2
