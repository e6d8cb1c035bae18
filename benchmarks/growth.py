"""How the cost of storing and reading grows."""

from __future__ import annotations

from dataclasses import dataclass

from .workloads import Case

FRAME = 2 * 1024 * 1024


@dataclass(frozen=True)
class Series:
    """One curve: a step of a case at several sizes."""

    label: str
    step: str
    cases: dict[int, Case]


@dataclass(frozen=True)
class Panel:
    """Curves over the same axis."""

    title: str
    axis: str
    series: tuple[Series, ...]


def panels(*, quick: bool = False) -> dict[str, Panel]:
    """All panels by name."""
    rows = [10, 100] if quick else [10, 100, 1_000, 10_000, 100_000, 1_000_000]
    runs = [1, 10] if quick else [1, 10, 100, 1_000, 10_000, 100_000]
    frames = [1, 2] if quick else [1, 8, 64, 512, 2048]

    def of_rows(label: str, step: str, function: str, most: int) -> Series:
        # tables of Events longer than this take minutes to read
        return Series(label, step, {n: Case(function, {"rows": n, "read": n <= 10_000}) for n in rows if n <= most})

    def of_runs(label: str, step: str, function: str, most: int) -> Series:
        return Series(label, step, {n: Case(function, {"number": 10}, runs=n) for n in runs if n <= most})

    def of_frames(label: str, step: str, function: str, most: int) -> Series:
        options = {"read": False}
        return Series(label, step, {n * FRAME: Case(function, {"frames": n, **options}) for n in frames if n <= most})

    return {
        "rows": Panel(
            "a table of 10 columns",
            "rows",
            (
                of_rows("store, rows as Events", "store", "ours:events", 1_000_000),
                of_rows("store, one Event", "store", "ours:one_event", 1_000_000),
                of_rows("stock recipe, rows as Events", "store", "stock:events", 10_000),
                of_rows("read, rows as Events (v1 table)", "read", "ours:events", 10_000),
                of_rows("read, one Event (v2)", "read", "ours:one_event", 1_000_000),
            ),
        ),
        "runs": Panel(
            "a small run among others",
            "runs in the catalog",
            (
                of_runs("store", "store", "ours:small_runs", 100_000),
                of_runs("stock recipe", "store", "stock:small_runs", 10_000),
            ),
        ),
        "opening": Panel(
            "opening a directory of runs, and looking for some",
            "runs in the catalog",
            (
                of_runs("open, first time", "first", "ours:looking", 100_000),
                of_runs("open again", "open", "ours:looking", 100_000),
                of_runs("stock open", "open", "stock:looking", 100_000),
                of_runs("search", "search", "ours:looking", 100_000),
                of_runs("stock search", "search", "stock:looking", 100_000),
                of_runs("latest", "latest", "ours:looking", 100_000),
                of_runs("results_of", "results_of", "ours:looking", 100_000),
                of_runs("table", "table", "ours:looking", 100_000),
            ),
        ),
        "arrays": Panel(
            "a stack of images as one Event",
            "bytes",
            (
                of_frames("store, from memory", "store", "ours:images", 512),
                of_frames("store, dask array", "store", "ours:lazy_images", 2048),
                of_frames("plain HDF5", "store", "plain:hdf5_images", 512),
                of_frames("open and read one frame", "frame", "ours:lazy_images", 2048),
            ),
        ),
    }
