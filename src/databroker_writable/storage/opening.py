"""Open a run that was stored just now."""

from __future__ import annotations

from typing import Any


def open_entry(entry: Any, catalog: Any, **arguments: Any) -> Any:
    """The run as its entry gives it, but for some of its arguments.

    It is opened here and not by the entry, because intake 0.6.4 compiles a Jinja template for every string of its
    metadata (nine tenths of the time), and because the entry would keep its documents in memory.
    """
    (driver,) = entry._plugin
    metadata = {**entry._metadata, "catalog_dir": None}
    run = driver(**{**entry._open_args, **arguments}, entry=entry, metadata=metadata)
    run.catalog_object = run.cat = catalog
    run.name, run.description = entry.name, entry._description
    return run
