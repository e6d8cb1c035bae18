"""Runs are copied to a Tiled server: by value, whole, and again after a kill."""

from __future__ import annotations

import datetime
import itertools
import os
import re
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlparse

import h5py
import numpy
import pandas
import pytest
import xarray

from databroker_writable import (
    InvalidRunError,
    NotWritableError,
    ServerAwayError,
    StoreFailedError,
    StoreWarning,
    attachments,
    copy_runs,
    open_directory,
    to_dataset,
)
from databroker_writable.upkeep import tiled_destination, tiled_survey
from databroker_writable.upkeep.tiled_destination import tiled_away_as_error
from support import example_runs, tiled_server
from support.command_line import fail, run

pytest.importorskip("tiled.server.simple", reason="no Tiled server: pip install '.[interop]'")
pytest.importorskip("bluesky_tiled_plugins", reason="bluesky-tiled-plugins is not installed: pip install '.[interop]'")

COMMAND = Path(sys.executable).parent / "databroker-writable"

COLUMNS = {
    "bool": [True, False],
    "int8": numpy.array([1, -2], "int8"),
    "uint16": numpy.array([1, 65535], "uint16"),
    "uint64": numpy.array([1, 2**64 - 1], "uint64"),
    "float32": numpy.array([0.1, numpy.nan], "float32"),
    "float64": [0.1, numpy.inf],
    "text": ["a", "long text"],
    "text with None": ["a", None],
    "text like a null": ["None", None],
    "integers with None": [1, None],
    "bools with None": [True, None],
    "floats with None": [0.5, None],
    "datetimes": numpy.array(["2024-03-31T01:30:00.123456789", "NaT"], "M8[ns]"),
    "timedeltas": numpy.array([1, 10**15], "m8[us]"),
    "zoned": pandas.Series(pandas.date_range("2024-01-01", periods=2, tz="Europe/Berlin")),
    "datetime objects": [datetime.datetime(2024, 1, 1, 12), datetime.datetime(2024, 1, 2)],
    "Int16": pandas.array([1, None], dtype="Int16"),
    "boolean": pandas.array([True, None], dtype="boolean"),
    "Float32": pandas.array([0.1, None], dtype="Float32"),
    "string": pandas.array(["a", None], dtype="string"),
    "category": pandas.Categorical(["b", None]),
    "period": pandas.array(["2024-01", None], dtype="period[M]"),
    "interval": pandas.arrays.IntervalArray.from_breaks([0.0, 1.0, 2.0]),
    "masked": numpy.ma.masked_array([1, 2], [False, True]),
    "small arrays": numpy.random.default_rng(1).random((2, 3)),
    "arrays of integers": numpy.arange(8).reshape(2, 2, 2),
}

ROWS = runpy.run_path(str(Path(__file__).parents[1] / "tables" / "test_tables_types.py"))["ROWS"]
TAKEN = [row for row in ROWS if not any(word in row.given for word in ("float16", "complex", "ending in NUL"))]
"""Columns of the types of docs/types.md, but for those that Tiled does not take."""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    directory = tmp_path_factory.mktemp("tiled")
    with tiled_server.started(directory / "server", readable_storage=[directory / "readable"]) as running:
        yield running


@pytest.fixture
def client(server):
    with tiled_server.connected(server.uri) as connected:
        yield connected


@pytest.fixture
def catalog(tmp_path):
    return open_directory(tmp_path / "runs")


def assert_copied(client, catalog, uids):
    for uid in uids:
        expected = to_dataset(catalog[uid]).compute()
        xarray.testing.assert_equal(to_dataset(client[uid]).compute(), expected)
        assert str(to_dataset(client[uid]).dtypes) == str(expected.dtypes)
        assert client[uid].metadata["stop"]["uid"] == catalog[uid].metadata["stop"]["uid"]
        assert client[uid].metadata["start"]["uid"] == uid


def table_of(column):
    return pandas.DataFrame({"x": column}) if numpy.ndim(column) == 1 else {"x": column}


