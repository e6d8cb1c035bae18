"""Processes that are killed, and servers, lose nothing that was reported stored and show nothing partial."""

from __future__ import annotations

import contextlib
import random
import signal
import threading
import time

import pytest

from databroker_writable import StoreError
from databroker_writable.storage import mongo_normalized
from databroker_writable.upkeep import clean, examine
from support import children, killed_writers, servers, sites

SITES = ["msgpack", "jsonl", "mongo-normalized[server]", "mongo-embedded[server]"]


def assert_nothing_lost_under_kills(site, tmp_path, seed, number):
    choose = random.Random(seed)
    place = (site.kind, site.place, str(tmp_path / "arrays"))
    stored: list[killed_writers.Work] = []
    for kill in range(0, number, 2):
        begun, cut_off = killed_in_pairs(place, tmp_path, choose, seed * 1000 + kill)
        assert_seen(place, tmp_path / f"{kill}.look", stored, begun, cut_off)
        stored += begun
    # later kills have done nothing to earlier runs; FerretDB reads each the slower the more there are
    assert_seen(place, tmp_path / "look", stored, choose.sample(stored, min(10, len(stored))), [])
    print(f"{number} kills, {len(stored)} stores, none lost")


def killed_in_pairs(place, directory, choose, seed):
    """Two processes store until each is killed; what they began, and of that what they did not report as stored."""
    begun, cut_off = [], []
    with contextlib.ExitStack() as stack:
        storing = [
            stack.enter_context(
                children.child(killed_writers.store_in_a_loop, directory / f"{number}.log", *place, number)
            )
            for number in (seed, seed + 1)
        ]
        for child in storing:
            child.wait_for("ready")
        for child in storing:
            time.sleep(choose.uniform(0, 0.1))
            child.kill()
            lines = [line for line in child.lines() if line != "ready"]
            begun += [work for state, work in lines if state == "storing"]
            cut_off += [work for state, work in lines[-1:] if state == "storing"]
    return begun, cut_off


def assert_seen(place, report, before, begun, cut_off):
    """A new process sees all that was reported stored, whole, and can repeat the stores that were cut off."""
    with children.child(killed_writers.look, report, *place, begun, cut_off) as looking:
        (_, visible), *findings = looking.result()
    known, may_lack = ({uid for _, uids, _ in works for uid in uids} for works in ([*before, *begun], cut_off))
    assert known - may_lack <= set(visible) <= known
    assert len(set(visible)) == len(visible)
    assert [finding for finding in findings if finding[1]] == []


@pytest.mark.parametrize("site", SITES, indirect=True)
def test_runs_survive_the_kill_of_their_process(site, tmp_path, seed):
    assert_nothing_lost_under_kills(site, tmp_path, seed, 4)


@pytest.mark.nightly
@pytest.mark.parametrize("part", range(10))
@pytest.mark.parametrize("site", [*SITES, "prefixed"], indirect=True)
def test_runs_survive_hundreds_of_kills(site, tmp_path, seed, part):
    assert_nothing_lost_under_kills(site, tmp_path, seed, 20)


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
    catalog._store.serializer.acquired.abandon("fit-1")
