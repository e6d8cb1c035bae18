"""The pages of docs/: their code runs, their links lead somewhere, and the tests that they name exist."""

from __future__ import annotations

import ast
import contextlib
import errno
import functools
import importlib.machinery
import importlib.util
import inspect
import os
import re
import runpy
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import databroker
import pytest
import yaml
from intake.catalog.default import load_combo_catalog

import databroker_writable
from databroker_writable.catalog.finding_methods import FindingMethods
from databroker_writable.catalog.remark_methods import RemarkMethods
from databroker_writable.catalog.storing_methods import WritableMixin
from support import documentation, servers, shown_output
from support.documentation import ROOT

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
OTHER_PAGES = [ROOT / name for name in ("README.md", "CHANGELOG.md", "examples/README.md")]
NOT_RUN = {"js", "text", "{toctree}", "{eval-rst}", "{command-help}", "{include}"}
FOLLOWED = [page for page in PAGES if {"bash", "python", "yaml"} & {b.language for b in documentation.blocks_of(page)}]
OPTIONAL = ("prefect", "tiled", "bluesky_tiled_plugins")
"""Blocks that import these are run where they are installed."""


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory like a copy of the repository, in a home and an environment of its own."""
    documentation.follow_pages_in(tmp_path, monkeypatch)
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "environment"))
    monkeypatch.setenv("RESULTS_ASSET_ROOT", str(tmp_path / "arrays"))
    monkeypatch.setenv("BEAMLINE", "7-BM")
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.syspath_prepend(str(tmp_path))
    for directory in ("home", "environment"):
        os.makedirs(tmp_path / directory)
    yield tmp_path
    sys.modules.pop("reduce", None)  # a page's own module


def is_runnable(block: documentation.Block) -> bool:
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).partition(".")[0]  # type: ignore[union-attr]
        for node in ast.walk(ast.parse(block.text))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    return all(importlib.util.find_spec(package) for package in imported & set(OPTIONAL))


def follow(page: Path, directory: Path, monkeypatch: pytest.MonkeyPatch, write: bool) -> None:
    """Run the blocks of a page in their order; those that begin with the name of a file are that file.

    What they print and draw is what the page shows, or is written into it.
    """
    names: dict[str, Any] = {"__name__": "page"}
    for block in documentation.blocks_of(page):
        if block.language in NOT_RUN:
            continue
        if block.file_name:
            documentation.write_file(block, directory)
        if block.language == "bash":
            printed = "".join(documentation.run_bash(block))
            shown_output.compare_output(block, printed, write)
        elif block.language == "python" and is_runnable(block):
            # what a new session finds on the search path
            monkeypatch.setattr(databroker, "catalog", load_combo_catalog())
            shown_output.compare_output(block, documentation.run_python(block, names), write)
            shown_output.compare_picture(block, directory, write)
        elif block.language == "yaml" and not block.file_name:
            documentation.run_yaml(block, directory)


def test_the_package_which_is_not_released_is_installed_from_a_copy_of_the_repository() -> None:
    said = {
        (name_of(page), command)
        for page in (*PAGES, *OTHER_PAGES)
        for command in re.findall(r"pip install [\"']?databroker-writable[^\s`]*", page.read_text(encoding="utf-8"))
    }
    # where it is installed already, this adds what an extra brings
    assert said == {("README.md", 'pip install "databroker-writable[files]"')}


@pytest.mark.parametrize("page", FOLLOWED, ids=name_of)
def test_a_page_can_be_followed(
    page: Path, place: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    write = request.config.getoption(shown_output.OPTION)
    if "RESULTS_MONGO_URI" in page.read_text(encoding="utf-8"):
        server: servers.MongoServer = request.getfixturevalue("mongo_server")
        with server.database() as database:
            monkeypatch.setenv("RESULTS_MONGO_URI", server.database_uri(database))
            follow(page, place, monkeypatch, write)
    else:
        follow(page, place, monkeypatch, write)


def test_a_task_of_the_pipeline_that_fails_is_retried_and_stores_once(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "prefect", retrying_prefect())
    for block in documentation.blocks_of(DOCS / "howto" / "pipeline.md"):
        if block.file_name:
            documentation.write_file(block, place)
    raw = databroker_writable.open_directory("raw")
    raw.store_runs({"counts": [10 + i, 12, 9, 14, 11]} for i in range(2))
    broken = iter([OSError(errno.ENOSPC, "No space left on device")])
    fsync = os.fsync

    def full_at_first(descriptor: int) -> None:
        for error in broken:
            raise error
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full_at_first)
    flow = runpy.run_path(str(place / "flow.py"))
    uids = flow["reduce_all"](window=5)
    assert next(broken, None) is None
    assert flow["reduce_all"](window=5) == uids
    assert sorted(databroker_writable.open_directory("results")) == sorted(uids)
    assert len(uids) == 2


def retrying_prefect() -> types.ModuleType:
    """What the page uses of Prefect: a task is called again at once when it raises."""

    def task(*, retries: int, retry_delay_seconds: float) -> Any:
        def decorate(function: Any) -> Any:
            def attempt(*args: Any) -> Any:
                for _ in range(retries):
                    with contextlib.suppress(Exception):
                        return function(*args)
                return function(*args)

            return attempt

        return decorate

    module = types.ModuleType("prefect")
    module.__spec__ = importlib.machinery.ModuleSpec("prefect", None)
    module.task, module.flow = task, lambda function: function  # type: ignore[attr-defined]
    return module


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_each_block_is_of_a_known_language(page: Path) -> None:
    assert {block.language for block in documentation.blocks_of(page)} <= {"bash", "python", "yaml", *NOT_RUN}


def test_the_yaml_of_a_page_is_yaml_of_catalogs() -> None:
    for page in FOLLOWED:
        for block in documentation.blocks_of(page):
            if block.language == "yaml":
                assert list(yaml.safe_load(block.text)) == ["sources"], block.place


@pytest.mark.parametrize("page", [*PAGES, *OTHER_PAGES], ids=name_of)
def test_links_lead_to_pages_and_headings(page: Path) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text(encoding="utf-8")):
        path, _, heading = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name_of(page)} links to {link}"
        assert not heading or heading in headings_of(target), f"{name_of(page)} links to {link}"


def test_the_lists_of_pages_name_all_of_them() -> None:
    for directory in ("howto", "decisions"):
        index = (DOCS / directory / "index.md").read_text(encoding="utf-8")
        for page in (DOCS / directory).glob("*.md"):
            assert page.name == "index.md" or f"\n{page.stem}\n" in index, name_of(page)


def test_each_promise_names_tests_that_exist() -> None:
    guarantees = (DOCS / "guarantees.md").read_text(encoding="utf-8")
    promises = [line for line in guarantees.splitlines() if re.match(r"\| \*\*", line)]
    assert promises
    for promise in promises:
        named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", promise)
        assert named, f"no test is named for: {promise}"
        for path, test in named:
            assert test in functions_of(ROOT / path), f"there is no test {path}::{test}"


def test_the_page_on_the_architecture_names_modules_that_exist() -> None:
    named = re.findall(r"`((?:\w+/)+\w+\.py)`", (DOCS / "architecture.md").read_text(encoding="utf-8"))
    assert len(named) > 30
    sources = ROOT / "src" / "databroker_writable"
    assert [path for path in named if not (sources / path).exists() and not (ROOT / path).exists()] == []


def test_the_reference_names_every_public_name() -> None:
    reference = "\n".join(page.read_text(encoding="utf-8") for page in (DOCS / "reference").glob("*.md"))
    own = {**vars(WritableMixin), **vars(FindingMethods), **vars(RemarkMethods)}
    methods = [name for name, value in own.items() if inspect.isfunction(value) and not name.startswith("_")]
    assert {"store_run", "latest"} <= set(methods)
    for name in databroker_writable.__all__:
        assert re.search(rf":: {name}$", reference, re.MULTILINE), name
    for name in methods:
        assert f".. automethod:: WritableMixin.{name}\n" in reference, name


@functools.cache
def functions_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test")}


def headings_of(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub and MyST make them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}