def assert_frames_copied(client, catalog, uids):
    """As `assert_copied`, where pandas' NA is among the values."""
    for uid in uids:
        one, other = (to_dataset(found) for found in (client[uid], catalog[uid]))
        assert str(one.dtypes) == str(other.dtypes), uid
        pandas.testing.assert_frame_equal(one.to_dataframe(), other.to_dataframe(), obj=uid)
        assert client[uid].metadata["stop"]["uid"] == catalog[uid].metadata["stop"]["uid"]


def test_columns_of_all_types_are_there_as_they_were_stored(catalog, client):
    for name, column in COLUMNS.items():
        catalog.store_run(table_of(column), uid=name.replace(" ", "-"))
    assert not copy_runs(catalog, client).failures
    assert_frames_copied(client, catalog, catalog)


@pytest.mark.parametrize("threshold", [0, 10**9], ids=["assets", "inline"])
def test_more_than_seventeen_columns_of_arrays_keep_their_own_values(catalog, client, threshold):
    table = {f"image_{i}": numpy.full((2, 30, 40), i, "uint16") for i in range(20)}
    run = catalog.store_run(table, asset_threshold=threshold)
    assert copy_runs(catalog, client).copied == [run.metadata["start"]["uid"]]
    assert_copied(client, catalog, catalog)


@pytest.mark.parametrize("one_event", [False, True], ids=["rows", "one event"])
def test_a_dataset_is_there_with_its_coordinates(catalog, client, one_event):
    data = numpy.arange(24.0).reshape(2, 3, 4)
    table = xarray.Dataset({"i": (("t", "y", "x"), data, {"units": "counts"})}, coords={"x": [1.0, 2.0, 3.0, 4.0]})
    catalog.store_run(table, one_event=one_event)
    assert not copy_runs(catalog, client).failures
    assert_copied(client, catalog, catalog)


def test_square_images_are_copied_without_a_warning(catalog, client):
    # bluesky-tiled-plugins gives axes of one length the same name, of which xarray warns; here warnings are errors
    catalog.store_run({"image": numpy.arange(32).reshape(2, 4, 4)})
    assert not copy_runs(catalog, client).failures
    assert_copied(client, catalog, catalog)


def management_of(node):
    return node.include_data_sources().data_sources()[0].management


@pytest.fixture
def readable(server, request):
    """A catalog of whose directory the server may read the files."""
    return open_directory(server.directory.parent / "readable" / request.node.name, asset_threshold=0)


@pytest.mark.parametrize("one_event", [False, True], ids=["rows", "one event"])
def test_assets_that_the_server_can_read_stay_where_they_are(readable, client, one_event):
    table = {f"image_{i}": numpy.arange(2 * 30 * 40, dtype="uint16").reshape(2, 30, 40) + i for i in range(20)}
    table["x"] = numpy.array([0.5, 1.5])
    uid = readable.store_run(table, asset_threshold=0, one_event=one_event).metadata["start"]["uid"]
    assert copy_runs(readable, client).copied == [uid]
    for i in range(20):
        assert management_of(client[uid]["primary"].base[f"image_{i}"]) == "external"
    assert_copied(client, readable, [uid])
    client[uid].delete(recursive=True, external_only=False)
    assert to_dataset(readable[uid])["image_17"].values.ravel()[0] == 17
    assert copy_runs(readable, client).copied == [uid]


@pytest.mark.parametrize("is_in_files", [False, True], ids=["inline", "assets"])
def test_each_column_takes_few_requests(readable, client, monkeypatch, is_in_files):
    import httpx

    sent = []
    send = httpx.Client.send
    monkeypatch.setattr(
        httpx.Client, "send", lambda self, request, **more: sent.append(1) or send(self, request, **more)
    )

    def requests(columns):
        table = {f"image_{i}": numpy.full((2, 30, 40), i) for i in range(columns)}
        readable.store_run(table, asset_threshold=0 if is_in_files else 10**6)
        sent.clear()
        assert not copy_runs(readable, client).failures
        return len(sent)

    # to make it and to write it, to see that it can be read and to compare it, and to end its stream of changes
    assert requests(8) - requests(2) <= 6 * 6


