"""Files get the rights that their directory and the umask say; what may not be written says so at once."""

from __future__ import annotations

import os
import stat

import dask.array
import numpy
import pytest

from databroker_writable import NotWritableError
from support import children, other_users, sites

NOBODY = 65534
TABLE = {"image": numpy.zeros((2, 3, 4))}


def untouched():
    """A lazy array that says when it is computed."""

    def compute(*args, **kwargs):
        raise AssertionError("it is computed")

    return dask.array.map_blocks(compute, chunks=((1, 1), (3,)), dtype="float64", meta=numpy.zeros((0, 0)))


def runs_that_are_not_asked_for():
    raise AssertionError("the generator is consumed")
    yield


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
@pytest.mark.parametrize("umask", [0, 0o002, 0o022, 0o027, 0o077])
@pytest.mark.parametrize("site", ["msgpack", "jsonl"], indirect=True)
def test_files_and_directories_obey_the_umask_and_are_never_writable_by_all(site, umask):
    before = os.umask(umask)
    try:
        site.open().store_run(TABLE, one_event=True, asset_threshold=0)
    finally:
        os.umask(before)
    files = [site.directory / name for name in site.snapshot()]
    assert len(files) == 2
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) == 0o664 & ~umask
    for parent in (site.directory / "assets").rglob("*"):
        if parent.is_dir():
            assert stat.S_IMODE(parent.stat().st_mode) & 0o777 == 0o775 & ~umask


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives directories away")
@pytest.mark.parametrize("site", ["msgpack", "jsonl"], indirect=True)
def test_files_and_directories_have_the_group_of_their_directory(site):
    os.chown(site.directory, -1, 12345)
    os.chmod(site.directory, 0o2775)
    site.open().store_run(TABLE, one_event=True, asset_threshold=0)
    made = list(site.directory.rglob("*"))
    assert len(made) > 3
    assert {path.stat().st_gid for path in made} == {12345}


def store_as_nobody(report, kind, place):
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    catalog = sites.opened(kind, place)
    for store in (
        lambda: catalog.store_run({"image": untouched()}, one_event=True),
        lambda: catalog.store_runs(runs_that_are_not_asked_for()),
        lambda: catalog.run_builder(),
    ):
        try:
            store()
        except NotWritableError as error:
            report(str(error))


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="there are no users to become")
@pytest.mark.parametrize("kind", ["msgpack", "jsonl"])
def test_a_directory_without_permission_says_so_before_anything_is_computed(kind, tmp_path):
    with other_users.site_in_the_open(kind) as site:
        os.chmod(site.directory, 0o555)
        with children.child(store_as_nobody, tmp_path / "report", site.kind, site.place) as child:
            messages = child.result()
        assert site.snapshot() == {}
    assert len(messages) == 3
    for message in messages:
        assert "no permission to write" in message
        assert "ask its owner" in message


@pytest.mark.parametrize("site", ["msgpack", "jsonl", "mongo-normalized[mongomock]"], indirect=True)
def test_a_guarded_catalog_says_so_before_anything_is_computed(site):
    catalog = site.open(writable=False)
    for store in (
        lambda: catalog.store_run({"image": untouched()}, one_event=True),
        lambda: catalog.store_runs(runs_that_are_not_asked_for()),
        lambda: catalog.run_builder(),
    ):
        with pytest.raises(NotWritableError, match="writable: false; store into another"):
            store()
    assert site.snapshot() == {}
