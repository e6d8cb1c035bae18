"""What the examples in docstrings find: a catalog, and a directory of their own."""

from __future__ import annotations

import importlib.util
import signal
from pathlib import Path
from typing import Any

import pytest

import databroker_writable

# a job in the background of a shell is started with interrupts ignored
signal.signal(signal.SIGINT, signal.default_int_handler)

if importlib.util.find_spec("tiled") is None:
    # beside whose server alone they can be imported
    collect_ignore_glob = ["src/databroker_writable/upkeep/tiled_s*.py"]


@pytest.fixture(autouse=True)
def _place_of_an_example(request: pytest.FixtureRequest) -> None:
    """Run a docstring's examples in a temporary directory, with a `catalog`; leave other tests alone."""
    if isinstance(request.node, pytest.DoctestItem):
        directory: Path = request.getfixturevalue("tmp_path")
        request.getfixturevalue("monkeypatch").chdir(directory)
        names: dict[str, Any] = request.getfixturevalue("doctest_namespace")
        names["databroker_writable"] = databroker_writable
        names["catalog"] = databroker_writable.open_directory(directory / "runs")
