"""Objects whose own code fails or changes what it gives: refused, stored as they were, or their error passed on."""

from __future__ import annotations

import copy

import numpy
import pytest

from databroker_writable import InvalidMetadataError, InvalidRunError, InvalidTableError, StoreError, to_dataset
from databroker_writable.runs.comparison import same_run
from support import example_runs, faults, sites

SITES = ["msgpack", "jsonl", "mongo-normalized[mongomock]", "mongo-embedded[mongomock]"]


class Unshowable:
    """Cannot even be named in a message."""

    def __repr__(self):
        raise ValueError("no repr")

    __str__ = __repr__


WAYS = {
    "metadata": lambda catalog, thing: catalog.store_run(example_runs.TABLE, {"a": thing}),
    "inside metadata": lambda catalog, thing: catalog.store_run(example_runs.TABLE, {"a": [{"b": thing}]}),
    "a key of metadata": lambda catalog, thing: catalog.store_run(example_runs.TABLE, {"a": {thing: 1}}),
    "all metadata": lambda catalog, thing: catalog.store_run(example_runs.TABLE, thing),
    "parameters": lambda catalog, thing: catalog.store_run(example_runs.TABLE, parameters=thing),
    "derived_from": lambda catalog, thing: catalog.store_run(example_runs.TABLE, derived_from=thing),
    "versions": lambda catalog, thing: catalog.store_run(example_runs.TABLE, versions=thing),
    "one_event": lambda catalog, thing: catalog.store_run(example_runs.TABLE, one_event=thing),
    "uid": lambda catalog, thing: catalog.store_run(example_runs.TABLE, uid=thing),
    "time": lambda catalog, thing: catalog.store_run(example_runs.TABLE, time=thing),
    "asset_threshold": lambda catalog, thing: catalog.store_run(example_runs.TABLE, asset_threshold=thing),
    "a run": lambda catalog, thing: catalog.store_run(thing),
    "all runs": lambda catalog, thing: catalog.store_runs(thing),
    "one of the runs": lambda catalog, thing: catalog.store_runs([thing]),
    "a pair": lambda catalog, thing: catalog.store_run([thing]),
    "a document": lambda catalog, thing: catalog.store_run([("start", thing)]),
    "a name": lambda catalog, thing: catalog.v1.insert(thing, {}),
    "a document inserted": lambda catalog, thing: catalog.v1.insert("start", thing),
    "a column": lambda catalog, thing: catalog.store_run({"x": thing}),
    "a value of a column": lambda catalog, thing: catalog.store_run({"x": [thing, thing]}),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
@pytest.mark.parametrize("site", ["msgpack"], indirect=True)
def test_what_cannot_be_shown_is_refused_by_its_type(catalog, site, way):
    with pytest.raises(StoreError) as caught:
        way(catalog, Unshowable())
    assert "Unshowable" in str(caught.value) or "a tuple that cannot be shown" in str(caught.value)
    assert site.snapshot() == {}


@pytest.mark.parametrize("site", ["msgpack"], indirect=True)
@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"one_event": "no"}, InvalidTableError, "one_event must be True or False, not 'no'"),
        ({"versions": 5}, InvalidMetadataError, "versions must be a list of names of packages, not 5"),
        ({"versions": [b"numpy"]}, InvalidMetadataError, "versions must be a list of names of packages"),
        ({"versions": numpy.array(["numpy", "h5py"])}, InvalidMetadataError, "versions must be a list"),
    ],
)
def test_an_argument_of_another_type_is_refused(catalog, site, arguments, error, words):
    with pytest.raises(error, match=words):
        catalog.store_run(example_runs.TABLE, **arguments)
    assert site.snapshot() == {}


