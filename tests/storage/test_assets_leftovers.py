"""What lies under an asset root is found, and damage in it."""

from __future__ import annotations

import os
from pathlib import Path

import dask.array
import h5py
import numpy
import pytest

from databroker_writable import UnreadableAssetError
from databroker_writable.storage.assets import find_asset_files, find_partial_files, is_asset_file
from databroker_writable.storage.assets.hdf5_source import verify
from support.asset_files import frames, published, stream_assets


def test_partial_and_published_files_are_told_apart(tmp_path: Path) -> None:
    writing = stream_assets(tmp_path, "u2")
    writing.append("img", frames(), dims="tyx")
    path, _ = published(tmp_path, img=frames())
    (partial,) = find_partial_files(str(tmp_path))
    assert os.path.basename(partial).startswith(".u2-primary.h5.")
    assert find_asset_files(str(tmp_path)) == {str(path): path.stat()}
    writing.discard()
    assert find_partial_files(str(tmp_path)) == {}


def test_a_root_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert find_partial_files(str(tmp_path / "missing")) == {}
    assert find_asset_files(str(tmp_path / "missing")) == {}


def test_files_elsewhere_are_not_taken_for_ours(tmp_path: Path) -> None:
    places = [
        "raw.h5",
        "2023/raw.h5",
        "2023/11/14/raw.h5",
        "data/11/raw.h5",
        "2023/11/notes.txt",
        "2023/11/.hidden",
        "2023/11/.x.h5.part",
    ]
    for name in places:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    assert find_asset_files(str(tmp_path)) == {}
    assert find_partial_files(str(tmp_path)) == {}


def test_files_of_other_programs_in_the_same_place_are_recognised(tmp_path: Path) -> None:
    path, _ = published(tmp_path, img=frames())
    other = path.with_name("raw.h5")
    with h5py.File(other, "w") as file:
        file["img"] = frames()
    text = path.with_name("text.h5")
    text.write_text("text")
    assert [is_asset_file(path) for path in find_asset_files(str(tmp_path))] == [True, False, False]


def test_a_whole_file_is_verified(tmp_path: Path) -> None:
    assets = stream_assets(tmp_path)
    assets.append("img", numpy.random.default_rng(0).random((30, 100, 1000)), dims="tyx")
    assets.append("lazy", dask.array.ones((30, 100), chunks=(7, 40)), dims="ty")
    assets.append("empty", numpy.zeros((0, 3)), dims="ax")
    assets.append("flag", numpy.array([True, False]), dims="b")
    assets.add_coordinate("x", numpy.arange(1000.0), dims="x", attrs={})
    assets.add_coordinate("label", numpy.array(["a", "b"]), dims="b", attrs={})
    assets.add_coordinate("scalar", numpy.array("text"), dims=[], attrs={})
    assets.publish()
    verify(str(tmp_path / assets.resource_path))


@pytest.mark.parametrize("chunk", [0, 11, 23])
def test_a_flipped_byte_anywhere_in_the_data_is_found(tmp_path: Path, chunk: int) -> None:
    path, _ = published(tmp_path, img=numpy.random.default_rng(0).random((24, 128, 1024)))
    with h5py.File(path) as file:
        position = file["img"].id.get_chunk_info(chunk).byte_offset + 1000
    with open(path, "r+b") as raw:
        raw.seek(position)
        byte = raw.read(1)[0]
        raw.seek(position)
        raw.write(bytes([byte ^ 1]))
    with pytest.raises(UnreadableAssetError, match=rf"{path} is damaged at 'img' .* restore it from a copy"):
        verify(str(path))


def test_a_flipped_byte_in_the_structure_is_found(tmp_path: Path) -> None:
    path, _ = published(tmp_path, img=numpy.ones((8, 512, 512)))
    content = path.read_bytes()
    with h5py.File(path) as file:
        header = h5py.h5o.get_info(file["img"].id).addr
    path.write_bytes(content[: header + 30] + bytes([content[header + 30] ^ 1]) + content[header + 31 :])
    with pytest.raises(UnreadableAssetError, match="is damaged"):
        verify(str(path))


@pytest.mark.parametrize("size", [0, 100, 1_000_000])
def test_a_file_that_is_cut_off_is_found(tmp_path: Path, size: int) -> None:
    path, _ = published(tmp_path, img=numpy.ones((8, 512, 512)))
    os.truncate(path, size)
    with pytest.raises(UnreadableAssetError, match="is damaged"):
        verify(str(path))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableAssetError, match=r"gone\.h5 is missing"):
        verify(str(tmp_path / "gone.h5"))


def test_chunks_that_were_never_written_are_found(tmp_path: Path) -> None:
    path, _ = published(tmp_path, img=numpy.ones((8, 512, 512)))
    with h5py.File(path, "a") as file:
        file["img"].resize(20, axis=0)
    with pytest.raises(UnreadableAssetError, match=r"holds \d+ of \d+ chunks of '/img'"):
        verify(str(path))
