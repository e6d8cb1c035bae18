"""Say beforehand which runs databroker reads slowly."""

from __future__ import annotations

import humanize

from ..errors import warn_user
from .checker import RunDocuments

SECONDS_PER_VALUE = 0.0006
"""Seconds that databroker 1.2.5's ``read()`` needs for one column of one Event, for which it makes a dask array."""

PATIENCE = 5
"""Warn if reading takes longer than this many seconds."""


def warn_of_slow_reading(documents: RunDocuments) -> None:
    """Warn about streams that databroker reads slowly, and name what reads them quickly."""
    columns = {doc["name"]: len(doc["data_keys"]) for name, doc in documents if name == "descriptor"}
    stop = documents[-1][1]
    for stream, count in (stop.get("num_events") or {}).items():
        seconds = SECONDS_PER_VALUE * count * columns.get(stream, 0)
        if seconds > PATIENCE:
            warn_user(
                f"databroker takes about {humanize.naturaldelta(seconds)} to read() the {count} Events of "
                f"{columns[stream]} columns in the stream {stream!r}. Read it with databroker_writable."
                "to_dataset(run), which is fast, or store the table as one Event with one_event=True"
            )
