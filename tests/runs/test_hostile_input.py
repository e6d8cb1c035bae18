"""Input made to harm is stored as any other or refused, and never leaves the catalog or runs on reading."""

from __future__ import annotations

import contextlib
import copy
import pickle
import pickletools
import reprlib
import signal
import tempfile
from pathlib import Path

import event_model
import msgpack
import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from databroker_writable import InvalidMetadataError, InvalidTableError, StoreError
from support import example_runs, faults, sites

SITES = ["msgpack", "jsonl", "mongo-normalized[mongomock]", "mongo-embedded[mongomock]"]
FUZZ = settings.default if settings.default.max_examples > 50 else settings(max_examples=20, derandomize=True)
"""Every day the same examples, in the nightly profile many that are new."""

SECONDS = 60
"""More than any store takes: what is still running then hangs."""


class Evil:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('unpickled')",))


def endless_list():
    values: list = [1]
    values.append(values)
    return values


def endless_dict():
    value: dict = {}
    value["again"] = [value]
    return value


def deep(levels):
    value: dict = {}
    for _ in range(levels):
        value = {"a": [value]}
    return value


def nested(levels):
    values: list = [1]
    for _ in range(levels):
        values = [values]
    return values


def objects():
    values = numpy.empty(2, dtype=object)
    values[:] = [Evil(), "b"]
    return values


FORGED = {b"nd": True, b"type": [("", "|O")], b"kind": b"O", b"shape": (1,), b"data": pickle.dumps(Evil())}
"""What msgpack-numpy writes for an array of objects, and unpickles when it reads it."""

TEXTS = [
    "",
    "../../evil",
    "/tmp/evil",
    "..\\evil",
    "CON",
    "nul.txt",
    "$where",
    "$gt",
    "a.b",
    "a\0b",
    "\0",
    "\x1b[31m",
    "\r\n",
    "\x7f",
    "\u202e",
    "é",
    "e\u0301",
    "\ufb01",
    "\ud800",
    "x" * 10_000,
    "{{ env(HOME) }}",
    "{% raw %}",
    "{#",
    "__class__",
    "_id",
    "uid",
    "time",
    "'; drop table runs; --",
    "%s%n",
    "~root",
    "*?[",
]

VALUES = [
    *(lambda text=text: text for text in TEXTS),
    *(
        lambda value=value: value
        for value in [None, True, 0, -1, 5, 2**53, 2**63, -(2**63), 2**64, 10**400, 1e308, 0.5]
    ),
    *(lambda value=value: value for value in [float("nan"), float("inf"), 1j, b"", b"\x80\x04.", object, len]),
    lambda: pickle.dumps([Evil()]),
    lambda: dict(FORGED),
    lambda: {key.decode(): value for key, value in FORGED.items()},
    lambda: {b"complex": True, b"data": b"1j"},
    Evil,
    endless_list,
    endless_dict,
    objects,
    lambda: deep(20),
    lambda: deep(5000),
    lambda: nested(20),
    lambda: nested(5000),
    lambda: {1: 2},
    lambda: {"a": {1, 2}},
    lambda: {"é": 1, "e\u0301": 2},
    list,
    dict,
    lambda: [[1], [1, 2]],
    lambda: ["a", 1],
    lambda: [None, None, None],
    lambda: (i for i in range(3)),
    lambda: numpy.array(5),
    lambda: numpy.zeros((3, 0)),
    lambda: numpy.zeros(3, dtype=[("a", int), ("b", object)]),
    lambda: numpy.array([b"a", b"b", b"c"]),
    lambda: numpy.array(["2020", "2021", "2022"], dtype="M8[Y]"),
    lambda: numpy.arange(3, dtype="complex64"),
    lambda: numpy.array([2**64 - 1] * 3, dtype="uint64"),
    lambda: numpy.float32("nan"),
    lambda: numpy.zeros(3, dtype="longdouble"),
]

_SHOWN = reprlib.Repr()
_SHOWN.maxlevel, _SHOWN.maxdict, _SHOWN.maxlist, _SHOWN.maxtuple = 8, 20, 20, 20


class Table(dict):
    """Drawn columns or metadata, which may be nested too deeply to be printed whole."""

    def __repr__(self):
        return _SHOWN.repr(dict(self))


class Documents(list):
    """Drawn documents, likewise."""

    def __repr__(self):
        return _SHOWN.repr(list(self))


hostile_texts = st.sampled_from(TEXTS) | st.text(max_size=5)
hostile_values = st.sampled_from(VALUES).map(lambda make: make())


