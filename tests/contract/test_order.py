"""Rows come back in the order in which they were stored, by each of databroker's ways of reading."""

from __future__ import annotations

import numpy
import pytest

from databroker_writable import to_dataset
from support import sites

BACKENDS = [
    *sites.FILE_SITES,
    *(f"{name}[{server}]" for name in sites.MONGO_SITES for server in ("mongomock", "server")),
]
on_every_backend = pytest.mark.parametrize("site", BACKENDS, indirect=True)


def shuffled(rows, seed=7):
    """Row numbers in an order that no reader makes by itself."""
    return numpy.random.default_rng(seed).permutation(rows).tolist()


def rows_of(run):
    return [x for name, doc in run.documents(fill="no") if name == "event_page" for x in doc["data"]["x"]]


@pytest.mark.parametrize("rows", [1, 2, 300])
@on_every_backend
def test_every_way_of_reading_gives_the_order_stored(catalog, site, rows):
    values = shuffled(rows)
    uid = catalog.store_run({"x": values}).metadata["start"]["uid"]
    reading = site.open()
    assert reading.v1[uid].table()["x"].tolist() == values
    assert reading[uid].primary.read()["x"].values.tolist() == values
    assert rows_of(reading[uid]) == values
    assert to_dataset(reading[uid])["x"].values.tolist() == values


# mongomock looks for duplicates row by row: minutes for a normalized run of so many
MANY = {
    "msgpack": (30_000, 100_000),
    "jsonl": (3_000, 100_000),
    "mongo-embedded[mongomock]": (3_000, 30_000),
    "mongo-normalized[server]": (3_000, 30_000),  # the second in several batches
    "mongo-embedded[server]": (3_000, 30_000),
}


@pytest.mark.parametrize(
    ("site", "rows"),
    [
        *((site, rows) for site, (rows, _) in MANY.items()),
        *(pytest.param(site, rows, marks=pytest.mark.nightly) for site, (_, rows) in MANY.items()),
    ],
    indirect=["site"],
)
@pytest.mark.filterwarnings("ignore:databroker takes about:databroker_writable.StoreWarning")
def test_many_rows_come_back_in_the_order_stored(catalog, site, rows):
    values = shuffled(rows)
    uid = catalog.store_run({"x": values}).metadata["start"]["uid"]
    reading = site.open()
    assert reading.v1[uid].table()["x"].tolist() == values
    assert to_dataset(reading[uid])["x"].values.tolist() == values


@on_every_backend
def test_rows_that_were_added_in_pieces_come_back_in_order(catalog, site):
    pieces = [shuffled(40, seed) for seed in range(5)]
    with catalog.run_builder() as builder:
        builder.add_stream("primary", data={"x": pieces[0]})
        for piece in pieces[1:]:
            builder.add_data("primary", data={"x": piece})
    values = [x for piece in pieces for x in piece]
    uid = builder.uid
    reading = site.open()
    assert reading.v1[uid].table()["x"].tolist() == values
    assert reading[uid].primary.read()["x"].values.tolist() == values
    assert rows_of(reading[uid]) == values
    assert to_dataset(reading[uid])["x"].values.tolist() == values


@pytest.mark.parametrize("site", ["msgpack", "mongo-normalized[mongomock]"], indirect=True)
def test_a_time_given_once_for_the_run_keeps_the_order(catalog, site):
    """All Events of such a run lie within a moment: only their spacing tells them apart."""
    values = shuffled(500)
    uid = catalog.store_run({"x": values}, time=1.7e9).metadata["start"]["uid"]
    assert site.open().v1[uid].table()["x"].tolist() == values
