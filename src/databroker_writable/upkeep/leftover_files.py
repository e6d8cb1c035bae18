"""Files that were left behind: their age, and their removal."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import humanize

from ..storage.file_locks import is_being_written


def age_of(path: str) -> float | None:
    """Seconds since a file was last written, by its file system; None if it is gone."""
    try:
        written = os.lstat(path).st_mtime
    except FileNotFoundError:
        return None
    return max(0.0, time.time() - written)


def remover(path: str, is_ours: Callable[[str], bool] = lambda path: True) -> Callable[[float], bool]:
    """Give a function that removes a file if it is still that old, and nobody is writing it."""

    def remove(grace: float) -> bool:
        age = age_of(path)
        if age is None or age < grace or is_being_written(path) or not is_ours(path):
            return False
        os.unlink(path)
        return True

    return remove


def shown_age(age: float | None) -> str:
    """An age for people."""
    if age is None:
        return "of unknown age"
    return f"{humanize.naturaldelta(age)} old"
