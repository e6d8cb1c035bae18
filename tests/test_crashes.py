"""Processes that are killed, and servers, lose nothing that was reported stored and show nothing partial."""

from __future__ import annotations

import os
import random
import secrets
import signal
import threading
import time

import pytest

import children
import servers
import sites
from databroker_writable import RunExistsError, StoreError
from databroker_writable.backends import mongo_normalized
from databroker_writable.checking import clean, examine

SITES = ["msgpack", "jsonl", "mongo-normalized[server]", "mongo-embedded[server]"]
SEED = "DATABROKER_WRITABLE_TEST_SEED"


@pytest.fixture
def seed():
    chosen = int(os.environ.get(SEED) or secrets.randbelow(10**6))
    print(f"{SEED}={chosen}")
    return chosen


def assert_nothing_lost_under_kills(site, tmp_path, seed, kills):
    choose = random.Random(seed)
    stored: dict[str, int] = {}
    for kill in range(kills):
        place = (site.kind, site.place)
        with children.child(children.store_in_a_loop, tmp_path / f"{kill}.log", *place, seed * 1000 + kill) as child:
            child.wait_for_line()
            time.sleep(choose.uniform(0, 0.1))
            child.kill()
            begun = [(uid, rows) for state, uid, rows in child.lines()[1:] if state == "storing"]
            stored |= {uid: rows for state, uid, rows in child.lines()[1:] if state == "stored"}
        with children.child(children.look, tmp_path / f"{kill}.look", *place) as looking:
            seen = {uid: (status, values) for uid, status, values in looking.result()}
        for uid, rows in stored.items():
            assert seen.pop(uid) == ("success", children.column(rows)), uid
        if begun and begun[-1][0] not in stored:
            uid, rows = begun[-1]
            assert seen.pop(uid, None) in (None, ("success", children.column(rows)))
            assert_can_be_stored_again(site, uid, rows)
            stored[uid] = rows
        assert seen == {}


def assert_can_be_stored_again(site, uid, rows):
    catalog = site.open()
    try:
        catalog.store_run(children.documents_of(uid, rows))
    except RunExistsError as exc:
        # the builder's run was published, and not yet reported, when its process was killed
        assert exc.run.metadata["stop"]["exit_status"] == "success"  # noqa: PT017
    assert catalog.v1[uid].table()["x"].tolist() == children.column(rows)


@pytest.mark.parametrize("site", SITES, indirect=True)
def test_runs_survive_the_kill_of_their_process(site, tmp_path, seed):
    assert_nothing_lost_under_kills(site, tmp_path, seed, 6)


@pytest.mark.nightly
@pytest.mark.parametrize("site", SITES, indirect=True)
def test_runs_survive_hundreds_of_kills(site, tmp_path, seed):
    assert_nothing_lost_under_kills(site, tmp_path, seed, 200)


@pytest.mark.skipif(servers.program() is None, reason=servers.NO_SERVER)
@pytest.mark.parametrize("layout", sites.MONGO_SITES)
def test_runs_survive_the_kill_of_the_server(layout, seed):
    with servers.running_process() as process:
        uri = f"{process.uri}/runs?serverSelectionTimeoutMS=500&connectTimeoutMS=500&socketTimeoutMS=5000"
        catalog = sites.opened(layout, uri)
        catalog.store_run(children.documents_of("first", 5))
        stored, failed, ended = ["first"], [], threading.Event()

        def store():
            number = 0
            while not ended.is_set():
                uid = f"run-{number}"
                try:
                    catalog.store_run(children.documents_of(uid, 50))
                    stored.append(uid)
                except StoreError as exc:
                    failed.append((uid, exc))
                number += 1

        storing = threading.Thread(target=store)
        storing.start()
        time.sleep(random.Random(seed).uniform(0.1, 0.4))
        process.stop(signal.SIGKILL)
        until = time.monotonic() + children.PATIENCE
        while not failed and time.monotonic() < until:
            time.sleep(0.05)
        process.start()
        time.sleep(0.5)
        ended.set()
        storing.join(30)
        assert not storing.is_alive()
        assert failed
        for _, error in failed:
            assert "nothing was published and a retry is safe" in str(error)
        again = sites.opened(layout, uri)
        for uid, _ in failed:
            again.store_run(children.documents_of(uid, 50))
        assert sorted(again) == sorted({*stored, *(uid for uid, _ in failed)})
        for uid in again:
            table = again.v1[uid].table()
            assert table["x"].tolist() == children.column(5 if uid == "first" else 50)


@pytest.mark.parametrize("site", ["msgpack", "mongo-normalized[server]", "mongo-embedded[server]"], indirect=True)
def test_a_run_with_arrays_in_files_survives_a_kill_at_every_step(site, tmp_path, monkeypatch):
    monkeypatch.setattr(mongo_normalized, "CLAIM_SECONDS", 0.1)
    table, assets = children.table_with_image(), str(tmp_path / "assets")
    codes = [-signal.SIGKILL]
    while codes[-1] == -signal.SIGKILL:
        step = len(codes) - 1
        arguments = (site.kind, site.place, f"run-{step}", assets, step)
        with children.child(children.store_and_die, tmp_path / f"{step}.log", *arguments) as child:
            codes.append(child.wait())
        catalog = site.open(asset_root=assets)
        if f"run-{step}" not in list(catalog):
            catalog.store_run(table, uid=f"run-{step}", one_event=True, asset_threshold=0)
    assert codes[-1] == 0
    assert step > 5
    clean(examine(catalog).findings, grace=0, unshared=True)
    assert examine(catalog).findings == []
    assert sorted(catalog) == sorted(f"run-{i}" for i in range(step + 1))
    for uid in catalog:
        assert (catalog[uid].primary.read()["image"].values[0] == table["image"]).all()
        assert [name for name, _ in catalog[uid].documents(fill="no")].count("resource") == 1


@pytest.mark.parametrize("site", ["msgpack", "jsonl"], indirect=True)
def test_what_a_crash_leaves_is_not_seen(site, catalog):
    documents = children.documents_of("fit-1", 3)
    for name, doc in documents[:-1]:
        catalog.v1.insert(name, doc)
    assert any(name.startswith(".") for name in site.snapshot())
    other = site.open()
    assert list(other) == []
    other.store_run(documents)
    assert other.v1["fit-1"].table()["x"].tolist() == children.column(3)
