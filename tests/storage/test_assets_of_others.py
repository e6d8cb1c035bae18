"""What others wrote is not followed out of its directory, and takes no memory that no file could fill."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import h5py
import numpy
import pytest

import databroker_writable
from databroker_writable import UnreadableAssetError
from databroker_writable.storage.assets import HDF5AssetHandler
from databroker_writable.storage.assets.hdf5_source import verify
from databroker_writable.upkeep.copying import copy_runs
from support.asset_files import frames, handler, published, whole


def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "secret.h5"
    with h5py.File(path, "w") as file:
        file["img"] = frames()
    (tmp_path / "secret.raw").write_bytes(frames().tobytes())
    return path


def external_link(file: h5py.File, secret: Path) -> None:
    file["img"] = h5py.ExternalLink(str(secret), "/img")


def soft_link(file: h5py.File, secret: Path) -> None:
    file["other"] = frames()
    file["img"] = h5py.SoftLink("/other")


def external_storage(file: h5py.File, secret: Path) -> None:
    raw = str(secret.with_suffix(".raw"))
    file.create_dataset("img", frames().shape, frames().dtype, external=[(raw, 0, h5py.h5f.UNLIMITED)])


def virtual_dataset(file: h5py.File, secret: Path) -> None:
    layout = h5py.VirtualLayout(frames().shape, frames().dtype)
    layout[...] = h5py.VirtualSource(str(secret), "img", frames().shape)
    file.create_virtual_dataset("img", layout)


@pytest.mark.parametrize("refer", [external_link, soft_link, external_storage, virtual_dataset])
def test_what_lies_in_another_file_is_not_read(tmp_path: Path, refer: Any) -> None:
    path, assets = published(tmp_path / "assets", img=frames())
    with h5py.File(path, "w") as file:
        refer(file, secret_file(tmp_path))
    with pytest.raises(UnreadableAssetError, match=r"does not contain the values itself .* restore it"):
        whole(path, assets, "img", 6).compute()
    with pytest.raises(UnreadableAssetError, match="does not contain its values itself"):
        verify(str(path))


def test_groups_in_the_place_of_datasets_are_damage(tmp_path: Path) -> None:
    path, assets = published(tmp_path, img=frames())
    with h5py.File(path, "w") as file:
        file.create_group("img")
    with pytest.raises(UnreadableAssetError, match="damaged"):
        whole(path, assets, "img", 6).compute()
    with pytest.raises(UnreadableAssetError, match="damaged"):
        verify(str(path))


def test_paths_that_lead_upwards_are_not_read(tmp_path: Path) -> None:
    path, assets = published(tmp_path / "assets", img=frames())
    (tmp_path / "other").mkdir()
    around = tmp_path / "other" / ".." / path.relative_to(tmp_path)
    with pytest.raises(UnreadableAssetError, match=r"contains '\.\.'; .*root_map"):
        handler(around, assets)(start=0, stop=6).compute()


@pytest.mark.parametrize(
    ("changed", "datum"),
    [
        ({"frame_shape": [2**40, 2**40], "chunks": [1, 1, 1]}, {"index": 0}),
        ({"frame_shape": [2**40, 2**40], "chunks": [1, 1, 1]}, {"start": 0, "stop": 1}),
        ({"frame_shape": [8, 5], "chunks": [2**20, 2**10, 2**10]}, {"start": 0, "stop": 6}),
        ({}, {"start": 0, "stop": 2**60}),
        ({}, {"start": 6, "stop": 0}),
        ({}, {"start": -1, "stop": 5}),
        ({}, {"index": -1}),
        ({"frame_shape": [8, -5]}, {"index": 0}),
        ({"frame_shape": [8, "5"]}, {"index": 0}),
        ({"frame_shape": [8]}, {"index": 0}),
        ({"dtype": "O"}, {"index": 0}),
    ],
)
def test_shapes_that_no_file_holds_are_refused(tmp_path: Path, changed: dict[str, Any], datum: dict[str, int]) -> None:
    path, assets = published(tmp_path, img=frames())
    with pytest.raises(UnreadableAssetError, match=r"column '/img' of run d34db33f: its documents announce .* restore"):
        HDF5AssetHandler(str(path), **{**assets.resource_kwargs("img"), **changed})(**datum)


def test_large_arrays_are_none_of_these(tmp_path: Path) -> None:
    path, assets = published(tmp_path, img=frames())
    assert handler(path, assets)(start=0, stop=2**20).shape == (2**20, 8, 5)


@pytest.mark.filterwarnings("ignore:the arrays of the run 'forged' stay in")
def test_only_files_below_the_asset_roots_are_copied(tmp_path: Path) -> None:
    source = databroker_writable.open_directory(tmp_path / "source", asset_threshold=0)
    run = source.store_run({"img": numpy.zeros((2, 3, 4))}, uid="honest")
    other, _ = published(tmp_path / "secret", img=frames())
    documents = []
    for name, doc in run.documents(fill="no"):
        doc = {**doc, "uid": "forged"} if name == "start" else dict(doc)
        if name != "start" and "run_start" in doc:
            doc["run_start"] = "forged"
        if name == "resource":
            doc |= {"root": str(tmp_path / "secret"), "resource_path": os.path.relpath(other, tmp_path / "secret")}
        documents.append((name, doc))
    source.store_run(documents)
    destination = databroker_writable.open_directory(tmp_path / "destination")
    report = copy_runs(source, destination)
    assert report.copied == ["honest"]
    message = str(report.failures["forged"])
    assert "is in no asset root of the source" in message
    assert f"root_map={{{str(tmp_path / 'secret')!r}: 'DIRECTORY'}}" in message
    assert not list((tmp_path / "destination").rglob(other.name))
    root_map = {str(tmp_path / "secret"): str(tmp_path / "secret")}
    mapped = databroker_writable.open_directory(tmp_path / "source", root_map=root_map)
    assert copy_runs(mapped, destination).copied == ["forged"]
