"""Check that a backend can hold a document: `RunChecker` has refused what no backend can."""

from __future__ import annotations

from typing import Any

import numpy

from ..errors import InvalidMetadataError, InvalidRunError, InvalidTableError
from ..tables.backend_limits import Limits
from ..tables.document_values import check_event_values, document_value
from .checker import check_beside_data
from .schema import Document


def check_limits(name: str, doc: Document, limits: Limits) -> None:
    """Refuse a document that this backend cannot hold, by what of it that is."""
    if not limits.allow_any_value:
        _check_values(name, doc, limits)
    if name == "event_page":
        _check_sizes(doc, limits)
    elif limits.event_bytes is not None:
        sizes = {key: limits.size_of(value) for key, value in doc.items()}
        _check_size(_called(name), sizes, 200, limits.event_bytes, limits)


def _called(name: str) -> str:
    return "metadata" if name == "start" else f"the {name} document"


def _check_values(name: str, doc: Document, limits: Limits) -> None:
    if name != "event_page":
        document_value(doc, _called(name), InvalidMetadataError if name == "start" else InvalidRunError, limits=limits)
        return
    for key, values in doc["data"].items():
        check_event_values(values, f"column {key!r}", InvalidTableError, limits)
    check_beside_data(doc, "an event page", limits)


def _check_sizes(page: Document, limits: Limits) -> None:
    data, length = page["data"], len(page["uid"])
    if limits.page_bytes is not None:
        sizes = {key: limits.size_of(values) for key, values in data.items()}
        _check_size("one event page", sizes, 10 * length * len(sizes), limits.page_bytes, limits)
    if limits.event_bytes is not None and length:
        sizes = {key: _largest_value(values, limits) for key, values in data.items()}
        _check_size("one Event", sizes, 60 * len(sizes) + 200, limits.event_bytes, limits)


def _largest_value(values: Any, limits: Limits) -> int:
    if isinstance(values, numpy.ndarray) and values.dtype.kind != "U":
        return limits.size_of(values[0])
    return max(map(limits.size_of, values))


def _check_size(what: str, sizes: dict[str, int], overhead: int, most: int, limits: Limits) -> None:
    total = sum(sizes.values()) + overhead
    if total <= most:
        return
    largest = max(sizes, key=sizes.__getitem__)
    raise InvalidTableError(
        f"{what} takes up to {total / 1e6:.1f} MB, of which {sizes[largest] / 1e6:.1f} MB in column {largest!r}; "
        f"{limits.backend} holds {most / 1e6:.1f} MB: open the catalog with asset_root=... to keep large arrays "
        "in files, or store fewer values at a time"
    )