def test_assets_of_several_events_and_streams_stay_where_they_are(readable, client):
    with readable.run_builder() as builder:
        builder.add_stream("primary", data={"image": numpy.full((2, 30, 40), 1)})
        builder.add_stream("dark", data={"image": numpy.full((1, 30, 40), 2), "x": [0.5]})
        for i in range(3):
            builder.add_data("primary", data={"image": numpy.full((1, 30, 40), 3 + i)})
    assert not copy_runs(readable, client).failures
    for stream in ("primary", "dark"):
        assert management_of(client[builder.uid][stream].base["image"]) == "external"
        one, other = (to_dataset(found[builder.uid], stream) for found in (client, readable))
        assert one.image.values.tolist() == other.image.values.tolist()


def test_assets_that_the_server_cannot_read_are_copied_by_value(catalog, client):
    images = numpy.random.default_rng(1).random((2, 30, 40))
    uids = [catalog.store_run({"image": images + i}, asset_threshold=0).metadata["start"]["uid"] for i in range(2)]
    assert not copy_runs(catalog, client).failures
    assert_copied(client, catalog, uids)
    for uid in uids:
        assert management_of(client[uid]["primary"].base["image"]) == "writable"


def test_assets_of_which_the_server_has_other_files_are_copied_by_value(readable, client, monkeypatch):
    from databroker_writable.upkeep.tiled_survey import ReferencedColumns

    other, run = (
        readable.store_run({"image": numpy.full((2, 30, 40), i)}, asset_threshold=0).metadata["start"]["uid"]
        for i in range(2)
    )
    columns = ReferencedColumns.columns

    def of_the_other(self):
        return {
            column: reference._replace(path=reference.path.replace(run, other))
            for column, reference in columns(self).items()
        }

    monkeypatch.setattr(ReferencedColumns, "columns", of_the_other)
    assert copy_runs(readable, client, [run]).copied == [run]
    assert_copied(client, readable, [run])
    assert management_of(client[run]["primary"].base["image"]) == "writable"


REFUSED = {
    "float16": ({"x": numpy.arange(3, dtype="float16")}, "float16"),
    "complex": ({"x": [1 + 2j, 3j]}, "complex128"),
    "a name with an underscore": ({"_x": [1]}, "_x"),
    "names that differ by case": ({"x": [1], "X": [2]}, "case"),
    "text that ends in NUL": ({"x": ["a\0", "b"]}, "NUL"),
    "integers that floats round, with None": ({"x": [1, None, 2**60 + 1]}, "the integer 1152921504606846977"),
    "pandas' integers that floats round": (
        pandas.DataFrame({"x": pandas.array([2**63 + 1, None], dtype="UInt64")}),
        "the integer 9223372036854775809",
    ),
}


@pytest.mark.parametrize(("table", "word"), REFUSED.values(), ids=REFUSED)
def test_what_tiled_does_not_take_is_named_and_the_others_go_on(catalog, client, table, word):
    refused = catalog.store_run(table).metadata["start"]["uid"]
    other = catalog.store_run({"x": [1, 2]}).metadata["start"]["uid"]
    report = copy_runs(catalog, client)
    assert report.copied == [other]
    assert isinstance(report.failures[refused], InvalidRunError)
    assert word in str(report.failures[refused])
    assert refused not in client


@pytest.mark.filterwarnings("ignore:column 'count'. the server has its:databroker_writable.StoreWarning")
def test_missing_values_of_old_runs_are_refused_and_stored_anew_they_go(client, tmp_path):
    stored = Path(__file__).parents[1] / "contract" / "stored" / "nulls-before-null-safe-dtypes.jsonl"
    (tmp_path / "null-old.jsonl").write_bytes(stored.read_bytes())
    catalog = open_directory(tmp_path)
    report = copy_runs(catalog, client)
    assert isinstance(report.failures["null-old"], InvalidRunError)
    assert "store to_dataset(run) as a new run" in str(report.failures["null-old"])
    assert "null-old" not in client
    new = catalog.store_run(to_dataset(catalog["null-old"])).metadata["start"]["uid"]
    assert copy_runs(catalog, client, [new]).copied == [new]
    one, other = (to_dataset(found[new]).to_dataframe() for found in (client, catalog))
    pandas.testing.assert_frame_equal(one, other)