def documents():
    """A run with all types of documents that databroker reads, Events by themselves and in pages."""
    run = event_model.compose_run(
        uid="fit-1", metadata={"sample": {"name": "Ag"}, "scan_id": 7}, time=example_runs.START_TIME
    )
    times = [example_runs.START_TIME, example_runs.START_TIME + 1]
    stream = run.compose_descriptor(
        name="primary",
        data_keys={
            "x": {"dtype": "number", "shape": [], "source": "test"},
            "image": {"dtype": "array", "shape": [2], "source": "test", "external": "FILESTORE:"},
        },
        configuration={"device": {"data": {"gain": 5}, "timestamps": {"gain": 1.5}, "data_keys": {}}},
        object_keys={"device": ["x", "image"]},
        time=times[0],
    )
    resource = run.compose_resource(spec="TEST_NPY", root="/nowhere", resource_path="images.npy", resource_kwargs={})
    datums = [resource.compose_datum(datum_kwargs={"index": i}) for i in range(2)]
    events = [
        stream.compose_event(
            data={"x": i + 0.5, "image": datum["datum_id"]},
            timestamps={"x": times[i], "image": times[i]},
            filled={"image": False},
            seq_num=i + 1,
            time=times[i],
        )
        for i, datum in enumerate(datums)
    ]
    other = run.compose_descriptor(
        name="other", data_keys={"y": {"dtype": "array", "shape": [2], "source": "test"}}, time=times[0]
    )
    page = other.compose_event_page(
        data={"y": numpy.zeros((2, 2))}, timestamps={"y": times}, seq_num=[1, 2], time=times, validate=False
    )
    pairs = [
        ("start", run.start_doc),
        ("descriptor", stream.descriptor_doc),
        ("resource", resource.resource_doc),
        ("datum", datums[0]),
        ("datum_page", event_model.pack_datum_page(datums[1])),
        *(("event", event) for event in events),
        ("descriptor", other.descriptor_doc),
        ("event_page", page),
        ("stop", run.compose_stop(time=times[-1])),
    ]
    return [(name, copy.deepcopy(dict(doc))) for name, doc in pairs]


@st.composite
def mutated_documents(draw):
    """A valid run, changed at a few places."""
    mutated = documents()
    for _ in range(draw(st.integers(1, 3))):
        if not mutated:
            break
        position = draw(st.integers(0, len(mutated) - 1))
        kind = draw(st.sampled_from(["inside"] * 6 + ["name", "doc", "drop", "twice", "swap"]))
        name, doc = mutated[position]
        if kind == "inside" and isinstance(doc, dict) and doc:
            change_inside(draw, doc)
        elif kind == "name":
            mutated[position] = (draw(hostile_values), doc)
        elif kind == "doc":
            mutated[position] = (name, draw(hostile_values))
        elif kind == "drop":
            del mutated[position]
        elif kind == "twice":
            # copying an object would run its __reduce__
            mutated.insert(position, (name, dict(doc) if isinstance(doc, dict) else doc))
        else:
            other = draw(st.integers(0, len(mutated) - 1))
            mutated[position], mutated[other] = mutated[other], mutated[position]
    return Documents(mutated)


def change_inside(draw, doc):
    """Drop, replace or add one value somewhere in a document."""
    while True:
        key = draw(st.sampled_from(list(doc)))
        if not (isinstance(doc[key], dict) and doc[key] and draw(st.booleans())):
            break
        doc = doc[key]
    kind = draw(st.sampled_from(["drop", "replace", "replace", "add", "rename"]))
    if kind == "drop":
        del doc[key]
    elif kind == "replace":
        doc[key] = draw(hostile_values)
    elif kind == "add":
        doc[draw(hostile_texts)] = draw(hostile_values)
    else:
        doc[draw(hostile_texts)] = doc.pop(key)


@contextlib.contextmanager
def no_hang():
    """Raise where the block takes much longer than it ever should."""

    def ring(*args):
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def fresh(name):
    """A site of its own for each example, in a directory with nothing else."""
    with tempfile.TemporaryDirectory() as directory, sites.site(name, Path(directory), None) as site:
        yield site


def assert_stored_or_refused(site, store):
    """Try to store into an empty site, assert what holds whatever was tried, and give a new catalog over it."""
    with no_hang():
        error = faults.attempt(store, site.open())
    catalog = site.open()
    if error is not None:
        if not isinstance(error, StoreError):
            raise error
        assert len(str(error)) < 1000
        assert site.snapshot() == {}
        assert list(catalog) == []
    if site.directory is not None:
        assert [path.name for path in site.directory.parent.iterdir()] == ["runs"]
        for name in site.snapshot():
            path = site.directory / name
            if path.suffix == ".msgpack":
                assert_no_pickle(path)
    return catalog


def assert_no_pickle(path):
    """No array of objects, which msgpack-numpy pickles, and no bytes that unpickle."""
    with open(path, "rb") as file:
        for message in msgpack.Unpacker(file, strict_map_key=False):
            for value in values_in(message):
                if isinstance(value, dict):
                    assert value.get(b"kind") != b"O"
                elif isinstance(value, bytes):
                    assert not is_pickle(value) or value in GIVEN_BYTES


GIVEN_BYTES = {FORGED[b"data"], *(value for value in (make() for make in VALUES) if isinstance(value, bytes))}
"""Bytes in metadata are stored and read as bytes; nothing unpickles them."""


