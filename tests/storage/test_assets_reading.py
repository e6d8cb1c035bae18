"""Columns in files are read lazily, anywhere, and say what is wrong with their file."""

from __future__ import annotations

import errno
import os
import pickle
import shutil
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import dask
import h5py
import numpy
import pytest
from dask.base import tokenize

from databroker_writable import UnreadableAssetError
from databroker_writable.errors import StoreError
from databroker_writable.storage.assets.hdf5_source import ArraySource, verify
from databroker_writable.storage.assets.known_formats import is_asset_file
from support import faults, new_process
from support.asset_files import frames, handler, path_of, published, stream_assets, whole

ONE_FRAME = 2 * 1024 * 1024


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, numpy.ndarray]:
    """64 frames of 2 MiB."""
    values = numpy.random.default_rng(0).integers(0, 60000, (64, 1024, 1024), dtype="u2")
    return *published(tmp_path_factory.mktemp("stack"), img=values), values


def bytes_read(action: Callable[[], Any]) -> int:
    """What this process reads from files meanwhile."""

    def count() -> int:
        fields = Path("/proc/self/io").read_text().split()
        return int(fields[fields.index("rchar:") + 1])

    before = count()
    action()
    return count() - before


def test_an_event_of_one_row_has_the_shape_of_the_frame(tmp_path: Path) -> None:
    path, assets = published(tmp_path, img=frames(), x=numpy.arange(6.0))
    image, number = handler(path, assets)(index=4), handler(path, assets, "x")(index=4)
    assert (image.shape, image.dtype) == ((8, 5), numpy.dtype("u2"))
    assert (image.compute() == frames()[4]).all()
    assert (number.shape, float(number.compute())) == ((), 4.0)


@pytest.mark.parametrize(("start", "stop"), [(0, 6), (2, 5), (3, 3), (5, 6)])
def test_an_event_of_some_rows_keeps_the_leading_axis(tmp_path: Path, start: int, stop: int) -> None:
    path, assets = published(tmp_path, img=frames())
    value = handler(path, assets)(start=start, stop=stop)
    assert value.shape == (stop - start, 8, 5)
    assert (value.compute() == frames()[start:stop]).all()


def test_integers_do_not_overflow_into_the_wrong_type(tmp_path: Path) -> None:
    values = numpy.full((2, 4), 60000, "u2")
    path, assets = published(tmp_path, img=values)
    value = whole(path, assets, "img", 2).astype("u8")
    assert int((value * value).max().compute()) == 3_600_000_000


@pytest.mark.parametrize(
    "index",
    [
        numpy.s_[5],
        numpy.s_[-1, 3:1000:7],
        numpy.s_[::-1, 0, 0],
        numpy.s_[3:40:5, ::-3, 10:20],
        numpy.s_[[3, 50, 7], :, 1],
        numpy.s_[60:10:-7, 5],
        numpy.s_[10:10],
        numpy.s_[..., None, 7],
    ],
)
def test_any_index_gives_what_numpy_gives(stack: Any, index: Any) -> None:
    path, assets, values = stack
    assert (whole(path, assets, "img", 64)[index].compute() == values[index]).all()
    assert whole(path, assets, "img", 64)[index].shape == values[index].shape


def test_blocks_are_cut_at_the_chunks_of_the_file(stack: Any) -> None:
    path, assets, values = stack
    value = handler(path, assets)(start=3, stop=64)
    assert value.chunks[0] == (5, 8, 8, 8, 8, 8, 8, 8)
    assert (value.compute() == values[3:]).all()


@pytest.mark.skipif(sys.platform != "linux", reason="counts bytes in /proc")
def test_only_what_is_asked_for_is_read(stack: Any) -> None:
    path, assets, _ = stack
    value = whole(path, assets, "img", 64)
    value[0].compute()  # imports
    assert bytes_read(lambda: whole(path, assets, "img", 64)) < 100_000
    assert bytes_read(lambda: value[40].compute()) < 10 * ONE_FRAME
    assert bytes_read(lambda: handler(path, assets)(index=50).compute()) < 2 * ONE_FRAME