def test_null_in_one_stream_leaves_a_column_of_that_name_in_another(catalog, client):
    with catalog.run_builder() as builder:
        builder.add_stream("primary", data={"x": [1, None]})
        builder.add_stream("baseline", data={"x": [1, 2]})
    assert copy_runs(catalog, client).copied == [builder.uid]
    for stream in ("primary", "baseline"):
        one, other = (to_dataset(found[builder.uid], stream).x.values.tolist() for found in (client, catalog))
        assert one == other


@pytest.mark.parametrize("threshold", [0, 10**9], ids=["assets", "inline"])
def test_a_run_larger_than_a_piece_is_sent_in_several_and_keeps_its_values(catalog, client, monkeypatch, threshold):
    from bluesky_tiled_plugins.writing.tiled_writer import _RunWriter

    rows, write = [], _RunWriter._write_internal_data

    def counted(self, data_cache, *args, **kwargs):
        rows.append(len(data_cache))
        return write(self, data_cache, *args, **kwargs)

    monkeypatch.setattr(_RunWriter, "_write_internal_data", counted)
    monkeypatch.setattr(tiled_survey, "PIECE", 2**18)
    images = numpy.random.default_rng(1).random((10, 100, 100))
    table = {"image": images, "x": list(range(10)), "text": ["a", None] * 5}
    catalog.store_run(table, asset_threshold=threshold)
    assert not copy_runs(catalog, client).failures
    assert max(rows) * images[0].nbytes <= 2**18
    assert_copied(client, catalog, catalog)


LARGE_EVENTS = {
    "a table": {
        "x": numpy.arange(20_000.0),
        "n": numpy.arange(20_000, dtype="int16"),
        "text": ["a", "long text"] * 10_000,
        "flag": [True, None] * 10_000,
        "count": [1, None] * 10_000,
    },
    "images": {"image": numpy.random.default_rng(1).integers(0, 9, (5, 100, 300), "uint16"), "scale": 0.5},
    "one wide image": {"image": numpy.random.default_rng(1).random((1, 3, 20_000))},
}


@pytest.mark.filterwarnings("ignore:The data type .* does not have a Zarr V3 specification")
@pytest.mark.parametrize("threshold", [1000, 10**9], ids=["assets", "inline"])
@pytest.mark.parametrize("table", LARGE_EVENTS.values(), ids=LARGE_EVENTS)
def test_an_event_larger_than_a_piece_is_sent_in_several(catalog, client, monkeypatch, table, threshold):
    monkeypatch.setattr(tiled_survey, "PIECE", 2**16)
    largest_sent, largest_read = [0], [0]
    hooks = {
        "request": [lambda request: largest_sent.append(int(request.headers.get("content-length", 0)))],
        "response": [lambda response: largest_read.append(len(response.read()))],
    }
    before = client.context.http_client.event_hooks
    client.context.http_client.event_hooks = {name: [*before.get(name, ()), *hooks[name]] for name in hooks}
    uid = catalog.store_run(table, asset_threshold=threshold, one_event=True).metadata["start"]["uid"]
    try:
        assert copy_runs(catalog, client).copied == [uid]
    finally:
        client.context.http_client.event_hooks = before
    assert max(largest_sent) <= 2**16
    assert max(largest_read) <= 2**17  # with what stands before the values
    assert_copied(client, catalog, [uid])


def test_large_events_of_several_are_each_in_their_place(catalog, client, monkeypatch):
    monkeypatch.setattr(tiled_survey, "PIECE", 2**10)
    with catalog.run_builder() as builder:
        builder.add_stream("primary", data={"image": numpy.full((2, 30, 40), 1)})
        builder.add_data("primary", data={"image": numpy.full((1, 30, 40), 2)})
    assert copy_runs(catalog, client).copied == [builder.uid]
    assert_copied(client, catalog, [builder.uid])


def test_attachments_are_copied(catalog, client, monkeypatch):
    monkeypatch.setattr(tiled_survey, "PIECE", 2**16)
    files = {"fit.png": bytes(range(256)) * 400, "notes µ.txt": "µm\n".encode(), "fit_png": b"another"}
    for threshold in (1000, 10**9):
        uid = catalog.store_run({"x": [1, 2]}, attachments=files, asset_threshold=threshold).metadata["start"]["uid"]
        assert copy_runs(catalog, client, [uid]).copied == [uid]
        assert dict(attachments(client[uid])) == files
        assert_copied(client, catalog, [uid])


