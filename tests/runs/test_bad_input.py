"""What cannot be stored is refused before anything is written, with the culprit and the remedy named."""

from __future__ import annotations

import collections
import datetime
import os
import pathlib
import re

import dask.array
import event_model
import numpy
import pandas
import pytest
import xarray

from databroker_writable import (
    InvalidCatalogError,
    InvalidMetadataError,
    InvalidRunError,
    InvalidTableError,
    NotWritableError,
    RunBuilder,
    StoreError,
    StoreFailedError,
    StoreWarning,
    build_simple_run,
    make_writable,
    open_directory,
    to_dataset,
    writable_class,
)
from databroker_writable.drivers import (
    WritableCatalog,
    WritableJSONLCatalog,
    WritableMongoEmbeddedCatalog,
    WritableMongoNormalizedCatalog,
    WritableMsgpackCatalog,
)
from support import example_runs, sites

ONE_OF_EACH = ["msgpack", "jsonl", "mongo-normalized[mongomock]"]
"""Documents are checked before they reach a backend: one of each kind shows that it is not reached."""


@pytest.fixture
def refuses(site, catalog):
    """Store, and assert the error, the words of its message, and that nothing was written."""
    catalog.store_run({"x": [1]}, uid="before")

    def check(error, words, *args, store=None, **kwargs):
        before = site.snapshot()
        with pytest.raises(error) as caught:
            (store or catalog.store_run)(*args, **kwargs)
        message = str(caught.value)
        position = 0
        for word in words:
            found = re.search(word, message[position:])
            assert found, f"{word!r} is not in {message!r}, or not in this order"
            position += found.start()
        assert len(message) < 600
        assert site.snapshot() == before
        assert len(catalog) == len(site.open()) == 1

    return check


class OtherTable:
    """A table as polars, pyarrow or dask have it."""

    columns = ("x",)

    def __init__(self, method):
        setattr(self, method, None)


class Length:
    """A quantity as pint has it."""

    def __init__(self, magnitude, units):
        self.magnitude, self.units = magnitude, units


TABLES = {
    "None": (None, ["None", "neither a run nor a table", "dict of columns"]),
    "a string": ("results.csv", ["results.csv", "str", "neither a run nor a table"]),
    "bytes": (b"abc", ["abc", "bytes"]),
    "a number": (5, ["5", "int", "neither a run nor a table"]),
    "an array": (numpy.arange(3), ["array", "name it", "{'x': values}"]),
    "a Series without a name": (pandas.Series([1, 2]), ["Series", "no name", "rename"]),
    "a DataArray without a name": (xarray.DataArray([1, 2]), ["DataArray", "no name", "rename"]),
    "an empty dict": ({}, ["no columns", "at least one"]),
    "an empty DataFrame": (pandas.DataFrame(), ["no columns"]),
    "an empty column": ({"x": []}, ["'x'|no rows"]),
    "different lengths": ({"x": [1, 2], "y": [1, 2, 3]}, ["different lengths", "'x': 2", "'y': 3", "make them equal"]),
    "a name that is no text and no number": ({None: [1, 2]}, ["None", "make it a str"]),
    "values in several units": ({"x": [Length(1, "mm"), Length(1, "m")]}, ["'x'", "several units", "m, mm"]),
    "units of a column that is not there": ({"x": [1]}, ["units", "'y'", "'x'"], {"units": {"y": "mm"}}),
    "units that are no text": ({"x": [1]}, ["'x'", "5", "str"], {"units": {"x": 5}}),
    "units that are no dict": ({"x": [1]}, ["units must be a dict", "'mm'"], {"units": "mm"}),
    "units that contradict": ({"x": Length([1], "mm")}, ["'x'", "'mm'", "'m'"], {"units": {"x": "m"}}),
    "an empty name": ({"": [1]}, ["empty|''"]),
    "a name that is not Unicode": ({"\ud800": [1]}, ["column", "surrogate", "replace it"]),
    "mixed types": ({"x": [1, "a"]}, ["'x'", "mixed types", "int", "str", "make it one type"]),
    "objects": ({"x": [object(), object()]}, ["'x'", "object"]),
    "a structured array": ({"x": numpy.zeros(2, dtype=[("a", int)])}, ["'x'", "a"]),
    "ragged lists of text": ({"x": [["a"], ["b", "c"]]}, ["'x'", "different lengths"]),
    "ragged lists of large integers": ({"x": [[2**60], [1, 2]]}, ["'x'", r"2\*\*53", "one length"]),
    "an integer that is too large": ({"x": [2**70]}, ["'x'", "2361|1180|2\\*\\*|64|large|beyond"]),
    "text that is not Unicode": ({"x": ["\ud800"]}, ["'x'", "surrogate", "replace it"]),
    "a set": ({"x": {1, 2}}, ["'x'", "set", r"list\(table\['x'\]\)"]),
    "a generator": ({"x": (i for i in range(3))}, ["'x'", "generator", r"list\(table\['x'\]\)"]),
    "a table of another package": (OtherTable("to_pandas"), ["OtherTable", r"\.to_pandas\(\)"]),
    "a table that is not computed": (OtherTable("compute"), ["OtherTable", r"\.compute\(\)"]),
    "a column of sets": ({"x": [{1}, {2}]}, ["'x'", "set"]),
}


