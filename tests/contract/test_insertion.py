"""All writing passes through databroker's own ``catalog.v1.insert``."""

from __future__ import annotations

import bluesky
import bluesky.plan_stubs as bps
import bluesky_live.run_builder
import databroker.v1
import pytest

import runs
from databroker_writable import build_simple_run
from databroker_writable.comparison import same_run


def test_store_run_inserts_through_v1(catalog, monkeypatch):
    inserted = []
    insert = databroker.v1.Broker.insert

    def spy(self, name, doc):
        inserted.append((self, name, doc["uid"]))
        return insert(self, name, doc)

    monkeypatch.setattr(databroker.v1.Broker, "insert", spy)
    run = build_simple_run(runs.TABLE)
    catalog.store_run(run)
    assert [name for _, name, _ in inserted] == ["start", "descriptor", "event_page", "stop"]
    assert {broker for broker, _, _ in inserted} == {catalog.v1}
    assert inserted[0][2] == run.metadata["start"]["uid"]


@pytest.mark.parametrize("built_by", ["this package", "bluesky-live"])
def test_the_documented_recipe_works(catalog, site, built_by):
    if built_by == "bluesky-live":
        run = bluesky_live.run_builder.build_simple_run({"x": [1, 2, 3]}, metadata={"sample": "Cu"})
        documents = list(run.documents(fill="no"))
    else:
        run = catalog.build_simple_run({"x": [1, 2, 3]}, metadata={"sample": "Cu"})
        documents = list(run.documents())
    for name, doc in documents:
        catalog.v1.insert(name, doc)
    for reading in (catalog, site.open()):
        assert reading[-1].metadata["start"]["sample"] == "Cu"
        assert reading[-1].primary.read()["x"].values.tolist() == [1, 2, 3]
    assert same_run(site.documents(-1), documents)


def test_run_engine_stores_by_subscription(catalog, site):
    seen = []

    def plan():
        yield from bps.open_run(md={"sample": "Cu"})
        yield from bps.close_run()

    engine = bluesky.RunEngine({})
    engine.subscribe(catalog.v1.insert)
    engine.subscribe(lambda name, doc: seen.append((name, doc)))
    (uid,) = engine(plan())
    assert catalog[uid].metadata["start"]["sample"] == "Cu"
    assert same_run(site.documents(uid), seen)


def test_a_run_is_not_visible_before_its_stop_document(catalog, site):
    *first, (_, stop) = runs.small_documents()
    for name, doc in first:
        catalog.v1.insert(name, doc)
        assert len(site.open()) == 0
    catalog.v1.insert("stop", stop)
    assert len(site.open()) == len(catalog) == 1


def test_runs_may_be_inserted_interlaced(catalog, site):
    one, other = runs.small_documents(number=1), runs.small_documents(number=2)
    for pair in zip(one, other, strict=True):
        for name, doc in pair:
            catalog.v1.insert(name, doc)
    for documents in (one, other):
        assert same_run(site.documents(documents[0][1]["uid"]), documents)
