"""What databroker's documentation shows: bluesky-live's builder, then each document through ``v1.insert``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bluesky_live.run_builder import build_simple_run
from databroker._drivers.mongo_normalized import BlueskyMongoCatalog
from databroker._drivers.msgpack import BlueskyMsgpackCatalog

from .. import data
from ..filling import SAMPLE
from ..meter import Meter


def _open(directory: Path) -> Any:
    directory.mkdir(exist_ok=True)
    return BlueskyMsgpackCatalog([str(directory / "*.msgpack")])


def _store(catalog: Any, table: Any) -> str:
    run = build_simple_run(table, {})
    for name, doc in run.documents(fill="no"):
        catalog.v1.insert(name, doc)
    return run.metadata["start"]["uid"]


def _catalog(meter: Meter) -> Any:
    catalog = _open(meter.directory / "runs")
    _store(catalog, data.small_table())
    return catalog


def events(meter: Meter) -> None:
    catalog, table = _catalog(meter), data.table(meter["rows"])
    with meter.step("store"):
        _store(catalog, table)


def events_in_mongo(meter: Meter) -> None:
    catalog = BlueskyMongoCatalog(meter["uri"], meter["uri"])
    _store(catalog, data.small_table())
    table = data.table(meter["rows"])
    with meter.step("store"):
        # as store_run gives the run: databroker counts the Events of a run when it opens it
        catalog[_store(catalog, table)]


def small_runs(meter: Meter) -> None:
    catalog, table = _open(Path(meter["filled"])), data.small_table()
    _store(catalog, table)
    meter.steps("store", meter["number"], lambda: _store(catalog, table))


def looking(meter: Meter) -> None:
    with meter.step("open"):
        catalog = _open(Path(meter["filled"]))
    with meter.step("search"):
        len(catalog.search({"sample": SAMPLE}))


def images(meter: Meter) -> None:
    catalog = _catalog(meter)
    stack = data.images(meter["frames"])
    with meter.step("store"):
        uid = _store(catalog, {"image": stack})
    with meter.step("frame"):
        dataset = _open(meter.directory / "runs")[uid].primary.to_dask()
        dataset["image"][0].values.sum()
