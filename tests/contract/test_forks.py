"""A forked child shares no run and no lock with its parent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import pytest

from databroker_writable import to_dataset
from databroker_writable.upkeep import examine
from support import servers, sites
from support.new_process import output_of

CASES = [
    ("msgpack", "inline"),
    ("msgpack", "numpy assets"),
    ("msgpack", "dask assets"),
    ("jsonl", "inline"),
    ("jsonl", "numpy assets"),
    ("mongo-normalized", "inline"),
    ("mongo-embedded", "dask assets"),
]

BEGINNING = """
import os, sys, threading
import dask, dask.array, numpy
from databroker_writable import InvalidRunError
from support import sites

kind, place, assets, form = sys.argv[1:]

def piece(first):
    image = numpy.full((2, 12), first, "int64")
    if form == "dask assets":
        image = dask.array.from_array(image, chunks=(1, 5))
    return {"x": [first, first + 1], "image": image}

def opened():
    return sites.opened(kind, place, asset_root=assets, asset_threshold=10**9 if form == "inline" else 0)

def end_of(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

# dask's threads are not in a child, which would wait for them, and its locks may be held
dask.config.set(scheduler="synchronous")
catalog = opened()
"""


@dataclass
class Place:
    """Where the processes of a test store runs."""

    kind: str
    path: str
    assets: Path
    form: str

    def output_of(self, code: str) -> str:
        return output_of(code, self.kind, self.path, self.assets, self.form)

    def opened(self) -> Any:
        return sites.opened(self.kind, self.path, asset_root=str(self.assets))

    def assert_whole(self, uid: str, firsts: list[int], status: str = "success") -> None:
        """A run holds these pieces, once each."""
        run = self.opened()[uid]
        assert run.metadata["stop"]["exit_status"] == status
        dataset = to_dataset(run)
        assert dataset["x"].values.tolist() == [value for first in firsts for value in (first, first + 1)]
        assert dataset["image"].values[:, 0].tolist() == [first for first in firsts for _ in range(2)]
        assert numpy.ptp(dataset["image"].values, axis=1).tolist() == [0] * 2 * len(firsts)

    def assert_nothing_else(self, number: int = 1) -> None:
        """There are so many runs, and nothing that was left behind."""
        catalog = self.opened()
        assert len(list(catalog)) == number
        assert examine(catalog).findings == []
        directories = [self.assets] if self.kind in sites.MONGO_SITES else [self.assets, Path(self.path)]
        assert [path for directory in directories for path in directory.rglob(".*") if path.is_file()] == []


@pytest.fixture(params=CASES, ids=" ".join)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    (kind, form), assets = request.param, tmp_path / "assets"
    if kind in sites.MONGO_SITES:
        server: servers.MongoServer = request.getfixturevalue("mongo_server")
        with server.database() as database:
            yield Place(kind, server.database_uri(database), assets, form)
    else:
        (tmp_path / "runs").mkdir()
        yield Place(kind, str(tmp_path / "runs"), assets, form)


ENDS = {
    "by sys.exit in the block": "sys.exit(3)",
    "by an error in the block": "1 / 0",
    "by Ctrl-C in the block": "os.kill(os.getpid(), signal.SIGINT); signal.pause()",
    "at once": "os._exit(3)",
    "killed": "os.kill(os.getpid(), signal.SIGKILL)",
}


def test_a_run_goes_on_whatever_ends_a_child_that_was_forked_in_its_block(place: Place) -> None:
    runs = {end.replace(" ", "-"): statement for end, statement in ENDS.items()}
    code = f"""
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
{BEGINNING}
for uid, statement in {runs!r}.items():
    with catalog.run_builder(uid=uid) as builder:
        builder.add_stream("primary", data=piece(0))
        builder.add_data("primary", piece(2))
        child = os.fork()
        if not child:
            exec(statement)
        status = end_of(child)
        assert uid not in opened(), "the child has published the run"
        builder.add_data("primary", piece(4))
    print(status)
"""
    statuses = place.output_of(code).splitlines()
    assert len(statuses) == len(runs)
    assert "0" not in statuses
    for uid in runs:
        place.assert_whole(uid, [0, 2, 4])
    place.assert_nothing_else(len(runs))


def test_a_builder_without_a_block_is_closed_by_the_process_that_made_it(place: Place) -> None:
    code = f"""
{BEGINNING}
builder = catalog.run_builder(uid="scan")
builder.add_stream("primary", data=piece(0))
child = os.fork()
if not child:
    sys.exit(3)
print(end_of(child), "scan" in opened())
builder.add_data("primary", piece(2))
"""
    assert place.output_of(code) == "3 False"
    place.assert_whole("scan", [0, 2], "fail")
    place.assert_nothing_else()


USES = {
    "add_stream": "builder.add_stream('other', data={'y': [1]})",
    "add_data": "builder.add_data('primary', piece(2))",
    "update_configuration": "builder.update_configuration('primary', {})",
    "close": "builder.close()",
    "the end of the block": "builder.__exit__(None, None, None)",
    "store_run": "catalog.store_run(builder)",
    "get_run": "builder.get_run()",
}


def test_a_child_that_uses_the_builder_of_its_parent_is_refused(place: Place) -> None:
    code = f"""
{BEGINNING}
for uid in ("begun", "empty"):
    with catalog.run_builder(uid=uid) as builder:
        if uid == "begun":
            builder.add_stream("primary", data=piece(0))
        child = os.fork()
        if not child:
            status = 0
            for name, use in {USES!r}.items():
                if uid == "empty" and name in ("add_data", "update_configuration"):
                    continue
                try:
                    exec(use)
                    print("not refused:", use, flush=True)
                    status = 1
                except InvalidRunError as error:
                    if "fork" not in str(error):
                        print(use, error, flush=True)
                        status = 1
            os._exit(status)
        status = end_of(child)
        if uid == "empty":
            builder.add_stream("primary", data=piece(0))
        builder.add_data("primary", piece(2))
    print(status)
"""
    assert place.output_of(code) == "0\n0"
    place.assert_whole("begun", [0, 2])
    place.assert_whole("empty", [0, 2])
    place.assert_nothing_else(2)


def test_documents_of_a_run_of_the_parent_are_refused_in_a_child(place: Place) -> None:
    code = f"""
{BEGINNING}
from support import example_runs
documents = example_runs.small_documents(uid="scan", rows=4)
for item in documents[:3]:
    catalog.v1.insert(*item)
child = os.fork()
if not child:
    for item in documents[3:]:
        try:
            catalog.v1.insert(*item)
            os._exit(1)
        except InvalidRunError:
            pass
    sys.exit(3)
status = end_of(child)
for item in documents[3:]:
    catalog.v1.insert(*item)
print(status, "scan" in opened())
"""
    assert place.output_of(code) == "3 True"
    place.assert_nothing_else()


def test_a_child_stores_its_own_runs_beside_those_under_way(place: Place) -> None:
    code = f"""
{BEGINNING}
with catalog.run_builder(uid="scan") as builder:
    builder.add_stream("primary", data=piece(0))
    child = os.fork()
    if not child:
        catalog.store_run(piece(10), uid="child")
        catalog.store_runs([catalog.build_simple_run(piece(20), uid="batch")])
        sys.exit(3)
    builder.add_data("primary", piece(2))
    status = end_of(child)
print(status)
"""
    assert place.output_of(code) == "3"
    place.assert_whole("scan", [0, 2])
    place.assert_whole("child", [10])
    place.assert_whole("batch", [20])
    place.assert_nothing_else(3)


def test_no_child_hangs_that_was_forked_while_a_thread_stores(place: Place) -> None:
    if place.form == "dask assets":
        pytest.skip("dask's own lock of its tokens may be held by the thread, which the child does not have")
    code = f"""
import multiprocessing, time
{BEGINNING}
stored, over = [], threading.Event()

def background():
    while not over.is_set():
        stored.append(catalog.store_run(piece(len(stored)), uid=f"parent-{{len(stored)}}"))

thread = threading.Thread(target=background)
thread.start()
while not stored:
    time.sleep(0.001)
context = multiprocessing.get_context("fork")
children = []
for number in range(8):
    time.sleep(0.003 * number)
    child = context.Process(target=catalog.store_run, args=(piece(number),), kwargs={{"uid": f"child-{{number}}"}})
    child.start()
    children.append(child)
for child in children:
    child.join(60)
print([child.exitcode for child in children])
for child in children:
    child.kill()
over.set()
thread.join()
print(len(stored))
"""
    codes, number = place.output_of(code).splitlines()
    assert codes == str([0] * 8)
    for child in range(8):
        place.assert_whole(f"child-{child}", [child])
    for first in range(int(number)):
        place.assert_whole(f"parent-{first}", [first])
    place.assert_nothing_else(8 + int(number))


@pytest.mark.parametrize("thread", ["this", "another"])
def test_a_child_that_was_forked_while_interrupts_are_put_off_can_be_interrupted(thread: str) -> None:
    code = """
import os, signal, sys, threading
from databroker_writable.runs.interrupts import deferred_interrupts

signal.signal(signal.SIGINT, signal.default_int_handler)
statuses = []

def fork():
    child = os.fork()
    if not child:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            with deferred_interrupts():
                pass
            os._exit(1)
        except KeyboardInterrupt:
            os._exit(3)
    statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

with deferred_interrupts():
    if sys.argv[1] == "this":
        fork()
    else:
        thread = threading.Thread(target=fork)
        thread.start()
        thread.join()
print(statuses)
"""
    assert output_of(code, thread) == "[3]"