@pytest.mark.parametrize("site", ONE_OF_EACH, indirect=True)
@pytest.mark.parametrize(("table", "words", "options"), [(*case, {})[:3] for case in TABLES.values()], ids=TABLES)
def test_a_table_that_cannot_be_stored_is_refused(refuses, table, words, options):
    refuses(InvalidTableError, words, table, **options)


@pytest.mark.parametrize("site", ["msgpack"], indirect=True)
def test_an_open_file_is_refused_with_the_way_to_read_it(refuses, tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("x\n1\n")
    words = ["read the file first", r"pandas.read_csv\(.*x.csv"]
    with path.open() as text, path.open("rb") as content:
        for given in (text, content, path, str(path)):
            refuses(InvalidTableError, words, given)
            refuses(InvalidTableError, words, given, store=build_simple_run)


@pytest.mark.parametrize("site", ["msgpack"], indirect=True)
@pytest.mark.parametrize("name", ["seq_num", "uid", "timestamps", "descriptor", "data"])
def test_a_column_may_have_the_name_of_a_part_of_an_event(catalog, name):
    stored = catalog.store_run({name: [1.5, 2.5], "x": [1, 2]})
    assert stored.primary.read()[name].values.tolist() == [1.5, 2.5]
    assert catalog.v1[-1].table()[name].tolist() == [1.5, 2.5]


@pytest.mark.parametrize("site", ["msgpack", "mongo-normalized[mongomock]"], indirect=True)
def test_a_column_named_time_gives_the_times_of_the_events(catalog):
    stored = catalog.store_run({"time": [1.5, 2.5], "x": [1, 2]})
    assert stored.primary.read()["time"].values.tolist() == [1.5, 2.5]


@pytest.mark.parametrize("site", ["msgpack", "mongo-normalized[mongomock]"], indirect=True)
@pytest.mark.parametrize("values", [["noon", "night"], [2.5, 1.5]], ids=["text", "falling"])
def test_a_column_named_time_that_events_cannot_have_is_kept_beside_theirs(catalog, values):
    stored = catalog.store_run({"time": values, "x": [1, 2]})
    assert to_dataset(stored)["time"].values.tolist() == values
    assert stored.primary.read()["time_"].values.tolist() == values


@pytest.mark.parametrize("site", ["msgpack", "mongo-normalized[mongomock]"], indirect=True)
def test_a_table_of_nothing_but_times_is_kept_as_a_column(catalog):
    stored = catalog.store_run({"time": [1.5, 2.5]})
    assert stored.primary.read()["time_"].values.tolist() == [1.5, 2.5]
    assert to_dataset(stored)["time"].values.tolist() == [1.5, 2.5]


METADATA = {
    "not a dict": ("sample=Cu", ["metadata", "dict", "str"]),
    "a list": ([("a", 1)], ["metadata", "dict", "list"]),
    "a key with a dot": ({"a.b": 1}, [r"'a\.b'", r"'\.'", "a_b"]),
    "a nested key with a slash": ({"a": [{"b/c": 1}]}, ["b/c", "'/'", "b_c"]),
    "a key that is no string": ({1: 2}, ["1", "string"]),
    "a nested key that is no string": ({"a": {2: 3}}, ["2", "string"]),
    "an empty key": ({"": 1}, ["empty key"]),
    "a function": ({"model": len}, [r"metadata\['model'\]", "function|builtin", "name"]),
    "a set": ({"tags": {"a"}}, [r"metadata\['tags'\]", "set", "sorted"]),
    "an object deep inside": ({"a": [{"b": object()}]}, [r"\['a'\]\[0\]\['b'\]", "object"]),
    "a sample of a wrong type": ({"sample": 5}, [r"metadata\['sample'\]", "5", "string"]),
    "a scan_id of a wrong type": ({"scan_id": "seven"}, [r"metadata\['scan_id'\]", "seven", "integer"]),
    "a time of a wrong type": ({"time": "noon"}, [r"metadata\['time'\]", "noon", "number"]),
    "a time that is not finite": ({"time": float("nan")}, [r"metadata\['time'\]", "nan", "POSIX"]),
    "text that is not Unicode": ({"a": "\ud800"}, [r"metadata\['a'\]", "Unicode"]),
    "an integer that is too large": ({"n": 2**70}, [r"metadata\['n'\]", "hold"]),
    "a template": ({"a": "{{ env(HOME) }}"}, [r"metadata\['a'\]", "template"]),
}


@pytest.mark.parametrize("site", ONE_OF_EACH, indirect=True)
@pytest.mark.parametrize(("metadata", "words"), METADATA.values(), ids=METADATA.keys())
def test_metadata_that_cannot_be_stored_are_refused(refuses, metadata, words):
    refuses(InvalidMetadataError, words, {"x": [1]}, metadata)


@pytest.mark.parametrize("site", ONE_OF_EACH, indirect=True)
def test_metadata_that_contradict_an_argument_are_refused(refuses):
    refuses(InvalidMetadataError, ["'uid'", "'b'", "'a'", "only one"], {"x": [1]}, {"uid": "b"}, "a")
    refuses(InvalidMetadataError, ["'time'", "5", "6", "only one"], {"x": [1]}, {"time": 5}, "a", 6)


@pytest.mark.parametrize("site", ["msgpack"], indirect=True)
def test_metadata_nested_too_deeply_are_refused(refuses):
    deep: dict = {}
    for _ in range(200):
        deep = {"a": deep}
    refuses(InvalidMetadataError, ["nested deeper than 64", "flatten"], {"x": [1]}, deep)


@pytest.mark.parametrize("site", sites.ALL_SITES, indirect=True)
def test_what_one_backend_cannot_hold_is_refused_there(refuses, site):
    table = {"x": [1]}
    if site.kind == "jsonl" or site.is_mongo:
        name = "JSON" if site.kind == "jsonl" else "MongoDB"
        refuses(InvalidMetadataError, [r"metadata\['z'\]", "complex", name, "as numbers"], table, {"z": 1 + 2j})
        refuses(InvalidMetadataError, [r"metadata\['b'\]", "bytes", name, "as text"], table, {"b": b"abc"})
        refuses(InvalidTableError, ["'z'", "complex", name, "real and the imaginary"], {"z": numpy.array([1 + 2j])})
    if site.is_mongo:
        refuses(InvalidMetadataError, [r"'\$a'", "MongoDB refuses", r"remove '\$'"], table, {"$a": 1})
        refuses(InvalidMetadataError, ["MongoDB refuses", "NUL"], table, {"a\0b": 1})
        refuses(InvalidMetadataError, [r"\['n'\]", "beyond", "MongoDB"], table, {"n": 2**63})
        refuses(InvalidTableError, ["'n'", "beyond", "MongoDB"], {"n": numpy.array([2**63], dtype="uint64")})


NOT_HELD = {
    "complex": ("jsonl", 1 + 2j, "complex.*JSON"),
    "complex numbers": ("jsonl", numpy.array([1j]), "complex.*JSON"),
    "bytes": ("jsonl", b"abc", "bytes.*JSON"),
    "a large integer, normalized": ("mongo-normalized[server]", 2**63, "beyond.*MongoDB"),
    "large integers, embedded": ("mongo-embedded[server]", numpy.array([2**63], dtype="uint64"), "beyond.*MongoDB"),
}


@pytest.mark.parametrize(("site", "value", "words"), NOT_HELD.values(), ids=NOT_HELD.keys(), indirect=["site"])
def test_what_one_backend_cannot_hold_is_refused_by_insertion_too(refuses, catalog, value, words):
    start, descriptor, page, _ = example_runs.small_documents(rows=1)
    event = {**next(event_model.unpack_event_page(page[1])), "data": {"x": value}}

    def insert(*documents):
        for name, doc in documents:
            catalog.v1.insert(name, doc)

    refuses(InvalidTableError, [rf"\['x'\].*{words}"], start, descriptor, ("event", event), store=insert)
    if not isinstance(value, numpy.ndarray):
        named = ("start", {**start[1], "z": value})
        refuses(InvalidMetadataError, [rf"metadata\['z'\].*{words}"], named, store=insert)


@pytest.mark.parametrize("site", [name for name in sites.ALL_SITES if "mongo" in name], indirect=True)
def test_bytes_of_an_acquisition_are_inserted_into_mongodb(catalog, site):
    documents = example_runs.small_documents(token=b"abc")
    for name, doc in documents:
        catalog.v1.insert(name, doc)
    assert bytes(site.open()[-1].metadata["start"]["token"]) == b"abc"


@pytest.mark.parametrize("site", [name for name in sites.ALL_SITES if "mongo" in name], indirect=True)
def test_bytes_in_any_document_of_an_acquisition_are_inserted_into_mongodb(catalog, site):
    documents = example_runs.small_documents(uid="acquired")
    for name, doc in documents:
        if name != "event_page":
            doc["hints" if name == "descriptor" else "token"] = {"token": b"abc"}
        catalog.v1.insert(name, doc)
    run = site.open()["acquired"]
    assert bytes(run.primary.metadata["descriptors"][0]["hints"]["token"]) == b"abc"
    assert bytes(run.metadata["stop"]["token"]["token"]) == b"abc"


@pytest.mark.parametrize("site", [name for name in sites.ALL_SITES if "mongo" in name], indirect=True)
def test_an_event_over_the_limit_of_mongodb_is_refused(refuses):
    values = numpy.zeros(1_500_000)
    refuses(
        (InvalidTableError, InvalidRunError),
        ["'x'|Event", "MB|bytes|limit", "asset_root"],
        {"x": values},
        one_event=True,
    )


@pytest.mark.parametrize("site", ["mongo-normalized[mongomock]", "mongo-embedded[mongomock]"], indirect=True)
def test_a_dask_array_without_a_directory_for_its_file_is_refused(refuses):
    words = ["'x'", "2.4e-05 MB", "dask array", "asset_root", r"compute it first, e\.g\. table\['x'\]\.compute\(\)"]
    refuses(InvalidTableError, words, {"x": dask.array.ones(3)}, one_event=True)


@pytest.mark.parametrize("site", ONE_OF_EACH, indirect=True)
@pytest.mark.parametrize("status", ["succeeded", "", 5, ["fail"]])
def test_an_unknown_exit_status_is_refused(refuses, status):
    words = ["exit_status", "success, abort, fail", re.escape(repr(status))]
    refuses(InvalidRunError, words, {"x": [1]}, exit_status=status)


UIDS = [
    "../evil",
    "a/b",
    "a\\b",
    "..",
    ".hidden",
    "",
    "con",
    "NUL.txt",
    "a b",
    "a\0b",
    "a\nb",
    "-rf",
    "x" * 201,
    "é",
    "17",
    "a.",
]


@pytest.mark.parametrize("site", ONE_OF_EACH, indirect=True)
@pytest.mark.parametrize("uid", UIDS)
def test_a_uid_that_is_no_safe_name_is_refused(refuses, site, uid, tmp_path):
    outside = sorted(os.listdir(tmp_path))
    words = ["uid", re.escape(repr(uid[:40]))]
    refuses((InvalidRunError, InvalidMetadataError), words, {"x": [1]}, uid=uid)
    refuses((InvalidRunError, InvalidMetadataError), words, {"x": [1]}, {"uid": uid})
    refuses((InvalidRunError, InvalidMetadataError), words, _with_uid(uid))
    assert sorted(os.listdir(tmp_path)) == outside


@pytest.mark.parametrize("site", ["msgpack"], indirect=True)
def test_a_uid_that_is_no_string_is_refused(refuses):
    refuses((InvalidRunError, InvalidMetadataError), ["uid", "5"], {"x": [1]}, uid=5)


@pytest.mark.parametrize("site", ["msgpack", "jsonl"], indirect=True)
@pytest.mark.parametrize("uid", ["../evil", "a/b"])
def test_insertion_too_never_leaves_the_directory(site, catalog, uid, tmp_path):
    outside = sorted(os.listdir(tmp_path))
    with pytest.raises(Exception, match=r"uid|not be found again|safe"):  # noqa: PT012
        for name, doc in _with_uid(uid):
            catalog.v1.insert(name, doc)
    assert sorted(os.listdir(tmp_path)) == outside
    assert site.snapshot() == {}


def _with_uid(uid):
    documents = example_runs.small_documents(uid="placeholder")
    for _, doc in documents:
        if doc.get("run_start") == "placeholder":
            doc["run_start"] = uid
    documents[0][1]["uid"] = uid
    return documents


def _changed(index, **changes):
    documents = example_runs.small_documents(uid="fit-1")
    name, doc = documents[index]
    documents[index] = (name, {**doc, **changes})
    return documents


START, DESCRIPTOR, PAGE, STOP = example_runs.small_documents(uid="fit-1")
DATA_KEY = {"dtype": "number", "shape": [], "source": "test"}

DOCUMENTS = {
    "none": ([], ["begin with its start document", "none"]),
    "without start": ([DESCRIPTOR, PAGE, STOP], ["begin with its start document", "descriptor"]),
    "without stop": ([START, DESCRIPTOR, PAGE], ["'fit-1'", "no stop document", "close"]),
    "with two starts": ([START, START, STOP], ["'fit-1'", "second start document", "store_runs"]),
    "of two runs": (
        [*example_runs.small_documents("a"), *example_runs.small_documents("b")],
        ["follows the stop document", "'a'"],
    ),
    "with an event before its descriptor": ([START, PAGE, DESCRIPTOR, STOP], ["descriptor", "no document before it"]),
    "with a descriptor of another run": (_changed(1, run_start="other"), ["descriptor", "'other'", "'fit-1'"]),
    "with a stop of another run": (_changed(3, run_start="other"), ["stop document", "'other'", "'fit-1'"]),
    "with events lost": (_changed(3, num_events={"primary": 5}), ["counts 5 events", "'primary'", "3 were given"]),
    "with an event uid twice": (_changed(2, uid=["a", "a", "b"]), ["event uid", "twice", "unique"]),
    "with a descriptor twice": ([START, DESCRIPTOR, DESCRIPTOR, STOP], ["descriptor uid", "twice", "unique"]),
    "with a page of unequal columns": (_changed(2, seq_num=[1, 2]), ["3 uids", "2 values", "seq_num"]),
    "with a key that is not described": (
        _changed(2, data={"z": [1, 2, 3]}, timestamps={"z": [1, 2, 3]}),
        ["'z'", "descriptor has", "'x'"],
    ),
    "with times that are no numbers": (_changed(2, time=["a", "b", "c"]), ["time", "not finite numbers"]),
    "with a datum that is not known": (
        [
            START,
            ("descriptor", {**DESCRIPTOR[1], "data_keys": {"x": {**DATA_KEY, "external": "FILESTORE:"}}}),
            ("event_page", {**PAGE[1], "data": {"x": ["r/0", "r/1", "r/2"]}, "filled": {"x": [False] * 3}}),
            STOP,
        ],
        ["'x'", "datum 'r/0'", "no document before it"],
    ),
    "with a number that is called not filled": (
        _changed(2, filled={"x": [False] * 3}),
        ["'filled' False for 'x'", "value", "external", "leave it out"],
    ),
    "with a datum before its resource": (
        [START, ("datum", {"datum_id": "r/0", "resource": "r", "datum_kwargs": {}}), STOP],
        ["resource 'r'", "no document before it"],
    ),
    "of an unknown type": ([START, ("result", {"uid": "x"}), STOP], ["'result'", "event", "datum"]),
    "that are tables": ([{"x": [1]}, {"x": [2]}], ["pairs", r"pandas\.DataFrame\(rows\)"]),
    "that are no pairs": ([1, 2, 3], ["pairs", "name, document", "1"]),
    "that are no dicts": ([("start", 5)], ["pairs"]),
    "with a start of the wrong form": (_changed(0, time="noon"), ["time", "noon", "number"]),
    "with a descriptor of the wrong form": (_changed(1, data_keys={"x": {}}), ["descriptor", "x"]),
    "with an event that lacks a key": ([START, DESCRIPTOR, ("event", {"uid": "e"}), STOP], ["event", "lacks"]),
}


@pytest.mark.parametrize("site", ONE_OF_EACH, indirect=True)
@pytest.mark.parametrize(("documents", "words"), DOCUMENTS.values(), ids=DOCUMENTS.keys())
def test_documents_that_are_not_one_whole_run_are_refused(refuses, documents, words):
    refuses((InvalidRunError, InvalidMetadataError), words, documents)


@pytest.mark.parametrize("site", ["msgpack"], indirect=True)
def test_a_stream_of_a_run_is_refused_with_what_to_store_of_it(catalog):
    stream = catalog.store_run({"x": [1]}).primary
    with pytest.raises(InvalidTableError, match=r"for a stream give the result of its read\(\)"):
        catalog.store_run(stream)
    assert catalog.store_run(stream.read()).primary.read()["x"].values.tolist() == [1]


@pytest.mark.parametrize("site", ["msgpack"], indirect=True)
def test_arguments_for_a_table_are_refused_with_a_finished_run(refuses):
    for given in ({"metadata": {"a": 1}}, {"uid": "b"}, {"derived_from": "raw"}, {"exit_status": "fail"}):
        words = [next(iter(given)), "finished run", "where the run is built"]
        refuses(InvalidRunError, words, example_runs.small_documents(), **given)


NOT_MANY_RUNS = {
    "a table": (lambda catalog: {"x": [1]}, ["one run or table (dict)", "store_run"]),
    "a DataFrame": (lambda catalog: pandas.DataFrame({"x": [1]}), ["DataFrame", "in a list"]),
    "a run": (lambda catalog: catalog[-1], ["one run", "in a list"]),
    "a built run": (lambda catalog: catalog.build_simple_run({"x": [1]}), ["BuiltRun", "in a list"]),
    "a header": (lambda catalog: catalog.v1[-1], ["Header", "in a list"]),
    "a catalog": (lambda catalog: catalog, ["a catalog", "values()", "copy_runs"]),
    "search results": (lambda catalog: catalog.search({"sample": "Cu"}), ["a catalog", "values()"]),
    "a uid": (lambda catalog: "fit-1", ["'fit-1'", "list"]),
    "nothing": (lambda catalog: None, ["None", "list"]),
}


@pytest.mark.parametrize(("give", "words"), NOT_MANY_RUNS.values(), ids=NOT_MANY_RUNS)
def test_one_run_in_place_of_many_is_refused(tmp_path, give, words):
    catalog = open_directory(tmp_path)
    catalog.store_run({"x": [1]}, metadata={"sample": "Cu"})
    with pytest.raises(InvalidRunError) as caught:
        catalog.store_runs(give(catalog))
    assert all(word in str(caught.value) for word in words)
    assert len(open_directory(tmp_path)) == 1


@pytest.mark.filterwarnings("ignore:derived_from names the run 'fit-1':databroker_writable.StoreWarning")
@pytest.mark.parametrize("site", ["msgpack", "mongo-embedded[mongomock]"], indirect=True)
def test_a_run_that_refers_to_itself_is_refused(refuses):
    refuses(
        InvalidMetadataError,
        ["derived_from", "'fit-1'", "own inputs|itself"],
        {"x": [1]},
        uid="fit-1",
        derived_from="fit-1",
    )
    refuses(InvalidMetadataError, ["derived_from", "uid of a run", "5"], {"x": [1]}, derived_from=5)


def test_a_run_in_memory_that_refers_to_itself_is_refused():
    with pytest.raises(InvalidMetadataError, match="the run 'fit-1' refers to itself"):
        build_simple_run({"x": [1]}, uid="fit-1", supersedes="fit-1")


# catalogs


@pytest.fixture
def locked(tmp_path):
    """A directory in which nothing may be written."""
    directory = tmp_path / "locked"
    directory.mkdir()
    directory.chmod(0o555)
    if os.access(directory, os.W_OK):
        pytest.skip("this user may write everywhere")
    yield directory
    directory.chmod(0o755)


@pytest.mark.parametrize("cls", [WritableMsgpackCatalog, WritableJSONLCatalog])
@pytest.mark.parametrize("below", [(), ("new",)], ids=["in it", "below it"])
def test_a_directory_that_cannot_be_written_is_named(locked, cls, below):
    suffix = ".msgpack" if cls is WritableMsgpackCatalog else ".jsonl"
    catalog = cls([os.path.join(locked, *below, f"*{suffix}")])
    with pytest.raises(NotWritableError, match=rf"no permission.*{re.escape(str(locked))}.*owner"):
        catalog.store_run({"x": [1]})
    assert os.listdir(locked) == []


def test_no_permission_is_reported_whoever_runs_the_tests(tmp_path, monkeypatch):
    catalog = open_directory(tmp_path / "runs")
    monkeypatch.setattr(os, "access", lambda *args, **kwargs: False)
    with pytest.raises(NotWritableError, match=r"no permission.*runs.*ask its owner"):
        catalog.store_run({"x": [1]})
    assert os.listdir(tmp_path / "runs") == []


@pytest.mark.parametrize("cls", [WritableMsgpackCatalog, WritableJSONLCatalog])
def test_a_file_in_place_of_the_directory_is_named(tmp_path, cls):
    (tmp_path / "runs").write_text("")
    suffix = ".msgpack" if cls is WritableMsgpackCatalog else ".jsonl"
    with pytest.raises(NotWritableError, match=r"runs' is not a directory"):
        cls([str(tmp_path / "runs" / f"*{suffix}")]).store_run({"x": [1]})
    with pytest.raises(
        NotWritableError, match=r"runs' is not a directory; give the directory that holds the run files"
    ):
        open_directory(tmp_path / "runs")


@pytest.mark.parametrize("cls", [WritableMsgpackCatalog, WritableJSONLCatalog])
def test_a_catalog_without_paths_says_how_to_give_one(cls):
    with pytest.raises(InvalidCatalogError, match=r"no paths; open it with paths=\['DIRECTORY/\*\."):
        cls([]).store_run({"x": [1]})


@pytest.mark.parametrize("cls", [WritableMsgpackCatalog, WritableJSONLCatalog])
def test_a_path_that_is_not_one_directory_is_refused(tmp_path, cls):
    suffix = ".msgpack" if cls is WritableMsgpackCatalog else ".jsonl"
    with pytest.raises(InvalidCatalogError, match=r"sub\*.*does not name one directory.*put 'DIRECTORY/"):
        cls([str(tmp_path / "sub*" / f"*{suffix}")]).store_run({"x": [1]})
    with pytest.raises(InvalidCatalogError, match=r"would not be found again.*put .*first"):
        cls([str(tmp_path / "raw-*.txt")]).store_run({"x": [1]})
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("uri", ["mongodb://127.0.0.1:9", "mongodb://127.0.0.1:9/", "mongodb://u:p@127.0.0.1:9/?a=b"])
def test_a_mongodb_uri_without_a_database_is_refused(uri):
    with pytest.raises(InvalidCatalogError, match=r"datastore_db names no database.*mongodb://HOST:27017/DATABASE"):
        WritableMongoEmbeddedCatalog(uri)
    with pytest.raises(InvalidCatalogError, match=r"asset_registry_db names no database"):
        WritableMongoNormalizedCatalog("mongodb://127.0.0.1:9/db", uri)
    with pytest.raises(InvalidCatalogError, match=r"metadatastore_db names no database"):
        WritableMongoNormalizedCatalog(metadatastore_db=uri, asset_registry_db=uri)


@pytest.mark.parametrize("uri", [5, ["mongodb://127.0.0.1:9/db"], {"host": "127.0.0.1"}])
def test_what_is_no_mongodb_uri_is_refused(uri):
    with pytest.raises(
        InvalidCatalogError, match=r"datastore_db must be a URI like mongodb://HOST:27017/DATABASE, not "
    ):
        WritableMongoEmbeddedCatalog(uri)
    with pytest.raises(InvalidCatalogError, match=r"asset_registry_db must be a URI"):
        WritableMongoNormalizedCatalog("mongodb://127.0.0.1:9/db", uri)


@pytest.mark.parametrize("uri", ["", "  ", None])
def test_an_empty_mongodb_uri_is_refused(uri):
    with pytest.raises(InvalidCatalogError, match=r"datastore_db is empty.*environment variable"):
        WritableMongoEmbeddedCatalog(uri)


def test_a_driver_that_is_not_registered_is_named():
    with pytest.raises(InvalidCatalogError, match=r"'no-such-catalog'.*bluesky-msgpack-catalog.*dotted path"):
        WritableCatalog("no-such-catalog", {})
    with pytest.raises(InvalidCatalogError, match=r"'no\.such\.Catalog' cannot be imported.*installed"):
        WritableCatalog("no.such.Catalog", {})
    with pytest.raises(InvalidCatalogError, match=r"catalog_args.*bluesky-msgpack-catalog.*nonsense|paths"):
        WritableCatalog("bluesky-msgpack-catalog", {"nonsense": 5})


def test_a_driver_without_a_serializer_is_refused():
    with pytest.raises(NotWritableError, match=r"ReadOnlyCatalog has no _get_serializer.*add one"):
        WritableCatalog("support.facility.ReadOnlyCatalog", {})


@pytest.mark.parametrize("thing", [dict, 5, "text"])
def test_what_is_no_driver_is_refused(thing):
    with pytest.raises(NotWritableError, match=r"does not derive from databroker\.v2\.Broker"):
        writable_class(thing)


@pytest.mark.parametrize("thing", [None, 5, {}])
def test_what_is_no_catalog_is_not_made_writable(thing):
    with pytest.raises(NotWritableError, match=r"not a catalog of runs.*databroker\.catalog\["):
        make_writable(thing)


@pytest.mark.parametrize(
    ("path", "remedy"),
    [
        ("mine.csv", r"pandas\.read_csv\('mine\.csv'\), or .* databroker-writable store"),
        (pathlib.Path("mine.nc"), r"xarray\.load_dataset\('mine\.nc'\)"),
        ("0123abcd", r"for a uid give the run, catalog\[uid\]"),
    ],
)
def test_the_path_of_a_file_is_answered_with_how_to_read_it(tmp_path, path, remedy):
    catalog = open_directory(tmp_path)
    with pytest.raises(InvalidTableError, match=remedy):
        catalog.store_run(path)
    assert len(catalog) == 0


def test_a_uid_in_place_of_a_run_is_answered_with_how_to_get_the_run():
    with pytest.raises(InvalidRunError, match=r"not 'abc'; give catalog\['abc'\]"):
        to_dataset("abc")


@pytest.mark.parametrize("values", [[1, 2, 3], (1.5, 2.5), [[1, 2], [3, 4]], ["a", "b"], [numpy.arange(3)]])
@pytest.mark.parametrize("arguments", [{}, {"metadata": {"sample": "Cu"}}, {"one_event": True}])
def test_values_without_a_name_are_not_taken_for_a_finished_run(tmp_path, values, arguments):
    catalog = open_directory(tmp_path)
    with pytest.raises(InvalidRunError, match=r"give it a name, as in \{'x': \[1, 2, 3\]\}"):
        catalog.store_run(values, **arguments)
    assert len(catalog) == 0


@pytest.mark.parametrize("site", ["msgpack"], indirect=True)
def test_a_date_is_no_time_of_a_run(refuses):
    remedy = ["2024-05-31", re.escape("datetime.datetime(2024, 5, 31, 12, 30)")]
    refuses(InvalidMetadataError, remedy, {"x": [1]}, time=datetime.date(2024, 5, 31))
    refuses(InvalidMetadataError, remedy, {"x": [1]}, metadata={"time": datetime.date(2024, 5, 31)})


@pytest.mark.parametrize("number", [20240531, 20240531.0, numpy.int64(20240531), 202405311230, 20240531123000])
@pytest.mark.parametrize("site", ["msgpack"], indirect=True)
def test_a_date_written_as_a_number_is_no_time_in_1970(refuses, number):
    noon = f"{datetime.datetime(2024, 5, 31, 12).timestamp():.0f}"
    remedy = ["2024-05-31", re.escape("datetime.datetime(2024, 5, 31, 12, 30)"), noon]
    refuses(InvalidMetadataError, ["time is 20240531", *remedy], {"x": [1]}, time=number)
    refuses(InvalidMetadataError, ["time is 20240531", *remedy], {"x": [1]}, metadata={"time": number})


@pytest.mark.parametrize("number", [20241331, 20240532, 18991231, 1717151400, 1, 0.5])
def test_a_number_that_is_no_date_is_the_time_of_a_run(number):
    assert build_simple_run({"x": [1]}, time=number).metadata["start"]["time"] == number


@pytest.mark.parametrize("name", ["catalogs.yml", "catalogs.yaml"])
def test_a_misspelt_file_of_catalogs_makes_no_directory(tmp_path, name):
    with pytest.raises(InvalidCatalogError, match="there is no file"):
        open_directory(tmp_path / name)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("value", [pandas.DataFrame({"x": [1]}), numpy.zeros((2, 2)), xarray.Dataset({"x": [1]})])
def test_a_message_has_one_line_for_a_value_of_many(tmp_path, value):
    with pytest.raises(InvalidRunError) as caught:
        to_dataset(value)
    assert str(caught.value).splitlines() == [str(caught.value)]
    assert type(value).__name__ in str(caught.value)


@pytest.mark.parametrize("cls", [pandas.DataFrame, pandas.Series, dict, xarray.Dataset, RunBuilder], ids=str)
def test_a_class_in_place_of_a_table_is_named(cls, tmp_path):
    catalog = open_directory(tmp_path)
    for give in (
        catalog.store_run,
        catalog.build_simple_run,
        lambda table: RunBuilder().add_stream("primary", data=table),
    ):
        with pytest.raises(
            InvalidTableError, match=f"{cls.__name__} is a class, and not a run or a table; give one of its"
        ):
            give(cls)


Columns = collections.namedtuple("Columns", "x y")
RAGGED_INTEGERS = [[1, 2], [2**60 + 1]]
TABLE = {"x": [1]}


class Moment:
    """As a time of astropy."""

    datetime64 = numpy.datetime64("2024-01-01T12:00:00", "ns")


MISTAKES = {
    "a table with its metadata": (
        ({"x": [1]}, {"sample": "Cu"}),
        {},
        r"build_simple_run\(table, metadata\) for the two",
    ),
    "a DataFrame with metadata": (
        (pandas.DataFrame(TABLE), {}),
        {},
        r"build_simple_run\(table, metadata\) for the two",
    ),
    "an empty list": ([], {}, r"but \[\] has none; a table without rows .*\{'x': \[\]\}"),
    "an empty list as one Event": ([], {"one_event": True}, r"but \[\] has none; .*one_event=True"),
    "a named tuple of columns": (Columns([1, 2], [3, 4]), {}, r"Columns is a named tuple.*\._asdict\(\)"),
    "a column that is a DataFrame": ({"a": pandas.DataFrame(TABLE)}, {}, r"column 'a' is itself a table \(DataFrame\)"),
    "a column that is a Dataset": ({"a": xarray.Dataset(TABLE)}, {}, r"column 'a' is itself a table \(Dataset\)"),
    "a list of times of others": ({"t": [Moment()]}, {}, r"\[v\.datetime64 for v in table\['t'\]\]"),
    "integers among complex numbers": ({"z": [1j, 2]}, {}, r"mixed types .*\[complex\(v\) for v in table\['z'\]\]"),
    "a masked value in a list": (
        {"z": [1.0, numpy.ma.masked]},
        {},
        r"mixed types .*write None where",
    ),
    "large ragged integers": ({"a": RAGGED_INTEGERS}, {}, r"beyond 2\*\*53, which cannot be padded with NaN; make"),
    "two streams of attachments": (
        TABLE,
        {"stream": "attachments", "attachments": {"a.txt": "x"}},
        "the attachments are stored as the stream 'attachments'; give the table another one",
    ),
    "an exit status as metadata": (TABLE, {"metadata": {"exit_status": "fail"}}, "the argument exit_status"),
    "another origin in the metadata": (
        TABLE,
        {"metadata": {"original_run_uid": "z"}, "derived_from": "raw-1"},
        r"metadata\['original_run_uid'\] is 'z', but the argument derived_from says 'raw-1'",
    ),
    "itself as an input": (
        TABLE,
        {"uid": "fit-1", "derived_from": "fit-1"},
        "derived_from names the run 'fit-1' itself",
    ),
    "itself as superseded": (TABLE, {"uid": "fit-1", "supersedes": "fit-1"}, "supersedes names the run 'fit-1' itself"),
    "a position of a run": (TABLE, {"derived_from": -1}, r"not -1, of type int; give catalog\[-1\]"),
}


@pytest.mark.filterwarnings("ignore:derived_from names the run 'raw-1':databroker_writable.StoreWarning")
@pytest.mark.parametrize(("given", "arguments", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_answered_with_its_remedy(given, arguments, message, tmp_path):
    with pytest.raises(StoreError, match=message):
        open_directory(tmp_path).store_run(given, **arguments)
    assert os.listdir(tmp_path) == []


def test_the_remedies_for_mistakes_are_accepted(tmp_path):
    catalog = open_directory(tmp_path)
    catalog.store_run(build_simple_run(TABLE, {"sample": "Cu"}))
    catalog.store_run({"x": []}, one_event=True)
    for table in (Columns([1, 2], [3, 4])._asdict(), {"t": [Moment().datetime64]}, {"z": [1.0, None]}):
        catalog.store_run(table)
    assert to_dataset(catalog.store_run({"z": [complex(v) for v in (1j, 2)]}))["z"].values.tolist() == [1j, 2]


@pytest.mark.parametrize("values", [[1, 2], (1.5, 2.5), numpy.arange(3)], ids=["list", "tuple", "array"])
def test_a_table_and_its_metadata_in_the_wrong_order_are_told(catalog, values):
    with pytest.warns(StoreWarning, match=r"only single texts \('sample'\).*rows \('mu'\); were the two exchanged"):
        catalog.store_run({"sample": "Ni"}, {"energy": 8.3, "mu": values})
    # neither of these looks like a table
    catalog.store_run({"sample": "Ni"}, {"energy": 8.3, "names": ["a", "b"], "roi": [7]})
    catalog.store_run({"sample": "Ni", "mu": 0.5}, {"roi": [1, 2]})


def test_a_catalog_in_place_of_a_run_is_named(tmp_path):
    catalog = open_directory(tmp_path)
    for give in (catalog, catalog.search({})):
        with pytest.raises(InvalidRunError, match=r"a catalog is not a run; copy .*catalog\[uid\]"):
            catalog.store_run(give)


def test_a_run_in_place_of_a_query_is_named(tmp_path):
    catalog = open_directory(tmp_path)
    run = catalog.store_run(TABLE)
    with pytest.raises(InvalidMetadataError, match=r"a query must be a dict .*use derived_from=run"):
        catalog.latest(run)


@pytest.mark.parametrize("argument", ["since", "until"])
def test_milliseconds_are_told_from_seconds(argument, tmp_path):
    with pytest.raises(InvalidMetadataError, match=f"{argument} is .*milliseconds since 1970, divide by 1000"):
        open_directory(tmp_path).table(**{argument: 1.8e12})


def test_where_no_run_is_stored_there_are_no_others(tmp_path):
    with pytest.raises(StoreFailedError, match=r"^no run was stored\. The errors, by position:\n  0: "):
        open_directory(tmp_path).store_runs([{"x": [1, "a"]}])
