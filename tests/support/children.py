"""What other processes do in the tests of crashes and concurrency: tasks that report into a file."""

from __future__ import annotations

import contextlib
import functools
import json
import multiprocessing
import multiprocessing.forkserver
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
from pymongo.collection import Collection

from databroker_writable.upkeep.deleting import deletion_of
from support import example_runs, faults, sites

PATIENCE = 600


@functools.cache
def _processes() -> Any:
    """Processes forked from one that has imported everything, which takes seconds, and has no threads."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["support.killed_writers", "h5py", "pytest"])
    with pytest.MonkeyPatch.context() as patch:
        # before Python 3.12.8 the server that is forked does not learn this process's sys.path
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        multiprocessing.forkserver.ensure_running()
    return context


class Child:
    """A process that does one task."""

    def __init__(self, task: Any, report: Path, *args: Any) -> None:
        self.report = report
        report.touch()
        self._process = _processes().Process(target=_do, args=(task, str(report), *args), daemon=True)
        self._process.start()

    def lines(self) -> list[Any]:
        """What it has reported up to now; a line that is cut off is left out."""
        *whole, _ = self.report.read_text().split("\n")
        return [json.loads(line) for line in whole]

    def wait_for(self, line: Any) -> None:
        """Wait until it has reported this."""
        until = time.monotonic() + PATIENCE
        while line not in self.lines():
            if time.monotonic() > until or self._process.exitcode is not None:
                raise AssertionError(f"the child has not begun: {self.report.read_text()}")
            time.sleep(0.005)

    def kill(self) -> None:
        """End it by SIGKILL."""
        self._process.kill()
        self._process.join()

    def wait(self) -> int:
        """Wait for its end and give its exit code, negative for a signal."""
        self._process.join(PATIENCE)
        if self._process.exitcode is None:
            self.kill()
            raise AssertionError("the child does not end")
        return self._process.exitcode

    def result(self) -> list[Any]:
        """Wait for its end and give what it has reported."""
        assert self.wait() == 0, self.lines()
        return self.lines()


@contextlib.contextmanager
def child(task: Any, report: Path, *args: Any) -> Iterator[Child]:
    """Run a task beside the block; it is killed if the block leaves it running."""
    process = Child(task, report, *args)
    try:
        yield process
    finally:
        process.kill()


def documents_of(uid: str, rows: int) -> list[tuple[str, dict[str, Any]]]:
    """A run whose documents are the same each time for the same uid."""
    documents = example_runs.small_documents(uid=uid, rows=rows)
    named = {documents[1][1]["uid"]: f"{uid}-descriptor", documents[3][1]["uid"]: f"{uid}-stop"}
    for _, doc in documents:
        for key in ("uid", "descriptor"):
            if isinstance(doc.get(key), str):
                doc[key] = named.get(doc[key], doc[key])
    documents[2][1]["uid"] = [f"{uid}-event-{i}" for i in range(rows)]
    return documents


def column(rows: int) -> list[float]:
    """The column ``x`` of `documents_of`."""
    return [i + 0.5 for i in range(rows)]


def store_and_die(report: Any, kind: str, place: str, uid: str, asset_root: str, step: int) -> None:
    """Store a run with an array in a file, and be killed after so many calls that change files or the database."""
    catalog = sites.opened(kind, place, asset_root=asset_root)
    die_at(step)
    catalog.store_run(table_with_image(), uid=uid, one_event=True, asset_threshold=0)


def remark_and_die(report: Any, kind: str, place: str, uid: str, step: int) -> None:
    """Annotate and retract a run, and be killed after so many calls that change files or the database."""
    catalog = sites.opened(kind, place)
    die_at(step)
    catalog.annotate(uid, f"note {step}", tags=["bad-frames"])
    catalog.retract(uid, reason=f"reason {step}")


def delete_and_die(report: Any, kind: str, place: str, uid: str, asset_root: str, step: int) -> None:
    """Delete a run, and be killed after so many calls that change files or the database."""
    deletion = deletion_of(sites.opened(kind, place, asset_root=asset_root), uid)
    die_at(step)
    deletion.execute()


def die_at(step: int) -> None:
    """Have this process killed after so many calls that change files or the database."""
    calls = 0

    def deadly(function: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls > step:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)

        return call

    for name in faults.SYSTEM_CALLS:
        setattr(os, name, deadly(getattr(os, name)))
    for name in faults.WRITING_COMMANDS:
        setattr(Collection, name, deadly(getattr(Collection, name)))


def table_with_image() -> dict[str, Any]:
    return {"image": numpy.arange(6.0).reshape(2, 3)}


def store_some(report: Any, kind: str, place: str, owner: str, number: int, contested: list[str]) -> None:
    """Store runs, and try for uids that others want too."""
    catalog = sites.opened(kind, place)
    report("ready")
    for i in range(number):
        catalog.store_run(documents_of(f"{owner}-{i}", 5))
    for uid in contested:
        try:
            catalog.store_run({"x": [0.5]}, uid=uid, metadata={"owner": owner})
        except FileExistsError as exc:
            report([uid, "lost", exc.run.metadata["start"]["owner"]])  # type: ignore[attr-defined]
        else:
            report([uid, "won", owner])


def watch(report: Any, kind: str, place: str, until: int) -> None:
    """Open the catalog over and over until it holds a number of runs; report those not whole, and those gone again."""
    report("ready")
    seen: set[str] = set()
    looks = 0
    end = time.monotonic() + PATIENCE
    while len(seen) < until and time.monotonic() < end:
        catalog = sites.opened(kind, place)
        uids = list(catalog)
        if gone := sorted(seen - set(uids)):
            report(["gone", gone])
        for uid in [uid for uid in uids if uid not in seen][:20]:
            run = catalog[uid]
            events = sum(len(doc["uid"]) for name, doc in run.documents(fill="no") if name == "event_page")
            stop = run.metadata["stop"]
            if stop is None or events != (5 if uid.split("-")[0] == "owner" else 1):
                report(["partial", uid, events])
            seen.add(uid)
        looks += 1
    report(["looks", looks, len(seen)])


def _do(task: Any, path: str, *args: Any) -> None:
    with open(path, "a", buffering=1, encoding="utf-8") as file:
        task(lambda line: file.write(json.dumps(line) + "\n"), *args)
