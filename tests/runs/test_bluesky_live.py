"""What is built here behaves as what bluesky-live's builder builds."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
import threading

import bluesky_live.run_builder
import pytest

from databroker_writable import RunBuilder, build_simple_run, open_directory

PUBLIC = ("__init__", "add_stream", "add_data", "update_configuration", "close")


@pytest.mark.parametrize("method", PUBLIC)
def test_the_builder_takes_what_the_one_of_bluesky_live_takes(method):
    expected = list(inspect.signature(getattr(bluesky_live.run_builder.RunBuilder, method)).parameters.values())
    given = list(inspect.signature(getattr(RunBuilder, method)).parameters.values())
    for ours, theirs in zip(given, expected, strict=False):
        assert (ours.name, ours.kind) == (theirs.name, theirs.kind)
    assert len(given) >= len(expected)


def test_build_simple_run_takes_what_the_one_of_bluesky_live_takes():
    expected = list(inspect.signature(bluesky_live.run_builder.build_simple_run).parameters)
    assert expected == ["data", "metadata", "uid", "time", "exit_status", "reason"]
    assert list(inspect.signature(build_simple_run).parameters)[: len(expected)] == expected


def test_numbers_given_in_lists_stay_python_numbers_in_the_documents():
    columns = {"x": [1, 2], "y": [1.5, 2.5], "ok": [True, False], "name": ["a", "b"]}
    documents = dict(build_simple_run(columns).documents())
    assert json.loads(json.dumps(documents["event_page"]["data"])) == columns
    assert [type(values[0]) for values in documents["event_page"]["data"].values()] == [int, float, bool, str]


def test_the_documents_that_a_run_emits_while_it_is_built_are_those_that_it_gives():
    emitted = []
    with RunBuilder({"sample": "Cu"}) as builder:
        run = builder.get_run()
        run.events.new_doc.connect(lambda event: emitted.append((event.name, event.doc)))
        builder.add_stream("primary", data={"x": [1, 2, 3]})
        builder.add_data("primary", data={"x": [4]})
    assert emitted == list(run.documents())[1:]


def test_a_listener_may_ask_for_the_run_that_it_listens_to():
    builder = RunBuilder({"sample": "Cu"})
    seen = []
    builder.get_run().events.new_doc.connect(lambda event: seen.append((event.name, len(builder.get_run()))))
    adding = threading.Thread(target=builder.add_stream, args=["primary"], kwargs={"data": {"x": [1]}}, daemon=True)
    adding.start()
    adding.join(10)
    assert not adding.is_alive()
    assert seen == [("descriptor", 1), ("event_page", 1)]


def test_a_listener_may_store_the_run_when_it_is_complete(tmp_path):
    catalog = open_directory(tmp_path)
    with RunBuilder({"sample": "Cu"}) as builder:
        builder.get_run().events.completed.connect(lambda event: catalog.store_run(builder))
        builder.add_stream("primary", data={"x": [1, 2, 3]})
    assert catalog[builder.uid].primary.read().x.values.tolist() == [1, 2, 3]


READ_FIRST = """
from bluesky_live.run_builder import build_simple_run
run = build_simple_run({"x": [1, 2, 3]})
run.primary.read()
import sys, databroker
from databroker_writable import make_writable, open_directory
for catalog in (open_directory(sys.argv[1]), make_writable(databroker.temp())):
    catalog.store_run(run)
    print(run.primary.to_dask()["x"].values.tolist(), catalog[-1].primary.to_dask()["x"].values.tolist())
"""


@pytest.mark.parametrize("first", ["", "import databroker_writable"], ids=["before the package", "after it"])
def test_a_run_of_bluesky_live_may_be_read_before_a_catalog_is_opened(first, tmp_path):
    # in a new interpreter, which has imported nothing of databroker
    command = [sys.executable, "-W", "ignore", "-c", first + READ_FIRST, str(tmp_path / "results")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["[1, 2, 3] [1, 2, 3]"] * 2
