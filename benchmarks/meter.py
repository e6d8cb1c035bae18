"""What a case measures itself with, in its own process."""

from __future__ import annotations

import contextlib
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Meter:
    """Times steps and the memory that they take above what the process had used before.

    Parameters
    ----------
    directory : Path
        An empty one, for the files of this case.
    options : dict
        Sizes, the address of a server, and so on.
    """

    directory: Path
    options: dict[str, Any]
    results: dict[str, float] = field(default_factory=dict)

    def __getitem__(self, option: str) -> Any:
        return self.options[option]

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure what is done in the block: seconds, seconds of this process's work, bytes that the peak rises."""
        before = peak_memory()
        work, begin = time.process_time(), time.perf_counter()
        yield
        self.results[name] = time.perf_counter() - begin
        self.results[f"{name}_work"] = time.process_time() - work
        self.results[f"{name}_memory"] = peak_memory() - before

    def steps(self, name: str, number: int, function: Callable[[], Any]) -> None:
        """Time a short function by the median of many calls."""
        durations = []
        for _ in range(number):
            begin = time.perf_counter()
            function()
            durations.append(time.perf_counter() - begin)
        self.results[name] = statistics.median(durations)


def peak_memory() -> int:
    """The largest resident size of this process so far, in bytes."""
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size if sys.platform == "darwin" else 1024 * size


def switch_durability_off() -> None:
    """Let fsync do nothing, for this process."""
    os.fsync = lambda descriptor: None  # type: ignore[assignment]
