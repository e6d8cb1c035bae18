"""What runs, streams and builders show of themselves in IPython and Jupyter."""

from __future__ import annotations

import ast
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy
import pytest
import xarray

from databroker_writable import RunBuilder, build_simple_run, open_directory
from databroker_writable.results.displays import show_runs_in_ipython

formatters = pytest.importorskip("IPython.core.formatters")


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What displays objects where IPython runs."""
    formatter = formatters.DisplayFormatter()
    monkeypatch.setattr("IPython.get_ipython", lambda: SimpleNamespace(display_formatter=formatter))
    show_runs_in_ipython()
    return formatter


@pytest.fixture
def catalog(tmp_path: Path) -> Any:
    return open_directory(tmp_path / "runs")


def shown(notebook: Any, thing: Any) -> tuple[str, str]:
    data, _ = notebook.format(thing)
    return data["text/plain"], data["text/html"]


def spectrum() -> xarray.Dataset:
    return xarray.Dataset({"mu": ("energy", numpy.ones(192))}, coords={"energy": numpy.arange(192.0)})


def test_a_stored_run_shows_what_it_is_and_how_it_is_read(catalog, notebook):
    raw = catalog.store_run({"x": [1, 2, 3]}, uid="raw-1")
    metadata = {"sample": "Cu <foil>", "analysis_name": "xanes"}
    run = catalog.store_run(spectrum(), metadata, "fit-1", 1e9, one_event=True, derived_from=raw)
    text, page = shown(notebook, run)
    lines = text.splitlines()
    assert lines[:3] == ["run fit-1", "  sample: Cu <foil>", "  name: xanes"]
    assert lines[3].startswith("  time: 2001-09-")
    assert [line.split() for line in lines[4:]] == [
        ["status:", "success"],
        ["made", "from:", "raw-1"],
        ["stream", "rows", "columns"],
        ["primary", "192", "mu", "(192)"],
        ["read", "it", "exactly:", "databroker_writable.to_dataset(run)"],
    ]
    assert "Cu &lt;foil&gt;" in page
    assert "to_dataset(run)" in page
    assert "color" not in page  # it has those of the theme, light or dark


def test_a_run_that_failed_shows_the_reason(catalog, notebook):
    run = catalog.store_run({"x": [1]}, exit_status="fail", reason="beam lost")
    assert "status: fail (beam lost)" in shown(notebook, run)[0]


def test_a_stream_shows_its_columns_in_place_of_documents(catalog, notebook, capsys):
    run = catalog.store_run({"x": [1, 2, 3], "img": numpy.zeros((3, 4, 5))}, uid="raw-1", stream="scan")
    assert notebook.format(run["scan"]) == ({}, {})
    # without a notebook IPython prints what it would show in one
    data = ast.literal_eval(capsys.readouterr().out)
    assert "<td>float64</td>" in data["text/html"]
    lines = [line.split() for line in data["text/plain"].splitlines()]
    assert lines == [
        ["stream", "scan"],
        ["run:", "raw-1"],
        ["rows:", "3"],
        ["column", "dtype", "shape", "units"],
        ["x", "int64", "scalar"],
        ["img", "float64", "4", "x", "5"],
        ["read", "it", "exactly:", "databroker_writable.to_dataset(run,", "'scan')"],
    ]


def test_a_run_that_cannot_be_read_is_shown_all_the_same(catalog, notebook):
    run = catalog.store_run({"x": [1]})
    run.metadata = None
    text, page = shown(notebook, run)
    assert "it cannot be read now (TypeError)" in text
    assert "it cannot be read now" in page


def test_a_display_that_a_user_registered_stays(catalog, notebook):
    cls = type(catalog.store_run({"x": [1]})).__mro__[1]
    notebook.formatters["text/plain"].for_type(cls, lambda run, printer, cycle: printer.text("mine"))
    show_runs_in_ipython()
    assert shown(notebook, catalog[-1])[0] == "mine"


def test_a_run_in_memory_shows_what_it_is_and_how_it_is_stored(notebook):
    text, page = shown(notebook, build_simple_run({"x": [1, 2, 3]}, {"sample": "Cu"}, uid="fit-1"))
    assert text.splitlines()[:2] == ["run fit-1", "  sample: Cu"]
    assert "catalog.store_run(run)" in text
    assert "catalog.store_run(run)" in page


def test_a_builder_shows_its_streams_and_whether_it_is_open(catalog, notebook):
    with catalog.run_builder(uid="raw-1") as builder:
        assert "state: open" in repr(builder)
        builder.add_stream("primary", data={"x": [1, 2, 3]})
        builder.add_data("primary", data={"x": [4]})
        builder.add_stream("baseline", data={"temperature": [7.0]})
        text, page = shown(notebook, builder)
        assert text == repr(builder)
        assert text.splitlines()[0] == "builder of the run raw-1"
        assert ["primary", "4", "x"] in [line.split() for line in text.splitlines()]
        assert "temperature" in page
    assert "state: stored" in repr(builder)
    alone = RunBuilder()
    alone.close()
    assert "state: closed" in repr(alone)


def test_nothing_is_registered_where_ipython_does_not_run(monkeypatch):
    monkeypatch.setattr("IPython.get_ipython", lambda: None)
    show_runs_in_ipython()


def test_a_catalog_counts_no_run_whose_file_is_gone(catalog):
    for uid in ("kept", "deleted", "later"):
        catalog.store_run({"x": [1]}, uid=uid)
    Path(catalog.paths[0]).with_name("deleted.msgpack").unlink()
    catalog.force_reload()
    assert repr(catalog).splitlines()[0].endswith(": 2 runs>")
