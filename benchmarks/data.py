"""What is stored: the same numbers for every contender."""

from __future__ import annotations

import numpy
import pandas

COLUMNS = 10


def table(rows: int) -> dict[str, numpy.ndarray]:
    """Columns of random floats."""
    random = numpy.random.default_rng(0)
    return {f"column_{i}": random.random(rows) for i in range(COLUMNS)}


def small_table() -> dict[str, list[float]]:
    """10 rows of 3 columns."""
    return {name: [float(i) for i in range(10)] for name in ("energy", "i0", "mu")}


def small_frame() -> pandas.DataFrame:
    """10 rows of 3 columns, two of them of text."""
    return pandas.DataFrame(
        {"name": [f"s{i}" for i in range(10)], "i0": [float(i) for i in range(10)], "of": ["Cu"] * 10}
    )


def images(frames: int) -> numpy.ndarray:
    """A stack of 1024 x 1024 uint16, 2 MiB each."""
    stack = numpy.empty((frames, 1024, 1024), dtype="uint16")
    random = numpy.random.default_rng(0)
    for frame in stack:
        frame[:] = random.integers(0, 4096, frame.shape, dtype="uint16")
    return stack
