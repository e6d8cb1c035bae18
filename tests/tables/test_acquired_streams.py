"""Streams that were not made from a table: `to_dataset` gives what databroker's read() gives."""

from __future__ import annotations

import tempfile
from typing import Any

import dask.array
import event_model
import numpy
import pytest
import xarray
from bluesky_live.run_builder import build_one_run_from_documents
from hypothesis import given
from hypothesis import strategies as st

import databroker_writable
from databroker_writable import to_dataset
from databroker_writable.drivers import WritableJSONLCatalog
from databroker_writable.tables.acquired_streams import as_databroker_reads
from databroker_writable.tables.document_values import to_builtin
from databroker_writable.tables.stream_reading import read_documents


def acquisition(columns: dict[str, list[Any]], **data_key: Any) -> list[tuple[str, dict[str, Any]]]:
    """The documents of a run, Event by Event, as an acquisition sends them."""
    run = event_model.compose_run()
    data_keys = {
        key: {"source": "PV:" + key, "dtype": "array", "shape": list(numpy.shape(values[0])), **data_key}
        for key, values in columns.items()
    }
    documents: list[Any] = [("start", run.start_doc)]
    described = run.compose_descriptor(
        name="primary", data_keys=data_keys, object_keys={"detector": list(data_keys)}, validate=False
    )
    documents.append(("descriptor", described.descriptor_doc))
    for number, values in enumerate(zip(*columns.values(), strict=True)):
        data = dict(zip(columns, values, strict=True))
        event = described.compose_event(
            data=data, timestamps=dict.fromkeys(data, 1.0), time=100.0 + number, validate=False
        )
        documents.append(("event", event))
    return [*documents, ("stop", run.compose_stop())]


COLUMNS: dict[str, dict[str, list[Any]]] = {
    "numbers": {"a": [1.5, 2.5, float("nan")], "b": [1, 2, 3], "c": [True, False, True]},
    "numbers of several types": {"a": [1, 2.5, 3], "b": [True, 2, 3], "c": [1, -1, 2**63]},
    "numpy's numbers": {
        "a": list(numpy.arange(3, dtype="f4")),
        "b": list(numpy.arange(3, dtype="u1")),
        "c": [1, 2.0, 3],
    },
    "text": {"a": ["x", "longer", ""], "b": ["1", "2", "3"]},
    "text and numbers": {"a": ["x", 1, 2.5]},
    "missing values": {"a": [None, 1.0, 2.0], "b": ["x", None, "y"], "c": [None, None, None]},
    "arrays": {"a": list(numpy.arange(6.0).reshape(3, 2)), "b": list(numpy.arange(12).reshape(3, 2, 2))},
    "lists": {"a": [[1, 2], [3, 4], [5, 6]], "b": [["x", "y"], ["long", ""], ["", ""]]},
    "lists of several types": {"a": [[1, 2], [3, 4.5], [None, 6]]},
    "dicts": {"a": [{"k": 1}, {"k": 2}, {"k": 3}], "b": [1, 2, 3]},
    "one Event": {"a": [1.5], "b": ["x"]},
}


def assert_as_databroker(dataset: xarray.Dataset, read: xarray.Dataset) -> None:
    xarray.testing.assert_identical(dataset, read)
    assert list(dataset.variables) == list(read.variables)
    for name, variable in read.variables.items():
        assert dataset.variables[name].dtype == variable.dtype
        assert type(dataset.variables[name].data) is type(variable.data)
        for value, expected in zip(dataset.variables[name].values.flat, variable.values.flat, strict=True):
            assert type(value) is type(expected)


def inserted(catalog: Any, documents: list[Any]) -> Any:
    for name, doc in documents:
        catalog.v1.insert(name, doc)
    return catalog[documents[0][1]["uid"]]


def assert_read_or_refused_as_by_databroker(run: Any, refusal: str = "read its Events one by one") -> bool:
    """Whether databroker reads the stream."""
    try:
        read = run.primary.read()
    except Exception:
        with pytest.raises(databroker_writable.InvalidRunError, match=refusal):
            to_dataset(run)
        return False
    assert_as_databroker(to_dataset(run), read)
    return True