@pytest.mark.skipif(sys.platform != "linux", reason="counts bytes in /proc")
def test_all_of_a_file_that_nobody_has_read_is_read(tmp_path: Path) -> None:
    values = numpy.ones((8, 1024, 1024), "u2")
    path, assets = published(tmp_path, img=values)
    value = whole(path, assets, "img", 8)
    assert bytes_read(lambda: value.sum().compute()) >= values.nbytes


@pytest.mark.skipif(sys.platform != "linux", reason="counts bytes in /proc")
def test_small_events_share_the_chunk_that_was_read(tmp_path: Path) -> None:
    values = numpy.zeros((5000, 100))
    path, assets = published(tmp_path, img=values)
    read = handler(path, assets)
    read(index=0).compute()
    assert bytes_read(lambda: [read(index=i).compute() for i in range(200)]) < values.nbytes


@pytest.mark.parametrize("scheduler", ["threads", "synchronous", "processes"])
def test_every_local_scheduler_reads(stack: Any, scheduler: str) -> None:
    path, assets, values = stack
    with dask.config.set(scheduler=scheduler):
        total = int(whole(path, assets, "img", 64)[:16].sum(dtype="u8").compute())
    assert total == int(values[:16].sum(dtype="u8"))


def test_an_array_goes_through_pickle_to_another_process(stack: Any, tmp_path: Path) -> None:
    path, assets, values = stack
    whole(path, assets, "img", 64)[0].compute()
    saved = tmp_path / "array.pickle"
    saved.write_bytes(pickle.dumps(whole(path, assets, "img", 64)[9]))
    script = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb')).sum(dtype='u8').compute())"
    result = new_process.run_python(script, saved)
    assert result.stdout.strip() == str(values[9].sum(dtype="u8")), result.stderr


def test_a_relative_root_is_read_after_a_change_of_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, assets = published(tmp_path, img=frames())
    monkeypatch.chdir(tmp_path)
    value = whole(path.relative_to(tmp_path), assets, "img", 6)
    monkeypatch.chdir("/")
    assert (value.compute() == frames()).all()


def test_a_forked_child_reads_while_its_parent_does(stack: Any) -> None:
    path, assets, values = stack
    value = whole(path, assets, "img", 64)
    value[0].compute(scheduler="synchronous")
    child = os.fork()
    if child == 0:
        good = (value[8:16].compute(scheduler="synchronous") == values[8:16]).all()
        os._exit(0 if good else 1)
    assert (value.compute(scheduler="synchronous") == values).all()
    assert os.waitpid(child, 0)[1] == 0


def test_the_token_follows_the_file(tmp_path: Path) -> None:
    path, assets = published(tmp_path, img=frames())
    value = handler(path, assets)
    first = value(start=0, stop=6)
    assert tokenize(first) == tokenize(value(start=0, stop=6))
    assert tokenize(first) != tokenize(value(start=0, stop=5))
    os.utime(path, (1, 1))
    assert tokenize(first) != tokenize(value(start=0, stop=6))


def test_a_file_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    path, assets = published(tmp_path / "one", img=frames())
    other, _ = published(tmp_path / "two", img=frames() + 1)
    value = whole(path, assets, "img", 6)
    assert (value.compute() == frames()).all()
    os.replace(other, path)
    assert (value.compute() == frames() + 1).all()


def test_a_file_is_not_closed_under_a_thread_that_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, assets = published(tmp_path, img=frames())
    value = whole(path, assets, "img", 6)
    value.compute(scheduler="synchronous")
    with ThreadPoolExecutor(1) as pool:
        others: list[Any] = []

        def touched_meanwhile(source: ArraySource, dataset: h5py.Dataset, last: int) -> None:
            if not others:
                os.utime(path, (1, 1))
                others.append(pool.submit(value.compute, scheduler="synchronous"))
                # that it has to wait is the point
                wait(others, timeout=0.2)

        monkeypatch.setattr(ArraySource, "_check", touched_meanwhile)
        assert (value.compute(scheduler="synchronous") == frames()).all()
        assert (others[0].result(timeout=60) == frames()).all()


