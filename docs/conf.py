"""Sphinx: the site is built from the pages and from the docstrings, without the network."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from typing import Any

import click
from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx import addnodes

from databroker_writable.cli import main

project = "databroker-writable"
copyright = "The databroker-writable developers"
release = version = importlib.metadata.version(project)

extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc", "myst_parser"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = project
html_static_path = ["static"]
html_css_files = ["pages.css"]
html_show_sourcelink = False

autosummary_generate = False
autodoc_typehints = "none"  # the docstrings say it in the field's words
numpydoc_show_class_members = False


WIDTH = 76  # columns of a block of code that are seen without scrolling


class CommandHelp(Directive):
    """The ``--help`` of every command, as a user sees it."""

    has_content = False

    def run(self) -> list[nodes.Node]:
        return [
            part
            for path, command in commands(main, project)
            for part in section(path, command)
        ]


def commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    for name, below in sorted(getattr(command, "commands", {}).items()):
        yield from commands(below, f"{path} {name}")


def section(path: str, command: click.Command) -> list[nodes.Node]:
    context = click.Context(
        command, info_name=path, terminal_width=WIDTH, max_content_width=WIDTH
    )
    text = command.get_help(context)
    return [nodes.rubric("", path), nodes.literal_block(text, text, language="text")]


def name_as_users_know_it(
    app: Any, domain: str, objtype: str, content: nodes.Element
) -> None:
    """The methods are those of any catalog; the class that brings them is not what users see."""
    for signature in content.parent.findall(addnodes.desc_signature):
        if (
            signature.get("class") == "WritableMixin"
            or signature.get("fullname") == "WritableMixin"
        ):
            for part in list(signature.findall(addnodes.desc_addname)):
                part.parent.remove(part)
            if signature["fullname"] == "WritableMixin":
                name = next(signature.findall(addnodes.desc_name))
                name.replace_self(addnodes.desc_name("", "driver"))


def leave_out_methods(
    app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """The list of methods, with which the help of a class begins, has a page of its own here."""
    if what == "class" and "Methods" in lines:
        begin = lines.index("Methods")
        rest = range(begin + 2, len(lines) - 1)
        end = next(
            (n for n in rest if lines[n + 1] and set(lines[n + 1]) == {"-"}), len(lines)
        )
        del lines[begin:end]


def setup(app: Any) -> None:
    # before numpydoc reads the sections
    app.connect("autodoc-process-docstring", leave_out_methods, priority=100)
    app.connect("object-description-transform", name_as_users_know_it)
    app.add_directive("command-help", CommandHelp)
