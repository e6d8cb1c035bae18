"""Arrays come back whatever chunks they begin, end and are damaged in."""

from __future__ import annotations

import itertools
from pathlib import Path

import dask.array
import h5py
import numpy
import pytest

from databroker_writable.errors import UnreadableAssetError
from support.asset_files import path_of, published, stream_assets, whole

SHAPES = ((300_000,), (5, 700, 1100), (3, 1031, 1033), (70, 10, 1000))


def test_arrays_that_begin_and_end_within_chunks_come_back(tmp_path: Path) -> None:
    values = numpy.arange(1_000_003.0)
    assets = stream_assets(tmp_path)
    for start, stop in itertools.pairwise((0, 400_001, 400_002, 900_000, len(values))):
        assets.append("x", values[start:stop], dims=["n"])
    assets.publish()
    with h5py.File(path_of(tmp_path, assets)) as file:
        assert numpy.array_equal(file["x"][...], values)


def test_blocks_that_do_not_fit_the_chunks_come_back(tmp_path: Path) -> None:
    values = numpy.random.default_rng(2).normal(size=(6, 900, 400))
    lazy = dask.array.from_array(values, chunks=((4, 2), (500, 400), (150, 250)))
    assets = stream_assets(tmp_path)
    assets.append("x", lazy, dims="tyx")
    assets.publish()
    with h5py.File(path_of(tmp_path, assets)) as file:
        assert numpy.array_equal(file["x"][...], values)


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        *itertools.product(SHAPES, ["u1", "?", ">i2", "<f4", ">f8", "c16"]),
        # as many bytes as the rest together, and more of the same chunks
        *itertools.product([(20, 1024, 1024)], ["u1", ">i2"]),
    ],
    ids=str,
)
def test_whole_arrays_and_parts_are_read_as_they_were_written(
    tmp_path: Path, shape: tuple[int, ...], dtype: str
) -> None:
    values = numpy.random.default_rng(3).integers(0, 200, shape).astype(dtype)
    path, assets = published(tmp_path, x=values)
    read = whole(path, assets, "x", shape[0])
    assert numpy.array_equal(read.compute(), values)
    assert numpy.array_equal(read[1:-1].compute(), values[1:-1])
    assert numpy.array_equal(read[..., 5].compute(), values[..., 5])


def test_files_packed_again_by_other_programs_are_read(tmp_path: Path) -> None:
    values = numpy.random.default_rng(4).normal(size=(4, 512, 512))
    path, assets = published(tmp_path, x=values)
    with h5py.File(path) as file:
        attrs = dict(file.attrs)
    for options in ({"compression": "gzip", "fletcher32": True}, {"fletcher32": False}, {"chunks": None}):
        with h5py.File(tmp_path / "packed.h5", "w") as file:
            file.attrs.update(attrs)
            file.create_dataset("x", data=values, **{"chunks": (1, 512, 512), **options})
        (tmp_path / "packed.h5").replace(path)
        assert numpy.array_equal(whole(path, assets, "x", 4).compute(), values)


def test_a_flipped_byte_is_found_in_whichever_chunk_it_is(tmp_path: Path) -> None:
    path, assets = published(tmp_path, x=numpy.random.default_rng(5).normal(size=(4, 512, 512)))
    with h5py.File(path) as file:
        places = [file["x"].id.get_chunk_info(n).byte_offset for n in range(file["x"].id.get_num_chunks())]
    assert len(places) > 3
    for place in places:
        with path.open("r+b") as file:
            file.seek(place + 12_345)
            byte = file.read(1)
            file.seek(place + 12_345)
            file.write(bytes([byte[0] ^ 1]))
        with pytest.raises(UnreadableAssetError, match="truncated or damaged"):
            whole(path, assets, "x", 4).compute()
        with path.open("r+b") as file:
            file.seek(place + 12_345)
            file.write(byte)
    whole(path, assets, "x", 4).compute()


@pytest.mark.parametrize("dtype", ["u1", ">f4", "?", "<c16"])
def test_whole_chunks_have_the_checksums_that_hdf5_computes(tmp_path: Path, dtype: str) -> None:
    # 1,001 x 1,001: an odd number of bytes a chunk
    values = (numpy.arange(3 * 1001 * 1001).reshape(3, 1001, 1001) % 251).astype(dtype)
    values.flags.writeable = False
    path, _ = published(tmp_path, x=values)
    with h5py.File(path) as file, h5py.File(tmp_path / "filtered.h5", "w") as filtered:
        ours = file["x"]
        theirs = filtered.create_dataset("x", data=values, chunks=ours.chunks, fletcher32=True)
        for index in range(ours.id.get_num_chunks()):
            corner = ours.id.get_chunk_info(index).chunk_offset
            assert ours.id.read_direct_chunk(corner) == theirs.id.read_direct_chunk(corner)
