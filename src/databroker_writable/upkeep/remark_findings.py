"""Find partial remarks, and files among the remarks that are not remarks."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ..errors import NotWritableError
from ..storage.backend import Backend
from ..storage.durable_file import final_name
from ..storage.file_locks import is_being_written
from ..storage.remark_files import SUFFIX, read_remark, why_no_remark
from ..storage.run_paths import names_in
from .findings import Finding, Leftover, age_of, in_place_of_directory, remover, shown_age


def remark_findings(backend: Backend) -> Iterator[Finding]:
    """Check the directories of remarks, if the catalog has any; MongoDB inserts each completely."""
    for folder in backend.remark_folders:
        yield from _findings_in(folder.path)


def _findings_in(directory: str) -> Iterator[Finding]:
    if os.path.lexists(directory) and not os.path.isdir(directory):
        yield in_place_of_directory(directory, "remark")
    try:
        names = sorted(names_in(directory))
    except NotWritableError as exc:
        yield Finding("unreadable-directory", directory, f"{exc}, so no remark is looked at")
        return
    for name in names:
        path = os.path.join(directory, name)
        if (final_name(name) or "").endswith(SUFFIX):
            if not is_being_written(path):
                age = age_of(path)
                message = f"partial remark on a run, {shown_age(age)}"
                yield Leftover("partial-remark", path, message, age=age, remove=remover(path))
        elif name.endswith(SUFFIX) and not name.startswith("."):
            try:
                read_remark(path)
            except FileNotFoundError:
                continue
            except (ValueError, OSError) as exc:
                yield Finding("bad-remark", path, f"remark {why_no_remark(path, exc)}")
