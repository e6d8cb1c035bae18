"""Find partial remarks, and files among the remarks that are not remarks."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ..storage.backend import Backend
from ..storage.durable_file import final_name
from ..storage.file_locks import is_being_written
from ..storage.remark_files import SUFFIX, read_remark
from .findings import Finding, Leftover, age_of, remover, shown_age


def remark_findings(backend: Backend) -> Iterator[Finding]:
    """Check the directories of remarks, if the catalog has any; MongoDB inserts each completely."""
    for folder in backend.remark_folders:
        if os.path.isdir(folder.path):
            yield from _findings_in(folder.path)


def _findings_in(directory: str) -> Iterator[Finding]:
    for name in sorted(os.listdir(directory)):
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
                message = f"not a remark on a run ({exc}); restore it from a copy, or move it away"
                yield Finding("bad-remark", path, message)
