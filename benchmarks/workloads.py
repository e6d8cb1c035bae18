"""What is compared, between whom, and which ratios are aimed at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Case:
    """A function of a contender, or a Python program whose whole process is timed, with its options."""

    function: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    program: str = ""
    needs: str | None = None  # a server
    runs: int | None = None  # in the catalog beforehand


@dataclass(frozen=True)
class Target:
    """The ratio of one contender's step to another's, or to a number, is at least or at most a number."""

    text: str
    over: tuple[str, str]
    under: tuple[str, str] | float
    at_least: float | None = None
    at_most: float | None = None

    def ratio(self, medians: Mapping[str, Mapping[str, float]]) -> float | None:
        """The ratio, or None where one of the contenders was skipped."""
        under = self.under if isinstance(self.under, float) else _step(medians, *self.under)
        over = _step(medians, *self.over)
        return None if over is None or under is None else over / max(under, 1e-12)

    def is_met(self, ratio: float) -> bool:
        return (self.at_least is None or ratio >= self.at_least) and (self.at_most is None or ratio <= self.at_most)


@dataclass(frozen=True)
class Workload:
    """Contenders that do the same, and the targets for the ratios between them."""

    title: str
    cases: Mapping[str, Case]
    targets: tuple[Target, ...] = ()


def _step(medians: Mapping[str, Mapping[str, float]], name: str, step: str) -> float | None:
    return medians.get(name, {}).get(step)


FIRST_STORE_OURS = """
import sys, databroker_writable
databroker_writable.open_directory(sys.argv[1]).store_run({"x": [1.0, 2.0], "y": [3.0, 4.0]}, {"sample": "Cu"})
"""
FIRST_STORE_STOCK = """
import os, sys
from databroker._drivers.msgpack import BlueskyMsgpackCatalog
from bluesky_live.run_builder import build_simple_run
catalog = BlueskyMsgpackCatalog([os.path.join(sys.argv[1], "*.msgpack")])
run = build_simple_run({"x": [1.0, 2.0], "y": [3.0, 4.0]}, {"sample": "Cu"})
for name, doc in run.documents(fill="no"):
    catalog.v1.insert(name, doc)