@pytest.mark.parametrize("site", ["msgpack"], indirect=True)
def test_a_block_that_raises_what_cannot_be_shown_keeps_what_was_added(catalog, site):
    class UnshowableError(Unshowable, Exception):
        pass

    def build():
        with catalog.run_builder(uid="fit-1") as builder:
            builder.add_stream("primary", data=example_runs.TABLE)
            raise UnshowableError

    with pytest.raises(UnshowableError):
        build()
    stop = site.open()["fit-1"].metadata["stop"]
    assert (stop["exit_status"], stop["reason"]) == ("fail", "a UnshowableError that cannot be shown")


class Failing(list):
    def __iter__(self):
        raise RuntimeError("lost on the way")


def documents_that_fail(number):
    yield from example_runs.small_documents()[:number]
    raise RuntimeError("lost on the way")


@pytest.mark.parametrize(
    "store",
    [
        *(lambda catalog, number=number: catalog.store_run(documents_that_fail(number)) for number in range(5)),
        lambda catalog: catalog.store_run({"x": Failing([1, 2])}),
        lambda catalog: catalog.store_run(example_runs.TABLE, {"a": Failing()}),
    ],
    ids=[*(f"a generator after {number}" for number in range(5)), "a column", "metadata"],
)
@pytest.mark.parametrize("site", SITES, indirect=True)
def test_an_error_of_the_user_s_own_code_passes_on_and_nothing_is_stored(catalog, site, store):
    with pytest.raises(RuntimeError, match="lost on the way"):
        store(catalog)
    assert site.snapshot() == {}
    catalog.store_run(example_runs.TABLE)


@pytest.mark.parametrize("site", SITES, indirect=True)
def test_documents_that_are_changed_while_and_after_they_are_stored_stay_as_they_were_given(catalog, site):
    documents = [
        (name, copy.deepcopy(doc)) for name, doc in example_runs.small_documents(note=["a"], nested={"b": [1]})
    ]
    expected = copy.deepcopy(documents)

    def given():
        for name, doc in documents:
            yield name, doc
            if name != "event_page":  # whose columns may be large: they are not copied
                spoil(doc)

    catalog.store_run(given())
    for _, doc in documents:
        spoil(doc)
    uid = expected[0][1]["uid"]
    assert same_run(catalog[uid].documents(fill="no"), expected)
    assert same_run(site.documents(uid), expected)


def spoil(doc):
    for value in doc.values():
        if isinstance(value, list):
            value.append("changed")
        elif isinstance(value, dict):
            value["changed"] = ["changed"]
    doc["changed"] = True


@pytest.mark.parametrize("value", [numpy.zeros((3, 0)), numpy.zeros(2, dtype=[("a", int)]), numpy.array(["fit-1"] * 2)])
@pytest.mark.parametrize("site", ["msgpack"], indirect=True)
def test_metadata_that_are_an_array_contradict_an_argument(catalog, site, value):
    with pytest.raises(InvalidMetadataError, match="uid"):
        catalog.store_run(example_runs.TABLE, {"uid": value}, uid="fit-1")
    assert site.snapshot() == {}


@pytest.mark.parametrize("name", [numpy.zeros((3, 0)), numpy.array(["stop"] * 2), None, 5, b"stop", ["stop"]])
@pytest.mark.parametrize("site", ["msgpack"], indirect=True)
def test_a_name_of_a_document_that_is_none_is_refused(catalog, site, name):
    documents = example_runs.small_documents()
    with pytest.raises(InvalidRunError, match="documents"):
        catalog.store_run([*documents[:-1], (name, documents[-1][1])])
    for item in documents[:-1]:
        catalog.v1.insert(*item)
    with pytest.raises(InvalidRunError, match="give the name as a string"):
        catalog.v1.insert(name, documents[-1][1])
    assert site.snapshot() == {}


