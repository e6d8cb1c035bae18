"""The tree of errors is the one that its module describes."""

from __future__ import annotations

import inspect
import pickle
import re
import sys

import pytest

import databroker_writable
from databroker_writable import errors, open_directory

OURS = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if cls.__module__ == errors.__name__]
CLASSES = [cls for cls in OURS if issubclass(cls, Exception)]
LINE = re.compile(r"^([\s│├└─]*)(\w+)\((\w+)\)", re.MULTILINE)


def described() -> dict[str, set[str]]:
    """Each class and its bases, as the module's docstring draws them."""
    branch: dict[int, str] = {}
    tree = {}
    for indent, name, builtin in LINE.findall(errors.__doc__ or ""):
        depth = len(indent.strip("\n")) // 4
        branch[depth] = name
        above = {branch[depth - 1]} if depth > 1 else set()
        tree[name] = above | {builtin}
    return tree


def test_the_docstring_draws_the_tree_as_it_is():
    actual = {cls.__name__: {base.__name__ for base in cls.__bases__} for cls in CLASSES}
    drawn = described()
    assert set(drawn) == set(actual)
    for name, bases in drawn.items():
        if "StoreError" in actual[name]:
            bases = bases | {"StoreError"}
        assert bases == actual[name], name


@pytest.mark.parametrize("cls", [cls for cls in CLASSES if issubclass(cls, Exception)], ids=lambda cls: cls.__name__)
def test_an_error_goes_through_pickle_with_its_text(cls):
    error = pickle.loads(pickle.dumps(cls("what is wrong")))
    assert (type(error), str(error)) == (cls, "what is wrong")


def test_the_error_of_a_uid_that_is_taken_goes_through_pickle_without_the_run(tmp_path):
    catalog = open_directory(tmp_path / "results")
    catalog.store_run({"x": [1]}, uid="fit-1")
    with pytest.raises(errors.RunExistsError) as raised:
        catalog.store_run({"x": [2]}, uid="fit-1")
    error = pickle.loads(pickle.dumps(raised.value))
    assert (str(error), error.run) == (str(raised.value), None)
    assert raised.value.run is not None


def test_lineage_without_its_package_names_the_extra(tmp_path, monkeypatch):
    catalog = open_directory(tmp_path / "results")
    run = catalog.store_run({"x": [1]})
    monkeypatch.setitem(sys.modules, "networkx", None)
    with pytest.raises(errors.ExtraMissingError, match=r"networkx; .* pip install 'databroker-writable\[lineage\]'"):
        catalog.lineage(run)
    with pytest.raises(errors.ExtraMissingError, match="networkx"):
        databroker_writable.export(run, tmp_path / "run.nxs", with_inputs=True)
    assert not (tmp_path / "run.nxs").exists()


def test_pictures_without_their_package_name_the_extra(tmp_path, monkeypatch):
    catalog = open_directory(tmp_path / "results")
    run = catalog.store_run({"x": [1]})
    graph = catalog.lineage(run)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for draw in (graph.plot, lambda: databroker_writable.plot(run)):
        with pytest.raises(errors.ExtraMissingError, match=r"matplotlib; .* 'databroker-writable\[lineage\]'"):
            draw()
