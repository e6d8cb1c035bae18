"""Marks on runs that are being copied to a Tiled server, to distinguish them from what a killed copy left."""

from __future__ import annotations

import contextlib
import os
import platform
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from .check_report import DAY

MARK = "databroker_writable_copy"
"""Key of the metadata of a run in Tiled that is not copied completely, or not compared yet."""

_under_way: set[str] = set()
"""The marks of copies of this process."""


@contextlib.contextmanager
def new_mark() -> Iterator[dict[str, Any]]:
    """A mark of this process, for the time of a copy."""
    identity = str(uuid.uuid4())
    _under_way.add(identity)
    try:
        yield {"id": identity, "host": platform.node(), "process": os.getpid(), "time": time.time()}
    finally:
        _under_way.discard(identity)


class MarkingContainer:
    """A container in which TiledWriter makes the container of a run, with a mark from the beginning."""

    def __init__(self, container: Any, mark: Mapping[str, Any]) -> None:
        self._container = container
        self._mark = mark

    def create_container(self, *, metadata: Mapping[str, Any], **options: Any) -> Any:
        return self._container.create_container(metadata={**metadata, MARK: self._mark}, **options)


def is_whole(metadata: Mapping[str, Any]) -> bool:
    """Whether a run is there with its end and, if it is a copy, was compared."""
    return bool(metadata.get("stop")) and MARK not in metadata


def is_marked(metadata: Mapping[str, Any], mark: Mapping[str, Any]) -> bool:
    found = metadata.get(MARK)
    return isinstance(found, Mapping) and found.get("id") == mark["id"]


def who_may_write(metadata: Mapping[str, Any], finished: float) -> str | None:
    """Who may still be writing a run that is not whole; None if nobody is.

    A run of another program, or of a copy on another computer, is left to it for a day after the copy began, or the
    run was finished.
    """
    mark = metadata.get(MARK)
    if not isinstance(mark, Mapping):
        return None if time.time() - finished > DAY else "another program, such as bluesky's TiledWriter,"
    if mark.get("host") == platform.node() and os.name == "posix":
        is_running = mark.get("id") in _under_way if mark.get("process") == os.getpid() else _runs(mark.get("process"))
    else:
        began = mark.get("time")
        is_running = isinstance(began, int | float) and time.time() - began <= DAY
    return f"another copy, process {mark.get('process')} on {mark.get('host')}," if is_running else None


def _runs(process: Any) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, TypeError, OverflowError):
        return False
    except OSError:
        return True
    return True
