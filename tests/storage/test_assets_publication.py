"""A file is wholly there under its name or not at all, and never in another's place."""

from __future__ import annotations

import errno
import gc
import os
import signal
from pathlib import Path
from typing import Any

import numpy
import pytest

from databroker_writable.errors import NotWritableError, StoreFailedError
from databroker_writable.storage import durable_file
from databroker_writable.storage.assets import find_partial_files
from databroker_writable.storage.assets.hdf5_file import NewHDF5File
from databroker_writable.storage.assets.hdf5_source import verify
from support import new_process
from support.asset_files import frames, hidden, path_of, published, stream_assets, visible, whole
from support.faults import files_grow_to

STEPS = [
    (NewHDF5File, "write", set()),
    (NewHDF5File, "sync", set()),
    (durable_file, "sync_directories", set()),
    (os, "link", {"after"}),
    (os, "unlink", {"before", "after"}),
]


def killed_at(root: Path, owner: Any, function: str, moment: str) -> int:
    """Write and publish in a child that is killed before or after its first call of a function."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    original = getattr(owner, function)

    def killing(*args: Any, **kwargs: Any) -> None:
        if moment == "after":
            original(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    try:
        setattr(owner, function, killing)
        published(root, img=frames())
    finally:
        os._exit(1)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(("owner", "function", "named"), STEPS, ids=[function for _, function, _ in STEPS])
def test_a_killed_writer_leaves_nothing_visible_or_a_whole_file(
    tmp_path: Path, owner: Any, function: str, named: set[str], moment: str
) -> None:
    assert killed_at(tmp_path, owner, function, moment) == -signal.SIGKILL
    assert visible(tmp_path) == (["2023/11/d34db33f-primary.h5"] if moment in named else [])
    for name in visible(tmp_path):
        verify(str(tmp_path / name))
    assert len(find_partial_files(str(tmp_path))) == ((function, moment) != ("unlink", "after"))


def test_a_child_that_is_forked_meanwhile_leaves_the_file_alone(tmp_path: Path) -> None:
    script = """
import os, sys
from pathlib import Path
from support.asset_files import frames, stream_assets

assets = stream_assets(Path(sys.argv[1]))
assets.append("img", frames(), dims="tyx")
if os.fork() == 0:
    sys.exit()
