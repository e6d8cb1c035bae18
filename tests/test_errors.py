"""The tree of errors is the one that its module describes."""

from __future__ import annotations

import inspect
import pickle
import re

import pytest

from databroker_writable import errors

CLASSES = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if cls.__module__ == errors.__name__]
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
