"""The modules form layers, and stay small."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import databroker_writable

PACKAGE = Path(databroker_writable.__file__).parent
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")

LAYERS = ("errors", "tables", "runs", "storage", "results", "catalog", "drivers", "upkeep", "cli")
"""From left to right: a module imports only from its own package and those to its left."""

MOST_LINES = 350
MOST_LINES_TO_SERVE = 300
"""Of the adapter to Tiled's server, which is thin."""

MOST_ENTRIES = 10
MOST_LEVELS = 2


def unit_of(path: Path) -> str:
    """The module or subpackage, directly in the package, that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_units(path: Path) -> Iterator[str]:
    """The units that a file imports, at its top or inside a function."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
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
                    yield parts[0]


def test_the_package_has_the_layers_and_nothing_else() -> None:
    entries = {path.name for path in PACKAGE.iterdir()} - {"__pycache__", "py.typed"}
    units = {name.removesuffix(".py") for name in entries}
    assert units == {"__init__", *LAYERS}
    assert len(entries) <= MOST_ENTRIES


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_layers_to_its_left(path: Path) -> None:
    own = LAYERS.index(unit_of(path))
    assert not [unit for unit in imported_units(path) if LAYERS.index(unit) >= own]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_stays_small(path: Path) -> None:
    most = MOST_LINES_TO_SERVE if path.stem == "tiled_serve" else MOST_LINES
    assert path.read_text(encoding="utf-8").count("\n") <= most


def test_one_module_brings_files_to_the_disk_and_gives_them_their_names() -> None:
    calls = {
        str(path.relative_to(PACKAGE))
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.fsync", "os.link")
    }
    assert calls == {"storage/durable_file.py"}


def test_no_two_modules_have_the_same_name() -> None:
    names = [path.name for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"]
    assert sorted(names) == sorted(set(names))


def test_no_two_files_of_tests_have_the_same_name() -> None:
    # pytest imports them by their names alone, and so do the processes that tests start
    names = [path.name for path in Path(__file__).parent.rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))


def test_folders_are_two_levels_deep_at_most() -> None:
    assert max(len(path.relative_to(PACKAGE).parts) - 1 for path in MODULES) <= MOST_LEVELS


OURS = {"_backend", "_store", "_begin", "_entry", "_driver_class", "_register_asset_handler"}
"""What one module of this package may use of another's, on an object."""

STANDARD = {"_getframe", "_meta"}
"""Of Python, and of dask arrays, where there is no other name for it."""

UPSTREAM = {"upstream.py", "upstream_entries.py"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_private_names_of_other_packages_are_used_in_one_place(path: Path) -> None:
    if path.name in UPSTREAM:
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    own = {node.attr for node in attributes if isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")}
    private = {
        node.attr
        for node in attributes
        if node.attr.startswith("_")
        and not node.attr.startswith("__")
        and node.attr not in own | defined | OURS | STANDARD
    }
    imported = {
        node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and not node.level and "._" in (node.module or "")
    }
    assert not private | imported
