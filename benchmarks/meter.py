"""What a case measures itself with, in its own process."""

from __future__ import annotations

import contextlib
import os
import resource
import statistics
import subprocess
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
        have_memory_ready()
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


def have_memory_ready() -> None:
    """Have the system hold a gigabyte of free memory, used by another process just now.

    A virtual machine gives to its host what was not used for some seconds, and takes longer to get 200 MB again
    than to read them from a file. numpy, because it asks for pages of 2 MiB, as it does for the arrays to be measured.
    """
    subprocess.run([sys.executable, "-c", "import numpy; numpy.empty(2**30, 'u1').fill(1)"], check=True)


def delay_durability(seconds: float) -> None:
    """Let each fsync take longer, for this process, as on disks that are slower to acknowledge."""
    fsync = os.fsync

    def delayed(descriptor: int) -> None:
        time.sleep(seconds)
        fsync(descriptor)

    os.fsync = delayed  # type: ignore[assignment]


def switch_durability_off() -> None:
    """Let fsync do nothing, for this process."""
    os.fsync = lambda descriptor: None  # type: ignore[assignment]
