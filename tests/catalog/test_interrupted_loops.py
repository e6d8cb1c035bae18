"""Ctrl-C ends a readout loop at any moment: what was added is kept, and no interrupt is swallowed."""

from __future__ import annotations

import pytest

from support import children, interrupted_loops

SITES = [
    "msgpack",
    "jsonl",
    *(f"mongo-{layout}[{server}]" for layout in ("normalized", "embedded") for server in ("mongomock", "server")),
]
EVERYDAY = 20
"""Loops of the everyday tests; the nightly profile has 200 on each backend."""


@pytest.fixture
def database_uri(request, site_name):
    """The URI of an empty database, for sites that need a server."""
    if not site_name.endswith("[server]"):
        yield None
        return
    server = request.getfixturevalue("mongo_server")
    with server.database() as database:
        yield server.database_uri(database)


def assert_silent(task, site_name, database_uri, tmp_path, seed, number):
    """Do a task in a child, which reports faults, and the number of loops at its end."""
    arguments = (site_name, database_uri, str(tmp_path), seed, number)
    with children.child(task, tmp_path / "report", *arguments) as child:
        assert child.result() == [["loops", number]]


@pytest.mark.parametrize("site_name", SITES)
def test_what_was_added_is_kept_when_an_interrupt_ends_the_loop(site_name, database_uri, tmp_path, seed):
    assert_silent(interrupted_loops.interrupt_once, site_name, database_uri, tmp_path, seed, EVERYDAY)


@pytest.mark.nightly
@pytest.mark.parametrize("part", range(10))
@pytest.mark.parametrize("site_name", SITES)
def test_what_was_added_is_kept_in_hundreds_of_interrupts(site_name, database_uri, tmp_path, seed, part):
    assert_silent(interrupted_loops.interrupt_once, site_name, database_uri, tmp_path, seed, 20)


@pytest.mark.parametrize("site_name", ["msgpack", "jsonl", "mongo-normalized[mongomock]"])
def test_a_second_interrupt_leaves_no_file_open(site_name, database_uri, tmp_path, seed):
    assert_silent(interrupted_loops.interrupt_twice, site_name, database_uri, tmp_path, seed, EVERYDAY)
