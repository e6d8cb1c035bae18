"""Directories that hold many runs already."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

MAKE_ONE = """
import sys, databroker_writable
from benchmarks import data
databroker_writable.open_directory(sys.argv[1]).store_run(
    data.small_table(), {"sample": sys.argv[3], "operator": "jane", "analysis_name": "fit"}, uid=sys.argv[2]
)
"""
TEMPLATE = "filled-00000000"
SAMPLE = "sample-00"
"""The sample of each hundredth run."""


def fill_catalog(directory: Path, runs: int) -> None:
    """Make a directory of small runs: one is stored, the others are copies under other uids of the same length."""
    command = [sys.executable, "-W", "ignore", "-c", MAKE_ONE, str(directory), TEMPLATE, SAMPLE]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[1])
    (stored,) = directory.glob("*.msgpack")
    content = stored.read_bytes()
    for number in range(1, runs):
        uid, sample = f"filled-{number:08}", f"sample-{number % 100:02}"
        copy = content.replace(TEMPLATE.encode(), uid.encode()).replace(SAMPLE.encode(), sample.encode())
        (directory / f"{uid}.msgpack").write_bytes(copy)