def test_a_copy_that_differs_is_removed_and_named(catalog, client, monkeypatch):
    run = catalog.store_run({"x": [1, 2]}).metadata["start"]["uid"]
    monkeypatch.setattr(tiled_destination, "_is_same", lambda sent, read: False)
    report = copy_runs(catalog, client)
    assert isinstance(report.failures[run], StoreFailedError)
    assert "'x'" in str(report.failures[run])
    assert run not in client


# the server, which runs in this process, would take the warning for an error
@pytest.mark.filterwarnings("ignore:The data type .* does not have a Zarr V3 specification")
@pytest.mark.parametrize("number", [8, pytest.param(200, marks=pytest.mark.nightly)])
def test_a_copy_that_was_killed_twice_is_taken_up_again(catalog, client, server, tmp_path, number):
    images = numpy.random.default_rng(1).integers(0, 9, (2, 50, 50), "uint16")
    tables = [{"image": images}, *map(table_of, COLUMNS.values()), *({"x": row.column()} for row in TAKEN)]
    runs = [
        catalog.store_run(table, {"number": i}, asset_threshold=1000 * (i % 2), one_event=i % 3 == 0)
        for i, table in zip(range(number), itertools.cycle(tables))
    ]
    uids = [run.metadata["start"]["uid"] for run in runs]
    arguments = [str(COMMAND), "copy", str(tmp_path / "runs"), f"tiled:{server.uri}"]
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    before = len(client)
    for wanted in (number // 4, number // 2):
        process = subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        end = time.monotonic() + 10 * number
        while len(client) < before + wanted and process.poll() is None and time.monotonic() < end:
            time.sleep(0.01)
        assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.communicate()
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=100 * number, check=False)
    assert done.returncode == 0, done.stderr
    for uid in uids:
        one, other = (to_dataset(found[uid]).compute() for found in (client, catalog))
        assert (dict(one.sizes), dict(one.dtypes)) == (dict(other.sizes), dict(other.dtypes)), uid
        for name, variable in other.variables.items():
            # which tells None, NaN and pandas' markers apart
            assert repr(one[name].data.ravel().tolist()) == repr(variable.data.ravel().tolist()), (uid, name)
        assert client[uid].metadata["stop"]["uid"] == catalog[uid].metadata["stop"]["uid"]


class Acquisition:
    """A run that a RunEngine measures, with a catalog and a TiledWriter as its subscribers."""

    def __init__(self, catalog, client, uid):
        from bluesky_tiled_plugins import TiledWriter

        self.documents = example_runs.small_documents(uid=uid)
        for _, doc in self.documents:
            doc["time"] = doc["time"] if isinstance(doc["time"], list) else time.time()
        self.catalog, self.client, self.tiled_writer = catalog, client, TiledWriter(client)
        for name, doc in self.documents[:-1]:
            self.tiled_writer(name, dict(doc))

    def store_without_stop(self):
        writer = self.catalog._backend.open_writer(self.documents[0][1])
        for name, doc in self.documents[:-1]:
            writer(name, doc)
        writer.publish()
        self.catalog.force_reload()

    def end_in_catalog(self):
        self.catalog.store_run(self.documents)

    def end_in_tiled(self):
        name, doc = self.documents[-1]
        self.tiled_writer(name, dict(doc))


def test_a_run_that_tiledwriter_is_writing_is_left_to_it(catalog, client):
    acquisition = Acquisition(catalog, client, "being-measured")
    acquisition.store_without_stop()
    assert copy_runs(catalog, client).unfinished == ["being-measured"]
    assert "being-measured" in client
    os.remove(Path(catalog.paths[0]).parent / "being-measured.msgpack")
    catalog.force_reload()
    acquisition.end_in_catalog()
    (error,) = copy_runs(catalog, client).failures.values()
    assert isinstance(error, StoreFailedError)
    assert "another program, such as bluesky's TiledWriter, is writing the run 'being-measured' to Tiled" in str(error)
    acquisition.end_in_tiled()
    assert copy_runs(catalog, client).present == ["being-measured"]
    assert list(client["being-measured"]["primary"].read()["x"]) == [0.5, 1.5, 2.5]


