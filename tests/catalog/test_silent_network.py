"""A MongoDB server that never answers, because the network drops its packets: the wait for it can be ended."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from databroker_writable import to_dataset
from databroker_writable.storage.mongo_backend import MongoBackend
from databroker_writable.upkeep import examine
from support import sites
from support.silent_network import SilentNetwork


@pytest.fixture
def network(mongo_server: Any) -> Iterator[SilentNetwork]:
    with SilentNetwork(mongo_server.client.address[1]) as made:
        yield made


@pytest.fixture(params=sites.MONGO_SITES)
def catalog(request: pytest.FixtureRequest, mongo_server: Any, network: SilentNetwork) -> Iterator[Any]:
    """A catalog whose client is behind the network, and has its connections and indexes."""
    with mongo_server.database() as database:
        port = mongo_server.client.address[1]
        uri = mongo_server.database_uri(database).replace(f":{port}/", f":{network.port}/")
        made = sites.opened(request.param, uri)
        made.store_run({"x": [1]}, uid="before")
        yield made


def by_builder(catalog: Any) -> None:
    with catalog.run_builder(uid="interrupted") as builder:
        builder.add_stream("primary", data={"x": [1, 2]})


def by_store_runs(catalog: Any) -> None:
    catalog.store_runs([[*catalog.build_simple_run({"x": [1, 2]}, uid="interrupted").documents(fill="no")]])


def by_store_run(catalog: Any) -> None:
    catalog.store_run({"x": [1, 2]}, uid="interrupted")


WAYS = [by_builder, by_store_runs, by_store_run]


@pytest.mark.parametrize("at", [b"insert", b"exit_status"])
@pytest.mark.parametrize("way", WAYS)
def test_a_second_interrupt_ends_the_wait_for_a_silent_server(
    catalog: Any, network: SilentNetwork, way: Callable[[Any], None], at: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MongoBackend, "patience", 0.5)
    ended = threading.Event()

    def interrupt() -> None:
        network.has_gone_silent.wait()
        for _ in range(2):
            if not ended.wait(0.7):
                os.kill(os.getpid(), signal.SIGINT)

    user = threading.Thread(target=interrupt)
    network.go_silent_at(at)
    user.start()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        way(catalog)
    ended.set()
    assert time.monotonic() - begun < 15
    user.join()
    network.go_on()
    # what was sent may arrive later
    time.sleep(0.5)
    # as after a kill: other runs are there, and this one, which is seen whole or not at all, can be stored
    assert set(catalog) <= {"before", "interrupted"}
    if "interrupted" not in catalog:
        by_store_run(catalog)
    assert to_dataset(catalog["interrupted"])["x"].values.tolist() == [1, 2]
    assert {finding.category for finding in examine(catalog).findings} <= {
        "events-without-descriptor",
        "events-without-header",
        "index-missing",
    }
