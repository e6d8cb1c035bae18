"""A run in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bluesky_live.bluesky_run import BlueskyRun

from ..tables.classifier import is_lazy
from .run_display import display_of


class BuiltRun(BlueskyRun):
    """A run in memory; bluesky-live's, whose ``documents()`` needs no argument."""

    def documents(self, *, fill: str = "no") -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the documents of the run as pairs (name, document).

        Parameters
        ----------
        fill : {"no", "yes", "delayed"}
            Whether to replace references to external data by the data.
        """
        for name, doc in super().documents(fill=fill):
            if name == "event_page" and any(map(is_lazy, doc["data"].values())):
                data = {key: v.compute() if is_lazy(v) else v for key, v in doc["data"].items()}
                doc = {**doc, "data": data}
            yield name, doc

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(display_of(self).text())

    def _repr_html_(self) -> str:
        return display_of(self).html()