def test_what_tiledwriter_left_a_day_ago_is_copied_again(catalog, client, monkeypatch):
    acquisition = Acquisition(catalog, client, "left-by-a-writer")
    acquisition.end_in_catalog()
    failures = copy_runs(catalog, client).failures
    assert list(failures) == ["left-by-a-writer"]
    assert "If it was killed, client['left-by-a-writer'].delete(" in str(failures["left-by-a-writer"])
    now = time.time()
    monkeypatch.setattr("databroker_writable.upkeep.tiled_marks.time.time", lambda: now + 86_500)
    assert copy_runs(catalog, client).copied == ["left-by-a-writer"]


def test_what_a_killed_copy_left_can_be_removed_at_once_as_the_error_says(catalog, client):
    acquisition = Acquisition(catalog, client, "killed-elsewhere")
    acquisition.end_in_catalog()
    (error,) = copy_runs(catalog, client).failures.values()
    call = re.search(r"client\[.*\)(?= of the Tiled client)", str(error))
    eval(call[0], {"client": client})
    assert copy_runs(catalog, client).copied == ["killed-elsewhere"]


@pytest.mark.parametrize("place", ["here", "on another computer"])
def test_copies_at_once_leave_each_other_alone(catalog, client, monkeypatch, place):
    uid = catalog.store_run({"x": [1, 2]}).metadata["start"]["uid"]
    reports = []

    def copy_once_more(self, *arguments):
        monkeypatch.setattr(tiled_destination.TiledDestination, "_compare", compare)
        if place != "here":
            monkeypatch.setattr("databroker_writable.upkeep.tiled_marks.platform.node", lambda: "elsewhere")
        reports.append(copy_runs(catalog, client))
        return compare(self, *arguments)

    compare = tiled_destination.TiledDestination._compare
    monkeypatch.setattr(tiled_destination.TiledDestination, "_compare", copy_once_more)
    assert copy_runs(catalog, client).copied == [uid]
    assert re.match(rf"another copy, process {os.getpid()} on .*, is writing the run", str(reports[0].failures[uid]))
    assert_copied(client, catalog, [uid])
    assert set(client[uid].metadata) == {"start", "stop"}
    assert copy_runs(catalog, client).present == [uid]


def test_a_copy_that_came_second_leaves_the_first_alone(catalog, client, monkeypatch):
    uid = catalog.store_run({"x": [1, 2]}).metadata["start"]["uid"]
    assert copy_runs(catalog, client).copied == [uid]
    monkeypatch.setattr(tiled_destination.TiledDestination, "has_run", lambda *arguments: False)
    assert isinstance(copy_runs(catalog, client).failures[uid], StoreFailedError)
    assert_copied(client, catalog, [uid])


@pytest.mark.parametrize("is_ours", [True, False])
def test_a_copy_that_was_not_compared_is_none(catalog, client, is_ours):
    from tiled.client import DELETE_KEY

    from databroker_writable.upkeep.tiled_marks import MARK, new_mark

    uid = catalog.store_run({"x": [1, 2]}).metadata["start"]["uid"]
    copy_runs(catalog, client)
    with new_mark() as mark:
        pass
    client[uid].update_metadata({MARK: mark if is_ours else {**mark, "host": "elsewhere"}})
    report = copy_runs(catalog, client)
    assert (list(report.copied), list(report.failures)) == (([uid], []) if is_ours else ([], [uid]))
    client[uid].update_metadata({MARK: DELETE_KEY})


@pytest.fixture
def facility(client, request):
    """A container as facilities have it, whose client takes a text for the beginning of a uid."""
    from tiled.structures.core import Spec

    return client.create_container(request.node.name, specs=[Spec("CatalogOfBlueskyRuns", version="3.0")])


def test_a_uid_that_begins_others_is_one_of_its_own(catalog, facility):
    uids = ["run-1", "run-10", "run-100", "r"]
    for i, uid in enumerate(reversed(uids)):
        catalog.store_run({"x": [i]}, uid=uid)
    for i, uid in enumerate(["run-2", "run-20"]):
        catalog.store_run({"x": numpy.array([i], "float16")}, uid=uid)
    report = copy_runs(catalog, facility)
    assert report.copied == uids[::-1]
    assert {type(error) for error in report.failures.values()} == {InvalidRunError}
    assert set(facility) == set(uids)
    assert copy_runs(catalog, facility, uids).present == uids
    for uid, copied in facility.items():
        assert to_dataset(copied).identical(to_dataset(catalog[uid])), uid


