"""Tracebacks of this package's errors, which end at what the user called."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import databroker_writable
from databroker_writable import RunBuilder, StoreError, open_directory
from databroker_writable.tables.tracebacks import FULL_TRACEBACK

MIXED = {"x": [1, "a"]}


CALLS: dict[str, Callable[[Any], object]] = {
    "store_run": lambda catalog: catalog.store_run(MIXED),
    "store_run, of metadata": lambda catalog: catalog.store_run({"x": [1]}, {"a": object()}),
    "build_simple_run": lambda catalog: catalog.build_simple_run(MIXED),
    "build_simple_run, without a catalog": lambda catalog: databroker_writable.build_simple_run(MIXED),
    "store_runs": lambda catalog: catalog.store_runs([MIXED]),
    "store_runs, of a search": lambda catalog: catalog.search({}).store_runs([MIXED]),
    "run_builder": lambda catalog: catalog.run_builder({"a": object()}),
    "add_stream": lambda catalog: RunBuilder().add_stream("primary", data=MIXED),
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
