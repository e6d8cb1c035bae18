"""A network file system, as far as it costs: each question about the files of a directory takes a round trip."""

from __future__ import annotations

import builtins
import collections
import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from .meter import Meter

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

ROUND_TRIPS = (
    "open",
    "stat",
    "lstat",
    "access",
    "listdir",
    "scandir",
    "mkdir",
    "link",
    "rename",
    "replace",
    "unlink",
    "remove",
    "fsync",
)
"""Functions of `os` for which a client of a network file system asks its server."""


@contextlib.contextmanager
def round_trips(directory: Path, seconds: float = 0.0) -> Iterator[collections.Counter[str]]:
    """Count the round trips for what is in a directory, in this process; each takes so many seconds more."""
    count: collections.Counter[str] = collections.Counter()
    ours: set[int] = set()

    def slow(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            where = args[0] if args else "."
            # a file that is opened by an `opener` is counted where that opens it
            if _is_in(where, directory, ours) and kwargs.get("opener") is None:
                count[name] += 1
                time.sleep(seconds)
            answer = function(*args, **kwargs)
            if name == "open" and isinstance(answer, int) and _is_in(where, directory, ours):
                ours.add(answer)
            return answer

        return call

    with contextlib.ExitStack() as stack:
        for name in ROUND_TRIPS:
            stack.enter_context(mock.patch.object(os, name, slow(name, getattr(os, name))))
        stack.enter_context(mock.patch.object(builtins, "open", slow("open", builtins.open)))
        if fcntl is not None:
            stack.enter_context(mock.patch.object(fcntl, "flock", slow("flock", fcntl.flock)))
        yield count


def _is_in(where: Any, directory: Path, ours: set[int]) -> bool:
    if isinstance(where, int):
        return where in ours
    return os.fspath(where).startswith(str(directory))


def measure(meter: Meter, directory: Path, steps: dict[str, Callable[[], Any]]) -> None:
    """Time steps on such a file system, and count their round trips."""
    for name, step in steps.items():
        with round_trips(directory, meter["delay"]) as count:
            meter.steps(name, 1, step)
        meter.results[f"{name}_trips"] = count.total()
