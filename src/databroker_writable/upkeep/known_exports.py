"""Which files ``export`` writes, by their suffixes, and what writes them."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import Any

from ..errors import ExportError, require_package
from ..storage.durable_file import NewFile

_FORMATS = {
    ".nc": (".export_formats", "netcdf", "h5netcdf"),
    ".nxs": (".export_nexus", "nexus", None),
    ".parquet": (".export_formats", "parquet", "pyarrow"),
    ".csv": (".export_formats", "csv", None),
    ".json": (".export_formats", "json", None),
}
"""The function that writes files with a suffix, and the package that it needs."""

SUFFIXES = tuple(_FORMATS)


def writer_for(path: str) -> Callable[[Any, str], NewFile]:
    """Return the function that writes a `RunContents` to a path; raise `ExportError` for an unknown suffix."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in _FORMATS:
        raise ExportError(f"{path!r} has none of the suffixes {', '.join(_FORMATS)}; use one of them")
    module, function, package = _FORMATS[suffix]
    if package is not None:
        require_package(package, "files", f"writing {suffix}")
    write: Callable[[Any, str], NewFile] = getattr(importlib.import_module(module, __package__), function)
    return write
