"""Runs and documents to store, and how to compare them."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, ClassVar

import bluesky
import bluesky.plan_stubs as bps
import dask.array
import event_model
import numpy
import pytest

TABLE = {"x": [1, 2, 3], "y": [4.5, 5.5, 6.5], "name": ["a", "b", "c"]}

START_TIME = 1_700_000_000.0


class NpyHandler:
    """Gives one image of an .npy file."""

    # without it databroker 1.2.5 guesses the shape and the dtype from the descriptor
    return_type: ClassVar = {"delayed": True}
    specs = frozenset({"TEST_NPY"})

    def __init__(self, path: str) -> None:
        self._images = numpy.load(path)

    def __call__(self, *, index: int) -> dask.array.Array:
        return dask.array.from_array(self._images[index])


class Reading:
    """A detector of one number."""

    name, parent = "det", None

    def describe(self) -> dict[str, Any]:
        return {"det": {"dtype": "number", "shape": [], "source": "test"}}

    def read(self) -> dict[str, Any]:
        return {"det": {"value": 1.5, "timestamp": START_TIME}}

    def describe_configuration(self) -> dict[str, Any]:
        return {}

    read_configuration = describe_configuration


def documents_with_images(directory: Path, *, paged: bool = True, **metadata: Any) -> list[tuple[str, dict[str, Any]]]:
    """A run of two streams, of which one refers to images in an .npy file beside the catalog."""
    images = numpy.arange(3 * 4 * 5, dtype=numpy.int64).reshape(3, 4, 5)
    numpy.save(directory / "images.npy", images)
    run = event_model.compose_run(metadata={"sample": "Ag", "scan_id": 7, **metadata}, time=START_TIME)
    documents: list[tuple[str, dict[str, Any]]] = [("start", run.start_doc)]
    baseline = run.compose_descriptor(
        name="baseline",
        data_keys={"T": {"dtype": "number", "shape": [], "source": "test"}},
        time=START_TIME,
    )
    documents.append(("descriptor", baseline.descriptor_doc))
    for i in range(2):
        time = START_TIME + i
        documents.append(
            ("event", baseline.compose_event(data={"T": 300.5 + i}, timestamps={"T": time}, seq_num=i + 1, time=time))
        )
    primary = run.compose_descriptor(
        name="primary",
        data_keys={
            "x": {"dtype": "integer", "shape": [], "source": "test"},
            "image": {"dtype": "array", "shape": [4, 5], "source": "test", "external": "FILESTORE:"},
        },
        time=START_TIME + 0.5,
    )
    documents.append(("descriptor", primary.descriptor_doc))
    resource = run.compose_resource(
        spec="TEST_NPY", root=str(directory), resource_path="images.npy", resource_kwargs={}
    )
    documents.append(("resource", resource.resource_doc))
    datums = [resource.compose_datum(datum_kwargs={"index": i}) for i in range(3)]
    events = [
        primary.compose_event(
            data={"x": i, "image": datums[i]["datum_id"]},
            timestamps={"x": START_TIME + i, "image": START_TIME + i},
            filled={"image": False},
            seq_num=i + 1,
            time=START_TIME + i,
        )
        for i in range(3)
    ]
    if paged:
        documents.append(("datum_page", event_model.pack_datum_page(*datums)))
        documents.append(("event_page", event_model.pack_event_page(*events)))
    else:
        documents.extend(("datum", datum) for datum in datums)
        documents.extend(("event", event) for event in events)
    documents.append(("stop", run.compose_stop(time=START_TIME + 10)))
    return [(name, dict(doc)) for name, doc in documents]


def small_documents(uid: str | None = None, rows: int = 3, **metadata: Any) -> list[tuple[str, dict[str, Any]]]:
    """A run of one stream of numbers."""
    run = event_model.compose_run(uid=uid, metadata=metadata, time=START_TIME)
    stream = run.compose_descriptor(
        name="primary", data_keys={"x": {"dtype": "number", "shape": [], "source": "test"}}, time=START_TIME
    )
    times = [START_TIME + i for i in range(rows)]
    page = stream.compose_event_page(
        data={"x": [i + 0.5 for i in range(rows)]},
        timestamps={"x": times},
        seq_num=list(range(1, rows + 1)),
        time=times,
    )
    stop = run.compose_stop(time=START_TIME + rows)
    pairs = [("start", run.start_doc), ("descriptor", stream.descriptor_doc), ("event_page", page), ("stop", stop)]
    return [(name, dict(doc)) for name, doc in pairs]


def documents_with_stream_resource(*, events: bool = True) -> list[tuple[str, dict[str, Any]]]:
    """A run of three frames, which a file has, and with `events` of a number beside each."""
    run = event_model.compose_run(uid="fly-1", metadata={"sample": "Ag"}, time=START_TIME)
    image = {"dtype": "array", "shape": [2, 2], "source": "test", "external": "STREAM:"}
    number = {"x": {"dtype": "number", "shape": [], "source": "test"}} if events else {}
    stream = run.compose_descriptor(name="primary", data_keys={**number, "img": image}, time=START_TIME)
    resource = {
        "uid": "frames",
        "run_start": "fly-1",
        "data_key": "img",
        "mimetype": "application/x-hdf5",
        "uri": "file://localhost/img.h5",
        "parameters": {"dataset": "/entry"},
    }
    documents: list[tuple[str, Any]] = [
        ("start", run.start_doc),
        ("descriptor", stream.descriptor_doc),
        ("stream_resource", resource),
    ]
    for number_of_frame in range(3):
        span = {"start": number_of_frame, "stop": number_of_frame + 1}
        datum = {
            "uid": f"frames/{number_of_frame}",
            "stream_resource": "frames",
            "descriptor": stream.descriptor_doc["uid"],
            "indices": span,
            "seq_nums": {"start": number_of_frame + 1, "stop": number_of_frame + 2},
        }
        documents.append(("stream_datum", datum))
        time = START_TIME + number_of_frame
        if events:
            documents.append(
                (
                    "event",
                    stream.compose_event(
                        data={"x": 0.5}, timestamps={"x": time}, seq_num=number_of_frame + 1, time=time, validate=False
                    ),
                )
            )
    stop = {**run.compose_stop(time=START_TIME + 5), "num_events": {"primary": 3}}
    return copy.deepcopy([(name, dict(doc)) for name, doc in [*documents, ("stop", stop)]])


def documents_of_column(values: list[Any], **data_key: Any) -> list[tuple[str, dict[str, Any]]]:
    """A run of one column ``x``, as others declare it."""
    run = event_model.compose_run(time=START_TIME)
    stream = run.compose_descriptor(
        name="primary", data_keys={"x": {"shape": [], "source": "test", **data_key}}, time=START_TIME
    )
    documents = [("start", run.start_doc), ("descriptor", stream.descriptor_doc)]
    for i, value in enumerate(values):
        time = START_TIME + i
        event = stream.compose_event(data={"x": value}, timestamps={"x": time}, seq_num=i + 1, time=time)
        documents.append(("event", event))
    return [(name, dict(doc)) for name, doc in [*documents, ("stop", run.compose_stop(time=START_TIME + 10))]]


def resumed_documents() -> list[tuple[str, dict[str, Any]]]:
    """A run as bluesky's RunEngine tells of it when it measures a point again after a pause, and counts it once."""
    documents: list[tuple[str, dict[str, Any]]] = []
    detector, engine = Reading(), bluesky.RunEngine({}, context_managers=[])
    engine.subscribe(lambda name, doc: documents.append((name, doc)))

    def plan() -> Any:
        yield from bps.open_run()
        for _ in range(2):
            yield from bps.checkpoint()
            yield from bps.create()
            yield from bps.read(detector)
            yield from bps.save()
        yield from bps.pause()
        yield from bps.close_run()

    with pytest.raises(bluesky.RunEngineInterrupted):
        engine(plan())
    engine.resume()
    assert [doc["seq_num"] for name, doc in documents if name == "event"] == [1, 2, 2]
    return documents


