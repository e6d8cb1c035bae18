"""A forked child shares no run and no lock with its parent."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest

from databroker_writable import to_dataset
from databroker_writable.upkeep import examine
from support import sites
from support.new_process import output_of

KINDS = ("msgpack", "jsonl")

BEGINNING = """
import os, sys, threading
import numpy
from databroker_writable import InvalidRunError
from support import sites

kind, directory, threshold = sys.argv[1], sys.argv[2], int(sys.argv[3])

def piece(first):
    return {"x": [first, first + 1], "image": numpy.full((2, 3, 4), first, "int64")}

def end_of(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

catalog = sites.opened(kind, directory, asset_threshold=threshold)
"""


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=[10**9, 0], ids=["inline", "assets"])
def threshold(request: pytest.FixtureRequest) -> int:
    return request.param


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    made = tmp_path / "runs"
    made.mkdir()
    return made


def assert_whole(kind: str, directory: Path, uid: str, firsts: list[int], status: str = "success") -> None:
    """A run holds these pieces, once each."""
    run = sites.opened(kind, str(directory))[uid]
    assert run.metadata["stop"]["exit_status"] == status
    dataset = to_dataset(run)
    assert dataset["x"].values.tolist() == [value for first in firsts for value in (first, first + 1)]
    assert dataset["image"].values[:, 0, 0].tolist() == [first for first in firsts for _ in range(2)]
    assert numpy.ptp(dataset["image"].values, axis=(1, 2)).tolist() == [0] * 2 * len(firsts)


def assert_nothing_else(kind: str, directory: Path, number: int = 1) -> None:
    """There are so many runs, and nothing that was left behind."""
    catalog = sites.opened(kind, str(directory))
    assert len(list(catalog)) == number
    assert examine(catalog).findings == []
    assert [path for path in directory.rglob(".*") if path.is_file()] == []


ENDS = {
    "by sys.exit in the block": "sys.exit(3)",
    "by an error in the block": "1 / 0",
    "by Ctrl-C in the block": "os.kill(os.getpid(), signal.SIGINT); signal.pause()",
    "at once": "os._exit(3)",
    "killed": "os.kill(os.getpid(), signal.SIGKILL)",
}


@pytest.mark.parametrize("end", ENDS)
def test_a_run_goes_on_whatever_ends_a_child_that_was_forked_in_its_block(
    kind: str, directory: Path, threshold: int, end: str
) -> None:
    code = f"""
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
{BEGINNING}
with catalog.run_builder(uid="scan") as builder:
    builder.add_stream("primary", data=piece(0))
    builder.add_data("primary", piece(2))
    child = os.fork()
    if not child:
        {ENDS[end]}
    status = end_of(child)
    assert "scan" not in sites.opened(kind, directory), "the child has published the run"
    builder.add_data("primary", piece(4))
print(status)
"""
    assert int(output_of(code, kind, directory, threshold)) != 0
    assert_whole(kind, directory, "scan", [0, 2, 4])
    assert_nothing_else(kind, directory)


def test_a_builder_without_a_block_is_closed_by_the_process_that_made_it(
    kind: str, directory: Path, threshold: int
) -> None:
    code = f"""
{BEGINNING}
builder = catalog.run_builder(uid="scan")
builder.add_stream("primary", data=piece(0))
child = os.fork()
if not child:
    sys.exit(3)
print(end_of(child), "scan" in sites.opened(kind, directory))
builder.add_data("primary", piece(2))
"""
    assert output_of(code, kind, directory, threshold) == "3 False"
    assert_whole(kind, directory, "scan", [0, 2], "fail")
    assert_nothing_else(kind, directory)


USES = {
    "add_stream": "builder.add_stream('other', data={'y': [1]})",
    "add_data": "builder.add_data('primary', piece(2))",
    "update_configuration": "builder.update_configuration('primary', {})",
    "close": "builder.close()",
    "the end of the block": "builder.__exit__(None, None, None)",
    "store_run": "catalog.store_run(builder)",
    "get_run": "builder.get_run()",
}


@pytest.mark.parametrize("begun", [True, False], ids=["begun", "empty"])
def test_a_child_that_uses_the_builder_of_its_parent_is_refused(
    kind: str, directory: Path, threshold: int, begun: bool
) -> None:
    uses = [use for name, use in USES.items() if begun or name not in ("add_data", "update_configuration")]
    code = f"""
{BEGINNING}
with catalog.run_builder(uid="scan") as builder:
    if {begun}:
        builder.add_stream("primary", data=piece(0))
    child = os.fork()
    if not child:
        status = 0
        for use in {uses!r}:
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
    if not {begun}:
        builder.add_stream("primary", data=piece(0))
    builder.add_data("primary", piece(2))
print(status)
"""
    assert output_of(code, kind, directory, threshold) == "0"
    assert_whole(kind, directory, "scan", [0, 2])
    assert_nothing_else(kind, directory)


def test_documents_of_a_run_of_the_parent_are_refused_in_a_child(kind: str, directory: Path, threshold: int) -> None:
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
print(status, "scan" in sites.opened(kind, directory))
"""
    assert output_of(code, kind, directory, threshold) == "3 True"
    assert_nothing_else(kind, directory)


def test_a_child_stores_its_own_runs_beside_those_under_way(kind: str, directory: Path, threshold: int) -> None:
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
    assert output_of(code, kind, directory, threshold) == "3"
    assert_whole(kind, directory, "scan", [0, 2])
    assert_whole(kind, directory, "child", [10])
    assert_whole(kind, directory, "batch", [20])
    assert_nothing_else(kind, directory, 3)


def test_no_child_hangs_that_was_forked_while_a_thread_stores(kind: str, directory: Path, threshold: int) -> None:
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
    codes, number = output_of(code, kind, directory, threshold).splitlines()
    assert codes == str([0] * 8)
    for child in range(8):
        assert_whole(kind, directory, f"child-{child}", [child])
    for first in range(int(number)):
        assert_whole(kind, directory, f"parent-{first}", [first])
    assert_nothing_else(kind, directory, 8 + int(number))


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
