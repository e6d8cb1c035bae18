"""bluesky's BestEffortCallback prints and plots runs by their hints."""

from __future__ import annotations

import numpy
import pytest

from databroker_writable import build_simple_run, open_directory
from support import example_results

pytest.importorskip("bluesky", reason="bluesky is not installed: pip install '.[interop]'")
matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install '.[interop]'")


@pytest.fixture
def pyplot(monkeypatch):
    matplotlib.use("Agg")
    from matplotlib import pyplot

    pyplot.close("all")
    yield pyplot
    pyplot.close("all")


METADATA = {
    # what its table and its legend name, and RunEngine writes
    "plan_type": "analysis",
    "plan_name": "normalise",
    "scan_id": 7,
    "hints": {"dimensions": [[["energy"], "primary"]]},
}


@pytest.mark.parametrize("in_memory", [True, False], ids=["in memory", "stored"])
def test_a_table_is_printed_and_plotted(tmp_path, pyplot, capsys, monkeypatch, in_memory):
    from bluesky.callbacks.best_effort import BestEffortCallback

    monkeypatch.setenv("BLUESKY_DEBUG_CALLBACKS", "1")  # its exceptions are not swallowed
    table = example_results.xanes()[:6]  # the callback draws each row anew
    run = build_simple_run(table, METADATA)
    if not in_memory:
        run = open_directory(tmp_path / "runs").store_run(run)
    callback = BestEffortCallback()
    for name, doc in run.documents(fill="no"):
        callback(name, doc)
    rows = [line.split("|") for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert {"energy", "mu", "flat"} <= {cell.strip() for cell in rows[0]}
    assert len(rows) == 1 + len(table)
    axes = [axes for number in pyplot.get_fignums() for axes in pyplot.figure(number).axes]
    drawn = {one.get_ylabel(): one.lines[0].get_xydata() for one in axes}
    assert set(drawn) == {"mu", "flat"}
    numpy.testing.assert_array_equal(drawn["mu"], table["mu"].reset_index().to_numpy())
