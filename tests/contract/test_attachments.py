"""Files beside the arrays of a run come back as they were, on every backend, and stay with it."""

from __future__ import annotations

import hashlib
import os

import numpy
import pytest
from matplotlib.figure import Figure

from databroker_writable import InvalidTableError, RunBuilder, attachments, build_simple_run, copy_runs, open_directory
from databroker_writable.upkeep.checking import examine
from databroker_writable.upkeep.deleting import deletion_of
from support import example_runs, sites

EVERY_BYTE = bytes(range(256)) * 3
FILES = {"fit.png": EVERY_BYTE, "fit_png": b"another", "Messung µ (2).txt": b"Probe\r\n", "empty.dat": b""}

MONGO = [name for name in sites.ALL_SITES if name.startswith("mongo")]
DELETABLE = [name for name in sites.ALL_SITES if name not in sites.WRAPPED_SITES]


@pytest.fixture
def catalog(site, tmp_path):
    return site.open(**site.with_assets(tmp_path))


def again(site, tmp_path):
    return site.open(**site.with_assets(tmp_path))


def figure():
    drawn = Figure()
    drawn.subplots().plot([1, 2, 3])
    return drawn


def test_files_come_back_as_they_were(catalog, site, tmp_path):
    stored = catalog.store_run({"x": [1, 2, 3]}, uid="fit-1", attachments=FILES)
    for run in (stored, again(site, tmp_path)["fit-1"]):
        assert dict(attachments(run)) == FILES
        assert list(attachments(run)) == list(FILES)
        assert run.primary.read().x.values.tolist() == [1, 2, 3]
    data_keys = stored.attachments.metadata["descriptors"][0]["data_keys"]
    told = [(key["file_name"], key["media_type"]) for key in data_keys.values()]
    assert told[:2] == [("fit.png", "image/png"), ("fit_png", "application/octet-stream")]
    assert examine(again(site, tmp_path)).findings == []


def test_text_figures_and_files_become_bytes(catalog, tmp_path):
    path = tmp_path / "report.html"
    path.write_bytes(b"<html>")
    stored = catalog.store_run(
        {"x": [1]}, attachments={"fit.png": figure(), "fit.svg": figure(), "notes.txt": "µm\n", "report.html": path}
    )
    files = attachments(stored)
    assert files["fit.png"].startswith(b"\x89PNG")
    assert b"<svg" in files["fit.svg"]
    assert (files["notes.txt"], files["report.html"]) == ("µm\n".encode(), b"<html>")


def test_a_run_without_attachments_has_none(catalog):
    stored = catalog.store_run(example_runs.TABLE)
    assert dict(attachments(stored)) == {}
    assert list(stored) == ["primary"]
    with pytest.raises(KeyError, match=r"no attachment 'fit\.png'"):
        attachments(stored)["fit.png"]


def test_a_retry_finds_the_run_with_its_attachments(catalog, site):
    run = build_simple_run({"x": [1]}, uid="fit-1", attachments=FILES)
    assert dict(attachments(run)) == FILES
    catalog.store_run(run)
    before = site.snapshot()
    assert dict(attachments(catalog.store_run(run))) == FILES
    assert site.snapshot() == before


def test_builders_take_attachments_beside_streams(catalog):
    with catalog.run_builder() as builder:
        builder.add_stream("primary", data={"x": [1, 2]})
        builder.attach(FILES)
        builder.add_data("primary", data={"x": [3]})
    assert dict(attachments(builder.stored_run)) == FILES
    assert builder.stored_run.primary.read().x.values.tolist() == [1, 2, 3]
    with RunBuilder() as alone:
        alone.attach({"report.txt": "nothing was measured"})
    assert attachments(catalog.store_run(alone))["report.txt"] == b"nothing was measured"


def test_a_copy_has_the_attachments(catalog, tmp_path):
    content = os.urandom(3_000_000)
    uid = catalog.store_run({"x": [1]}, attachments={"film.mp4": content, **FILES}).metadata["start"]["uid"]
    copied = open_directory(tmp_path / "copy")
    copy_runs(catalog, copied)
    files = attachments(open_directory(tmp_path / "copy")[uid])
    assert hashlib.sha256(files["film.mp4"]).digest() == hashlib.sha256(content).digest()
    assert dict(files) == {"film.mp4": content, **FILES}
    assert examine(open_directory(tmp_path / "copy")).findings == []


def test_attachments_are_copied_into_a_catalog(catalog, tmp_path):
    source = open_directory(tmp_path / "source", asset_threshold=0)
    uid = source.store_run({"x": [1]}, attachments=FILES).metadata["start"]["uid"]
    assert copy_runs(source, catalog).copied == [uid]
    assert dict(attachments(catalog[uid])) == FILES


@pytest.mark.parametrize("site", DELETABLE, indirect=True)
def test_nothing_of_the_attachments_of_a_deleted_run_is_left(catalog, site, tmp_path):
    uid = catalog.store_run({"x": [1]}, attachments=FILES).metadata["start"]["uid"]
    assert [path.name for path in tmp_path.rglob("*.h5")] == [f"{uid}-attachments.h5"]
    deletion_of(catalog, uid).execute()
    assert list(tmp_path.rglob("*.h5")) == []
    assert list(again(site, tmp_path)) == []


@pytest.mark.parametrize("site", MONGO, indirect=True)
def test_large_attachments_without_a_directory_for_assets_are_refused(site):
    catalog = site.open()
    before = site.snapshot()
    with pytest.raises(InvalidTableError, match=r"'film_mp4' of stream 'attachments'.*asset_root"):
        catalog.store_run({"x": [1]}, attachments={"film.mp4": bytes(2_000_000)})
    assert site.snapshot() == before


@pytest.mark.parametrize("site", MONGO, indirect=True)
def test_small_attachments_need_no_directory_for_assets(site):
    if site.is_ferretdb and site.kind == "mongo-embedded":
        pytest.skip("FerretDB 1.24 refuses arrays in arrays, such as a page of arrays")
    stored = site.open().store_run({"x": [1]}, attachments=FILES)
    assert dict(attachments(stored)) == FILES


def test_arrays_beside_attachments_are_assets_as_without_them(catalog):
    image = numpy.arange(400_000.0).reshape(1, 400, 1000)
    stored = catalog.store_run({"image": image, "x": [1]}, attachments={"a.txt": "a"})
    assert numpy.array_equal(stored.primary.read()["image"].values, image)
    assert dict(attachments(stored)) == {"a.txt": b"a"}