def assert_identical(actual: Any, expected: Any, where: str = "documents") -> None:
    """Equal, and of the same types, down to the dtypes of arrays."""
    if isinstance(expected, numpy.ndarray):
        assert isinstance(actual, numpy.ndarray), where
        assert actual.dtype == expected.dtype, where
        numpy.testing.assert_array_equal(actual, expected, err_msg=where)
    elif isinstance(expected, dict):
        assert isinstance(actual, dict), where
        assert actual.keys() == expected.keys(), where
        for key in expected:
            assert_identical(actual[key], expected[key], f"{where}[{key!r}]")
    elif isinstance(expected, list | tuple):
        assert isinstance(actual, list | tuple), where
        assert len(actual) == len(expected), where
        for i, (one, other) in enumerate(zip(actual, expected, strict=True)):
            assert_identical(one, other, f"{where}[{i}]")
    else:
        # pymongo gives large integers as a subclass of int
        assert isinstance(actual, type(expected)), where
        assert actual == expected or (actual != actual and expected != expected), where


def in_bulk(documents: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any]]]:
    """The same run with its Events and Datums in the documents that pages have replaced."""
    bulky: list[tuple[str, dict[str, Any]]] = []
    for name, doc in documents:
        if name == "datum":
            rows = {"resource": doc["resource"], "datum_ids": [doc["datum_id"]]}
            bulky.append(("bulk_datum", {**rows, "datum_kwarg_list": [doc["datum_kwargs"]]}))
        elif name == "event":
            bulky.append(("bulk_events", {doc["descriptor"]: [doc]}))
        else:
            bulky.append((name, doc))
    return bulky
