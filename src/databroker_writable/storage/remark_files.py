"""Keep remarks on runs as small JSON files, each written once and never changed."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from typing import Any

from ..errors import is_of_this_process, warn_user
from ..runs.document_parts import Document
from ..tables.time_columns import LATEST
from .catalog_paths import names_in
from .durable_file import NewFile, sync_directories
from .run_file_readers import why_unreadable

SUFFIX = ".json"


class RemarkFolder:
    """The remarks in a directory, which need not exist; each file is read once."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._known: dict[str, Document | None] = {}

    def check_place(self) -> None:
        """Raise `NotADirectoryError` if a file is in the place of the directory."""
        if os.path.lexists(self.path) and not os.path.isdir(self.path):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), self.path)

    def add(self, remark: Document) -> None:
        """Publish a remark durably; an existing one does not change."""
        path = self.file_of(remark)
        if os.path.exists(path):
            return
        with NewFile(path) as file:
            file.write(json.dumps(remark, ensure_ascii=False, indent=1).encode())
            file.publish()

    def read(self) -> list[Document]:
        """Return all remarks, in any order; warn about files that are not remarks, or cannot be read.

        Raises `NotWritableError` if the directory cannot be read.
        """
        found, unreadable = self.look()
        if unreadable:
            warn_user(f"{unreadable}; until then a run that it retracts looks like a good one")
        return found

    def look(self) -> tuple[list[Document], str]:
        """All remarks, and the message about those that cannot be read, empty if there are none."""
        before = self._known  # which other threads may replace
        known: dict[str, Document | None] = {}
        unreadable: list[str] = []
        for name in names_in(self.path):
            if name.startswith(".") or not name.endswith(SUFFIX):
                continue
            path = os.path.join(self.path, name)
            try:
                known[name] = before[name] if name in before else read_remark(path)
            except FileNotFoundError:
                continue  # removed meanwhile
            except ValueError as exc:
                warn_user(f"{path} {why_no_remark(path, exc)}")
                known[name] = None
            except OSError as exc:
                if is_of_this_process(exc):
                    raise
                # it is not known as bad, because the permission may be given
                unreadable.append(f"the remark {path} {why_no_remark(path, exc)}")
        self._known = known
        more = f" ({len(unreadable) - 1} more cannot be read either)" if len(unreadable) > 1 else ""
        found = [remark for remark in known.values() if remark is not None]
        return found, f"{unreadable[0]}{more}" if unreadable else ""

    def remove(self, remark: Document) -> None:
        path = self.file_of(remark)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
            sync_directories([path])

    def file_of(self, remark: Document) -> str:
        return os.path.join(self.path, remark["uid"] + SUFFIX)


def read_remark(path: str) -> Document:
    """Read a remark; raise ValueError if the file is not a remark, and OSError if it cannot be read."""
    with open(path, encoding="utf-8") as file:
        try:
            remark = remark_in(json.load(file))
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
    if remark is None:
        raise ValueError("it lacks keys of a remark")
    if remark["uid"] + SUFFIX != os.path.basename(path):
        raise ValueError("its name differs from its uid")
    return remark


def why_no_remark(path: str, exc: Exception) -> str:
    """What is wrong with a file among the remarks, according to the error of `read_remark`, and what to do."""
    if isinstance(exc, OSError):
        return why_unreadable(path, exc)
    return f"is not a remark on a run ({exc}); restore it from a copy, or move it away"


def remark_in(document: Any) -> Document | None:
    """The remark in a document, with all of its keys; None if others have stored something else."""
    if not isinstance(document, dict):
        return None
    remark = {"catalog": None, "verdict": None, **document}
    is_remark = (
        all(isinstance(remark.get(key), str) for key in ("uid", "run", "text", "user"))
        and all(isinstance(remark[key], str | None) for key in ("catalog", "verdict"))
        and isinstance(remark.get("time"), int | float)
        and abs(remark["time"]) < LATEST
        and isinstance(remark.get("tags"), list)
        and all(isinstance(tag, str) for tag in remark["tags"])
    )
    return remark if is_remark else None
