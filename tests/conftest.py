"""Fixtures that more than one file uses."""

from __future__ import annotations

import functools
import os
import re
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import databroker.core
import databroker.v2
import pymongo.common
import pytest
from hypothesis import HealthCheck, settings

from databroker_writable.results import displays
from support import servers, shown_output, sites, warm_python

# Hypothesis: 30 examples, and with --hypothesis-profile=nightly 500
_options: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck), "print_blob": True}
settings.register_profile("everyday", max_examples=30, **_options)
settings.register_profile("nightly", max_examples=500, **_options)
settings.load_profile("everyday")

SEED = "DATABROKER_WRITABLE_TEST_SEED"

MEMORY = Path("/dev/shm")
MEMORY_BYTES = 4 * 2**30


def _temporary_files_in_memory() -> None:
    """Have the temporary files of the tests, and those of their servers, where nothing waits for a disk."""
    roomy = os.access(MEMORY, os.W_OK | os.X_OK) and shutil.disk_usage(MEMORY).free >= MEMORY_BYTES
    if roomy and "TMPDIR" not in os.environ:
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None


_temporary_files_in_memory()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        shown_output.OPTION,
        action="store_true",
        help="write the outputs and pictures that pages of documentation show anew, where they differ",
    )


def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are processors, because tests also wait: for disks, children and timeouts."""
    return min(8, (os.cpu_count() or 1) + 1)


MONGO_SERVER = re.compile(r"\[server\]|mongo-(normalized|embedded)(?!\[mongomock\])|mongodb\.md")
"""In the names of tests that use a MongoDB server, beside those that name its fixture."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests that use a MongoDB server, and leave out those of the nightly profile."""
    for item in items:
        if "mongo_server" in getattr(item, "fixturenames", ()) or MONGO_SERVER.search(item.name):
            item.add_marker("mongo_server")
    _leave_out_nightly(config, items)


def _leave_out_nightly(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the nightly profile unless it is asked for, with ``-m nightly``; every property belongs to it."""
    if "nightly" in config.option.markexpr:
        for item in items:
            if getattr(getattr(item, "function", None), "is_hypothesis_test", False):
                item.add_marker("nightly")
        return
    nightly = [item for item in items if item.get_closest_marker("nightly")]
    if nightly:
        config.hook.pytest_deselected(items=nightly)
        items[:] = [item for item in items if not item.get_closest_marker("nightly")]


@pytest.fixture(scope="session", autouse=True)
def _handlers_found_once() -> Iterator[None]:
    """The installed packages are scanned for handlers for each catalog; here nothing changes."""
    with pytest.MonkeyPatch.context() as patch:
        found = functools.cache(databroker.core.discover_handlers)
        for module in (databroker.core, databroker.v2):
            patch.setattr(module, "discover_handlers", lambda: dict(found()))
        yield


@pytest.fixture(scope="session", autouse=True)
def _cache_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Whoever runs the tests has a cache directory of their own, which stays as it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        warm_python.ENVIRONMENT.update(os.environ)
        yield


@pytest.fixture(scope="session", autouse=True)
def _servers_soon_looked_for_again() -> Iterator[None]:
    """PyMongo tries a server that is away every half second, however short the time-out of its address."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pymongo.common, "MIN_HEARTBEAT_INTERVAL", 0.1)
        yield


@pytest.fixture(autouse=True)
def _figures_are_closed() -> Iterator[None]:
    """matplotlib warns of more than 20 open figures, which is how many a process may draw in all its tests."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture
def servers_that_are_away_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A catalog is shown after a tenth of the time for which its server is waited for."""
    monkeypatch.setattr(displays, "SECONDS", displays.SECONDS / 10)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test runs in its own empty directory."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def seed() -> int:
    """The seed of a test that chooses at random, which prints it; the variable repeats what failed."""
    chosen = int(os.environ.get(SEED) or secrets.randbelow(10**6))
    print(f"{SEED}={chosen}")
    return chosen


@pytest.fixture
def warm_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the package, or a test, starts with the present interpreter takes a tenth of the time."""
    monkeypatch.setattr(sys, "executable", warm_python.executable())


@pytest.fixture(scope="session")
def mongo_server() -> Iterator[servers.MongoServer]:
    """A server that speaks MongoDB's protocol; tests that need one are skipped where there is none."""
    if not servers.is_available():
        pytest.skip(servers.NO_SERVER)
    with servers.running_server() as server:
        yield server


@pytest.fixture(params=sites.ALL_SITES)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sites.Site]:
    """Each backend in turn, empty."""
    server: Callable[[], Any] = lambda: request.getfixturevalue("mongo_server")  # noqa: E731
    with sites.site(request.param, tmp_path, server) as made:
        yield made


@pytest.fixture
def catalog(site: sites.Site) -> Any:
    """A writable catalog over the site."""
    return site.open()
