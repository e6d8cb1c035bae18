"""Readout loops that their users end by Ctrl-C: what a process does that is interrupted again and again."""

from __future__ import annotations

import contextlib
import functools
import os
import random
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import dask.array
import numpy

from databroker_writable import to_dataset
from databroker_writable.upkeep import examine
from support import faults, sites

PATIENCE = 10
"""Seconds after which an interrupt that has not ended the loop was swallowed."""

FORMS = ("inline", "numpy assets", "dask assets")

MOMENTS = 0.05
"""Within so many seconds after the first row the interrupt comes."""


def interrupt_once(
    report: Callable[[Any], None], name: str, uri: str | None, directory: str, seed: int, number: int
) -> None:
    """End loops in each way by turns, and report what is wrong with what is kept, and what is left at the end."""
    signal.signal(signal.SIGINT, _interrupt)
    sys.unraisablehook = _interrupt_again
    choose = random.Random(seed)
    assets = os.path.join(directory, "assets")
    with _opened(name, uri, directory) as opened:
        inline, in_files = (opened(asset_root=assets, asset_threshold=threshold) for threshold in (10**9, 0))
        for i in range(number):
            form, caught = FORMS[i % 3], bool(i // 3 & 1)
            catalog = inline if form == "inline" else in_files
            kept, problem = _interrupted_loop(catalog, f"loop-{i}", form, caught, choose.uniform(0, MOMENTS))
            problem = problem or _fault_of(opened(asset_root=assets), f"loop-{i}", kept, form, caught)
            if problem:
                report([form, "caught" if caught else "not caught", problem])
        if findings := examine(opened(asset_root=assets)).findings:
            report(["left at the end", [str(finding) for finding in findings]])
    report(["loops", number])


def interrupt_twice(
    report: Callable[[Any], None], name: str, uri: str | None, directory: str, seed: int, number: int
) -> None:
    """End loops by two interrupts, of which the second comes while the first is dealt with; report what stays open."""
    signal.signal(signal.SIGINT, _interrupt)
    choose = random.Random(seed)
    with _opened(name, uri, directory) as opened:
        assets = os.path.join(directory, "assets")
        inline, in_files = (opened(asset_root=assets, asset_threshold=threshold) for threshold in (10**9, 0))
        for i in range(number):
            moments = sorted([choose.uniform(0, MOMENTS / 5)] * 2)
            moments[1] += choose.uniform(0, 0.003)
            form = FORMS[i % 3]
            _interrupted_loop(inline if form == "inline" else in_files, f"loop-{i}", form, False, *moments)
            partial = [path for path in faults.open_files(Path(directory)) if os.path.basename(path).startswith(".")]
            if partial:
                report(["open", partial])
    report(["loops", number])


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Interrupt the loop alone: a second interrupt may come when the first has ended it."""
    caller: FrameType | None = sys._getframe()
    while caller is not None and caller.f_code is not _add_rows.__code__:
        caller = caller.f_back
    if caller is not None:
        signal.default_int_handler(number, frame)


def _interrupt_again(dropped: Any) -> None:
    """Do as users do where Python drops an interrupt in a callback of another package, as dask has some."""
    module = getattr(dropped.object, "__module__", None) or ""
    if issubclass(dropped.exc_type, KeyboardInterrupt) and not module.startswith("databroker_writable"):
        # later: an interrupt in this function would be dropped, too
        threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGINT)).start()
    else:
        sys.__unraisablehook__(dropped)


@contextlib.contextmanager
def _opened(name: str, uri: str | None, directory: str) -> Iterator[Callable[..., Any]]:
    """What opens a catalog over the database of a URI, or over the site of a name, which lives in this process."""
    if uri is not None:
        yield functools.partial(sites.opened, name.partition("[")[0], uri)
        return
    with sites.site(name, Path(directory), None) as site:  # type: ignore[arg-type]
        # or each is looked for among the installed packages
        yield functools.partial(site.open, handler_registry={})


def _row(number: int, form: str) -> dict[str, Any]:
    if form == "inline":
        return {"x": [number], "text": [f"{number} " * 2000]}
    image = numpy.full((1, 20, 30), number, "uint16")
    return {"x": [number], "image": image if form == "numpy assets" else dask.array.from_array(image, chunks=(1, 8, 8))}


def _interrupted_loop(catalog: Any, uid: str, form: str, caught: bool, *moments: float) -> tuple[int, str | None]:
    """How many rows were added by calls that returned, and what went wrong."""
    added: list[int] = []
    timers = [threading.Timer(moment, os.kill, (os.getpid(), signal.SIGINT)) for moment in moments]
    try:
        problem = _add_rows(catalog, uid, form, caught, timers, added)
    except KeyboardInterrupt:
        problem = "the interrupt left the block that had caught it" if caught else None
    except Exception as exc:
        problem = "".join(traceback.format_exception(exc))
    for timer in timers:
        if timer.is_alive():
            # an error has ended the loop before its interrupt
            timer.join()
    return len(added), problem


def _add_rows(
    catalog: Any, uid: str, form: str, caught: bool, timers: list[threading.Timer], added: list[int]
) -> str | None:
    """Add rows until an interrupt comes; give what went wrong, where none leaves the block."""
    problem = "the interrupt was swallowed"
    with catalog.run_builder(uid=uid) as builder:
        builder.add_stream("primary", data=_row(0, form))
        added.append(0)
        try:
            for timer in timers:
                timer.start()
            end = time.monotonic() + PATIENCE
            # without a condition: python/cpython#130279
            while True:
                if time.monotonic() > end:
                    return problem
                builder.add_data("primary", data=_row(len(added), form))
                added.append(len(added))
        except KeyboardInterrupt:
            problem = "the interrupt did not leave the block"
            if not caught:
                raise
            return None
    return problem


def _fault_of(catalog: Any, uid: str, added: int, form: str, caught: bool) -> str | None:
    """What is wrong with the run that was kept; the call that was interrupted may have added its row."""
    if uid not in catalog:
        return f"the run is lost, with {added} rows"
    stop = catalog[uid].metadata["stop"]
    if stop is None or stop["exit_status"] != ("success" if caught else "fail"):
        return f"the stop document is {stop}"
    dataset = to_dataset(catalog[uid])
    rows = dataset["x"].size
    if rows not in (added, added + 1):
        return f"{rows} rows are stored, where {added} were added"
    columns = {key: dataset[key].values for key in _row(0, form)}
    for number in range(rows):
        for key, (value,) in _row(number, form).items():
            if not numpy.array_equal(columns[key][number], value):
                return f"row {number} of {key!r} is another"
    return None
