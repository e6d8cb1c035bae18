"""Run cases in fresh processes, in turns, so that what else the machine does hits all of them alike."""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .child import MISSING
from .filling import fill_catalog
from .workloads import Case

CHECKOUT = Path(__file__).parents[1]
LARGE = 1024 * 1024


class Runner:
    """Runs cases below a directory.

    Parameters
    ----------
    directory : Path
        On the disk that is to be measured.
    servers : dict
        Options that tell the cases where the servers are: ``uri``, ``tiled_uri``, ``tiled_key``.
    tiled_python : str
        The interpreter for the cases of Tiled.
    say : callable
        Takes a line about what goes on.
    """

    def __init__(
        self, directory: Path, servers: Mapping[str, Any], tiled_python: str, say: Callable[[str], Any] = print
    ) -> None:
        self._directory = directory
        self._servers = servers
        self._tiled_python = tiled_python
        self._say = say

    def medians(self, cases: Mapping[str, Case], repeats: int) -> dict[str, dict[str, float]]:
        """The median of each step of each case, over `repeats` rounds.

        Cases without their server, or a package that they need, are left out.
        """
        able = {name: case for name, case in cases.items() if self._can_run(name, case)}
        results: dict[str, list[dict[str, float]]] = {name: [] for name in able}
        for _ in range(repeats):
            for name in list(results):
                measured = self._run(able[name])
                if MISSING in measured:
                    self._say(f"   {name}: skipped, {measured[MISSING]}")
                    del results[name]
                else:
                    results[name].append(measured)
        return {
            name: {step: statistics.median(one[step] for one in measured) for step in measured[0]}
            for name, measured in results.items()
        }

    def _can_run(self, name: str, case: Case) -> bool:
        key = {"mongo": "uri", "tiled": "tiled_uri"}.get(case.needs or "")
        if key is None or self._servers.get(key):
            return True
        self._say(f"   {name}: skipped, there is no {'MongoDB server' if case.needs == 'mongo' else 'Tiled'}")
        return False

    def _run(self, case: Case) -> dict[str, Any]:
        directory = self._new_directory()
        options = {**case.options, **self._servers, "directory": str(directory)}
        if case.runs is not None:
            options["filled"] = str(self._filled(case.runs))
        python = self._tiled_python if case.needs == "tiled" else sys.executable
        try:
            if case.program:
                return _timed([python, "-W", "ignore", "-c", case.program, str(directory)])
            answer = _run([python, "-m", "benchmarks.child", case.function, json.dumps(options)])
            return json.loads(answer.splitlines()[-1])
        finally:
            _remove_large_files(directory)

    def _new_directory(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self._directory))

    def _filled(self, runs: int) -> Path:
        """A directory with a number of runs, made once; what cases add to it is moved away."""
        directory = self._directory / f"filled-{runs}"
        if not directory.exists():
            fill_catalog(directory, runs)
        away = self._new_directory()
        for path in directory.iterdir():
            if not path.name.startswith("filled"):
                path.rename(away / path.name)
        return directory


def _remove_large_files(directory: Path) -> None:
    """Make room, but leave small files: for minutes ext4 does not use their inodes anew.

    It looks at each of them whenever a file is made: after 3,000 deletions that took 0.8 ms instead of 0.02.
    """
    for path in directory.rglob("*"):
        if path.is_file() and path.stat().st_size > LARGE:
            path.unlink()


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, cwd=CHECKOUT, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:5])} failed:\n{done.stderr}")
    return done.stdout


def _timed(command: list[str]) -> dict[str, float]:
    """Seconds of a whole process, and of its work, which other processes on the machine hardly change."""
    before, begin = _work_of_children(), time.perf_counter()
    _run(command)
    return {"process": time.perf_counter() - begin, "process_work": _work_of_children() - before}


def _work_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
