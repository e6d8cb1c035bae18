"""This package."""

from __future__ import annotations

import itertools
import os
from typing import Any

import dask.array

import databroker_writable
from databroker_writable.drivers import WritableMongoNormalizedCatalog

from .. import data
from ..filling import SAMPLE, TEMPLATE
from ..meter import Meter, delay_durability, switch_durability_off
from ..network import measure


def _catalog(meter: Meter) -> Any:
    """A catalog in which a first run, with an asset, is stored and read: what is imported then is not measured."""
    catalog = databroker_writable.open_directory(meter.directory / "runs")
    catalog.store_run(data.small_table(), one_event=True, asset_threshold=1).primary.read()
    return catalog


def events(meter: Meter) -> None:
    catalog, table = _catalog(meter), data.table(meter["rows"])
    with meter.step("store"):
        run = catalog.store_run(table)
    if meter.options.get("read", True):
        with meter.step("read"):
            catalog.v1[run.metadata["start"]["uid"]].table()


def events_in_mongo(meter: Meter) -> None:
    catalog = WritableMongoNormalizedCatalog(meter["uri"], meter["uri"])
    catalog.store_run(data.small_table())
    table = data.table(meter["rows"])
    with meter.step("store"):
        catalog.store_run(table)


def one_event(meter: Meter) -> None:
    catalog, table = _catalog(meter), data.table(meter["rows"])
    with meter.step("store"):
        run = catalog.store_run(table, one_event=True)
    with meter.step("read"):
        run.primary.read()


def small_runs(meter: Meter) -> None:
    catalog, table = _filled(meter), data.small_table()
    catalog.store_run(table)
    meter.steps("store", meter["number"], lambda: catalog.store_run(table))


def looking(meter: Meter) -> None:
    """Open a catalog that this user has never opened, then again, and look for runs in it."""
    os.environ["XDG_CACHE_HOME"] = str(meter.directory / "cache")
    with meter.step("first"):
        _filled(meter)
    with meter.step("open"):
        catalog = _filled(meter)
    with meter.step("search"):
        len(catalog.search({"sample": SAMPLE}))
    with meter.step("latest"):
        catalog.latest({"sample": SAMPLE})
    with meter.step("results_of"):
        catalog.results_of(TEMPLATE)
    with meter.step("table"):
        catalog.table({"sample": SAMPLE})


def finding(meter: Meter) -> None:
    catalog, table = _filled(meter), data.small_table()
    raw = catalog.store_run(table)
    for _ in range(10):
        catalog.store_run(table, {"analysis_name": "fit"}, derived_from=raw)
    with meter.step("table"):
        catalog.table()
    with meter.step("latest"):
        catalog.latest(analysis_name="fit")
    with meter.step("results_of"):
        catalog.results_of(raw)
    with meter.step("impact"):
        catalog.impact(raw)


def small_runs_not_durable(meter: Meter) -> None:
    switch_durability_off()
    small_runs(meter)


def batch(meter: Meter) -> None:
    catalog, table = _catalog(meter), _small(meter)
    catalog.store_run(table)
    with meter.step("store"):
        catalog.store_runs(itertools.repeat(table, meter["number"]))


def one_by_one(meter: Meter) -> None:
    catalog, table = _catalog(meter), _small(meter)
    catalog.store_run(table)
    with meter.step("store"):
        for _ in range(meter["number"]):
            catalog.store_run(table)


def _small(meter: Meter) -> Any:
    return data.small_frame() if meter.options.get("frame") else data.small_table()


def batch_on_slower_disk(meter: Meter) -> None:
    delay_durability(meter["delay"])
    batch(meter)


def one_by_one_on_slower_disk(meter: Meter) -> None:
    delay_durability(meter["delay"])
    one_by_one(meter)


def on_network(meter: Meter) -> None:
    """Stores, a batch, opening and a search, where each question about a file takes a round trip."""
    catalog, table = _catalog(meter), data.small_table()
    directory = meter.directory / "runs"
    catalog.store_runs([table] * 2)
    steps = {
        "store": lambda: catalog.store_run(table),
        "batch": lambda: catalog.store_runs([table] * 64),
        "open": lambda: databroker_writable.open_directory(directory),
        "search": lambda: len(catalog.search({"sample": SAMPLE})),
    }
    measure(meter, directory, steps)


def images(meter: Meter) -> None:
    catalog = _catalog(meter)
    stack = data.images(meter["frames"])
    _store_images(meter, catalog, stack)


def lazy_images(meter: Meter) -> None:
    catalog = _catalog(meter)
    stack = dask.array.random.default_rng(0).integers(
        0, 4096, size=(meter["frames"], 1024, 1024), chunks=(8, 1024, 1024), dtype="uint16"
    )
    _store_images(meter, catalog, stack)


def _store_images(meter: Meter, catalog: Any, stack: Any) -> None:
    catalog.store_run({"image": stack[:1]}, one_event=True)
    with meter.step("store"):
        run = catalog.store_run({"image": stack}, one_event=True)
    uid = run.metadata["start"]["uid"]

    def one_frame() -> None:
        stored = databroker_writable.open_directory(meter.directory / "runs")[uid]
        stored.primary.to_dask()["image"][0, 0].values.sum()

    one_frame()  # what is imported and connected for the first time is no cost of reading
    meter.steps("frame", 5, one_frame)
    if meter.options.get("read", True):
        with meter.step("read"):
            run.primary.read()


def _filled(meter: Meter) -> Any:
    """A catalog over a directory that holds many runs already."""
    return databroker_writable.open_directory(meter["filled"])
