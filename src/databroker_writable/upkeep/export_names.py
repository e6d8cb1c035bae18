"""The names of exported files: keys of the start document in them, and the formats that their suffixes choose."""

from __future__ import annotations

import datetime
import importlib
import os
import re
import string
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import ExportError, StoreError, require_package
from ..storage.catalog_paths import check_encodable, expanded
from ..storage.durable_file import NewFile
from ..tables.wording import short

_UNSAFE = re.compile(r"[^\w.+=@-]+")

_FORMATS = {
    ".nc": (".export_formats", "netcdf", "h5netcdf"),
    ".nxs": (".export_nexus", "nexus", None),
    ".parquet": (".export_formats", "parquet", "pyarrow"),
    ".csv": (".export_formats", "csv", None),
    ".json": (".export_formats", "json", None),
}
"""The function that writes files with a suffix, and the package that it needs."""

SUFFIXES = tuple(_FORMATS)


def file_name(template: str | os.PathLike[str], start: Mapping[str, Any]) -> str:
    """Insert keys of a start document into a file name; characters that are not allowed become underscores."""
    if not isinstance(template, str | os.PathLike):
        raise ExportError(f"the path must be the name of a file, such as 'result.nc', not {short(template)}")
    template = expanded(os.fspath(template), "the path", ExportError)
    try:
        name = _FileName().vformat(template, (), start)
    except (ValueError, TypeError, OverflowError, OSError) as exc:
        if isinstance(exc, StoreError):
            raise
        raise ExportError(
            f"the name {template!r} cannot be filled in: {exc}; write it like {{sample}}_{{uid:.6}}.nc, {{{{ for {{"
        ) from exc
    check_encodable(name, "the path", ExportError)
    return name


class _FileName(string.Formatter):
    def get_field(self, field_name: str, args: Any, kwargs: Any) -> tuple[Any, str]:
        value = kwargs
        for key in field_name.split("."):
            if not isinstance(value, Mapping) or key not in value:
                raise ExportError(
                    f"the name of the file contains {{{field_name}}}, which the start document of "
                    f"{kwargs['uid']!r} does not have; it has {', '.join(map(str, kwargs))}"
                )
            value = value[key]
        return (datetime.datetime.fromtimestamp(value) if field_name == "time" else value), field_name

    def format_field(self, value: Any, format_spec: str) -> str:
        text: str = super().format_field(value, format_spec)
        return _UNSAFE.sub("_", text).lstrip(".") or "_"


def writer_for(path: str) -> Callable[[Any, str], NewFile]:
    """Return the function that writes a `RunContents` to a path; raise `ExportError` for an unknown suffix."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in _FORMATS:
        raise ExportError(f"{path!r} has none of the suffixes {', '.join(_FORMATS)}; use one of them")
    module, function, package = _FORMATS[suffix]
    if package is not None:
        require_package(package, "files", f"writing {suffix}")
    return getattr(importlib.import_module(module, __package__), function)
