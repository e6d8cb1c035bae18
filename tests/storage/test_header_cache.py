"""The index of headers: opening and searching read only files that are new, and find what they would without it."""

from __future__ import annotations

import contextlib
import io
import os
import sqlite3
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import msgpack_numpy
import numpy
import pytest
from databroker._drivers.jsonl import BlueskyJSONLCatalog
from databroker._drivers.msgpack import BlueskyMsgpackCatalog
from hypothesis import given
from hypothesis import strategies as st

from databroker_writable import StoreWarning, make_writable, open_directory
from databroker_writable.drivers import WritableJSONLCatalog, WritableMsgpackCatalog
from databroker_writable.runs import packed_headers, upstream
from databroker_writable.runs.packed_headers import PackedHeader
from databroker_writable.storage import header_cache, run_file_readers
from support import new_process

DRIVERS = {
    "msgpack": (WritableMsgpackCatalog, BlueskyMsgpackCatalog),
    "jsonl": (WritableJSONLCatalog, BlueskyJSONLCatalog),
}


@pytest.fixture(autouse=True)
def index_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where the index is, which takes the few and new files of tests, too."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(header_cache, "_is_worthwhile", lambda states: bool(list(states)))
    monkeypatch.setattr(header_cache, "SECONDS_TO_SETTLE", -10)
    return tmp_path / "cache" / "databroker-writable" / header_cache.FILE_NAME


@pytest.fixture
def files_read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the run files whose headers were read."""
    read: list[str] = []
    original = run_file_readers._read_header

    def noting(path: str, *arguments: Any) -> Any:
        read.append(os.path.basename(path))
        return original(path, *arguments)

    monkeypatch.setattr(run_file_readers, "_read_header", noting)
    return read


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A directory of three runs."""
    catalog = open_directory(tmp_path / "runs")
    for number in range(3):
        catalog.store_run({"x": [number]}, {"sample": "Cu", "number": number}, uid=f"run-{number}")
    return tmp_path / "runs"


def listed(catalog: Any) -> list[tuple[Any, Any]]:
    return [(catalog[uid].metadata["start"], catalog[uid].metadata["stop"]) for uid in catalog]


def unmade_entries(catalog: Any) -> int:
    """How many runs have only their header in place of an entry."""
    return sum(isinstance(entry, PackedHeader) for entry in upstream.loaded_entries(catalog).by_uid.values())


def test_a_second_opening_reads_only_files_that_are_new(runs: Path, files_read: list[str]) -> None:
    first = listed(open_directory(runs))
    assert sorted(files_read) == ["run-0.msgpack", "run-1.msgpack", "run-2.msgpack"]
    files_read.clear()
    open_directory(runs, index=False).store_run({"x": [3]}, uid="run-3")
    files_read.clear()
    again = open_directory(runs)
    assert files_read == ["run-3.msgpack"]
    assert [item for item in listed(again) if item[0]["uid"] != "run-3"] == first


def test_a_search_reads_no_file_again(runs: Path, files_read: list[str]) -> None:
    catalog = open_directory(runs, index=False)
    files_read.clear()
    found = catalog.search({"number": {"$gt": 0}})
    assert sorted(found) == ["run-1", "run-2"]
    assert sorted(found.search({"number": 2})) == ["run-2"]
    assert files_read == []


def test_results_and_the_latest_are_found_without_making_an_entry_of_each_run(runs: Path) -> None:
    catalog = open_directory(runs)
    assert unmade_entries(catalog) == 3
    assert catalog.latest({"sample": "Cu"}).metadata["start"]["number"] == 2
    assert unmade_entries(catalog) == 2


def test_index_false_keeps_nothing(runs: Path, index_file: Path) -> None:
    index_file.unlink(missing_ok=True)
    for catalog in (open_directory(runs, index=False), open_directory(runs, index="no")):
        assert len(catalog) == len(catalog.search({"sample": "Cu"})) == 3
    writable = make_writable(BlueskyMsgpackCatalog([f"{runs}/*.msgpack"]), index=False)
    writable.store_run({"x": [1]})
    writable.force_reload()
    assert not index_file.exists()


