"""On a network file system each question about a file takes a round trip: at most three times those of plain files."""

from __future__ import annotations

import collections
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from benchmarks.contenders.plain import look_at, read_all, write_whole
from benchmarks.network import round_trips

from databroker_writable import open_directory
from support.example_runs import TABLE

CONTENT = b"x" * 2_000


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    (tmp_path / "plain").mkdir()
    return tmp_path / "plain"


@pytest.fixture
def catalog(tmp_path: Path) -> Any:
    catalog = open_directory(tmp_path / "runs")
    catalog.store_runs([TABLE] * 2)
    catalog.store_run(TABLE)
    return catalog


def counted(directory: Path, function: Callable[[], Any]) -> collections.Counter[str]:
    with round_trips(directory) as count:
        function()
    return count


@pytest.mark.parametrize("number", [1, 64])
def test_stores_take_few_round_trips(catalog: Any, plain: Path, tmp_path: Path, number: int) -> None:
    of_plain = counted(plain, lambda: write_whole(plain, [CONTENT] * number))
    assert of_plain.total() == 4 * number + 2
    ours = counted(tmp_path / "runs", lambda: catalog.store_runs([TABLE] * number))
    assert ours.total() <= 3 * of_plain.total(), ours


def test_one_store_takes_few_round_trips(catalog: Any, plain: Path, tmp_path: Path) -> None:
    of_plain = counted(plain, lambda: write_whole(plain, [CONTENT]))
    ours = counted(tmp_path / "runs", lambda: catalog.store_run(TABLE))
    assert ours.total() <= 3 * of_plain.total(), ours
    assert (ours["fsync"], ours["link"], ours["unlink"]) == (2, 1, 1)


def test_opening_and_searching_take_few_round_trips(catalog: Any, plain: Path, tmp_path: Path) -> None:
    catalog.store_runs([TABLE] * 40)
    write_whole(plain, [CONTENT] * len(catalog))
    read = counted(plain, lambda: read_all(plain))
    looked = counted(plain, lambda: look_at(plain))
    assert counted(tmp_path / "runs", lambda: open_directory(tmp_path / "runs")).total() <= 3 * read.total()
    catalog.search({})  # which reads what this process has stored
    for find in (lambda: catalog.search({"sample": "Cu"}), catalog.table, catalog.force_reload):
        ours = counted(tmp_path / "runs", find)
        assert ours["open"] == 0
        assert ours.total() <= 3 * looked.total(), ours
    # and opens the run that it finds
    assert counted(tmp_path / "runs", catalog.latest).total() <= 3 * looked.total()
