"""What ``help(catalog)``, ``catalog?`` and signatures tell."""

from __future__ import annotations

import inspect
import pydoc
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from databroker._drivers.msgpack import BlueskyMsgpackCatalog

import databroker_writable
from databroker_writable import open_directory, writable_class
from databroker_writable.catalog.storing_methods import WritableMixin
from databroker_writable.runs.builder import RunBuilder


def test_help_of_a_catalog_names_each_method_with_one_line(tmp_path: Path) -> None:
    page = pydoc.render_doc(open_directory(tmp_path / "runs"), renderer=pydoc.plaintext)
    beginning = page.partition("Method resolution order")[0]
    assert beginning.count("Methods\n") == 1
    for method in ("store_run", "store_runs", "run_builder", "table", "latest", "lineage", "annotate", "retract"):
        assert f"|  {method}\n" in beginning
    assert "List runs as a DataFrame, newest first" in beginning


def test_help_of_a_facilitys_own_subclass_names_the_methods() -> None:
    class Facility(writable_class(BlueskyMsgpackCatalog)):
        """Runs of the beamline."""

    assert Facility.__doc__ is not None
    assert Facility.__doc__.startswith("Runs of the beamline.\n\nMethods\n")


def public_functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    for name in databroker_writable.__all__:
        if inspect.isfunction(getattr(databroker_writable, name)):
            yield name, getattr(databroker_writable, name)
    for cls in (WritableMixin, RunBuilder):
        for base in cls.__mro__:
            if base.__module__.startswith("databroker_writable"):
                yield from (
                    (f"{cls.__name__}.{n}", f) for n, f in vars(base).items() if inspect.isfunction(f) and n[0] != "_"
                )


@pytest.mark.parametrize(("name", "function"), dict(public_functions()).items())
def test_signatures_have_types_that_say_something(name: str, function: Callable[..., Any]) -> None:
    signature = inspect.signature(function)
    for parameter in signature.parameters.values():
        is_free = parameter.name == "self" or parameter.kind is parameter.VAR_KEYWORD
        assert is_free or parameter.annotation not in ("Any", parameter.empty), f"{name}: {parameter.name}"
    assert signature.return_annotation not in ("Any", signature.empty), name


@pytest.mark.parametrize(
    "function", [WritableMixin.store_run, WritableMixin.store_runs, databroker_writable.build_simple_run]
)
def test_the_help_of_storing_explains_every_parameter_where_it_stands(function: Callable[..., Any]) -> None:
    text = inspect.getdoc(function) or ""
    section = text.partition("Parameters\n")[2].partition("Returns\n")[0]
    for name in inspect.signature(function).parameters:
        assert name == "self" or re.search(rf"^{name} : .+\n    \S", section, re.MULTILINE), name
    assert "As for" not in section