@pytest.mark.parametrize("columns", COLUMNS.values(), ids=COLUMNS)
@pytest.mark.parametrize("driver", ["msgpack", "jsonl", "in memory"])
def test_a_stream_comes_as_databroker_reads_it(tmp_path, columns, driver):
    documents = acquisition(columns)
    if driver == "in memory":
        run = build_one_run_from_documents(documents)
    elif driver == "msgpack":
        run = inserted(databroker_writable.open_directory(tmp_path), documents)
    else:
        run = inserted(WritableJSONLCatalog([f"{tmp_path}/*.jsonl"]), to_builtin(documents))
    if assert_read_or_refused_as_by_databroker(run, "cannot be read by databroker"):
        lazy = as_databroker_reads(run, "primary", *read_documents(run, "primary", fill="no"))
        assert_as_databroker(lazy.compute(), run.primary.to_dask().compute())


def configured_anew(*parts: dict[str, list[Any]], **data_key: Any) -> list[Any]:
    """The documents of a run whose detector was configured anew before each part of its columns but the first."""
    documents, *others = (acquisition(columns, **data_key) for columns in parts)
    for number, other in enumerate(others):
        other[1][1].update(run_start=documents[0][1]["uid"], object_keys={f"detector {number}": list(parts[0])})
        documents[-1:-1] = other[1:-1]
    for number, event in enumerate((doc for name, doc in documents if name == "event"), start=1):
        event |= {"time": 100.0 + number, "seq_num": number}
    return documents


@pytest.mark.parametrize("times", [[1, 2, 3, 4, 5, 6], [6, 2, 1, 5, 3, 4], [1, 1, 2, 3, 4, 5]], ids=str)
@pytest.mark.parametrize("columns", COLUMNS.values(), ids=COLUMNS)
def test_a_device_that_is_configured_anew_within_a_stream(tmp_path, columns, times):
    documents = configured_anew(columns, columns)
    events = [doc for name, doc in documents if name == "event"]
    for event, time in zip(events, times, strict=False):
        event["time"] = float(time)
    assert_read_or_refused_as_by_databroker(inserted(databroker_writable.open_directory(tmp_path), documents))


@pytest.mark.parametrize("without_events", [0, 1])
def test_a_descriptor_without_events_changes_nothing(tmp_path, without_events):
    columns = {"a": [1, 2], "b": ["x", "y"], "v": list(numpy.ones((2, 2)))}
    documents = configured_anew(columns, columns)
    descriptors = [doc["uid"] for name, doc in documents if name == "descriptor"]
    documents = [item for item in documents if item[1].get("descriptor") != descriptors[without_events]]
    dataset = to_dataset(inserted(databroker_writable.open_directory(tmp_path), documents))
    assert (dataset["a"].dtype, dataset["a"].values.tolist()) == ("int64", [1, 2])
    assert dataset["b"].values.tolist() == ["x", "y"]
    assert dataset["v"].shape == (2, 2)


VALUES = {
    "number": st.sampled_from([1.5, 2.0, float("nan")]) | st.integers(-3, 3) | st.booleans(),
    "text": st.sampled_from(["", "x", "longer"]),
    "anything": st.sampled_from([None, 1, "x", 2**63, {"k": 1}]),
    "array": st.lists(st.integers(0, 9), min_size=2, max_size=2).map(numpy.array),
    "list": st.lists(st.sampled_from([1, 2.5, None]), min_size=2, max_size=2),
    "list of any length": st.lists(st.sampled_from([1, 2.5]), min_size=1, max_size=2),
}


@pytest.mark.filterwarnings("ignore:Duplicate dimension names:UserWarning")  # xarray says so of a dim called time
@given(st.data())
def test_any_acquisition_comes_as_databroker_reads_it(data):
    kinds = data.draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=3, unique=True))
    event = st.fixed_dictionaries({kind: VALUES[kind] for kind in kinds})
    parts = data.draw(st.lists(st.lists(event, min_size=1, max_size=3), min_size=1, max_size=3))
    dims = data.draw(st.none() | st.lists(st.sampled_from([*kinds, "row", "time"]), min_size=1, max_size=1))
    documents = configured_anew(
        *({kind: [values[kind] for values in part] for kind in kinds} for part in parts),
        **({} if dims is None else {"dims": dims}),
    )
    with tempfile.TemporaryDirectory() as directory:
        assert_read_or_refused_as_by_databroker(inserted(databroker_writable.open_directory(directory), documents))


