"""Displays of a catalog, and of databroker's runs and streams in IPython and Jupyter."""

from __future__ import annotations

import contextlib
import dataclasses
import html
import itertools
import sys
from collections.abc import Callable
from typing import Any

import pymongo
from databroker.core import BlueskyEventStream, BlueskyRun

from ..runs import run_display, upstream
from ..runs.run_display import Display, display_of, display_of_stream
from ..runs.shown_text import aligned, html_table, shown
from ..runs.upstream_entries import is_deleted, may_have_deleted_runs
from ..storage.backend import label_of
from .header_search import NO_PROBES, PROBE, headers
from .remarks import remark_facts, status_beside
from .run_table import WIDTH, records_of, text_table
from .selection import select

NEWEST = 10
SECONDS = 2
"""The time limit for a server when a catalog is displayed."""


def described(catalog: Any) -> str:
    """A catalog as text: its name, how many runs it has, and the newest ten."""
    title, rows = _described(catalog)
    return f"<{title}>" + (f"\n{aligned(rows[0], rows[1:])}" if rows else "")


def described_in_html(catalog: Any) -> str:
    """A catalog as HTML: its name, how many runs it has, and the newest ten."""
    title, rows = _described(catalog)
    return f"<p>{html.escape(title)}</p>" + (html_table(rows) if rows else "")


def _described(catalog: Any) -> tuple[str, list[tuple[str, ...]]]:
    title = f"catalog {shown(label_of(catalog), WIDTH)!r}"
    # pymongo can limit how long it waits for a server from 4.2 on
    answering_within = getattr(pymongo, "timeout", contextlib.nullcontext)
    try:
        with answering_within(SECONDS):
            count = _count(catalog)
            records = records_of(catalog, itertools.islice(select(catalog), NEWEST))
    except Exception as exc:
        # displaying a catalog must not fail; messages of other libraries can repeat a URI with its password
        return f"{title}, which cannot be read now ({type(exc).__name__})", []
    newest = f", of which the newest {len(records)}:" if count > len(records) else ""
    return f"{title}: {count:,} run{'' if count == 1 else 's'}{newest}", text_table(records) if records else []


def _count(catalog: Any) -> int:
    """How many runs a catalog has, without what is not shown: probe runs, and runs whose files are gone."""
    if upstream.is_in_memory(catalog):  # a search would read the files
        deleted = sum(is_deleted(catalog, uid) for uid in catalog) if may_have_deleted_runs(catalog) else 0
        return len(catalog) - deleted - sum(1 for _ in headers(catalog, {PROBE: {"$exists": True}}))
    return len(catalog.search(NO_PROBES))


def show_runs_in_ipython() -> None:
    """Register displays if IPython runs. databroker's classes do not change, and a user's displays are kept."""
    ipython = sys.modules.get("IPython")
    shell = ipython and ipython.get_ipython()
    if shell is None:
        return
    text, page = (shell.display_formatter.formatters[mimetype] for mimetype in ("text/plain", "text/html"))
    if BlueskyRun not in {*text.type_printers, *page.type_printers}:
        text.for_type(BlueskyRun, lambda run, printer, cycle: printer.text(_displayed(_display_of_run, run).text()))
        page.for_type(BlueskyRun, lambda run: _displayed(_display_of_run, run).html())
    whole = shell.display_formatter.ipython_display_formatter
    if BlueskyEventStream not in whole.type_printers:
        # intake's display shows all documents of the run
        whole.for_type(BlueskyEventStream, _display_stream)


def _display_stream(stream: Any) -> None:
    from IPython.display import display

    shown = _displayed(display_of_stream, stream)
    display({"text/plain": shown.text(), "text/html": shown.html()}, raw=True)


def _display_of_run(run: Any) -> Display:
    plain, catalog = display_of(run), getattr(run, "catalog_object", None)
    remarks = [] if catalog is None else remark_facts(catalog, run.metadata["start"]["uid"])
    facts = [(name, status_beside(remarks, text) if name == "status" else text) for name, text in plain.facts]
    facts += [(name, shown(text, run_display.WIDTH)) for name, text in remarks]
    return dataclasses.replace(plain, facts=facts)


def _displayed(describe: Callable[[Any], Display], thing: Any) -> Display:
    try:
        return describe(thing)
    except Exception as exc:
        # displaying a run must not fail; messages of other libraries can repeat a URI with its password
        return Display(repr(thing), [], [], f"it cannot be read now ({type(exc).__name__})")