catalog[run.metadata["start"]["uid"]]
"""


def workloads(*, quick: bool = False, mongo_rows: int = 100_000) -> dict[str, Workload]:
    """All workloads by name; `quick` ones take seconds and prove only that everything runs."""
    mongo_rows = min(mongo_rows, 1_000) if quick else mongo_rows
    rows, many_rows, frames = (1_000, 2_000, 2) if quick else (100_000, 1_000_000, 100)
    number, batch = (5, 20) if quick else (50, 1_000)
    sizes = (10, 50, 100) if quick else (100, 10_000, 100_000)
    few, more, most = sizes
    served = 100 if quick else 3_000
    slower = {"number": batch, "delay": 0.001}
    return {
        "events": Workload(
            f"{rows:,} x 10 floats as Events, msgpack",
            {
                "ours": Case("ours:events", {"rows": rows}),
                "stock": Case("stock:events", {"rows": rows}),
                "Tiled": Case("tiled:table", {"rows": rows}, needs="tiled"),
                "Parquet": Case("plain:parquet_table", {"rows": rows}),
            },
            (
                Target("stock / ours", ("stock", "store"), ("ours", "store"), at_least=30),
                Target("peak memory, ours / stock", ("ours", "store_memory"), ("stock", "store_memory"), at_most=1),
            ),
        ),
        "events-mongo": Workload(
            f"{mongo_rows:,} x 10 floats as Events, MongoDB's normalized layout",
            {
                "ours": Case("ours:events_in_mongo", {"rows": mongo_rows}, needs="mongo"),
                "stock": Case("stock:events_in_mongo", {"rows": mongo_rows}, needs="mongo"),
            },
            (
                Target("stock / ours", ("stock", "store"), ("ours", "store"), at_least=3),
                Target("the same, without the server", ("stock", "store_work"), ("ours", "store_work"), at_least=3),
            ),
        ),
        "one-event": Workload(
            f"{many_rows:,} x 10 floats as one Event",
            {
                "ours": Case("ours:one_event", {"rows": many_rows}),
                "HDF5": Case("plain:hdf5_table", {"rows": many_rows}),
                "HDF5, checksums": Case("plain:hdf5_table_with_checksums", {"rows": many_rows}),
                "Parquet": Case("plain:parquet_table", {"rows": many_rows}),
                "Tiled": Case("tiled:table", {"rows": many_rows}, needs="tiled"),
            },
            (
                Target("ours / HDF5", ("ours", "store"), ("HDF5", "store"), at_most=1.5),
                Target("store, ours / Tiled", ("ours", "store"), ("Tiled", "store"), at_most=1),
                Target("read, ours / Tiled", ("ours", "read"), ("Tiled", "read"), at_most=1),
            ),
        ),
        "small-run": Workload(
            f"one run of 10 x 3, with {few:,} runs in the catalog",
            {
                "ours": Case("ours:small_runs", {"number": number}, runs=few),
                "ours, not durable": Case("ours:small_runs_not_durable", {"number": number}, runs=few),
                "stock": Case("stock:small_runs", {"number": number}, runs=few),
                "plain file": Case("plain:small_file", {"number": number}),
            },
            (
                Target("ours, durable / plain file", ("ours", "store"), ("plain file", "store"), at_most=2),
                Target("stock / ours, not durable", ("stock", "store"), ("ours, not durable", "store"), at_least=5),
                Target("ours, durable / stock", ("ours", "store"), ("stock", "store"), at_most=1),
            ),
        ),
        "many-runs": Workload(
            f"the same with {more:,} and {most:,} runs in the catalog",
            {
                f"ours at {few:,}": Case("ours:small_runs", {"number": number}, runs=few),
                f"ours at {more:,}": Case("ours:small_runs", {"number": number}, runs=more),
                f"ours at {most:,}": Case("ours:small_runs", {"number": number}, runs=most),
                f"stock at {few:,}": Case("stock:small_runs", {"number": 10}, runs=few),
                f"stock at {more:,}": Case("stock:small_runs", {"number": 10}, runs=more),
            },
            tuple(
                Target(
                    f"ours, at {n:,} / at {few:,}",
                    (f"ours at {n:,}", "store"),
                    (f"ours at {few:,}", "store"),
                    at_most=1.3,
                )
                for n in (more, most)
            ),
        ),
        "store-runs": Workload(
            f"{batch:,} runs of 10 x 3, each durable",
            {
                "store_runs": Case("ours:batch", {"number": batch}),
                "store_run": Case("ours:one_by_one", {"number": batch}),
                "store_runs, DataFrames": Case("ours:batch", {"number": batch, "frame": True}),
                "store_run, DataFrames": Case("ours:one_by_one", {"number": batch, "frame": True}),
                "store_runs, slower disk": Case("ours:batch_on_slower_disk", slower),
                "store_run, slower disk": Case("ours:one_by_one_on_slower_disk", slower),
            },
            (
                Target("store_run / store_runs", ("store_run", "store"), ("store_runs", "store"), at_least=3),
                Target(
                    "the same, DataFrames with text",
                    ("store_run, DataFrames", "store"),
                    ("store_runs, DataFrames", "store"),
                    at_least=3,
                ),
                Target(
                    "the same, where fsync takes 1 ms more",
                    ("store_run, slower disk", "store"),
                    ("store_runs, slower disk", "store"),
                    at_least=3,
                ),
            ),
        ),
        "network": Workload(
            "small runs where each open, link, fsync and stat takes 2 ms more",
            {
                "ours": Case("ours:on_network", {"delay": 0.002}),
                "plain files": Case("plain:small_files", {"delay": 0.002}),
            },
            tuple(
                Target(
                    f"round trips to {step}, ours / plain files",
                    ("ours", f"{step}_trips"),
                    ("plain files", f"{step}_trips"),
                    at_most=3,
                )
                for step in ("store", "batch", "open", "search")
            ),
        ),
        "images": Workload(
            f"{frames} images of 1024 x 1024 uint16",
            {
                "ours": Case("ours:images", {"frames": frames}),
                "HDF5": Case("plain:hdf5_images", {"frames": frames}),
                "stock": Case("stock:images", {"frames": frames}),
                "Tiled": Case("tiled:images", {"frames": frames}, needs="tiled"),
            },
            (
                Target("store, ours / HDF5", ("ours", "store"), ("HDF5", "store"), at_most=2),
                Target("read, ours / HDF5", ("ours", "read"), ("HDF5", "read"), at_most=1.5),
                Target("peak memory above the array / 64 MB", ("ours", "store_memory"), 64e6, at_most=1),
            ),
        ),
        "looking": Workload(
            f"opening a directory of {most:,} runs, and looking for some",
            {"ours": Case("ours:looking", runs=most), "stock": Case("stock:looking", runs=most)},
            (
                Target("open again, ours / stock", ("ours", "open"), ("stock", "open"), at_most=0.1),
                Target("search, ours / stock", ("ours", "search"), ("stock", "search"), at_most=0.1),
                Target("latest, seconds", ("ours", "latest"), 1.0, at_most=0.3),
                Target("results_of, seconds", ("ours", "results_of"), 1.0, at_most=0.3),
                Target("table, seconds", ("ours", "table"), 1.0, at_most=0.3),
            ),
        ),
        "finding": Workload(
            f"finding among {more:,} small runs",
            {"ours": Case("ours:finding", runs=more)},
            (
                Target("table, seconds", ("ours", "table"), 1.0, at_most=0.5),
                Target("latest, seconds", ("ours", "latest"), 1.0, at_most=0.3),
                Target("results_of, seconds", ("ours", "results_of"), 1.0, at_most=0.3),
                Target("impact, seconds", ("ours", "impact"), 1.0, at_most=0.3),
            ),
        ),
        "serving": Workload(
            f"databroker-writable serve with {served:,} small runs: a process until its first answer, then searches",
            {"serve": Case("serving:answers", needs="tiled", runs=served)},
            (
                Target("first answer, seconds from the start of the process", ("serve", "start"), 1.0, at_most=2),
                Target("the same, seconds from when its address is printed", ("serve", "answer"), 1.0, at_most=2),
                Target("the first, with the runs / with none", ("serve", "start"), ("serve", "empty"), at_most=1.2),
                Target("search for a value, seconds", ("serve", "search"), 1.0, at_most=0.1),
                Target("search for a word, seconds", ("serve", "words"), 1.0, at_most=0.1),
                Target("the newest first, seconds", ("serve", "newest"), 1.0, at_most=0.1),
                Target("the longest of the searches of 5 s", ("serve", "longest"), 1.0, at_most=0.1),
            ),
        ),
        "import": Workload(
            "import, in a new process",
            {
                "databroker": Case(program="import databroker"),
                "databroker_writable": Case(program="import databroker_writable"),
            },
            (
                Target(
                    "ours / databroker, processor time",
                    ("databroker_writable", "process_work"),
                    ("databroker", "process_work"),
                    at_most=1.02,
                ),
            ),
        ),
        "first-store": Workload(
            "import, first store and opening of the stored run, in a new process",
            {"ours": Case(program=FIRST_STORE_OURS), "stock": Case(program=FIRST_STORE_STOCK)},
            (Target("ours / stock", ("ours", "process"), ("stock", "process"), at_most=1.2),),
        ),
    }
