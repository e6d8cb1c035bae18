"""All writing passes through databroker's own ``catalog.v1.insert``."""

from __future__ import annotations

import bluesky
import bluesky.plan_stubs as bps
import bluesky_live.run_builder
import databroker.v1
import event_model
import pytest

from databroker_writable import InvalidRunError, StoreWarning, build_simple_run
from databroker_writable.runs.comparison import same_run
from support import example_runs


def test_store_run_inserts_through_v1(catalog, monkeypatch):
    inserted = []
    insert = databroker.v1.Broker.insert

    def spy(self, name, doc):
        inserted.append((self, name, doc["uid"]))
        return insert(self, name, doc)

    monkeypatch.setattr(databroker.v1.Broker, "insert", spy)
    run = build_simple_run(example_runs.TABLE)
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
    *first, (_, stop) = example_runs.small_documents()
    for name, doc in first:
        catalog.v1.insert(name, doc)
        assert len(site.open()) == 0
    catalog.v1.insert("stop", stop)
    assert len(site.open()) == len(catalog) == 1


def test_runs_may_be_inserted_interlaced(catalog, site):
    one, other = example_runs.small_documents(number=1), example_runs.small_documents(number=2)
    for pair in zip(one, other, strict=True):
        for name, doc in pair:
            catalog.v1.insert(name, doc)
    for documents in (one, other):
        assert same_run(site.documents(documents[0][1]["uid"]), documents)


@pytest.mark.parametrize("way", ["v1.insert", "store_run"])
def test_old_bulk_documents_are_stored_as_pages(catalog, site, tmp_path, way):
    documents = example_runs.documents_with_images(tmp_path, paged=False)
    bulky = example_runs.in_bulk(documents)
    if way == "store_run":
        catalog.store_run(bulky)
    else:
        for name, doc in bulky:
            catalog.v1.insert(name, doc)
    assert same_run(site.documents(-1), documents)


def test_a_page_without_events_leaves_no_trace(catalog, site):
    start, descriptor, page, stop = example_runs.small_documents()
    empty = {
        **page[1],
        **{key: [] for key in ("uid", "time", "seq_num")},
        **{part: {key: [] for key in page[1][part]} for part in ("data", "timestamps", "filled")},
    }
    for name, doc in [start, descriptor, ("event_page", empty), page, stop]:
        catalog.v1.insert(name, doc)
    assert same_run(site.documents(-1), [start, descriptor, page, stop])


def test_a_run_with_stream_documents_is_stored_without_the_data_that_databroker_cannot_read(catalog, site):
    start, descriptor, page, stop = example_runs.small_documents()
    resource = {
        "uid": "stream-1",
        "run_start": start[1]["uid"],
        "data_key": "img",
        "mimetype": "application/x-hdf5",
        "uri": "file://localhost/img.h5",
        "parameters": {},
    }
    datum = {
        "uid": "stream-1/0",
        "stream_resource": "stream-1",
        "descriptor": descriptor[1]["uid"],
        "indices": {"start": 0, "stop": 3},
        "seq_nums": {"start": 1, "stop": 4},
    }
    for name, doc in [start, descriptor]:
        catalog.v1.insert(name, doc)
    with pytest.warns(StoreWarning, match="stream-1.*databroker 1 cannot read"):
        catalog.v1.insert("stream_resource", resource)
    for name, doc in [("stream_datum", datum), page, stop]:
        catalog.v1.insert(name, doc)
    assert same_run(site.documents(-1), [start, descriptor, page, stop])


def test_a_uid_of_digits_is_inserted_as_databroker_inserts_it(catalog, site):
    documents = example_runs.small_documents()
    start = {**documents[0][1], "uid": "0"}
    renamed = [("start", start)] + [
        (name, {**doc, "run_start": "0"} if "run_start" in doc else doc) for name, doc in documents[1:]
    ]
    for name, doc in renamed:
        catalog.v1.insert(name, doc)
    assert list(site.open()) == ["0"]


def test_names_that_databroker_does_not_compare_with_are_refused(catalog, site):
    before = site.snapshot()
    (_, start), *_ = example_runs.small_documents()
    with pytest.raises(InvalidRunError, match=r"DocumentNames.start.*give the name as a string, as in 'start'"):
        catalog.v1.insert(event_model.DocumentNames.start, start)
    assert site.snapshot() == before