def test_a_run_without_stop_is_left_out_and_never_copied_as_it_is(catalog, client, server):
    documents = example_runs.small_documents(uid="unfinished-run")
    writer = catalog._backend.open_writer(documents[0][1])
    for name, doc in documents[:-1]:
        writer(name, doc)
    writer.publish()
    catalog.force_reload()
    with pytest.raises(NotWritableError, match="whole runs"):
        copy_runs(catalog, client, as_is=True)
    directory = catalog.paths[0].rpartition("/")[0]
    assert "--as-is copies to catalogs only" in fail("copy", "--as-is", directory, f"tiled:{server.uri}")
    assert "unfinished-run" not in client
    assert copy_runs(catalog, client).unfinished == ["unfinished-run"]


def fly_scan(path, events):
    """A fly scan with frames in a file, which it gets as its values."""
    with h5py.File(path, "w") as file:
        file["entry"] = numpy.arange(12.0).reshape(3, 2, 2)
    documents = example_runs.documents_with_stream_resource(events=events)
    (resource,) = (doc for name, doc in documents if name == "stream_resource")
    resource |= {"uri": f"file://localhost{path}", "parameters": {"dataset": "/entry", "chunk_shape": [1, 2, 2]}}
    return documents


@pytest.mark.filterwarnings("ignore:.*but databroker 1 cannot read its arrays")
@pytest.mark.parametrize("events", [True, False])
def test_a_fly_scan_is_copied_with_its_stream_resource(catalog, client, server, events):
    (server.directory.parent / "readable").mkdir(exist_ok=True)
    documents = fly_scan(server.directory.parent / "readable" / f"frames-{events}.h5", events)
    uid = f"fly-{events}"
    for _, doc in documents:
        doc.update({key: uid for key in ("uid", "run_start") if doc.get(key) == "fly-1"})
    catalog.store_run(documents)
    assert copy_runs(catalog, client, [uid]).copied == [uid]
    numpy.testing.assert_array_equal(client[uid]["primary"]["img"].read().ravel(), numpy.arange(12.0))
    if events:
        assert client[uid]["primary"]["x"].read().tolist() == [0.5] * 3


@pytest.mark.filterwarnings("ignore:.*but databroker 1 cannot read its arrays")
def test_frames_of_a_fly_scan_that_the_server_cannot_read_are_named(catalog, client, tmp_path):
    catalog.store_run(fly_scan(tmp_path / "frames.h5", True))
    with pytest.warns(StoreWarning, match="'fly-1' is in Tiled, but the server cannot read the arrays of column 'img'"):
        assert copy_runs(catalog, client).copied == ["fly-1"]


def test_no_way_is_shown_that_tiled_has_not(catalog, server, tmp_path):
    catalog.store_run({"x": numpy.arange(3, dtype="float16")}, uid="half-floats")
    said = run("copy", str(tmp_path / "runs"), f"tiled:{server.uri}").stderr
    assert "half-floats" in said
    assert "--as-is" not in said


def test_a_server_that_ends_is_named_and_later_the_copy_goes_on(catalog, tmp_path, monkeypatch):
    import tiled.client.utils

    monkeypatch.setattr(tiled.client.utils, "TILED_RETRY_ATTEMPTS", 1)
    catalog.store_runs({"x": [i]} for i in range(4))
    uids = list(catalog)[::-1]
    with tiled_server.started(tmp_path / "server") as server, tiled_server.connected(server.uri) as client:
        assert copy_runs(catalog, client, uids[:1]).copied == uids[:1]
        write = client.context.http_client.post
        monkeypatch.setattr(client.context.http_client, "post", lambda *args, **options: server.close() or write(*args))
        with pytest.raises(ServerAwayError, match=f"no Tiled server answers at {server.uri.partition('/api')[0]}"):
            copy_runs(catalog, client)
        arguments = ("copy", str(tmp_path / "runs"), f"tiled:{server.uri}")
    said = fail(*arguments)
    assert "no Tiled server answers" in said
    assert "api_key" not in said
    with tiled_server.started(tmp_path / "server") as server, tiled_server.connected(server.uri) as client:
        report = copy_runs(catalog, client)
        assert (set(report.present), set(report.copied)) == (set(uids[:1]), set(uids[1:]))
        assert_copied(client, catalog, uids)


