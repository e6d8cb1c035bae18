"""Where runs and assets lie: paths as users give them, globs of run files, and the directory of assets beside them."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..errors import InvalidCatalogError
from ..tables.wording import short
from .header_index import HeaderIndex

ASSETS = "assets"
REMARKS = "remarks"
RUN_FILES = (".msgpack", ".jsonl")

_ESCAPED = re.compile(r"\[([*?[])\]")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


class RunPaths(list[str]):
    """The globs of the run files of a catalog, and how these are read, which search results get, too.

    Attributes
    ----------
    allow_pickle : bool
        Whether pickles are unpacked.
    headers : HeaderIndex
        What is known of the files.
    files : sequence of str or None
        The files to look at; None for all that the globs match.
    """

    def __init__(
        self, paths: Iterable[str], allow_pickle: bool, headers: HeaderIndex, files: Sequence[str] | None = None
    ) -> None:
        super().__init__(paths)
        self.allow_pickle = allow_pickle
        self.headers = headers
        self.files = files

    def among(self, files: Sequence[str]) -> RunPaths:
        """The same globs, of which only some files are to be looked at."""
        return RunPaths(self, self.allow_pickle, self.headers, files)


class AssetRoots(dict[str, str]):
    """A `root_map` that finds the assets beside the run files where their recorded root is gone, or another's by now.

    Resources record the absolute root, so that databroker reads them without this package. A directory that was
    moved, or is mounted elsewhere, brings its ``assets`` along; a new one may have taken its place.
    """

    def __init__(self, root_map: dict[str, str], assets: str, asset_root: str | None = None) -> None:
        # not empty, or databroker 1.2.5 replaces it by a dict of its own
        super().__init__({assets: assets, **({asset_root: asset_root} if asset_root else {}), **root_map})
        self._assets = assets

    def get(self, root: str, default: Any = None) -> Any:
        """Give the place of a recorded root; event_model's Filler asks by this method."""
        if root in self:
            return self[root]
        recorded = root.replace("\\", "/").rstrip("/")
        if os.path.basename(recorded) == ASSETS and (
            not os.path.isdir(root) or (os.path.isdir(self._assets) and _has_run_files(os.path.dirname(recorded)))
        ):
            return self._assets
        return default


def absolute_path(path: Any, name: str) -> str:
    """Give the absolute path of a directory, maybe in a home (``~``); `name` is that of the argument, for messages."""
    return os.path.abspath(os.path.join(*_home_and_rest(_checked(path, name), name)))


def absolute_glob(pattern: Any, name: str) -> str:
    """Give an absolute glob, as `absolute_path` gives a path."""
    home, rest = _home_and_rest(_checked(pattern, name), name)
    return os.path.normpath(os.path.join(glob.escape(home or os.getcwd()), rest))


def absolute_globs(paths: Any) -> list[str]:
    """Give the globs of a catalog as absolute ones."""
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    if not isinstance(paths, Iterable):
        raise InvalidCatalogError(f"paths must be a list of globs, not {short(paths)}; give ['DIRECTORY/*.msgpack']")
    return [absolute_glob(path, "paths") for path in paths]


def files_matching(patterns: Iterable[str]) -> Iterator[str]:
    """The files that globs match; a directory that may not be listed is an error, for `glob` it is empty."""
    for pattern in map(str, patterns):
        directory, name = os.path.split(pattern)
        if has_wildcards(directory):
            yield from glob.iglob(pattern)
            continue
        # as glob does, but for asking of each file what its directory is
        beginning = os.path.join(unescaped(directory), "")
        names = _names_in(unescaped(directory))
        if not name.startswith("."):
            names = [found for found in names if not found.startswith(".")]
        for found in fnmatch.filter(names, name):
            yield beginning + found


def _names_in(directory: str) -> list[str]:
    try:
        return os.listdir(directory or ".")
    except (FileNotFoundError, NotADirectoryError):
        return []  # it is made by the first run
    except PermissionError:
        raise InvalidCatalogError(
            f"the directory {directory!r} cannot be read by this user; ask its owner{_named_owner(directory)} for the "
            "permission to read it"
        ) from None
    except OSError as exc:
        raise InvalidCatalogError(
            f"the directory {directory!r} cannot be read ({exc.strerror}); is its file system there?"
        ) from exc


def _named_owner(path: str) -> str:
    try:
        return f", {owner_of(path)},"
    except OSError:  # a directory above may not be looked into, either
        return ""


def owner_of(path: str) -> str:
    """Name the owner of a file."""
    user = os.lstat(path).st_uid
    try:
        import pwd

        return pwd.getpwuid(user).pw_name
    except (ImportError, KeyError):  # no such database on Windows, or a user of another machine
        return f"user {user}"


def assets_beside(path: str) -> str:
    """The directory of assets of the run files that a glob names."""
    return os.path.join(os.path.abspath(unescaped(os.path.dirname(path))), ASSETS)


def unescaped(path: str) -> str:
    """Undo `glob.escape`."""
    return _ESCAPED.sub(r"\1", path)


def has_wildcards(path: str) -> bool:
    """Whether a glob names more than one path."""
    return glob.has_magic(_ESCAPED.sub("", path))


def _checked(path: Any, name: str) -> str:
    if isinstance(path, os.PathLike):
        path = os.fspath(path)
    if isinstance(path, str) and not path.strip():
        raise InvalidCatalogError(
            f"{name} is empty; give the path of a directory (in YAML: is the environment variable set that it is made "
            "of?)"
        )
    if not isinstance(path, str):
        raise InvalidCatalogError(f"{name} must be the path of a directory, not {short(path)}")
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


def _has_run_files(directory: str) -> bool:
    try:
        with os.scandir(directory) as entries:
            return any(entry.name.endswith(RUN_FILES) for entry in entries)
    except OSError:
        return False
