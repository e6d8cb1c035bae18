"""What processes that are killed were storing, in every way, and what others find of it."""

from __future__ import annotations

import itertools
import random
from typing import Any

import dask
import numpy

from databroker_writable import RunExistsError
from databroker_writable.runs.comparison import same_run
from databroker_writable.storage import mongo_normalized
from databroker_writable.storage.assets import HDF5AssetHandler
from support import children, sites

HANDLERS = {"DATABROKER_WRITABLE_HDF5": HDF5AssetHandler}
Work = tuple[str, list[str], int]
"""How runs are stored, their uids, and how many rows they have."""


def image(rows: int) -> numpy.ndarray:
    return numpy.arange(rows * 12, dtype="uint16").reshape(rows, 3, 4)


def _documents(catalog: Any, uids: list[str], rows: int) -> None:
    catalog.store_run(children.documents_of(uids[0], rows))


def _many(catalog: Any, uids: list[str], rows: int) -> None:
    catalog.store_runs([children.documents_of(uid, rows) for uid in uids])


def _assets(catalog: Any, uids: list[str], rows: int) -> None:
    catalog.store_run({"x": children.column(rows), "image": image(rows)}, uid=uids[0], one_event=True)


def _builder(catalog: Any, uids: list[str], rows: int) -> None:
    with catalog.run_builder(uid=uids[0]) as builder:
        builder.add_stream("primary", data={"x": children.column(rows)[:1]})
        if rows > 1:
            builder.add_data("primary", data={"x": children.column(rows)[1:]})


def _builder_with_assets(catalog: Any, uids: list[str], rows: int) -> None:
    with catalog.run_builder(uid=uids[0], one_event=True) as builder:
        builder.add_stream("primary", data={"x": children.column(rows), "image": image(rows)})
        builder.add_stream("dark", data={"image": image(2)})


STORE = {
    "documents": _documents,
    "many": _many,
    "assets": _assets,
    "builder": _builder,
    "builder with assets": _builder_with_assets,
}


def opened(kind: str, place: str, assets: str) -> Any:
    """A catalog that keeps every array in a file."""
    return sites.opened(kind, place, asset_root=assets, asset_threshold=0, handler_registry=HANDLERS)


def store_in_a_loop(report: Any, kind: str, place: str, assets: str, seed: int) -> None:
    """Store runs until killed, and report each before and after, and after the first that it is ready to be killed."""
    catalog = opened(kind, place, assets)
    choose = random.Random(seed)
    for number in itertools.count():
        if number == 1:
            # what only the first store does, such as making indexes, would take most of the kills
            report("ready")
        way, rows = choose.choice(list(STORE)), choose.choice([1, 3, 10])
        uids = [f"run-{seed}-{number}-{i}" for i in range(3 if way == "many" else 1)]
        report(["storing", [way, uids, rows]])
        STORE[way](catalog, uids, rows)
        report(["stored", [way, uids, rows]])


def look(report: Any, kind: str, place: str, assets: str, begun: list[Work], cut_off: list[Work]) -> None:
    """Report what is visible, what is wrong with what was begun, and what repeating what was cut off gives."""
    # by default a writer that was killed between claim and publication is waited for
    mongo_normalized.CLAIM_SECONDS = 0.05
    # dask imports its distributed part, for half a second, to find out which scheduler to take
    dask.config.set(scheduler=dask.get)
    catalog = opened(kind, place, assets)
    report(["visible", list(catalog)])
    report(["wrong", _wrong(catalog, begun)])
    if cut_off:
        report(["not repeated", [uids for way, uids, rows in cut_off if not _stored_again(catalog, way, uids, rows)]])
        catalog = opened(kind, place, assets)
        report(["missing", [uid for _, uids, _ in cut_off for uid in uids if uid not in catalog]])
        report(["wrong", _wrong(catalog, cut_off)])


def _stored_again(catalog: Any, way: str, uids: list[str], rows: int) -> bool:
    try:
        STORE[way](catalog, uids, rows)
    except RunExistsError as exc:
        # published, and not yet reported, when its process was killed; a table that is built anew is another run
        return way not in ("documents", "many") and exc.run.metadata["stop"]["exit_status"] == "success"
    return True


def _wrong(catalog: Any, works: list[Work]) -> list[str]:
    """The visible ones of these runs that are not what was stored."""
    return [
        uid for way, uids, rows in works for uid in uids if uid in catalog and not _is_whole(catalog[uid], way, rows)
    ]


def _is_whole(run: Any, way: str, rows: int) -> bool:
    stop = run.metadata["stop"]
    if stop is None or stop["exit_status"] != "success":
        return False
    if way in ("documents", "many"):
        return same_run(run.documents(fill="no"), children.documents_of(run.metadata["start"]["uid"], rows))
    streams = ["dark", "primary"] if way == "builder with assets" else ["primary"]
    if sorted(run) != streams:
        return False
    columns = {"x": numpy.array(children.column(rows))}
    if way != "builder":
        columns["image"] = image(rows)
    found = _columns(run, "primary")
    whole = found.keys() == columns.keys() and all(numpy.array_equal(found[key], columns[key]) for key in columns)
    return whole and ("dark" not in streams or numpy.array_equal(_columns(run, "dark")["image"], image(2)))


def _columns(run: Any, stream: str) -> dict[str, numpy.ndarray]:
    """The columns of a stream, the arrays of one Event as they are and those of many one after the other."""
    descriptors, pages = set(), []
    for name, doc in run.documents(fill="yes"):
        if name == "descriptor" and doc["name"] == stream:
            descriptors.add(doc["uid"])
        elif name == "event_page" and doc["descriptor"] in descriptors:
            pages.append(doc["data"])
    values = {key: [value for page in pages for value in page[key]] for key in pages[0]}
    return {key: numpy.asarray(value[0] if numpy.ndim(value[0]) else value) for key, value in values.items()}
