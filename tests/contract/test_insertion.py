"""All writing passes through databroker's own ``catalog.v1.insert``."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import re
import types
import unittest.mock

import bluesky
import bluesky.plan_stubs as bps
import bluesky_live.run_builder
import bson.errors
import databroker.v1
import event_model
import mongomock
import numpy
import pymongo.errors
import pytest

from databroker_writable import (
    InvalidMetadataError,
    InvalidRunError,
    InvalidTableError,
    StoreError,
    StoreFailedError,
    StoreWarning,
    build_simple_run,
)
from databroker_writable.runs.comparison import same_run
from databroker_writable.tables.document_values import to_builtin
from support import example_runs, sites


def store(catalog, documents, way):
    if way == "store_run":
        catalog.store_run(documents)
    else:
        for name, doc in documents:
            catalog.v1.insert(name, doc)


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


def fail_to_write(uid, name, backend, monkeypatch):
    """Let the documents of a type fail to be written into one run."""
    open_writer = backend.open_writer

    def write(writer, part, doc):
        if part == name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        writer(part, doc)

    def open_failing(start):
        writer = open_writer(start)
        if start["uid"] != uid:
            return writer
        failing = unittest.mock.Mock(wraps=writer, side_effect=functools.partial(write, writer))
        failing.publish.side_effect = writer.publish
        return failing

    monkeypatch.setattr(backend, "open_writer", open_failing)


def test_an_old_resource_that_fails_in_one_open_run_comes_into_the_others(catalog, site, tmp_path, monkeypatch):
    (_, failing), *_ = example_runs.small_documents(number=1)
    documents = example_runs.documents_with_images(tmp_path)
    documents = [
        (name, {key: doc[key] for key in doc if (name, key) != ("resource", "run_start")}) for name, doc in documents
    ]
    fail_to_write(failing["uid"], "resource", catalog._backend, monkeypatch)
    catalog.v1.insert("start", failing)
    for name, doc in documents:
        with contextlib.nullcontext() if name != "resource" else pytest.raises(StoreFailedError, match=failing["uid"]):
            catalog.v1.insert(name, doc)
    with pytest.raises(InvalidRunError, match="is not open"):
        catalog.v1.insert("stop", {"uid": "stop-1", "run_start": failing["uid"], "time": 0, "exit_status": "success"})
    assert same_run(site.documents(-1), documents)
    assert list(site.open()) == [documents[0][1]["uid"]]


def test_old_bulk_documents_that_fail_in_one_open_run_come_into_the_others(catalog, site, monkeypatch):
    failing, other = example_runs.small_documents(number=1), example_runs.small_documents(number=2)
    fail_to_write(failing[0][1]["uid"], "event", catalog._backend, monkeypatch)
    for documents in (failing, other):
        for item in documents[:2]:
            catalog.v1.insert(*item)
    events = {doc["descriptor"]: list(event_model.unpack_event_page(doc)) for _, doc in (failing[2], other[2])}
    with pytest.raises(StoreFailedError, match=failing[0][1]["uid"]):
        catalog.v1.insert("bulk_events", events)
    catalog.v1.insert(*other[3])
    assert same_run(site.documents(-1), other)
    assert list(site.open()) == [other[0][1]["uid"]]


def test_no_run_is_stored_without_an_old_resource_that_is_refused(catalog, site):
    before = site.snapshot()
    runs = [example_runs.small_documents(number=number) for number in (1, 2)]
    for documents in runs:
        catalog.v1.insert(*documents[0])
    resource = {"uid": "old", "spec": "X", "root": "", "resource_path": "", "resource_kwargs": {"a": object()}}
    with pytest.raises(InvalidRunError, match="'a'"):
        catalog.v1.insert("resource", resource)
    for documents in runs:
        with pytest.raises(InvalidRunError, match="is not open"):
            catalog.v1.insert(*documents[3])
    assert site.snapshot() == before


@pytest.mark.parametrize("way", ["v1.insert", "store_run"])
def test_old_bulk_documents_are_stored_as_pages(catalog, site, tmp_path, way):
    documents = example_runs.documents_with_images(tmp_path, paged=False)
    bulky = example_runs.in_bulk(documents)
    store(catalog, bulky, way)
    assert same_run(site.documents(-1), documents)


@pytest.mark.parametrize("way", ["v1.insert", "store_run"])
@pytest.mark.parametrize("paged", [True, False])
@pytest.mark.parametrize("flag", [numpy.False_, 0, None])
def test_what_is_not_filled_in_is_filled_in_when_it_is_read(catalog, site, tmp_path, way, paged, flag):
    documents = example_runs.documents_with_images(tmp_path, paged=paged)
    for name, doc in documents:
        if doc.get("filled"):
            doc["filled"] = {"image": numpy.array([flag] * 3) if name == "event_page" else flag}
    store(catalog, documents, way)
    run = site.open(handler_registry={"TEST_NPY": example_runs.NpyHandler})[-1]
    pages = [doc for name, doc in run.documents(fill="yes") if name == "event_page" and "image" in doc["data"]]
    assert [numpy.shape(image) for page in pages for image in page["data"]["image"]] == [(4, 5)] * 3


NUMPY_VALUES = {
    "array": numpy.arange(6, dtype="u2"),
    "big-endian": numpy.arange(2, dtype=">i4"),
    "empty": numpy.zeros((0, 2)),
    "texts": numpy.array(["a", "bc"]),
    "no dims": numpy.array(3.5),
    "integer": numpy.int16(3),
    "number": numpy.float32(1.5),
    "flag": numpy.bool_(True),
    "nested": {"list": [{"array": numpy.arange(2.0)}, numpy.int8(1)]},
    "plain": [1, "a", None],
}


def documents_with_numpy_values():
    start, descriptor, page, stop = (doc for _, doc in example_runs.small_documents())
    configuration = {"data": NUMPY_VALUES, "timestamps": dict.fromkeys(NUMPY_VALUES, numpy.float32(1)), "data_keys": {}}
    yield "start", {**start, "time": numpy.float32(2**30), "found": NUMPY_VALUES}
    yield "descriptor", {**descriptor, "configuration": {"detector": configuration}}
    yield "event_page", page
    yield "stop", {**stop, "found": NUMPY_VALUES}


def shown(value):
    """A form in which the types of numpy's values differ from Python's."""
    if isinstance(value, dict):
        return {key: shown(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return list(map(shown, value))
    if isinstance(value, numpy.ndarray | numpy.generic):
        return type(value), value.dtype, value.shape, value.tolist()
    return value


def test_numpy_values_of_an_acquisition_are_kept_where_the_stock_driver_keeps_them(catalog, site):
    store(catalog, documents_with_numpy_values(), "v1.insert")
    expected = shown(NUMPY_VALUES) if site.keeps_arrays else shown(to_builtin(NUMPY_VALUES))
    for documents in (list(catalog[-1].documents(fill="no")), site.documents(-1)):
        found = {name: doc for name, doc in documents if name != "event_page"}
        assert found["start"]["time"] == 2**30
        assert not isinstance(found["start"]["time"], numpy.generic)
        assert shown(found["start"]["found"]) == expected
        assert shown(found["descriptor"]["configuration"]["detector"]["data"]) == expected
        assert shown(found["stop"]["found"]) == expected
    assert [*catalog.search({"found.array": {"$exists": True}})] == [*catalog]
    if not site.is_ferretdb:
        assert [*catalog.search({"found.integer": 3, "found.texts": "bc"})] == [*catalog]


@pytest.mark.parametrize("way", ["v1.insert", "store_run"])
def test_the_parts_of_a_page_may_be_any_mappings(catalog, site, way):
    start, descriptor, (_, page), stop = documents = example_runs.small_documents()
    odd = {key: types.MappingProxyType(value) if isinstance(value, dict) else value for key, value in page.items()}
    store(catalog, [start, descriptor, ("event_page", odd), stop], way)
    assert same_run(site.documents(-1), documents)


@pytest.mark.parametrize("way", ["v1.insert", "store_run"])
def test_values_that_are_mappings_of_other_types_are_refused(catalog, site, way):
    start, descriptor, page, stop = example_runs.small_documents(rows=1)
    descriptor[1]["data_keys"]["x"].update(dtype="array", shape=[1])
    page[1]["data"]["x"] = [[types.MappingProxyType({"a": 1})]]
    before = site.snapshot()
    with pytest.raises(InvalidTableError, match=r"'x'.*of type mappingproxy, .* make it a dict, dict\(value\)"):
        store(catalog, [start, descriptor, page, stop], way)
    assert site.snapshot() == before


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


@pytest.mark.parametrize("site", ["mongo-normalized[mongomock]"], indirect=True)
def test_two_resources_of_one_uid_leave_nothing(catalog, site, tmp_path):
    documents = example_runs.documents_with_images(tmp_path)
    at = next(number for number, (name, _) in enumerate(documents) if name == "resource")
    for name, doc in documents[: at + 1]:
        catalog.v1.insert(name, doc)
    with pytest.raises(InvalidRunError, match="has the same uid"):
        catalog.v1.insert("resource", {**documents[at][1], "resource_path": "other.npy"})
    assert site.snapshot() == {}


@pytest.mark.parametrize("name", [numpy.zeros((3, 0)), numpy.array(["start", "stop"]), None, 5])
def test_names_that_are_no_text_are_refused(catalog, site, name):
    before = site.snapshot()
    with pytest.raises(InvalidRunError, match=r"the name of a document is .*; give the name as a string"):
        catalog.v1.insert(name, {"time": 1.5})
    assert site.snapshot() == before


def test_names_that_databroker_does_not_compare_with_are_refused(catalog, site):
    before = site.snapshot()
    (_, start), *_ = example_runs.small_documents()
    with pytest.raises(InvalidRunError, match=r"DocumentNames.start.*give the name as a string, as in 'start'"):
        catalog.v1.insert(event_model.DocumentNames.start, start)
    assert site.snapshot() == before


def events_with(*changes):
    """The documents of a run of one Event for each change of its parts."""
    start, descriptor, (_, page), stop = example_runs.small_documents()
    events = [dict(event) for event in event_model.unpack_event_page(page)]
    changed = [("event", {**event, **change}) for event, change in zip(events, changes, strict=False)]
    return [start, descriptor, *changed, ("stop", {**stop[1], "num_events": {"primary": len(changes)}})]


def x_and(**parts):
    return {"data": {"x": 1.0, **parts}, "timestamps": {"x": 1.0, **parts}}


NESTED = {"deep": [{"a\0b": 1}]}
LARGE = "a" * 17_000_000
MONGO_ONLY = {
    "a complex number": ({"data": {"x": 1 + 2j}}, "data of an event.*'x'.*complex.*MongoDB cannot hold"),
    "a complex array": ({"data": {"x": numpy.ones(2, complex)}}, "data of an event.*'x'.*complex.*MongoDB cannot hold"),
    "a complex number in a list": ({"data": {"x": [0.5, 1j]}}, "data of an event.*'x'.*complex.*MongoDB cannot hold"),
    "NUL in a data key": (x_and(**{"a\0b": 1.0}), r"'a\\x00b'.*MongoDB refuses; remove NUL, as in 'ab'"),
    "NUL in a key of a value": ({"data": {"x": NESTED}}, r"'x'.*'deep'.*'a\\x00b'.*MongoDB refuses"),
}


def refused(catalog, documents):
    """Insert documents until one is refused; return the error, after the rest was refused too."""
    for i, (name, doc) in enumerate(documents):
        try:
            catalog.v1.insert(name, doc)
        except StoreError as error:
            for rest in documents[i + 1 :]:
                with pytest.raises(InvalidRunError, match="is not open"):
                    catalog.v1.insert(*rest)
            return error
    return None


def assert_dropped(catalog, site, documents, message):
    before = site.snapshot()
    error = refused(catalog, documents)
    assert isinstance(error, (InvalidRunError, InvalidMetadataError, InvalidTableError))
    assert re.search(message, str(error))
    assert site.snapshot() == before
    other = example_runs.small_documents()
    for name, doc in other:
        catalog.v1.insert(name, doc)
    assert list(site.open()) == [other[0][1]["uid"]]


MONGO = [name for name in sites.ALL_SITES if name.startswith("mongo")]


@pytest.mark.parametrize("site", MONGO, indirect=True)
@pytest.mark.parametrize("paged", [False, True], ids=["events", "a page"])
@pytest.mark.parametrize(("change", "message"), MONGO_ONLY.values(), ids=MONGO_ONLY)
def test_what_mongodb_cannot_hold_is_refused_by_its_name(catalog, site, change, message, paged):
    documents = events_with({}, change) if not paged else events_with(change)
    if paged:
        start, descriptor, (_, event), stop = documents
        documents = [start, descriptor, ("event_page", dict(event_model.pack_event_page(event))), stop]
    assert_dropped(catalog, site, documents, message)


@pytest.mark.parametrize("site", MONGO, indirect=True)
@pytest.mark.parametrize("name", ["start", "descriptor", "stop"])
@pytest.mark.parametrize("value", [{"a": [{"a\0b": 1}]}, {"a": 2j}, {"a": [numpy.complex64(1)]}], ids=str)
def test_what_mongodb_cannot_hold_is_refused_in_every_document(catalog, site, name, value):
    documents = [(n, {**doc, "more": value} if n == name else doc) for n, doc in example_runs.small_documents()]
    message = r"\['more'\]\['a'\].*(MongoDB refuses; remove NUL|which MongoDB cannot hold)"
    assert_dropped(catalog, site, documents, message)


@pytest.mark.parametrize("site", ["msgpack"], indirect=True)
@pytest.mark.parametrize(("change", "message"), MONGO_ONLY.values(), ids=MONGO_ONLY)
def test_files_hold_what_mongodb_cannot_hold(catalog, site, change, message):
    documents = events_with({}, change)
    assert refused(catalog, documents) is None
    assert len(site.documents(-1)) == 5


UNEVEN = {
    "no timestamp": ([{"timestamps": {}}] * 2, r"the data keys 'x', but timestamps of none; give each data key"),
    "no timestamp later": ([{}, {"timestamps": {}}], "the data keys 'x', but timestamps of none"),
    "extra data": ([{"data": {"x": 1.0, "y": 2.0}}] * 2, "the data keys 'x', 'y', but timestamps of 'x'"),
    "extra data later": ([{}, x_and(y=2.0)], "the data keys 'x', 'y', and one before it has 'x'"),
    "less data later": ([x_and(y=2.0), {}], "the data keys 'x', and one before it has 'x', 'y'"),
    "filled later": ([{}, {"filled": {"x": True}}], "the keys in 'filled' 'x', and one before it has none"),
}


@pytest.mark.parametrize("site", [name for name in MONGO if "embedded" in name], indirect=True)
@pytest.mark.parametrize(("changes", "message"), UNEVEN.values(), ids=UNEVEN)
def test_events_that_are_no_rows_of_one_page_are_refused_by_their_uid(catalog, site, changes, message):
    documents = events_with(*changes)
    culprit = documents[2 if changes[0] == changes[-1] else 3][1]["uid"]
    assert_dropped(catalog, site, documents, f"the event {culprit!r} has {message}")


@pytest.mark.parametrize("site", [name for name in MONGO if "embedded" in name], indirect=True)
def test_datums_that_are_no_rows_of_one_page_are_refused_by_their_resource(catalog, site, tmp_path):
    documents = example_runs.documents_with_images(tmp_path, paged=False)
    datums = [doc for name, doc in documents if name == "datum"]
    datums[-1]["datum_kwargs"] = {**datums[-1]["datum_kwargs"], "more": 1}
    assert_dropped(catalog, site, documents, f"the datums of the resource '{datums[0]['resource']}' have.*'more'")


@pytest.mark.parametrize("site", [name for name in MONGO if "server" in name], indirect=True)
@pytest.mark.parametrize("name", ["start", "descriptor", "event", "stop"])
def test_a_document_that_is_too_large_for_the_server_is_refused(catalog, site, name):
    is_sent_in_batches = name == "event" or (name == "descriptor" and "normalized" in site.kind)
    if is_sent_in_batches and site.is_ferretdb:
        pytest.skip("FerretDB holds larger documents, which PyMongo sends in batches without a look at their size")
    if is_sent_in_batches and site.server == "mongo-java-server":
        pytest.skip("mongo-java-server ends the connection when such a batch comes, as if it were gone")
    documents = events_with({}, {"data": {"x": LARGE}} if name == "event" else {})
    documents = [(n, {**doc, "more": LARGE} if n == name != "event" else doc) for n, doc in documents]
    uid = documents[0][1]["uid"]
    assert_dropped(catalog, site, documents, f"the run {uid!r} holds what MongoDB cannot store")


@pytest.mark.parametrize(
    "error",
    [
        bson.errors.InvalidDocument("cannot encode object: 1j"),
        pymongo.errors.DocumentTooLarge("BSON document too large"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("site", ["mongo-normalized[mongomock]", "mongo-embedded[mongomock]"], indirect=True)
def test_what_is_refused_only_when_it_is_sent_is_no_failure_of_the_disk(catalog, site, error, monkeypatch):
    def fail(*args, raised=error, **options):
        raise raised

    documents = example_runs.small_documents()
    for collection in ("insert_many", "insert_one"):
        monkeypatch.setattr(mongomock.Collection, collection, fail)
    error = refused(catalog, documents)
    assert isinstance(error, InvalidRunError)
    assert f"the run '{documents[0][1]['uid']}' holds what MongoDB cannot store" in str(error)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"uid": None}, "has None as 'uid', which must be a list with one item for each row"),
        ({"seq_num": [1, 2, 3]}, "has 1 uid but 3 values in seq_num"),
        ({"time": 1.0}, "has time that is not a list or an array"),
        ({"data": {"x": [0.5, 1.5]}}, r"has 1 uid but 2 values in data\['x'\]"),
        ({"timestamps": {"x": True}}, r"has timestamps\['x'\] that is not a list or an array"),
        ({"uid": {"event-1": 1}}, "has {'event-1': 1} as 'uid', which must be a list with one item for each row"),
        ({"uid": numpy.array("event-1")}, "as 'uid', which must be a list with one item for each row"),
        ({"data": {"x": {"a": 1}}}, r"has data\['x'\] that is not a list or an array"),
        ({"data": {"x": "a"}}, r"has data\['x'\] that is not a list or an array"),
        ({"data": {"x": types.MappingProxyType({"a": 1})}}, r"has data\['x'\] that is not a list or an array"),
    ],
    ids=[
        "no uids",
        "sequence numbers",
        "times",
        "values",
        "timestamps",
        "uids by key",
        "a uid",
        "values by key",
        "text",
        "values by key of another type",
    ],
)
def test_a_page_whose_columns_are_no_lists_of_one_length_is_refused(catalog, site, change, message):
    documents = example_runs.small_documents()
    start, descriptor, stop = documents[0], documents[1], documents[-1]
    page = {
        "descriptor": descriptor[1]["uid"],
        "uid": ["event-1"],
        "seq_num": [1],
        "time": [1.7e9],
        "data": {key: [1.0] for key in descriptor[1]["data_keys"]},
        "timestamps": {key: [1.7e9] for key in descriptor[1]["data_keys"]},
        "filled": {},
        **change,
    }
    assert_dropped(catalog, site, [start, descriptor, ("event_page", page), stop], message)


@pytest.mark.parametrize(
    "change", [{"datum_id": None}, {"datum_kwargs": {"index": True}}, {"datum_kwargs": {"index": []}}]
)
def test_a_page_of_datums_whose_columns_are_no_lists_of_one_length_is_refused(catalog, site, change):
    documents = example_runs.small_documents()
    start, stop = documents[0], documents[-1]
    resource = {
        "uid": "resource-1",
        "run_start": start[1]["uid"],
        "spec": "TEST_NPY",
        "root": "/nowhere",
        "resource_path": "images.npy",
        "path_semantics": "posix",
        "resource_kwargs": {},
    }
    page = {"resource": "resource-1", "datum_id": ["resource-1/0"], "datum_kwargs": {"index": [0]}, **change}
    assert_dropped(
        catalog, site, [start, ("resource", resource), ("datum_page", page), stop], "the datum_page document has"
    )
