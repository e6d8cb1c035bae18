"""Translate queries on start documents for the headers of databroker's embedded layout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import InvalidMetadataError

_PREFIX = "start."
OF_QUERIES = ("$and", "$or", "$nor")
_AS_THEY_ARE = ("$comment", "$text")


def header_query(query: Mapping[str, Any]) -> dict[str, Any]:
    """Return the query on headers for a query on start documents."""
    return mended({f"{_PREFIX}{key}": value for key, value in query.items()})


def mended(query: Mapping[str, Any]) -> dict[str, Any]:
    """Correct the query of databroker 1.2.5's search, which writes ``start.`` before operators, too."""
    return dict(_mended_item(key, value) for key, value in query.items())


def _mended_item(key: str, value: Any) -> tuple[str, Any]:
    if key in OF_QUERIES:
        return key, [mended(part) for part in value]
    operator = key.removeprefix(_PREFIX)
    if operator == key or not operator.startswith("$"):
        return key, value
    if operator in OF_QUERIES:
        return operator, [header_query(part) for part in value]
    if operator in _AS_THEY_ARE:
        return operator, value
    raise InvalidMetadataError(
        f"{operator} cannot be searched by in the embedded layout of MongoDB; use conditions on keys, and "
        f"{', '.join(OF_QUERIES)}"
    )