def test_dims_of_data_keys_are_kept(tmp_path):
    run = build_one_run_from_documents(acquisition(COLUMNS["arrays"] | {"b": [1, 2, 3]}))
    assert_as_databroker(to_dataset(run), run.primary.read())
    named = acquisition({"spectrum": list(numpy.zeros((3, 4)))}, dims=["energy"])
    run = build_one_run_from_documents(named)
    assert to_dataset(run)["spectrum"].dims == ("time", "energy")
    assert_as_databroker(to_dataset(run), run.primary.read())
    named = acquisition({"energy": list(numpy.ones((3, 4)))}, dims=["energy"])
    run = build_one_run_from_documents(named)
    assert "energy" in to_dataset(run).variables
    assert_as_databroker(to_dataset(run), run.primary.read())


class Frames:
    """A handler of images of 2 x 3."""

    specs = frozenset({"FRAMES"})

    def __init__(self, path, **kwargs):
        pass

    def __call__(self, number):
        return numpy.full((2, 3), number, "u2")


def test_frames_in_other_files_are_read_beside_numbers(tmp_path):
    run = event_model.compose_run()
    scalar = {"source": "PV", "dtype": "number", "shape": []}
    frame = {"source": "PV", "dtype": "array", "shape": [2, 3], "external": "FILESTORE:"}
    data_keys = {"a": scalar, "image": frame, "b": scalar, "v": {**scalar, "shape": [2]}}
    described = run.compose_descriptor(
        name="primary",
        data_keys=data_keys,
        object_keys={"camera": list(data_keys)},
        configuration={"camera": {"data": {}, "timestamps": {}, "data_keys": {}}},
    )
    resource = run.compose_resource(spec="FRAMES", root="/", resource_path="x", resource_kwargs={})
    documents = [
        ("start", run.start_doc),
        ("descriptor", described.descriptor_doc),
        ("resource", resource.resource_doc),
    ]
    for i in range(5):
        datum = resource.compose_datum(datum_kwargs={"number": i})
        data = {"a": 1.0 * i, "image": datum["datum_id"], "b": i, "v": [i, 1]}
        event = described.compose_event(
            data=data, timestamps=dict.fromkeys(data, 1.0), filled={"image": False}, time=1.0 * i, validate=False
        )
        documents += [("datum", datum), ("event", event)]
    documents.append(("stop", run.compose_stop()))
    catalog = databroker_writable.open_directory(tmp_path, handler_registry={"FRAMES": Frames})
    stored = inserted(catalog, documents)
    dataset = to_dataset(stored)
    assert dataset["image"].values[:, 0, 0].tolist() == [0, 1, 2, 3, 4]
    assert_as_databroker(dataset, stored.primary.read())


def test_frames_whose_shape_databroker_does_not_find_are_refused_with_the_name_of_the_run(tmp_path):
    run = event_model.compose_run()
    frame = {"source": "PV", "dtype": "array", "shape": [2, 3], "external": "FILESTORE:"}
    described = run.compose_descriptor(name="primary", data_keys={"image": frame})  # without object_keys
    resource = run.compose_resource(spec="FRAMES", root="/", resource_path="x", resource_kwargs={})
    datum = resource.compose_datum(datum_kwargs={"number": 1})
    event = described.compose_event(
        data={"image": datum["datum_id"]}, timestamps={"image": 1.0}, filled={"image": False}, validate=False
    )
    documents = [("start", run.start_doc), ("descriptor", described.descriptor_doc)]
    documents += [("resource", resource.resource_doc), ("datum", datum), ("event", event), ("stop", run.compose_stop())]
    stored = inserted(databroker_writable.open_directory(tmp_path, handler_registry={"FRAMES": Frames}), documents)
    with pytest.raises(databroker_writable.InvalidRunError, match=f"{run.start_doc['uid']}.* shape of image"):
        to_dataset(stored)


@pytest.mark.parametrize("parts", [1, 2])
def test_no_dask_array_is_made_of_each_value(tmp_path, monkeypatch, parts):
    stacked = []
    stack = dask.array.stack
    monkeypatch.setattr(dask.array, "stack", lambda values, *args: stacked.append(len(values)) or stack(values, *args))
    documents = configured_anew(*[{"a": [1.0] * 100, "b": ["x"] * 100}] * parts)
    run = inserted(databroker_writable.open_directory(tmp_path), documents)
    assert to_dataset(run).sizes == {"time": 100 * parts}
    assert sum(stacked) <= 4
