"""Displays of a catalog: its name, how many runs it has, and the newest ones."""

from __future__ import annotations

import contextlib
import html
import itertools
from contextlib import AbstractContextManager
from typing import Any

import pymongo

from ..runs.shown_text import aligned, html_table, shown
from ..storage.backend import label_of
from .run_list import WIDTH, records_of, text_table
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
    try:
        with _answer_within(SECONDS):
            count = len(catalog)
            records = records_of(catalog, itertools.islice(select(catalog), NEWEST))
    except Exception as exc:
        # displaying a catalog must not fail; messages of other libraries can repeat a URI with its password
        return f"{title}, which cannot be read now ({type(exc).__name__})", []
    newest = f", of which the newest {len(records)}:" if count > len(records) else ""
    return f"{title}: {count:,} run{'' if count == 1 else 's'}{newest}", text_table(records) if records else []


def _answer_within(seconds: float) -> AbstractContextManager[Any]:
    """Do not wait long for a MongoDB server, which pymongo can do from 4.2 on."""
    timeout = getattr(pymongo, "timeout", None)
    return contextlib.nullcontext() if timeout is None else timeout(seconds)