def test_files_that_were_changed_just_now_are_not_kept(
    runs: Path, files_read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(header_cache, "SECONDS_TO_SETTLE", 1000)
    open_directory(runs)
    files_read.clear()
    open_directory(runs)
    assert len(files_read) == 3


def test_few_small_files_are_read_without_the_index(
    runs: Path, index_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(index_file.parent.parent))
    index_file.unlink(missing_ok=True)
    assert len(open_directory(runs)) == 3
    assert not index_file.exists()


def _delete(path: Path) -> None:
    path.unlink()


def _overwrite(path: Path) -> None:
    path.write_bytes(b"not a database" * 1000)


def _damage(path: Path) -> None:
    """Change bytes of what is stored, and leave what SQLite looks at."""
    path.write_bytes(path.read_bytes().replace(b"run-1", b"run-X").replace(b"Cu", b"Fe"))


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def _replace_by_a_database_of_another_program(path: Path) -> None:
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE headers (something TEXT)")


def _change_the_types_of_what_is_stored(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE headers SET uid = NULL, time = 'soon', name = CAST(name AS TEXT)")


def _replace_by_a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _fill_the_disk(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/full")


def _forbid(path: Path) -> None:
    path.unlink()
    path.parent.rmdir()
    path.parent.write_text("in the place of the directory")


HARMS = [
    _delete,
    _overwrite,
    _damage,
    _truncate,
    _replace_by_a_database_of_another_program,
    _change_the_types_of_what_is_stored,
    _replace_by_a_directory,
    _fill_the_disk,
    _forbid,
]


@pytest.mark.parametrize("harm", HARMS)
def test_whatever_happens_to_the_index_the_same_is_found(
    runs: Path, index_file: Path, harm: Callable[[Path], None]
) -> None:
    before = listed(open_directory(runs))
    for path in index_file.parent.iterdir():
        if path != index_file:
            path.unlink()
    harm(index_file)
    for _ in range(2):
        assert listed(open_directory(runs)) == before
    assert len(open_directory(runs).search({"sample": "Cu"})) == 3


def test_a_damaged_index_begins_anew(runs: Path, index_file: Path, files_read: list[str]) -> None:
    open_directory(runs)
    _overwrite(index_file)
    open_directory(runs)
    open_directory(runs)
    files_read.clear()
    open_directory(runs)
    assert files_read == []


def test_a_run_with_a_pickle_is_passed_over_though_another_catalog_trusts_it(runs: Path) -> None:
    path = runs / "run-0.msgpack"
    documents = list(msgpack.Unpacker(io.BytesIO(path.read_bytes())))
    documents.insert(1, ["event", {"data": {"x": numpy.array([{}], dtype=object)}}])
    path.write_bytes(b"".join(msgpack.packb(document, default=msgpack_numpy.encode) for document in documents))
    trusting = open_directory(runs, allow_pickle=True)
    assert "run-0" in trusting
    with pytest.warns(StoreWarning, match="run-0"):
        assert "run-0" not in open_directory(runs)
    with pytest.warns(StoreWarning, match="run-0"):
        assert "run-0" not in WritableMsgpackCatalog(trusting.paths, allow_pickle=False)


@pytest.mark.usefixtures("warm_processes")
def test_ten_processes_use_one_index(runs: Path, index_file: Path) -> None:
    code = (
        "import sys\n"
        "from databroker_writable import open_directory\n"
        "from databroker_writable.storage import header_cache\n"
        "header_cache._is_worthwhile = lambda states: True\n"
        "header_cache.SECONDS_TO_SETTLE = -10\n"
        "for _ in range(5):\n"
        "    print(sorted(open_directory(sys.argv[1])))\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", code, str(runs)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(10)]
    for process in processes:
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        assert output.splitlines() == ["['run-0', 'run-1', 'run-2']"] * 5


SHORTENED = """
import sys
from pathlib import Path
from databroker_writable import open_directory
from databroker_writable.storage import header_cache

def shortened(database, files, run_format):
    database.execute("SELECT count(*) FROM headers").fetchall()
    for path in Path(sys.argv[2]).glob(header_cache.FILE_NAME + "*"):
        path.write_bytes(b"")
    return read(database, files, run_format)

read = header_cache._read
header_cache._read = shortened
header_cache._is_worthwhile = lambda states: True
print(sorted(open_directory(sys.argv[1])))
"""


def test_an_index_that_another_computer_shortens_ends_no_process(runs: Path, index_file: Path) -> None:
    open_directory(runs)
    result = new_process.run_python(SHORTENED, runs, index_file.parent)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "['run-0', 'run-1', 'run-2']\n"


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["store", "replace", "delete", "touch", "keep the times", "unfinished", "open", "search"]),
        st.integers(0, 3),
    ),
    max_size=25,
)


