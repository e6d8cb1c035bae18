"""Tracebacks of this package's errors, which end at what the user called."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import databroker_writable
from databroker_writable import RunBuilder, StoreError, open_directory
from databroker_writable.errors import FULL_TRACEBACK
from support.new_process import output_of

MIXED = {"x": [1, "a"]}


CALLS: dict[str, Callable[[Any], object]] = {
    "store_run": lambda catalog: catalog.store_run(MIXED),
    "store_run, of a list": lambda catalog: catalog.store_run([[1, 2], [3, 4]], {"sample": "Cu"}),
    "store_run, of nothing": lambda catalog: catalog.store_run(None, {"sample": "Cu"}),
    "store_run, of a run with metadata": lambda catalog: catalog.store_run(catalog[-1], {"sample": "Cu"}),
    "store_run, into a search": lambda catalog: catalog.search({}).store_run({"x": [1]}),
    "store_run, of metadata": lambda catalog: catalog.store_run({"x": [1]}, {"a": object()}),
    "build_simple_run": lambda catalog: catalog.build_simple_run(MIXED),
    "build_simple_run, without a catalog": lambda catalog: databroker_writable.build_simple_run(MIXED),
    "store_runs": lambda catalog: catalog.store_runs([MIXED]),
    "store_runs, of a search": lambda catalog: catalog.search({}).store_runs([MIXED]),
    "run_builder": lambda catalog: catalog.run_builder({"a": object()}),
    "add_stream": lambda catalog: RunBuilder().add_stream("primary", data=MIXED),
    "table": lambda catalog: catalog.table(since="yesterdayish"),
    "latest": lambda catalog: catalog.latest(sample="Cu"),
    "results_of": lambda catalog: catalog.results_of(5),
    "lineage": lambda catalog: catalog.lineage("elsewhere"),
    "impact": lambda catalog: catalog.impact("elsewhere"),
    "annotate": lambda catalog: catalog.annotate(catalog[-1], 5),
    "annotations": lambda catalog: catalog.annotations("elsewhere"),
    "retract": lambda catalog: catalog.retract("elsewhere", "why"),
    "restore": lambda catalog: catalog.restore("elsewhere"),
    "restore, of a search": lambda catalog: catalog.search({}).restore(catalog[-1]),
    "open_directory": lambda catalog: open_directory("results/*.msgpack"),
    "open_directory, of an unknown argument": lambda catalog: open_directory("results", foo=1),
    "open_directory, where none can be made": lambda catalog: open_directory("/proc/results"),
    "make_writable": lambda catalog: databroker_writable.make_writable("results"),
    "to_dataset": lambda catalog: databroker_writable.to_dataset(catalog),
    "ragged": lambda catalog: databroker_writable.ragged(catalog, "x"),
    "attachments": lambda catalog: databroker_writable.attachments("elsewhere"),
    "diff": lambda catalog: databroker_writable.diff(catalog[-1], 5),
    "plot": lambda catalog: databroker_writable.plot(catalog[-1], "y"),
    "export": lambda catalog: databroker_writable.export(catalog[-1], "x.unknown"),
    "copy_runs": lambda catalog: databroker_writable.copy_runs(catalog, 5),
    "copy_runs, from what is no catalog": lambda catalog: databroker_writable.copy_runs(5, catalog),
    "recover": lambda catalog: databroker_writable.recover("results"),
}


def frames_of(call: Callable[[Any], object], catalog: Any) -> list[str]:
    """The functions that a call ends in, as the traceback of its error names them."""
    with pytest.raises(StoreError) as caught:
        call(catalog)
    frames = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    return frames[frames.index("<lambda>") + 1 :]


@pytest.mark.parametrize("name", CALLS)
def test_the_traceback_of_an_error_ends_at_the_public_method(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(FULL_TRACEBACK, raising=False)
    catalog = open_directory(tmp_path / "runs")
    catalog.store_run({"x": [1]})
    assert frames_of(CALLS[name], catalog) == [name.partition(",")[0]]


def test_a_cause_is_kept_but_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FULL_TRACEBACK, raising=False)
    with pytest.raises(StoreError) as caught:
        open_directory("/proc/results")
    assert isinstance(caught.value.__context__, FileNotFoundError)
    assert len(traceback.format_exception(caught.value)) == 4


@pytest.mark.parametrize("whole", ["", "1"])
def test_ipython_shows_the_call_and_the_message(tmp_path: Path, whole: str) -> None:
    pytest.importorskip("IPython")
    directory = str(tmp_path / "runs")
    code = f"""
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_line_magic("colors", "nocolor")
shell.run_cell("import databroker_writable")
shell.run_cell("catalog = databroker_writable.open_directory({directory!r})")
shell.run_cell("catalog.store_run({{'x': [1, 'a']}})")
"""
    shown = output_of(code, env={FULL_TRACEBACK: whole, "IPYTHONDIR": str(tmp_path)})
    assert (len(shown.splitlines()) > 8) == bool(whole)
    assert "catalog.store_run({'x': [1, 'a']})" in shown
    assert shown.rstrip().splitlines()[-1].startswith("InvalidTableError: column 'x' holds mixed types")


def test_what_the_user_was_handling_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FULL_TRACEBACK, raising=False)
    catalog = open_directory(tmp_path / "runs")

    def store_after_an_error() -> None:
        try:
            raise ZeroDivisionError("mine")
        except ZeroDivisionError:
            catalog.store_run(MIXED)

    with pytest.raises(StoreError) as caught:
        store_after_an_error()
    assert "ZeroDivisionError: mine" in "".join(traceback.format_exception(caught.value))


def test_add_data_ends_the_traceback_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FULL_TRACEBACK, raising=False)
    builder = RunBuilder()
    builder.add_stream("primary", data={"x": [1]})
    assert frames_of(lambda catalog: builder.add_data("primary", {"x": ["a"]}), None) == ["add_data"]


def test_developers_can_have_the_whole_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FULL_TRACEBACK, "1")
    assert len(frames_of(CALLS["store_run"], open_directory(tmp_path / "runs"))) > 5


def test_errors_of_others_keep_their_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FULL_TRACEBACK, raising=False)
    catalog = open_directory(tmp_path / "runs")

    def users_runs() -> Any:
        yield {"x": [1]}
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError) as caught:
        catalog.store_runs(users_runs())
    assert traceback.extract_tb(caught.value.__traceback__)[-1].name == "users_runs"
