"""A loop that reads into one array again and again, as detectors' drivers do: each value is stored as it was given."""

from __future__ import annotations

import event_model
import numpy
import pandas
import pytest
import xarray

from databroker_writable import RunBuilder, build_simple_run

PIECES = 3
LENGTH = 2


def as_array(buffer):
    return {"x": buffer}


def as_frame(buffer):
    return pandas.DataFrame({"x": buffer}, copy=False)


def as_dataset(buffer):
    return xarray.Dataset({"x": ("row", buffer)})


def as_run(buffer):
    return build_simple_run({"x": buffer})


def as_documents(buffer):
    bundle = event_model.compose_run()
    data_keys = {"x": {"source": "detector", "dtype": "array", "shape": [LENGTH]}}
    stream = bundle.compose_descriptor(name="primary", data_keys=data_keys)
    event = stream.compose_event(data={"x": buffer}, timestamps={"x": 0.0})
    return [
        ("start", bundle.start_doc),
        ("descriptor", stream.descriptor_doc),
        ("event", event),
        ("stop", bundle.compose_stop()),
    ]


@pytest.fixture
def nested(site):
    if site.is_ferretdb and site.kind == "mongo-embedded":
        pytest.skip("FerretDB 1.24 refuses arrays in arrays, as which the embedded layout keeps Events of arrays")


def readings(give, make=numpy.array):
    """Fill one array, or list, and give what is made of it, again and again."""
    buffer = make([0.0] * LENGTH)
    for number in range(PIECES):
        buffer[:] = [float(number)] * LENGTH
        yield give(buffer)
        buffer[:] = [-1.0] * LENGTH


def values_of(run):
    return run.primary.read()["x"].values.ravel().tolist()


EXPECTED = [float(number) for number in range(PIECES) for _ in range(LENGTH)]


@pytest.mark.parametrize("give", [as_array, as_frame, as_dataset, as_run])
def test_runs_of_one_call_keep_their_own_values(catalog, site, give):
    uids = catalog.store_runs(readings(give))
    reopened = site.open()
    assert [value for uid in uids for value in values_of(reopened[uid])] == EXPECTED


@pytest.mark.usefixtures("nested")
@pytest.mark.parametrize("make", [list, numpy.array])
def test_runs_of_one_call_that_come_as_documents_keep_their_own_values(catalog, site, make):
    uids = catalog.store_runs(readings(as_documents, make))
    reopened = site.open()
    assert [value for uid in uids for value in values_of(reopened[uid])] == EXPECTED


def events_of(bundle, page_size):
    data_keys = {"x": {"source": "detector", "dtype": "array", "shape": [LENGTH]}}
    stream = bundle.compose_descriptor(name="primary", data_keys=data_keys)
    yield "descriptor", stream.descriptor_doc
    for number, buffer in enumerate(readings(lambda buffer: buffer)):
        if page_size is None:
            yield "event", stream.compose_event(data={"x": buffer}, timestamps={"x": 0.0}, time=float(number))
        else:
            page = {"data": {"x": buffer[None]}, "timestamps": {"x": [0.0]}, "time": [float(number)]}
            yield "event_page", stream.compose_event_page(**page, seq_num=[number + 1], filled={}, validate=False)


@pytest.mark.usefixtures("nested")
@pytest.mark.parametrize("page_size", [None, 1])
def test_the_documents_of_one_run_keep_their_own_values(catalog, site, page_size):
    def documents():
        bundle = event_model.compose_run(uid="fit-1")
        yield "start", bundle.start_doc
        yield from events_of(bundle, page_size)
        yield "stop", bundle.compose_stop()

    catalog.store_run(documents())
    assert values_of(site.open()["fit-1"]) == EXPECTED


@pytest.mark.usefixtures("nested")
@pytest.mark.parametrize("page_size", [None, 1])
def test_inserted_documents_keep_their_own_values(catalog, site, page_size):
    bundle = event_model.compose_run(uid="fit-1")
    catalog.v1.insert("start", bundle.start_doc)
    for item in events_of(bundle, page_size):
        catalog.v1.insert(*item)
    catalog.v1.insert("stop", bundle.compose_stop())
    assert values_of(site.open()["fit-1"]) == EXPECTED


def add_all(builder):
    tables = readings(as_array)
    builder.add_stream("primary", data=next(tables))
    for table in tables:
        builder.add_data("primary", data=table)


def test_pieces_that_are_stored_as_they_come_keep_their_own_values(catalog, site):
    with catalog.run_builder(uid="fit-1") as builder:
        add_all(builder)
    assert values_of(site.open()["fit-1"]) == EXPECTED


def test_pieces_in_memory_keep_their_own_values(catalog, site):
    with RunBuilder(uid="fit-1") as builder:
        add_all(builder)
    assert values_of(builder.get_run()) == EXPECTED
    catalog.store_run(builder)
    assert values_of(site.open()["fit-1"]) == EXPECTED