def test_a_file_stays_readable_by_others_while_it_is_open_here(tmp_path: Path) -> None:
    path, assets = published(tmp_path, img=frames())
    whole(path, assets, "img", 6).compute()
    with h5py.File(path, "r") as file:
        assert file["img"].shape == (6, 8, 5)
    assert (whole(path, assets, "img", 6).compute() == frames()).all()


def flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 0xFF
    path.write_bytes(content)


def flip_data(path: Path) -> None:
    """Change a byte of the first chunk."""
    with h5py.File(path) as file:
        position = file["img"].id.get_chunk_info(0).byte_offset
    flip(path, position + 3)


DAMAGE = {
    "missing": (os.remove, "is missing; if the files were moved, map the old root to the new one with root_map"),
    "cut off": (lambda path: os.truncate(path, path.stat().st_size // 2), "is truncated or damaged"),
    "empty": (lambda path: os.truncate(path, 0), "is truncated or damaged"),
    "flipped byte": (flip_data, "is truncated or damaged"),
    "flipped header": (lambda path: flip(path, 20), "is truncated or damaged"),
}


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("was_read_before", [False, True])
def test_a_file_that_cannot_be_read_is_named_with_its_run_and_the_remedy(
    tmp_path: Path, kind: str, was_read_before: bool
) -> None:
    path, assets = published(tmp_path, img=numpy.ones((4, 512, 512)))
    value = whole(path, assets, "img", 4)
    if was_read_before:
        value.compute()
    damage, message = DAMAGE[kind]
    damage(path)
    time.sleep(0.01)
    value = whole(path, assets, "img", 4)
    assert value.shape == (4, 512, 512)
    for _ in range(2):
        with pytest.raises(UnreadableAssetError) as caught:
            value.compute()
        text = str(caught.value)
        assert message in text
        assert "root_map" in text
        assert str(path) in text
        assert "run d34db33f" in text
        assert "column '/img'" in text


def test_a_file_is_not_called_damaged_where_too_many_files_are_open(tmp_path: Path) -> None:
    path, assets = published(tmp_path, img=numpy.ones((4, 64, 64)))
    value = whole(path, assets, "img", 4)
    with dask.config.set(scheduler=dask.get), faults.no_file_can_be_opened():
        for read in (value.compute, lambda: verify(str(path))):
            with pytest.raises(OSError, match="Too many open files") as caught:
                read()
            assert not isinstance(caught.value, StoreError)
    assert value.compute().min() == 1


def test_the_error_is_one_of_ours_and_an_oserror_and_goes_through_pickle() -> None:
    error = pickle.loads(pickle.dumps(UnreadableAssetError("text")))
    assert isinstance(error, StoreError)
    assert isinstance(error, OSError)
    assert str(error) == "text"


def test_processes_pass_the_error_on(tmp_path: Path) -> None:
    path, assets = published(tmp_path, img=frames())
    path.unlink()
    with pytest.raises(UnreadableAssetError, match="is missing"):
        whole(path, assets, "img", 6).compute(scheduler="processes")


def test_other_frames_of_a_damaged_column_are_read(tmp_path: Path) -> None:
    path, assets = published(tmp_path, img=numpy.ones((40, 1024, 1024), "u2"))
    flip_data(path)
    assert handler(path, assets)(index=39).compute().all()


@pytest.mark.parametrize("other", [frames().astype("i4"), frames(6, 8, 4), frames(3)])
def test_another_file_in_its_place_is_not_taken_for_it(tmp_path: Path, other: numpy.ndarray) -> None:
    path, assets = published(tmp_path / "one", img=frames())
    wrong, _ = published(tmp_path / "two", img=other)
    shutil.copy(wrong, path)
    with pytest.raises(UnreadableAssetError, match=r"it is another file; root_map can give the right root"):
        whole(path, assets, "img", 6).compute()


def test_a_column_that_the_file_does_not_have_is_named(tmp_path: Path) -> None:
    path, assets = published(tmp_path / "one", img=frames())
    wrong, _ = published(tmp_path / "two", other=frames())
    shutil.copy(wrong, path)
    with pytest.raises(UnreadableAssetError, match=r"column '/img' .* is truncated or damaged"):
        whole(path, assets, "img", 6).compute()


def test_a_datum_must_say_where_its_rows_are(tmp_path: Path) -> None:
    path, assets = published(tmp_path, img=frames())
    with pytest.raises(TypeError, match="index, or start and stop"):
        handler(path, assets)(start=1)


def test_the_files_of_a_handler_are_listed(tmp_path: Path) -> None:
    path, assets = published(tmp_path, img=frames())
    assert handler(path, assets).get_file_list(iter([{"index": 0}, {"index": 1}])) == [str(path)]


def test_many_columns_keep_few_files_open(tmp_path: Path) -> None:
    assets = stream_assets(tmp_path)
    for i in range(100):
        assets.append(f"c{i}", numpy.full(10, i), dims=["t"])
    assets.publish()
    path = path_of(tmp_path, assets)
    for i in range(100):
        assert whole(path, assets, f"c{i}", 10).compute().tolist() == [i] * 10
    if sys.platform == "linux":
        links = [os.readlink(entry) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]
        assert links.count(str(path)) <= 1


def test_threads_read_and_write_at_once(tmp_path: Path) -> None:
    columns = {f"c{i}": numpy.full((40, 1000), i, "i2") for i in range(40)}
    path, assets = published(tmp_path / "read", **columns)

    def read_all(shift: int) -> bool:
        keys = [f"c{(i + shift) % 40}" for i in range(40)]
        return all(
            (whole(path, assets, key, 40).compute(scheduler="synchronous") == columns[key]).all() for key in keys
        )

    def copy(n: int) -> bool:
        copied, made = published(tmp_path / f"copy{n}", c=whole(path, assets, f"c{n}", 40))
        return bool((whole(copied, made, "c", 40).compute() == n).all())

    with ThreadPoolExecutor(8) as pool:
        results = [pool.submit(read_all, 5 * i) for i in range(8)] + [pool.submit(copy, n) for n in range(8)]
        assert all(result.result(timeout=120) for result in results)


def test_other_threads_may_use_hdf5_while_chunks_are_written(tmp_path: Path) -> None:
    """h5py before 3.16 writes chunks without its lock."""
    is_over = threading.Event()
    with h5py.File(tmp_path / "other.h5", "w") as file, ThreadPoolExecutor(3) as pool:
        other = file.create_dataset("x", (10, 10), "f8", chunks=(1, 10))

        def look() -> None:
            while not is_over.is_set():
                assert (other.shape, other.chunks) == ((10, 10), (1, 10))

        looks = [pool.submit(look) for _ in range(3)]
        try:
            path, assets = published(tmp_path / "written", c=numpy.ones((500, 2**17), "u1"))
        finally:
            is_over.set()
        for one in looks:
            one.result(timeout=60)
    assert whole(path, assets, "c", 500).compute().all()


def locks_fail_with(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """HDF5 cannot lock files, and allows one lock setting for a file, as it does."""
    opened = h5py.File

    def without_locks(path: Any, mode: str, **options: Any) -> h5py.File:
        if options.get("locking") is not False:
            raise OSError(number, f"Unable to open file (unable to lock file, errno = {number}, ...)")
        return opened(path, mode, **options)

    monkeypatch.setattr(h5py, "File", without_locks)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EROFS])
def test_files_are_read_where_there_are_no_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    path, assets = published(tmp_path, img=frames(), x=numpy.arange(6.0))
    locks_fail_with(number, monkeypatch)
    assert (handler(path, assets)(index=4).compute() == frames()[4]).all()
    assert float(handler(path, assets, "x")(index=4).compute()) == 4.0
    verify(str(path))
    assert is_asset_file(str(path))


def test_a_file_that_is_open_without_a_lock_is_read(tmp_path: Path) -> None:
    path, assets = published(tmp_path, img=frames())
    with h5py.File(path, "r", locking=False):
        assert (handler(path, assets)(index=4).compute() == frames()[4]).all()


def test_a_file_that_is_locked_by_another_program_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, assets = published(tmp_path, img=frames())
    locks_fail_with(errno.EAGAIN, monkeypatch)
    with pytest.raises(UnreadableAssetError, match="is locked by a program that may change it; close it there"):
        handler(path, assets)(index=4).compute()
