"""Any plain array goes into the file exactly, and what would not is refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import dask.array
import h5py
import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from databroker_writable.errors import InvalidTableError, StoreFailedError
from databroker_writable.storage.assets.chunking import FILE_CHUNK, dask_block, file_chunks
from support.asset_files import frames, hidden, path_of, published, stream_assets, visible, whole

DTYPES = ["?", "i1", "u1", "<i2", ">u2", "<i4", ">i4", "<u8", "<f2", ">f2", "<f4", ">f8", "<c8", ">c8", "<c16", ">c16"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes_and_byte_orders_are_kept(tmp_path: Path, dtype: str) -> None:
    values = numpy.array([[0, 1, 2], [3, 0, 5]]).astype(dtype)
    if values.dtype.kind == "c":
        values = values * values.dtype.type(1 + 2j)
        values = values.astype(dtype)
    path, assets = published(tmp_path, x=values)
    with h5py.File(path) as file:
        assert file["x"].dtype == numpy.dtype(dtype)
        assert (file["x"][...] == values).all()
    read = whole(path, assets, "x", 2)
    assert read.dtype == numpy.dtype(dtype)
    assert read.compute().dtype == numpy.dtype(dtype)
    assert (read.compute() == values).all()


def test_not_a_number_and_infinity_are_kept(tmp_path: Path) -> None:
    values = numpy.array([numpy.nan, numpy.inf, -numpy.inf, -0.0])
    path, assets = published(tmp_path, x=values)
    assert whole(path, assets, "x", 4).compute().tobytes() == values.tobytes()


@pytest.mark.parametrize("rank", range(1, 7))
def test_arrays_of_rank_1_to_6_come_back(tmp_path: Path, rank: int) -> None:
    values = numpy.random.default_rng(0).random((3, 2, 4, 2, 3, 2)[:rank])
    path, assets = published(tmp_path, x=values)
    assert (whole(path, assets, "x", 3).compute() == values).all()


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="only Linux and FreeBSD can be told to start writing")
def test_the_disk_starts_to_write_an_array_before_all_of_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[tuple[int, int]] = []
    advise, sync = os.posix_fadvise, os.fsync

    def noting(descriptor: int, begin: int, length: int, advice: int) -> None:
        begun.append((begin, begin + length))
        advise(descriptor, begin, length, advice)

    def last(descriptor: int) -> None:
        begun.append((0, 0))
        sync(descriptor)

    monkeypatch.setattr(os, "posix_fadvise", noting)
    monkeypatch.setattr(os, "fsync", last)
    published(tmp_path, x=numpy.ones(400_000), small=numpy.ones(10), y=numpy.ones(400_000))
    first, second = begun[: begun.index((0, 0))]
    assert first[0] == 0
    assert first[1] == second[0] >= 400_000 * 8, "what was begun is not asked for again"
    assert second[1] >= 2 * 400_000 * 8


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2, 0, 4), (0, 0)])
@pytest.mark.parametrize("lazy", [False, True])
def test_arrays_without_elements_come_back(tmp_path: Path, shape: tuple[int, ...], lazy: bool) -> None:
    values: Any = numpy.zeros(shape, "f4")
    path, assets = published(tmp_path, x=dask.array.from_array(values) if lazy else values)
    read = whole(path, assets, "x", shape[0]).compute()
    assert read.shape == shape
    assert read.dtype == numpy.dtype("f4")


def test_appended_arrays_follow_each_other(tmp_path: Path) -> None:
    assets = stream_assets(tmp_path)
    values = frames(7)
    places = [assets.append("img", part, dims="tyx") for part in (values[:1], values[1:1], values[1:4], values[4:])]
    assets.publish()
    assert places == [(0, 1), (1, 1), (1, 4), (4, 7)]
    assert (whole(path_of(tmp_path, assets), assets, "img", 7).compute() == values).all()


def test_many_rows_appended_one_by_one_come_back(tmp_path: Path) -> None:
    assets = stream_assets(tmp_path)
    for i in range(300):
        assets.append("x", numpy.array([float(i)]), dims=["t"])
    assets.publish()
    assert whole(path_of(tmp_path, assets), assets, "x", 300).compute().tolist() == list(range(300))


@pytest.mark.parametrize("view", [lambda a: a.T, lambda a: a[:, ::-1], lambda a: numpy.asfortranarray(a)])
def test_arrays_in_any_memory_order_come_back(tmp_path: Path, view: Any) -> None:
    values = view(frames())
    path, assets = published(tmp_path, img=values)
    assert (whole(path, assets, "img", len(values)).compute() == values).all()


def test_a_thousand_columns_come_back(tmp_path: Path) -> None:
    columns = {f"c{i}": numpy.arange(i, i + 10, dtype="i4") for i in range(1000)}
    path, assets = published(tmp_path, **columns)
    for key in ("c0", "c500", "c999"):
        assert (whole(path, assets, key, 10).compute() == columns[key]).all()
    with h5py.File(path) as file:
        assert len([name for name in file if name.startswith("c") and "_" not in name]) == 1000
    assert path.stat().st_size < 20e6


@pytest.mark.parametrize("key", ["a/b", "..", ".", "100 %", "größe", "", "%2F", "x y"])
def test_any_column_name_can_be_stored(tmp_path: Path, key: str) -> None:
    path, assets = published(tmp_path, **{key: frames(), "other": frames() + 1})
    assert (whole(path, assets, key, 6).compute() == frames()).all()


def test_checksums_cover_every_column(tmp_path: Path) -> None:
    path, _ = published(tmp_path, img=frames(), flag=numpy.array([True, False]))
    with h5py.File(path) as file:
        assert all(file[name].fletcher32 for name in ("img", "flag"))


def test_progress_counts_the_bytes(tmp_path: Path) -> None:
    counts: list[int] = []
    values = numpy.zeros((40, 1024, 1024), "u1")
    assets = stream_assets(tmp_path)
    assets.append("img", values, dims="tyx", progress=counts.append)
    assert sum(counts) == values.nbytes
    assert len(counts) > 1
    assets.discard()


@pytest.mark.skipif(numpy.__version__ < "2", reason="numpy 1 has no more axes than HDF5")
def test_more_axes_than_hdf5_has_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidTableError, match="column 'x' has 33 axes"):
        stream_assets(tmp_path).append("x", numpy.zeros((1,) * 33), dims=["t"] * 33)
    assert list(tmp_path.iterdir()) == []


def test_each_axis_needs_a_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidTableError, match=r"column 'img' has 3 axes and 2 dims \('y', 'x'\)"):
        stream_assets(tmp_path).append("img", frames(), dims=["y", "x"])


@pytest.mark.parametrize(
    ("second", "dims"),
    [(frames().astype("i4"), "tyx"), (frames().astype(">u2"), "tyx"), (frames(6, 8, 4), "tyx"), (frames(), "tzx")],
)
def test_a_column_keeps_its_dtype_frame_and_dims(tmp_path: Path, second: numpy.ndarray, dims: str) -> None:
    assets = stream_assets(tmp_path)
    assets.append("img", frames(), dims="tyx")
    with pytest.raises(InvalidTableError, match="column 'img' holds uint16 with frames of shape"):
        assets.append("img", second, dims=dims)
    assets.publish()
    assert (whole(path_of(tmp_path, assets), assets, "img", 6).compute() == frames()).all()


def test_a_failed_append_leaves_the_column_as_it_was(tmp_path: Path) -> None:
    def fail(block: numpy.ndarray, block_info: Any = None) -> numpy.ndarray:
        if block_info[0]["chunk-location"][0] == 3:
            raise ZeroDivisionError("in the middle")
        return block

    lazy = dask.array.zeros((8, 1024, 1024), chunks=(2, 1024, 1024), dtype="u2").map_blocks(fail, dtype="u2")
    before = numpy.ones((3, 1024, 1024), "u2")
    assets = stream_assets(tmp_path)
    assets.append("img", before, dims="tyx")
    for key in ("img", "new"):
        with pytest.raises(ZeroDivisionError, match="in the middle"):
            assets.append(key, lazy, dims="tyx")
    assert assets.append("img", before, dims="tyx") == (3, 6)
    assets.publish()
    path = path_of(tmp_path, assets)
    assert whole(path, assets, "img", 6).compute().min() == 1
    with h5py.File(path) as file:
        assert "new" not in file


@pytest.mark.parametrize(
    "lie",
    [
        lambda block: block[:, :2],
        lambda block: block[:1],
        lambda block: block.astype("f8") + 0.5,
        lambda block: block.astype("u4") + 70_000,
        lambda block: block.astype("i2") - 1,
    ],
)
def test_a_lazy_array_that_computes_to_something_else_is_refused(tmp_path: Path, lie: Any) -> None:
    lazy = dask.array.from_array(frames(), chunks=(3, 8, 5)).map_blocks(lie, dtype="u2", chunks=(3, 8, 5))
    with pytest.raises(InvalidTableError, match="column 'img' computes to a block of"):
        stream_assets(tmp_path).append("img", lazy, dims="tyx")


def test_nothing_is_on_disk_before_the_first_write(tmp_path: Path) -> None:
    root = tmp_path / "assets"
    assets = stream_assets(root)
    assets.add_coordinate("x", numpy.arange(3), dims=["x"], attrs={})
    assert not root.exists()
    assets.publish()
    assets.discard()
    assert not root.exists()


def test_a_published_file_takes_no_more(tmp_path: Path) -> None:
    _, assets = published(tmp_path, img=frames())
    with pytest.raises(StoreFailedError, match="is already published"):
        assets.append("img", frames(), dims=["img_0", "img_1", "img_2"])


def test_kwargs_are_plain_values(tmp_path: Path) -> None:
    _, assets = published(tmp_path, img=frames())
    assert assets.resource_kwargs("img") == {
        "key": "/img",
        "dtype": "<u2",
        "frame_shape": [8, 5],
        "chunks": [204, 8, 5],
        "run_uid": "d34db33f",
    }
    with pytest.raises(KeyError):
        assets.resource_kwargs("missing")


@pytest.mark.parametrize(
    ("uid", "stream", "name"),
    [
        ("u1", "primary", "u1-primary.h5"),
        ("u1", "a/b:c", "u1-a%2Fb%3Ac.h5"),
        ("../evil", "s", "%2E.%2Fevil-s.h5"),
        ("u1", "grün", "u1-gr%C3%BCn.h5"),
    ],
)
def test_names_of_runs_and_streams_are_safe_in_paths(tmp_path: Path, uid: str, stream: str, name: str) -> None:
    assets = stream_assets(tmp_path, uid, stream)
    assert assets.resource_path == f"2023/11/{name}"
    assets.append("x", numpy.zeros(3), dims=["t"])
    assets.publish()
    assert visible(tmp_path) == [f"2023/11/{name}"]


def test_long_stream_names_stay_apart(tmp_path: Path) -> None:
    for stream in ("ü" * 300 + "1", "ü" * 300 + "2"):
        assets = stream_assets(tmp_path, stream=stream)
        assets.append("x", numpy.zeros(3), dims=["t"])
        assets.publish()
    assert len(visible(tmp_path)) == 2
    assert hidden(tmp_path) == []


shapes = st.lists(st.integers(1, 3000), min_size=1, max_size=4).map(tuple)


@settings(deadline=None)
@given(shape=shapes, itemsize=st.sampled_from([1, 2, 4, 8, 16]))
def test_chunks_fit_their_block_and_stay_near_one_mebibyte(shape: tuple[int, ...], itemsize: int) -> None:
    chunks = file_chunks(shape, itemsize)
    size = itemsize * int(numpy.prod(chunks, dtype=float))
    assert all(c <= n for c, n in zip(chunks[1:], shape[1:], strict=True))
    assert size <= FILE_CHUNK
    assert size >= min(FILE_CHUNK // 8, itemsize * numpy.prod(shape, dtype=float))


@settings(deadline=None)
@given(shape=shapes, itemsize=st.sampled_from([1, 2, 4, 8, 16]))
def test_dask_blocks_are_made_of_whole_chunks(shape: tuple[int, ...], itemsize: int) -> None:
    chunks = file_chunks(shape, itemsize)
    block = dask_block(shape, chunks, itemsize)
    assert all(b == n or b % c == 0 for b, c, n in zip(block, chunks, shape, strict=True))
    assert itemsize * numpy.prod(block, dtype=float) <= 2**24


@pytest.mark.parametrize(
    ("block", "chunks"),
    [
        ((100, 1024, 1024), (1, 512, 1024)),
        ((10, 256, 256), (5, 256, 256)),
        ((1000, 64, 64), (125, 64, 64)),
        ((1_000_000,), (500_000,)),
    ],
)
def test_chunks_divide_the_blocks_they_are_written_in(block: tuple[int, ...], chunks: tuple[int, ...]) -> None:
    assert file_chunks(block, 2) == chunks
