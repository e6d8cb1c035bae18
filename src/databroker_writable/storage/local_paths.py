"""Paths on this machine as users give them: relative to the working directory, or to a home."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable
from typing import Any

from ..errors import InvalidCatalogError
from ..tables.wording import short

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


class RunPaths(list[str]):
    """The globs of the run files of a catalog; databroker hands them on to its search results.

    Attributes
    ----------
    allow_pickle : bool
        Whether pickles in the files are unpacked.
    """

    def __init__(self, paths: Iterable[str], allow_pickle: bool = False) -> None:
        super().__init__(paths)
        self.allow_pickle = allow_pickle


def absolute_path(path: Any, name: str) -> str:
    """Give the absolute path of a directory, which a later change of the working directory does not move.

    Parameters
    ----------
    path : str or path
        It may begin with ``~``.
    name : str
        The name of the argument, for messages.

    Raises
    ------
    InvalidCatalogError
        It is empty, a URL, no path, or in the home of a user who is not known here.
    """
    return os.path.abspath(os.path.join(*_home_and_rest(_checked(path, name), name)))


def absolute_glob(pattern: Any, name: str) -> str:
    """Give an absolute glob, as `absolute_path` gives a path."""
    home, rest = _home_and_rest(_checked(pattern, name), name)
    return os.path.normpath(os.path.join(glob.escape(home or os.getcwd()), rest))


def _checked(path: Any, name: str) -> str:
    if isinstance(path, os.PathLike):
        path = os.fspath(path)
    if isinstance(path, str) and not path.strip():
        raise InvalidCatalogError(
            f"{name} is empty; give the path of a directory (in YAML: is the environment variable set that it is made "
            "of?)"
        )
    if not isinstance(path, str):
        raise InvalidCatalogError(f"{name} is the path of a directory, not {short(path)}")
    if _URL.match(path):
        raise InvalidCatalogError(
            f"{name} is the path of a directory, not the URL {short(path)}; mount that place as a directory"
        )
    return path


def _home_and_rest(path: str, name: str) -> tuple[str, str]:
    """Split off the home that a path begins with; '' where it begins with none."""
    if not path.startswith("~"):
        return "", path
    user, _, rest = path.partition(os.sep)
    home = os.path.expanduser(user)
    if home == user:
        raise InvalidCatalogError(
            f"{name} is {short(path)}, and no user {user[1:]!r} is known here; give the whole path, or "
            f"{os.path.join('.', path)!r} for a directory of that name"
        )
    return home, rest
