"""What a store costs, counted as work instead of time: it must not grow with what is stored already."""

from __future__ import annotations

import collections
import contextlib
import itertools
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bluesky_live.bluesky_run
import mongomock
import numpy
import pytest
import xarray

import databroker_writable
from databroker_writable.catalog.documents_to_store import checked_run
from databroker_writable.drivers import (
    WritableJSONLCatalog,
    WritableMongoEmbeddedCatalog,
    WritableMongoNormalizedCatalog,
    WritableMsgpackCatalog,
)
from databroker_writable.runs import document_checks
from databroker_writable.storage import serializer
from databroker_writable.storage.assets import HDF5AssetHandler, asset_router
from databroker_writable.tables import find_layout
from support.example_runs import TABLE

FILE_ACCESS = ("open", "os.listdir", "os.scandir", "glob.glob")

_accesses: list[collections.Counter[str]] = []


def _note_access(event: str, arguments: Any) -> None:
    if _accesses and event in FILE_ACCESS:
        _accesses[-1][event] += 1


sys.addaudithook(_note_access)


@contextlib.contextmanager
def file_accesses() -> Iterator[collections.Counter[str]]:
    """Count the files that are opened and the directories that are listed in the block."""
    _accesses.append(collections.Counter())
    try:
        yield _accesses[-1]
    finally:
        _accesses.pop()