def values_in(value):
    yield value
    inner = [*value.keys(), *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    for item in inner:
        yield from values_in(item)


def is_pickle(value):
    if not value.startswith(b"\x80"):
        return False
    try:
        return bool(list(pickletools.genops(value)))
    except ValueError:
        return False


@FUZZ
@pytest.mark.parametrize("site_name", SITES)
@given(given_documents=mutated_documents())
def test_hostile_documents_are_stored_whole_or_refused(site_name, given_documents):
    with fresh(site_name) as site:
        again = assert_stored_or_refused(site, lambda catalog: catalog.store_run(given_documents))
        for uid in list(again):
            assert [name for name, _ in again[uid].documents(fill="no")][-1] == "stop"


@FUZZ
@pytest.mark.parametrize("site_name", SITES)
@given(given_documents=mutated_documents())
def test_hostile_documents_that_are_inserted_one_by_one_are_stored_or_refused(site_name, given_documents):
    def insert(catalog):
        try:
            for name, doc in given_documents:
                catalog.v1.insert(name, doc)
                if name == "stop":
                    return
        finally:
            # what has no stop document is under way, and nobody sees it
            if (serializer := catalog._store.serializer) is not None:
                for uid in list(serializer.acquired._writers):
                    serializer.acquired.abandon(uid)

    with fresh(site_name) as site:
        assert_stored_or_refused(site, insert)


@FUZZ
@pytest.mark.parametrize("site_name", SITES)
@given(
    columns=st.dictionaries(
        hostile_texts, hostile_values | hostile_values.map(lambda value: [value] * 2), max_size=2
    ).map(Table),
    metadata=st.dictionaries(hostile_texts, hostile_values, max_size=2).map(Table),
    uid=st.none() | hostile_texts,
    one_event=st.booleans(),
)
def test_hostile_tables_and_metadata_are_stored_whole_or_refused(site_name, columns, metadata, uid, one_event):
    def store(catalog):
        catalog.store_run({"x": [1.5, 2.5], **columns}, metadata, uid, one_event=one_event)

    with fresh(site_name) as site:
        again = assert_stored_or_refused(site, store)
        for uid in list(again):
            assert again[uid].primary.metadata["stop"]["exit_status"] == "success"


PLACES = {
    "a dict in the data of an event": lambda docs: docs[5]["data"].update(x={"a": objects()}),
    "the timestamps of an event": lambda docs: docs[5]["timestamps"].update(x=objects()),
    "the timestamps of a page": lambda docs: docs[8]["timestamps"].update(y=objects()),
    "the uids of a page": lambda docs: docs[8].update(uid=numpy.array(docs[8]["uid"], dtype=object)),
    "a part of a page that nobody knows": lambda docs: docs[8].update(comment=objects()),
    "a part of an event that nobody knows": lambda docs: docs[5].update(comment=objects()),
    "a forged array in an event": lambda docs: docs[5]["data"].update(x=dict(FORGED)),
    "a forged array in the start document": lambda docs: docs[0].update(comment=dict(FORGED)),
}


@pytest.mark.parametrize("way", ["store_run", "insert"])
@pytest.mark.parametrize("spoil", PLACES.values(), ids=PLACES.keys())
def test_no_place_in_documents_holds_a_pickle(spoil, way):
    given_documents = documents()
    spoil([doc for _, doc in given_documents])

    def insert(catalog):
        for name, doc in given_documents:
            catalog.v1.insert(name, doc)

    with fresh("msgpack") as site:
        store = insert if way == "insert" else lambda catalog: catalog.store_run(given_documents)
        assert_stored_or_refused(site, store)


@pytest.mark.parametrize("way", ["metadata", "column", "documents"])
@pytest.mark.parametrize(
    "make",
    [endless_list, lambda: [endless_list()[1]], endless_dict, lambda: deep(5000), lambda: nested(5000)],
    ids=["list", "list of a list", "dict", "deep", "nested"],
)
def test_what_contains_itself_is_refused(make, way):
    def store(catalog):
        if way == "metadata":
            catalog.store_run({"x": [1]}, {"a": make()})
        elif way == "column":
            catalog.store_run({"x": [make(), make()]})
        else:
            given_documents = documents()
            given_documents[5][1]["data"]["x"] = make()
            catalog.store_run(given_documents)

    with fresh("msgpack") as site, pytest.raises((InvalidMetadataError, InvalidTableError)), no_hang():
        store(site.open())


def test_a_refused_document_takes_its_run_away():
    given_documents = documents()
    with fresh("msgpack") as site:
        catalog = site.open()
        for name, doc in given_documents[:5]:
            catalog.v1.insert(name, doc)
        with pytest.raises(InvalidTableError, match="object"):
            catalog.v1.insert("event", {**given_documents[5][1], "data": {"x": objects(), "image": "a"}})
        assert site.snapshot() == {}
        with pytest.raises(StoreError, match="is not open"):
            catalog.v1.insert(*given_documents[-1])
        assert list(site.open()) == []