@pytest.mark.parametrize("site", ["msgpack"], indirect=True)
def test_complex_numbers_in_an_inserted_stop_document_are_kept(catalog, site):
    documents = example_runs.small_documents()
    documents[-1][1]["phase"] = 1 + 2j
    for name, doc in documents:
        catalog.v1.insert(name, doc)
    for reading in (catalog, site.open()):
        assert reading[documents[0][1]["uid"]].metadata["stop"]["phase"] == 1 + 2j


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda docs: docs[2].update(uid=numpy.array(5)), "uids that are not a list"),
        (lambda docs: docs[0].update(time=float("nan")), "time"),
        (lambda docs: docs[2].update(time=[float("nan")] * 3), "finite"),
        (lambda docs: docs[2].update(seq_num=[0.5, True, None]), "seq_num"),
        (lambda docs: docs[2].update(seq_num="123"), "seq_num"),
        (lambda docs: docs[3].update(time=float("inf")), "time"),
        (lambda docs: docs[1].update(time=float("nan")), "time"),
    ],
    ids=["uids", "start", "events", "mixed seq_num", "text", "stop", "descriptor"],
)
@pytest.mark.parametrize("site", SITES, indirect=True)
def test_times_and_numbers_that_are_none_are_refused(catalog, site, change, words):
    documents = example_runs.small_documents()
    change([doc for _, doc in documents])
    with pytest.raises((InvalidRunError, InvalidMetadataError), match=words):
        catalog.store_run(documents)
    assert site.snapshot() == {}


@pytest.mark.parametrize("site", SITES, indirect=True)
def test_numbers_of_numpy_and_a_seq_num_of_zero_are_stored(catalog, site):
    documents = example_runs.small_documents(flag=numpy.bool_(True), count=numpy.int8(5), gain=numpy.float32(0.5))
    page = documents[2][1]
    page.update(seq_num=numpy.arange(3), time=numpy.array(page["time"]))
    catalog.store_run(documents)
    found = site.documents(documents[0][1]["uid"])
    start = found[0][1]
    assert {key: start[key] for key in ("flag", "count", "gain")} == {"flag": True, "count": 5, "gain": 0.5}
    assert [number for name, doc in found if name == "event_page" for number in doc["seq_num"]] == [0, 1, 2]


NAMES = {
    "unicode forms that are equal": ["\u00e9", "e\u0301"],
    "names that differ in case": ["sample", "Sample", "SAMPLE"],
    "names that Windows reserves": ["con", "nul", "COM1"],
    "control characters": ["a\tb", "\x1b[31m", "\u202e"],
}


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES.keys())
@pytest.mark.parametrize("way", ["metadata", "columns", "columns in files"])
@pytest.mark.parametrize("site", SITES, indirect=True)
def test_odd_names_are_kept_apart_or_refused(site, tmp_path, names, way):
    catalog = site.open(asset_root=str(tmp_path / "arrays"))
    given = {name: float(i) for i, name in enumerate(names)}
    if way == "metadata":
        error = faults.attempt(lambda: catalog.store_run(example_runs.TABLE, {"given": given}, uid="fit-1"))
    else:
        table = {name: numpy.full((2, 3), value) for name, value in given.items()}
        threshold = 0 if way == "columns in files" else None
        error = faults.attempt(lambda: catalog.store_run(table, uid="fit-1", asset_threshold=threshold))
    if error is not None:
        assert isinstance(error, StoreError), error
        assert site.snapshot() == {}
        assert sites.tree(tmp_path / "arrays") == {}
    elif way == "metadata":
        assert site.open()["fit-1"].metadata["start"]["given"] == given
    else:
        read = to_dataset(site.open()["fit-1"])
        assert {name: float(read[name].values.max()) for name in names} == given


@pytest.mark.parametrize("site", ["msgpack", "jsonl"], indirect=True)
def test_uids_that_differ_in_case_are_two_runs_or_one_is_refused(catalog, site):
    """Where the file system takes them for one name the second is refused, as any other run of that uid."""
    catalog.store_run({"x": [1.0]}, uid="Fit")
    error = faults.attempt(lambda: catalog.store_run({"x": [2.0]}, uid="fit"))
    stored = {"Fit": 1.0} if error else {"Fit": 1.0, "fit": 2.0}
    assert error is None or isinstance(error, FileExistsError)
    again = site.open()
    assert {uid: float(again[uid].primary.read()["x"][0]) for uid in again} == stored