def function_calls(function: Callable[[], Any]) -> int:
    """How many functions, of Python and of C, are called in this thread."""
    count = 0

    def note(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count


def changes_of_module(function: Callable[[], Any]) -> int:
    """How often one function of the package is followed by one of another module, in the order of the calls."""
    package = os.path.dirname(databroker_writable.__file__) + os.sep
    modules: list[str] = []

    def note(frame: Any, event: str, argument: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(package):
            modules.append(frame.f_code.co_filename)

    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(None)
    return sum(one != other for one, other in itertools.pairwise(modules))


@pytest.fixture
def fsyncs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is brought to the disk: "file" or "directory", call by call."""
    calls: list[str] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        calls.append("directory" if os.path.isdir(f"/dev/fd/{descriptor}") else "file")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    return calls


@pytest.fixture
def validations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The documents to which a schema is applied, by name."""
    calls: list[str] = []
    fits = document_checks._fits

    def note(name: str, doc: Any) -> bool:
        calls.append(name)
        return fits(name, doc)

    monkeypatch.setattr(document_checks, "_fits", note)
    return calls


def columns(rows: int, number: int = 1) -> dict[str, numpy.ndarray]:
    return {f"x{i}": numpy.arange(rows, dtype=float) for i in range(number)}


@pytest.mark.parametrize("driver", [WritableMsgpackCatalog, WritableJSONLCatalog])
def test_a_store_opens_and_lists_the_same_files_at_200_runs_as_at_10(driver: Any, tmp_path: Path) -> None:
    catalog = driver([str(tmp_path / f"*.{driver._backend_class.suffix.strip('.')}")])
    catalog.store_runs([TABLE] * 10)
    with file_accesses() as at_10:
        catalog.store_run(TABLE)
    catalog.store_runs([TABLE] * 190)
    with file_accesses() as at_200:
        catalog.store_run(TABLE)
    assert at_10["open"] >= 1
    assert at_200 == at_10


def test_a_store_lists_no_directory(tmp_path: Path) -> None:
    catalog = databroker_writable.open_directory(tmp_path)
    catalog.store_run(TABLE)
    with file_accesses() as accesses:
        catalog.store_run(TABLE)
    assert set(accesses) == {"open"}


def test_a_batch_lists_no_directory(tmp_path: Path) -> None:
    catalog = databroker_writable.open_directory(tmp_path)
    catalog.store_run(TABLE)
    with file_accesses() as accesses:
        catalog.store_runs([TABLE] * 20)
    assert set(accesses) == {"open"}


@pytest.mark.parametrize("driver", [WritableMongoNormalizedCatalog, WritableMongoEmbeddedCatalog])
def test_a_store_sends_as_many_commands_at_60_runs_as_at_10(driver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    count: collections.Counter[str] = collections.Counter()
    collection = mongomock.collection.Collection

    def counted(name: str) -> Callable[..., Any]:
        method = getattr(collection, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            count[name] += 1
            return method(*args, **kwargs)

        return call

    for name in ("find", "find_one", "insert_one", "insert_many", "create_index", "count_documents", "delete_many"):
        monkeypatch.setattr(collection, name, counted(name))
    database = mongomock.MongoClient()["runs"]
    catalog = driver(*[database] * (2 if driver is WritableMongoNormalizedCatalog else 1))

    def commands_of_a_store() -> dict[str, int]:
        count.clear()
        catalog.store_run(TABLE)
        return dict(count)

    catalog.store_runs([TABLE] * 10)
    at_10 = commands_of_a_store()
    catalog.store_runs([TABLE] * 50)
    assert sum(at_10.values()) >= 1
    # the writer knows how many Events it has inserted
    assert "count_documents" not in at_10
    assert commands_of_a_store() == at_10


def test_a_store_waits_once_for_the_file_and_once_for_its_directory(tmp_path: Path, fsyncs: list[str]) -> None:
    catalog = databroker_writable.open_directory(tmp_path)
    fsyncs.clear()
    catalog.store_run(TABLE)
    assert fsyncs == ["file", "directory"]


def test_a_batch_waits_once_for_its_directory(tmp_path: Path, fsyncs: list[str]) -> None:
    catalog = databroker_writable.open_directory(tmp_path)
    fsyncs.clear()
    catalog.store_runs([TABLE] * 64)
    assert fsyncs == ["file"] * 64 + ["directory"]


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="this system cannot be told to begin writing")
def test_a_batch_is_on_its_way_to_the_disk_before_any_of_it_is_waited_for(
    tmp_path: Path, fsyncs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = databroker_writable.open_directory(tmp_path)
    fsyncs.clear()
    monkeypatch.setattr(os, "posix_fadvise", lambda *arguments: fsyncs.append("begin"))
    catalog.store_runs([TABLE] * 3)
    assert fsyncs == ["begin"] * 3 + ["file"] * 3 + ["directory"]


def test_a_disk_is_asked_to_acknowledge_several_runs_of_a_batch_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = databroker_writable.open_directory(tmp_path)
    fsync, together = os.fsync, threading.Barrier(4)

    def wait_for_others(descriptor: int) -> None:
        if not os.path.isdir(f"/dev/fd/{descriptor}"):
            together.wait(timeout=60)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", wait_for_others)
    assert len(catalog.store_runs([TABLE] * 64)) == 64
    assert not together.broken


def test_what_has_been_checked_is_not_checked_again_on_its_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = databroker_writable.open_directory(tmp_path)
    checked: list[str] = []
    check = serializer.check_inserted

    def note(name: str, *others: Any) -> Any:
        checked.append(name)
        return check(name, *others)

    monkeypatch.setattr(serializer, "check_inserted", note)
    run = catalog.store_run(TABLE)
    catalog.store_run(list(databroker_writable.build_simple_run(TABLE).documents()))
    with catalog.run_builder() as builder:
        builder.add_stream("primary", data=TABLE)
    assert checked == []
    other = databroker_writable.open_directory(tmp_path / "other")
    other.v1.insert("start", run.metadata["start"])
    other._store.serializer.acquired.abandon(run.metadata["start"]["uid"])
    assert checked == ["start"]


def test_a_table_is_stored_without_making_the_signals_of_a_live_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = databroker_writable.open_directory(tmp_path)
    monkeypatch.setattr(bluesky_live.bluesky_run, "EmitterGroup", None)
    assert len(catalog.store_runs([TABLE] * 2)) == 2
    with pytest.raises(TypeError):
        catalog.build_simple_run(TABLE)


def test_the_installed_packages_are_not_looked_through_for_a_further_run_in_memory() -> None:
    databroker_writable.build_simple_run(TABLE)
    with file_accesses() as accesses:
        databroker_writable.build_simple_run(TABLE)
    assert not accesses


def test_uids_are_given_after_everything_is_on_the_disk(tmp_path: Path, fsyncs: list[str]) -> None:
    catalog = databroker_writable.open_directory(tmp_path)
    fsyncs.clear()
    catalog.store_runs([TABLE] * 70)
    assert collections.Counter(fsyncs) == {"file": 70, "directory": 2}
    assert fsyncs[-1] == "directory"


def test_schemas_are_applied_as_often_for_many_rows_as_for_few(tmp_path: Path, validations: list[str]) -> None:
    catalog = databroker_writable.open_directory(tmp_path)
    catalog.store_run({"never seen before": [1.0] * 7})
    few = sorted(validations)
    validations.clear()
    with pytest.warns(databroker_writable.StoreWarning):
        catalog.store_run({"nor was this one": [1.0] * 9_001})
    assert {"descriptor", "stop"} <= set(few)
    assert set(validations) <= set(few)
    assert len(validations) <= len(few)


def test_a_schema_is_applied_once_to_a_document_that_is_built_and_stored_in_one_call(
    tmp_path: Path, validations: list[str]
) -> None:
    catalog = databroker_writable.open_directory(tmp_path)
    catalog.store_run({"x": [1, 2, 3]}, metadata={"sample": "Cu"})
    assert sorted(validations) == ["descriptor", "start", "stop"]
    validations.clear()
    with catalog.run_builder() as builder:
        builder.add_stream("primary", data={"x": [1, 2, 3]})
        builder.add_data("primary", data={"x": [4]})
    assert sorted(validations) == ["descriptor", "start", "stop"]


def test_a_schema_is_applied_again_to_what_the_user_has_had(tmp_path: Path, validations: list[str]) -> None:
    catalog = databroker_writable.open_directory(tmp_path)
    run = catalog.build_simple_run({"x": [1, 2, 3]})
    validations.clear()
    catalog.store_run(run)
    assert sorted(validations) == ["descriptor", "start", "stop"]


def test_to_build_and_check_a_small_table_takes_few_calls(tmp_path: Path) -> None:
    catalog = databroker_writable.open_directory(tmp_path)
    table = {name: [float(i) for i in range(10)] for name in ("energy", "i0", "mu")}

    def build() -> None:
        checked_run(catalog._store, table)

    build()
    assert function_calls(build) <= 1_100


def test_a_small_store_walks_through_few_modules(tmp_path: Path) -> None:
    catalog = databroker_writable.open_directory(tmp_path)

    def store() -> None:
        catalog.store_run({"x": [1, 2, 3]})

    store()
    assert changes_of_module(store) <= 177


def test_a_store_calls_no_function_per_value(tmp_path: Path) -> None:
    catalog = databroker_writable.open_directory(tmp_path)

    def calls(rows: int) -> int:
        return function_calls(lambda: catalog.store_run(columns(rows), one_event=True))

    calls(100)  # what is imported and cached at first
    # files are read and written in blocks
    assert calls(100_000) <= calls(100) + 10_000


@pytest.mark.filterwarnings("ignore:databroker takes about:databroker_writable.StoreWarning")
def test_a_stored_run_is_stored_elsewhere_without_more_calls_per_value_and_in_as_many_bytes(tmp_path: Path) -> None:
    catalogs = [databroker_writable.open_directory(tmp_path / name) for name in ("first", "second")]

    def calls(rows: int, number: int) -> int:
        table = {f"x{i}": numpy.arange(rows, dtype="i8" if i % 2 else "f8") for i in range(number)}
        run = catalogs[0].store_run(table)
        return function_calls(lambda: catalogs[1].store_run(run))

    calls(10, 1)
    # event-model appends each value twice
    assert calls(1_000, 10) - calls(1_000, 1) <= 20_000
    of_first, of_second = (
        [path.stat().st_size for path in sorted(Path(c.paths[0]).parent.glob("*.msgpack"))] for c in catalogs
    )
    assert of_first == of_second


def test_documents_that_databroker_gives_event_by_event_are_stored_in_as_many_bytes(tmp_path: Path) -> None:
    first, second = (databroker_writable.open_directory(tmp_path / name) for name in ("first", "second"))
    run = first.store_run({"x": numpy.arange(100.0), "n": numpy.arange(100), "s": ["a", None] * 50})
    documents = list(run.documents(fill="no"))
    assert len(documents) > 100
    copied = second.store_run(documents)
    sizes = [path.stat().st_size for path in sorted(tmp_path.glob("*/*.msgpack"))]
    assert sizes[0] == sizes[1]
    assert not databroker_writable.diff(run, copied)


@pytest.mark.filterwarnings("ignore:databroker takes about:databroker_writable.StoreWarning")
@pytest.mark.parametrize("of", [lambda rows: numpy.arange(rows, dtype=float), lambda rows: ["a", None] * (rows // 2)])
def test_a_further_column_of_events_costs_the_same_calls_at_any_length(of: Any, tmp_path: Path) -> None:
    catalog = databroker_writable.open_directory(tmp_path)

    def calls(rows: int, number: int) -> int:
        table = {f"x{i}": of(rows) for i in range(number)}
        return function_calls(lambda: catalog.store_run(table))

    def calls_of_9_columns(rows: int) -> int:
        calls(rows, 1), calls(rows, 10)
        return calls(rows, 10) - calls(rows, 1)

    assert calls_of_9_columns(5_000) <= calls_of_9_columns(100) + 100


@pytest.mark.filterwarnings("ignore:databroker takes about:databroker_writable.StoreWarning")
def test_a_run_is_written_in_one_page_however_many_rows_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = databroker_writable.open_directory(tmp_path)
    names: list[str] = []
    insert = catalog.v1.insert
    monkeypatch.setattr(catalog.v1, "insert", lambda name, doc: (names.append(name), insert(name, doc)))
    catalog.store_run(columns(5_000))
    assert names == ["start", "descriptor", "event_page", "stop"]


def test_reading_many_columns_in_files_asks_for_each_a_few_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = databroker_writable.open_directory(tmp_path)
    run = catalog.store_run({f"c{i}": [i] for i in range(100)}, one_event=True, asset_threshold=0)
    calls = []
    give = HDF5AssetHandler.__call__
    monkeypatch.setattr(
        HDF5AssetHandler, "__call__", lambda *given, **kwargs: calls.append(1) or give(*given, **kwargs)
    )
    assert len(run.primary.to_dask().data_vars) == 100
    assert len(calls) <= 200


WIDE = {
    "to_dataset": databroker_writable.to_dataset,
    "diff": lambda run: databroker_writable.diff(run, run),
    **{
        suffix: lambda run, name=f"run{suffix}": databroker_writable.export(run, name, force=True)
        for suffix in (".nxs", ".parquet", ".csv", ".json")
    },
}


def test_storing_many_columns_in_files_reads_their_layout_as_often_as_for_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Any] = []
    monkeypatch.setattr(asset_router, "find_layout", lambda descriptor: read.append(1) or find_layout(descriptor))
    catalog, counts = databroker_writable.open_directory(tmp_path), []
    for width in (2, 40):
        read.clear()
        catalog.store_run({f"c{i}": numpy.zeros((1, 3)) for i in range(width)}, asset_threshold=0)
        counts.append(len(read))
    assert counts[0] == counts[1] > 0


@pytest.mark.parametrize("use", WIDE.values(), ids=WIDE.keys())
def test_a_column_of_a_wide_table_is_taken_out_without_looking_at_all_others(
    use: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    catalog = databroker_writable.open_directory("results")
    run = catalog.store_run({f"x{i}": [0.5, 1.5] for i in range(40)}, one_event=True)
    lookups = 0
    look_up = xarray.Dataset._construct_dataarray

    def counted(dataset: Any, name: Any) -> Any:
        nonlocal lookups
        lookups += 1
        return look_up(dataset, name)

    monkeypatch.setattr(xarray.Dataset, "_construct_dataarray", counted)
    use(run)
    assert lookups < 10


@pytest.mark.parametrize("driver", [WritableMsgpackCatalog, WritableJSONLCatalog])
def test_finding_opens_the_files_of_what_is_found_alone(driver: Any, tmp_path: Path) -> None:
    catalog = driver([str(tmp_path / f"*.{driver._backend_class.suffix.strip('.')}")])
    raw = catalog.store_run(TABLE)
    catalog.store_runs([TABLE] * 50)
    catalog.store_run(TABLE, derived_from=raw)
    catalog.table()
    with file_accesses() as of_table:
        catalog.table(derived_from=raw)
    assert not of_table["open"]
    with file_accesses() as of_results:
        catalog.results_of(raw)
    with file_accesses() as of_latest:
        catalog.latest()
    assert 1 <= of_results["open"] <= 6
    assert 1 <= of_latest["open"] <= 6


@pytest.mark.parametrize("driver", [WritableMongoNormalizedCatalog, WritableMongoEmbeddedCatalog])
def test_a_table_asks_mongodb_as_often_for_150_runs_as_for_50(driver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    count = 0
    find = mongomock.collection.Collection.find

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal count
        count += 1
        return find(*args, **kwargs)

    monkeypatch.setattr(mongomock.collection.Collection, "find", counted)
    database = mongomock.MongoClient()["runs"]
    catalog = driver(*[database] * (2 if driver is WritableMongoNormalizedCatalog else 1))

    def questions_of_a_table(runs: int) -> int:
        nonlocal count
        count = 0
        assert len(catalog.table()) == runs
        return count

    catalog.store_runs([TABLE] * 50)
    at_50 = questions_of_a_table(50)
    catalog.store_runs([TABLE] * 100)
    # one more for the stop documents behind those of the newest hundred, and for no others up to 1,100
    assert questions_of_a_table(150) <= at_50 + 1
    assert at_50 <= 4
