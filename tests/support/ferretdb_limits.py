"""What FerretDB 1.24, a stand-in for MongoDB, can hold: no arrays in arrays, NaN, infinities or -0.0."""

from __future__ import annotations

import math
from typing import Any

import event_model
import numpy

from support import sites


def ferretdb_can_hold(site: sites.Site, run: Any) -> bool:
    """Whether the server of a site can hold the documents of a run; MongoDB and mongomock can."""
    if not site.is_ferretdb:
        return True
    documents = [doc for _, doc in run.documents()]
    if site.kind == "mongo-normalized":
        pages = [doc for doc in documents if "seq_num" in doc]
        events = [event for page in pages for event in event_model.unpack_event_page(page)]
        documents = [doc for doc in documents if "seq_num" not in doc] + events
    return all(map(_can_hold, documents))


def _can_hold(value: Any, *, in_list: bool = False) -> bool:
    if isinstance(value, numpy.ndarray | numpy.generic):
        value = value.tolist()
    if isinstance(value, dict):
        return all(map(_can_hold, value.values()))
    if isinstance(value, list | tuple):
        return not in_list and all(_can_hold(item, in_list=True) for item in value)
    if isinstance(value, float):
        return math.isfinite(value) and (value != 0 or math.copysign(1, value) > 0)
    return True
