"""The modules form layers, and stay small."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import databroker_writable

PACKAGE = Path(databroker_writable.__file__).parent
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")

LAYERS = (
    {"errors"},
    {"values", "events", "durable"},
    {"owned"},
    {"schema"},
    {"bulk"},
    {"documents", "tables", "provenance", "comparison"},
    {"assets", "declarations", "finding", "limits"},
    {"externals", "lineage"},
    {"built_run"},
    {"builder"},
    {"simple_run"},
    {"building", "inputs", "storing", "storing_builder", "batches", "alike"},
    {"backends"},
    {"recipes", "failures"},
    {"reopening"},
    {"catalog"},
    {"wrapping"},
    {"drivers"},
    {"checking", "copying", "deploying"},
    {"cli"},
)
"""From left to right: a module imports only from layers to its left."""

AGAINST_THE_ORDER = {
    ("reopening", "wrapping"),  # configure_new makes what the driver gives writable again
    ("finding", "lineage"),  # networkx is loaded where a graph is asked for
    ("wrapping", "drivers"),  # open_directory opens a driver that can be imported by name
}
"""Imports inside functions that go the other way."""

MOST_LINES = 400


def unit_of(path: Path) -> str:
    """The module or subpackage, directly in the package, that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def level(unit: str) -> int:
    return next(i for i, layer in enumerate(LAYERS) if unit in layer)


def imported_units(path: Path) -> Iterator[tuple[str, bool]]:
    """The units that a file imports, and whether it does so inside a function."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {
        node
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    here = ("databroker_writable", *path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(here[: len(here) - node.level + 1]) if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{module}.{alias.name}" for alias in node.names]
        for name in names:
            package, *parts = name.split(".")
            if package == "databroker_writable":
                assert parts, f"{path} imports the package itself, where it should name a module"
                if parts[0] != unit_of(path):
                    yield parts[0], node in inside


def test_each_module_has_a_layer() -> None:
    assert {unit_of(path) for path in MODULES} == set().union(*LAYERS)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_layers_to_its_left(path: Path) -> None:
    own = unit_of(path)
    against = {
        (own, unit)
        for unit, is_inside in imported_units(path)
        if level(unit) >= level(own) and not (is_inside and (own, unit) in AGAINST_THE_ORDER)
    }
    assert not against


def test_each_listed_exception_is_needed() -> None:
    found = {(unit_of(path), unit) for path in MODULES for unit, is_inside in imported_units(path) if is_inside}
    assert found >= AGAINST_THE_ORDER


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_stays_small(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= MOST_LINES