def test_follow_goes_on_with_new_runs(catalog, client, server, tmp_path):
    catalog.store_run({"x": [1]})
    process = subprocess.Popen(
        [str(COMMAND), "copy", "--follow", str(tmp_path / "runs"), f"tiled:{server.uri}"],
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "1 copied, 0 there already\n"
        new = catalog.store_run({"x": [2]}).metadata["start"]["uid"]
        assert process.stdout.readline() == "1 copied, 0 there already\n"
        assert_copied(client, catalog, [new])
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


@pytest.mark.parametrize("status", [502, 503, 504, 500])
def test_a_proxy_that_answers_for_a_server_that_is_away_is_no_server(status):
    import httpx

    request = httpx.Request("GET", "http://tiled.example.org/api")
    error = httpx.HTTPStatusError("no", request=request, response=httpx.Response(status, request=request))
    with (
        pytest.raises(httpx.HTTPStatusError if status == 500 else ServerAwayError),
        tiled_away_as_error(request.url),
    ):
        raise error


def test_follow_waits_for_a_server_that_is_started_again(catalog, tmp_path):
    catalog.store_run({"x": [1]}, uid="before")
    with tiled_server.started(tmp_path / "server") as server:
        port = urlparse(server.uri).port
        process = subprocess.Popen(
            [str(COMMAND), "copy", "--follow", str(tmp_path / "runs"), f"tiled:{server.uri}"],
            env={**os.environ, "PYTHONWARNINGS": "ignore", "TILED_RETRY_ATTEMPTS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout.readline() == "1 copied, 0 there already\n"
    try:
        catalog.store_run({"x": [2]}, uid="meanwhile")
        assert "no Tiled server answers" in process.stderr.readline()
        again = tiled_server.started(tmp_path / "server", port=port)
        with again as server, tiled_server.connected(server.uri) as there:
            assert process.stdout.readline() == "1 copied, 0 there already\n"
            assert_copied(there, catalog, ["before", "meanwhile"])
    finally:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert said == "\nInterrupted: run it again to continue\n"


def test_tables_as_scientists_have_them_are_copied(catalog, client):
    tables = [
        {"x": [1, 2, 3], "chi2": 0.25, "model": "gauss"},
        {"I/I0": [1.0, 2.0], 0: [1, 2], ("I", "mean"): [3, 4]},
        {"peaks": [[1.5], [2.5, 3.5]]},
    ]
    uids = catalog.store_runs(tables)
    uids.append(
        catalog.store_run({"x": [1, 2], "h": [1.0, 2.0, 3.0], "c": 0.5}, one_event=True).metadata["start"]["uid"]
    )
    assert copy_runs(catalog, client).copied == uids
    assert_copied(client, catalog, uids)


def test_integers_that_become_floats_are_copied_as_floats(catalog, client):
    with catalog.run_builder() as builder:
        builder.add_stream("primary", data={"x": 0})
        builder.add_data("primary", data={"x": 0.5})
        builder.add_data("primary", data={"x": [1, 2]})
    copy_runs(catalog, client)
    assert_copied(client, catalog, [builder.uid])
    assert to_dataset(client[builder.uid])["x"].values.tolist() == [0.0, 0.5, 1.0, 2.0]


@pytest.mark.parametrize(
    ("dtype", "values"), [("number", [0.5, None]), ("integer", [1, None]), ("boolean", [True, None])]
)
def test_missing_values_of_others_without_an_exact_dtype_are_nan(catalog, client, dtype, values):
    uid = catalog.store_run(example_runs.documents_of_column(values, dtype=dtype)).metadata["start"]["uid"]
    assert copy_runs(catalog, client).copied == [uid]
    numpy.testing.assert_array_equal(to_dataset(client[uid])["x"], [float(values[0]), numpy.nan])
