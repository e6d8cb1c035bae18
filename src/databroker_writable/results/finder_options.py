"""The options of finders, and conditions on start documents that are given as keywords beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import InvalidMetadataError
from .header_search import check_query

OPTIONS = {
    "table": ("status", "since", "until", "derived_from", "tags", "limit"),
    "latest": ("derived_from", "status", "before"),
    "results_of": ("status", "role"),
}
"""The options of each method that takes conditions as keywords."""


def with_keywords(query: Mapping[str, Any] | None, more: Mapping[str, Any], method: str) -> Mapping[str, Any]:
    """A query together with the conditions in keywords, none of which may be an option of another method."""
    if query is not None:
        check_query(query)
    for key in more:
        other = next((other for other, options in OPTIONS.items() if key in options), None)
        if other is not None:
            raise InvalidMetadataError(
                f"{method} has no option {key!r}; it has {', '.join(OPTIONS[method])}. "
                f"Use catalog.{other}(..., {key}=...)"
            )
        if key == "columns" and method == "table":
            raise InvalidMetadataError("table takes columns by position, after the query: table(None, 'scan_id')")
        if query is not None and key in query:
            raise InvalidMetadataError(f"{method} has conditions on {key!r} in the query and as a keyword; give one")
    return {**({} if query is None else query), **more}