@given(actions=ACTIONS, file_format=st.sampled_from(sorted(DRIVERS)))
def test_a_history_of_files_is_found_as_the_stock_driver_finds_it(
    tmp_path_factory: pytest.TempPathFactory, actions: list[tuple[str, int]], file_format: str
) -> None:
    directory = tmp_path_factory.mktemp("history")
    ours, stock = DRIVERS[file_format]
    paths = [f"{directory}/*.{file_format}"]
    writer = ours(paths=paths, index=False)
    kept = ours(paths=paths)
    for number, (action, which) in enumerate(actions):
        path = directory / f"run-{which}.{file_format}"
        if action == "store" and not path.exists():
            writer.force_reload()
            if f"run-{which}" not in writer:
                writer.store_run({"x": [1]}, {"sample": f"s{number % 2}"}, uid=f"run-{which}", time=1e9 + which)
        elif action in ("replace", "keep the times", "unfinished") and path.exists():
            _rewrite(path, number, action)
        elif action == "delete":
            path.unlink(missing_ok=True)
        elif action == "touch" and path.exists():
            os.utime(path, (number, number))
        elif action in ("open", "search"):
            expected = stock(paths)
            opened = ours(paths=paths)
            kept.force_reload()
            assert list(opened) == list(expected)
            assert listed(opened) == listed(expected)
            query = {"sample": f"s{which % 2}"}
            assert listed(opened.search(query)) == listed(expected.search(query))
            assert set(expected) <= set(kept)
            assert listed(kept.search(query)) == listed(expected.search(query))


def _rewrite(path: Path, number: int, action: str) -> None:
    """Change what a file says, within its place or by another file, and its times or not."""
    content, status = path.read_bytes(), path.stat()
    for sample in (b"s0", b"s1"):
        content = content.replace(sample, b"s%d" % (number % 2))
    if action == "replace":
        new = path.with_suffix(".new")
        new.write_bytes(content)
        new.replace(path)
    else:
        path.write_bytes(content)
    if action == "keep the times":
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_results_of_a_run_are_found_before_any_entry_is_made(runs: Path) -> None:
    catalog = open_directory(runs)
    raw = catalog["run-0"]
    catalog.store_run({"y": [1]}, uid="fit", derived_from=raw)
    again = open_directory(runs)
    assert list(again.results_of("run-0")) == ["fit"]
    assert again.results_of("run-0")["fit"].metadata["stop"]["exit_status"] == "success"


def test_a_run_whose_file_is_replaced_is_found_by_its_new_input(runs: Path, tmp_path: Path) -> None:
    catalog, elsewhere = open_directory(runs), open_directory(tmp_path / "elsewhere")
    catalog.store_run({"y": [1]}, uid="fit", derived_from=catalog["run-0"])
    assert list(catalog.results_of("run-0")) == ["fit"]
    elsewhere.store_run({"y": [1]}, uid="fit", derived_from=catalog["run-1"])
    os.replace(tmp_path / "elsewhere" / "fit.msgpack", runs / "fit.msgpack")
    assert list(catalog.results_of("run-1")) == ["fit"]
    assert list(catalog.results_of("run-0")) == []


def test_finding_again_unpacks_only_the_runs_that_are_given_back(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = open_directory(runs)
    for number in range(20):
        writer.store_run({"y": [1]}, {"number": number}, uid=f"fit-{number}", derived_from="run-0", time=1e9 + number)
    catalog = open_directory(runs)
    catalog.results_of("run-1")
    catalog["fit-3"]
    unpacked: list[int] = []
    unpack = packed_headers.msgpack.unpackb
    monkeypatch.setattr(
        packed_headers.msgpack, "unpackb", lambda *given, **options: unpacked.append(1) or unpack(*given, **options)
    )
    assert not list(catalog.results_of("run-1"))
    assert len(unpacked) == 1, "both documents of run-1"
    catalog.store_run({"y": [1]}, uid="fit")
    unpacked.clear()
    assert list(catalog.results_of("run-1")) == []
    assert len(unpacked) == 1
    assert catalog.latest().metadata["start"]["uid"] == "fit"
    assert len(catalog.table(limit=2)) == 2
    assert len(unpacked) < 12
    unpacked.clear()
    runs_in_it = len(catalog.table(None, "number"))
    assert len(unpacked) <= runs_in_it


def test_an_open_catalog_takes_less_than_700_bytes_a_run_beyond_its_documents(tmp_path: Path) -> None:
    directory, number = tmp_path / "many", 1_000
    stored = open_directory(directory).store_run({"x": [1]}, uid="run-0000")
    content = (directory / "run-0000.msgpack").read_bytes()
    for other in range(1, number):
        (directory / f"run-{other:04}.msgpack").write_bytes(content.replace(b"run-0000", b"run-%04d" % other))
    open_directory(directory)
    tracemalloc.start()
    try:
        catalog = open_directory(directory)
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(catalog) == number
    documents = len(msgpack.packb([stored.metadata["start"], stored.metadata["stop"]]))
    assert size / number - documents < 700


def test_the_page_on_security_names_the_file() -> None:
    page = (Path(__file__).parents[2] / "docs" / "security.md").read_text(encoding="utf-8")
    assert f"/{header_cache.FILE_NAME}`" in page
