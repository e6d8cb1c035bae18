"""A disk that is full leaves nothing behind, and the same store succeeds once there is space."""

from __future__ import annotations

import os
import subprocess

import numpy
import pytest

from databroker_writable import StoreFailedError
from support import children, faults, sites

MEGABYTE = 1_000_000
FILE_LIMIT = 100_000

TABLES = {
    "run file": ({"text": ["x" * 1000] * 500}, {}),
    "asset": ({"image": numpy.random.default_rng(0).random((4, 200, 200))}, {"asset_threshold": 0}),
}


def store_in_small_files(report, kind, place, what):
    """Fail to store, then store the same once the limit is gone, and report each."""
    catalog = sites.opened(kind, place)
    table, options = TABLES[what]
    run = catalog.build_simple_run(table, uid="fit-1", one_event=bool(options))
    with faults.files_grow_to(FILE_LIMIT):
        error = faults.attempt(lambda: catalog.store_run(run, **options))
    report([type(error).__name__, str(error)])
    report(sorted(sites.tree(place)))
    catalog.store_run(run, **options)


@pytest.mark.parametrize("what", TABLES)
@pytest.mark.parametrize("site", ["msgpack", "jsonl"], indirect=True)
def test_a_process_whose_files_may_not_grow_can_go_on(site, tmp_path, what):
    pytest.importorskip("resource")
    with children.child(store_in_small_files, tmp_path / "report", site.kind, site.place, what) as child:
        (name, message), left = child.result()
    assert name == StoreFailedError.__name__
    assert "nothing was published" in message
    assert "retry" in message
    assert left == []
    assert_stored(site.open(), what)


def store_several_in_small_files(report, kind, place):
    """Fail to store several runs where there is no directory yet, then store one in it, and report both."""
    os.rmdir(place)
    catalog = sites.opened(kind, place)
    with faults.files_grow_to(10):
        error = faults.attempt(lambda: catalog.store_runs([{"x": [1]}, {"x": [2]}]))
    report([type(error).__name__, os.path.exists(place)])
    report([catalog.store_run({"x": [3]}, uid="fit-1").metadata["start"]["uid"], list(catalog)])


@pytest.mark.parametrize("site", ["msgpack", "jsonl"], indirect=True)
def test_a_directory_that_a_failed_store_has_removed_again_is_not_called_gone(site, tmp_path):
    pytest.importorskip("resource")
    with children.child(store_several_in_small_files, tmp_path / "report", site.kind, site.place) as child:
        failed, stored = child.result()
    assert failed == [StoreFailedError.__name__, False]
    assert stored == ["fit-1", ["fit-1"]]


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of some megabytes."""
    mount = tmp_path / "tiny"
    mount.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={3 * MEGABYTE}", "tmpfs", str(mount)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("this user may not mount a file system")
    yield mount
    # lazily: the handler of the assets keeps files open
    subprocess.run(["umount", "--lazy", str(mount)], check=True)


@pytest.mark.parametrize("what", TABLES)
@pytest.mark.parametrize("kind", ["msgpack", "jsonl"])
def test_a_full_disk_leaves_nothing_and_takes_the_run_once_it_has_space(tiny_disk, kind, what):
    with sites.site(kind, tiny_disk, None) as site:
        catalog = site.open()
    catalog.store_run({"x": [1]}, uid="before")
    before = sites.tree(tiny_disk)
    space = os.statvfs(tiny_disk)
    (tiny_disk / "filler").write_bytes(bytes(space.f_bavail * space.f_frsize - 50_000))
    table, options = TABLES[what]
    run = catalog.build_simple_run(table, uid="fit-1", one_event=bool(options))
    with pytest.raises(StoreFailedError, match=r"nothing was published"):
        catalog.store_run(run, **options)
    (tiny_disk / "filler").unlink()
    assert sites.tree(tiny_disk) == before
    assert list(site.open()) == ["before"]
    catalog.store_run(run, **options)
    assert_stored(site.open(), what)


def assert_stored(catalog, what):
    (name, values), *_ = TABLES[what][0].items()
    read = catalog["fit-1"].primary.read()[name].values
    if what == "asset":
        numpy.testing.assert_array_equal(read[0], values)
    else:
        assert read.tolist() == values