assert os.wait()[1] == 0
assets.publish()
"""
    result = new_process.run_python(script, tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    verify(str(tmp_path / visible(tmp_path)[0]))


def test_a_forgotten_writer_leaves_nothing(tmp_path: Path) -> None:
    assets = stream_assets(tmp_path)
    assets.append("img", frames(), dims="tyx")
    del assets
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_a_retry_of_a_killed_run_takes_another_name(tmp_path: Path) -> None:
    first, _ = published(tmp_path, img=frames())
    before = first.read_bytes()
    second, assets = published(tmp_path, img=frames() + 1)
    assert assets.resource_path == "2023/11/d34db33f-primary+2.h5"
    assert first.read_bytes() == before
    assert (whole(second, assets, "img", 6).compute() == frames() + 1).all()


def no_hard_links(*args: Any, **kwargs: Any) -> None:
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


@pytest.fixture(params=["links", "no links"])
def file_system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "no links":
        monkeypatch.setattr(os, "link", no_hard_links)
    return request.param


def test_a_file_is_published_with_and_without_hard_links(tmp_path: Path, file_system: str) -> None:
    path, assets = published(tmp_path, img=frames())
    assert visible(tmp_path) == ["2023/11/d34db33f-primary.h5"]
    assert hidden(tmp_path) == []
    assert os.stat(path).st_nlink == 1
    assert (whole(path, assets, "img", 6).compute() == frames()).all()


def test_a_file_that_took_the_name_meanwhile_stays(tmp_path: Path, file_system: str) -> None:
    one, other = stream_assets(tmp_path), stream_assets(tmp_path)
    for assets, offset in ((one, 0), (other, 1)):
        assets.append("img", frames() + offset, dims="tyx")
    one.publish()
    with pytest.raises(StoreFailedError, match=r"another writer, .*d34db33f-primary\.h5 .* a retry is safe$"):
        other.publish()
    with pytest.raises(StoreFailedError, match="failed before"):
        other.publish()
    other.discard()
    assert visible(tmp_path) == [one.resource_path]
    assert hidden(tmp_path) == []
    assert (whole(path_of(tmp_path, one), one, "img", 6).compute() == frames()).all()


def test_a_failing_rename_leaves_no_placeholder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", no_hard_links)
    monkeypatch.setattr(os, "replace", no_hard_links)
    with pytest.raises(StoreFailedError, match="nothing was published"):
        published(tmp_path, img=frames())
    assert visible(tmp_path) == []


def test_a_link_that_was_made_and_reported_as_failed_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = os.link

    def as_over_nfs(source: str, target: str) -> None:
        link(source, target)
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))

    monkeypatch.setattr(os, "link", as_over_nfs)
    path, _ = published(tmp_path, img=frames())
    verify(str(path))


def test_two_publications_of_one_file_are_one(tmp_path: Path) -> None:
    path, assets = published(tmp_path, img=frames())
    status = os.stat(path)
    assets.publish()
    assert os.stat(path) == status


def test_nothing_is_left_of_what_is_discarded_and_nothing_more_is_taken(tmp_path: Path) -> None:
    root = tmp_path / "new" / "assets"
    assets = stream_assets(root)
    assets.append("img", frames(), dims="tyx")
    assert len(hidden(root)) == 1
    assets.discard()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StoreFailedError, match="was discarded"):
        assets.append("img", frames(), dims="tyx")


def test_a_published_file_can_be_discarded_by_its_writer(tmp_path: Path) -> None:
    _, assets = published(tmp_path, img=frames())
    assets.discard()
    assets.discard()
    assert list(tmp_path.iterdir()) == []


def test_discarding_keeps_what_others_wrote(tmp_path: Path) -> None:
    other = tmp_path / "2023" / "other.txt"
    assets = stream_assets(tmp_path)
    assets.append("img", frames(), dims="tyx")
    other.write_text("mine")
    assets.discard()
    assert [str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")] == ["2023", "2023/other.txt"]


def test_a_directory_that_another_writer_removes_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = durable_file.make_directories
    made = []

    def removed_once(path: str) -> list[str]:
        result = make(path)
        made.append(path)
        if len(made) == 1:
            os.rmdir(path)
        return result

    monkeypatch.setattr(durable_file, "make_directories", removed_once)
    path, _ = published(tmp_path, img=frames())
    assert path.exists()
    assert len(made) == 2


@pytest.mark.parametrize("lazy", [False, True])
def test_a_full_disk_leaves_nothing_and_can_be_retried(tmp_path: Path, lazy: bool) -> None:
    import dask.array

    values: Any = numpy.random.default_rng(0).integers(0, 60000, (8, 1024, 1024), dtype="u2")
    given = dask.array.from_array(values, chunks=(2, 1024, 1024)) if lazy else values
    assets = stream_assets(tmp_path)
    with files_grow_to(6_000_000):
        assets.append("img", values[:1], dims="tyx")
        with pytest.raises(StoreFailedError, match=r"writing column 'img' failed .*a retry is safe"):
            assets.append("img", given, dims="tyx")
        with pytest.raises(StoreFailedError, match="cannot be finished"):
            assets.publish()
        assets.discard()
    assert list(tmp_path.iterdir()) == []
    path, assets = published(tmp_path, img=given)
    assert (whole(path, assets, "img", 8).compute() == values).all()


def test_a_disk_that_fills_while_the_file_is_finished_leaves_nothing(tmp_path: Path) -> None:
    assets = stream_assets(tmp_path)
    assets.append("img", frames(), dims="tyx")
    assets.add_coordinate("x", numpy.arange(100_000), dims=["x"], attrs={})
    with files_grow_to(os.path.getsize(next(tmp_path.rglob(".*.part")))):
        with pytest.raises(StoreFailedError, match=r"finishing .* failed"):
            assets.publish()
        assets.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_met_a_full_disk_ends_well(tmp_path: Path) -> None:
    script = """
import resource, sys
from pathlib import Path
import numpy
from support.asset_files import stream_assets

resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, resource.RLIM_INFINITY))
assets = stream_assets(Path(sys.argv[1]))
try:
    assets.append("img", numpy.ones((8, 1024, 1024), "u2"), dims="tyx")
except OSError as error:
    print(type(error).__name__)
"""
    result = new_process.run_python(script, tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "StoreFailedError\n", "")


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_without_permission_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(NotWritableError, match="there is no permission to write"):
        stream_assets(tmp_path).append("img", frames(), dims="tyx")


def test_no_permission_is_an_error_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*args: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "mkdir", refused)
    with pytest.raises(NotWritableError, match="set another asset_root"):
        stream_assets(tmp_path).append("img", frames(), dims="tyx")


def test_a_root_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    root = tmp_path / "file"
    root.write_text("")
    with pytest.raises(StoreFailedError, match=r"File exists|Not a directory"):
        stream_assets(root).append("img", frames(), dims="tyx")
