"""Displays of databroker's runs and streams in IPython and Jupyter."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from typing import Any

from databroker.core import BlueskyEventStream, BlueskyRun

from ..runs.run_display import WIDTH, Display, display_of, display_of_stream
from ..runs.shown_text import shown
from .remarks import remark_facts


def show_runs_in_ipython() -> None:
    """Register displays if IPython runs. databroker's classes do not change, and a user's displays are kept."""
    ipython = sys.modules.get("IPython")
    shell = ipython and ipython.get_ipython()
    if shell is None:
        return
    text, page = (shell.display_formatter.formatters[mimetype] for mimetype in ("text/plain", "text/html"))
    if BlueskyRun not in {*text.type_printers, *page.type_printers}:
        text.for_type(BlueskyRun, _print_run)
        page.for_type(BlueskyRun, lambda run: _displayed(_display_of_run, run).html())
    whole = shell.display_formatter.ipython_display_formatter
    if BlueskyEventStream not in whole.type_printers:
        # intake's display shows all documents of the run
        whole.for_type(BlueskyEventStream, _display_stream)


def _print_run(run: Any, printer: Any, cycle: bool) -> None:
    printer.text(_displayed(_display_of_run, run).text())


def _display_stream(stream: Any) -> None:
    from IPython.display import display

    shown = _displayed(display_of_stream, stream)
    display({"text/plain": shown.text(), "text/html": shown.html()}, raw=True)


def _display_of_run(run: Any) -> Display:
    plain, catalog = display_of(run), getattr(run, "catalog_object", None)
    facts = [] if catalog is None else remark_facts(catalog, run.metadata["start"]["uid"])
    return dataclasses.replace(plain, facts=[*plain.facts, *((name, shown(text, WIDTH)) for name, text in facts)])


def _displayed(describe: Callable[[Any], Display], thing: Any) -> Display:
    try:
        return describe(thing)
    except Exception as exc:
        # displaying a run must not fail; messages of other libraries can repeat a URI with its password
        return Display(repr(thing), [], [], f"it cannot be read now ({type(exc).__name__})")
