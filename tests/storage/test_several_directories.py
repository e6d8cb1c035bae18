"""Catalogs over several directories, and runs whose assets are elsewhere."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy
import pytest

from databroker_writable import (
    InvalidCatalogError,
    RunExistsError,
    StoreFailedError,
    StoreWarning,
    copy_runs,
    open_directory,
    to_dataset,
)
from databroker_writable.drivers import WritableMsgpackCatalog
from support.command_line import run, succeed, write_catalog

IMAGES = numpy.arange(2 * 50 * 40, dtype=numpy.uint16).reshape(2, 50, 40)


pytestmark = pytest.mark.usefixtures("elsewhere")


def store_images(directory: str, uid: str, images: Any = IMAGES, **options: Any) -> Any:
    return open_directory(directory, **options).store_run({"img": images}, uid=uid, asset_threshold=0)


def both() -> Any:
    return WritableMsgpackCatalog(["2026/*.msgpack", "2025/*.msgpack"], name="both")


def assert_has_images(catalog: Any, *uids: str) -> None:
    for uid in uids:
        numpy.testing.assert_array_equal(to_dataset(catalog[uid])["img"], IMAGES)
        assert catalog[uid].primary.read()["img"].shape[-2:] == IMAGES.shape[-2:]


def test_assets_of_each_directory_are_read_where_they_are(tmp_path: Path) -> None:
    store_images("2025", "old")
    store_images("2026", "new")
    assert_has_images(both(), "new", "old")
    path = write_catalog(
        "both.yml", "writable-msgpack-catalog", paths=[f"{tmp_path}/{year}/*.msgpack" for year in (2026, 2025)]
    )
    assert "nothing to report" in succeed("check", path)
    assert sorted(copy_runs(both(), open_directory("copies")).copied) == ["new", "old"]
    os.rename("2025", "gone")
    os.rename("2026", "gone as well")
    assert_has_images(open_directory("copies"), "new", "old")


def test_a_run_that_is_stored_into_an_open_catalog_later_is_read_there() -> None:
    store_images("2026", "new")
    catalog = both()
    assert_has_images(catalog, "new")
    store_images("2025", "old")
    catalog.force_reload()
    assert_has_images(catalog, "new", "old")
    assert_has_images(catalog.search({"uid": "old"}), "old")


def test_a_uid_that_is_stored_meanwhile_in_another_directory_is_taken() -> None:
    catalog = both()
    assert len(catalog) == 0
    open_directory("2025").store_run({"x": [1]}, uid="scan-7")
    with pytest.raises(RunExistsError, match="scan-7"):
        catalog.store_run({"x": [2]}, uid="scan-7")
    assert to_dataset(both()["scan-7"])["x"].values.tolist() == [1]


def test_a_run_that_was_retracted_in_its_own_directory_is_retracted_here() -> None:
    open_directory("2026").store_run({"x": [0]})
    years = open_directory("2025")
    for uid in ("good", "bad"):
        years.store_run({"x": [1]}, uid=uid, metadata={"sample": "Cu"})
    years.retract("bad", reason="wrong dark image")
    assert both().latest(sample="Cu").metadata["start"]["uid"] == "good"
    copies = open_directory("copies")
    copy_runs(both(), copies)
    assert copies.latest(sample="Cu").metadata["start"]["uid"] == "good"
    Path("2025/remarks/broken.json").write_text("{}")
    write_catalog(
        "both.yml", "writable-msgpack-catalog", paths=[os.path.abspath(f"{y}/*.msgpack") for y in (2026, 2025)]
    )
    assert "broken.json" in run("check", "both.yml").stdout


def test_a_run_of_another_catalog_is_read_and_where_its_arrays_stay_is_said() -> None:
    original = store_images("source", "scan")
    store_images("results", "other", IMAGES + 1)
    results = open_directory("results")
    with pytest.warns(StoreWarning, match=r"the arrays of the run 'scan' stay in '.*source/assets'.*copy_runs copies"):
        results.store_run(original)
    for catalog in (results, open_directory("results")):
        assert_has_images(catalog, "scan")
        numpy.testing.assert_array_equal(to_dataset(catalog["other"])["img"], IMAGES + 1)
    results.store_run(results["other"])  # its own, without a warning


def test_a_run_whose_arrays_are_missing_is_stored_with_a_warning() -> None:
    original = store_images("source", "scan")
    (file,) = Path("source/assets").rglob("*.h5")
    file.unlink()
    with pytest.warns(
        StoreWarning, match=rf"arrays of the run 'scan' cannot be read, because their file .*{file.name}"
    ):
        open_directory("results").store_run(original)


def test_a_run_of_another_catalog_is_refused_where_another_file_would_be_read_for_it() -> None:
    original = store_images("source", "scan")
    store_images("results", "scan", IMAGES + 1)
    Path("results/scan.msgpack").unlink()  # as if the process that stored it had been killed before
    with pytest.raises(StoreFailedError, match=r"results/assets/.*scan-primary.h5 exists already and differs from"):
        open_directory("results").store_run(original)
    assert list(open_directory("results")) == []


def test_an_asset_root_beside_other_runs_is_found_by_whoever_opens_the_directory() -> None:
    store_images("shared", "first")
    store_images("results", "second", asset_root="shared/assets")
    store_images("results", "third")
    assert_has_images(open_directory("results"), "second", "third")


def test_a_directory_that_is_gone_is_not_made_anew_under_an_open_catalog() -> None:
    catalog = open_directory("results")
    fit = catalog.store_run({"x": [1]}, uid="fit")
    os.rename("results", "unmounted")
    for use in (
        lambda: catalog.store_run({"x": [2]}),
        lambda: catalog.store_runs([{"x": [2]}]),
        lambda: catalog.annotate(fit, "beam dump"),
        catalog.latest,
        catalog.table,
    ):
        with pytest.raises(InvalidCatalogError, match="results' is gone; mount its file system again"):
            use()
    assert not os.path.exists("results")
    os.rename("unmounted", "results")
    catalog.store_run({"x": [2]})
    assert len(catalog) == 2
    os.rename("results", "deleted")
    assert open_directory("results").store_run({"x": [3]}).metadata["stop"]["exit_status"] == "success"
