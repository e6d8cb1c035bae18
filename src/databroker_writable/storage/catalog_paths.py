"""The paths of catalogs: those that users give, globs of run files, and the directories beside these."""

from __future__ import annotations

import contextlib
import fnmatch
import functools
import glob
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..errors import InvalidCatalogError, StoreError, is_of_this_process
from ..tables.wording import short
from .file_permissions import why_not_listed
from .header_cache import HeaderCache

ASSETS = "assets"
REMARKS = "remarks"
IN_DELETION = (
    "its deletion is under way, or was interrupted: databroker-writable delete CATALOG UID finishes it; then store "
    "yours again"
)
"""The obstacle to a run whose uid is that of a run of which assets and remarks may be left."""

_ESCAPED = re.compile(r"\[([*?[])\]")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_SHELL_VARIABLE = re.compile(r"(?:^|/)(\$\{?(\w+)\}?)(?=/|$)")


class RunPaths(list[str]):
    """The globs of a catalog's run files, and how these are read; shared with search results.

    Of search results they have the files to read, otherwise None for all that the globs match. `gone` are those that
    were loaded and did not exist any more when the catalog was loaded again: databroker keeps their entries.
    """

    def __init__(
        self, paths: Iterable[str], allow_pickle: bool, headers: HeaderCache, files: Sequence[str] | None = None
    ) -> None:
        super().__init__(paths)
        self.allow_pickle = allow_pickle
        self.headers = headers
        self.files = files
        self.gone: set[str] = set()

    def among(self, files: Sequence[str]) -> RunPaths:
        """The same globs, limited to some files."""
        return RunPaths(self, self.allow_pickle, self.headers, files)


def absolute_path(path: Any, name: str) -> str:
    """Return the absolute path of a directory, with ``~`` expanded; `name` is the argument, for messages."""
    text = expanded(_checked(path, name, "the path of a directory"), name)
    return os.path.normpath(text if os.path.isabs(text) else os.path.join(_working_directory(text, name), text))


def expanded(path: str, name: str, error: type[StoreError] = InvalidCatalogError) -> str:
    """Return a path with the home at its beginning written out; raise `error` if no home is known."""
    user, written = path.partition(os.sep)[0], os.path.expanduser(path)
    if path.startswith("~") and written == path:
        whose = f"no user {user[1:]!r} is known here" if user != "~" else "your home directory is not known: set HOME"
        raise error(
            f"{name} is {short(path)}, but {whose}; give the absolute path, or {os.path.join('.', path)!r} for a name "
            "that begins so"
        )
    return written


def check_encodable(path: str, name: str, error: type[StoreError] = InvalidCatalogError) -> None:
    """Raise `error` for a path that no file can have, such as one that is not ASCII where the locale is not UTF-8."""
    if "\0" in path:
        raise error(f"{name} is {short(path)}, which holds a NUL character; no path can, so leave it out")
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        raise error(f"{name} is {short(path)}, but {_of_this_locale()}, or give another name") from None


def _of_this_locale() -> str:
    return (
        f"names of files are in the encoding {sys.getfilesystemencoding()!r} here; start Python in a locale of UTF-8, "
        "such as LC_ALL=C.UTF-8"
    )


def _check_recordable(path: str, name: str) -> None:
    """Refuse a path that is no Unicode: documents record the directories of assets and the names of catalogs."""
    try:
        path.encode()
    except UnicodeEncodeError:
        way = "its bytes are not UTF-8; rename the directory, or give a link to it that has another name"
        if sys.getfilesystemencoding() != "utf-8":
            way = _of_this_locale()
        raise InvalidCatalogError(f"{name} is {short(path)}, which no document can record: {way}") from None


def absolute_glob(pattern: Any, name: str) -> str:
    """Return an absolute glob, as `absolute_path` does for a path."""
    text = _checked(pattern, name, "globs of run files, such as 'DIRECTORY/*.msgpack'")
    if os.path.isabs(text):
        return os.path.normpath(text)
    if not text.startswith("~"):
        return os.path.normpath(os.path.join(glob.escape(_working_directory(text, name)), text))
    rest = text.partition(os.sep)[2]
    return os.path.normpath(glob.escape(expanded(text, name).removesuffix(rest)) + rest)


def _working_directory(path: str, name: str) -> str:
    """The directory to which a path is relative."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        raise InvalidCatalogError(
            f"{name} is {short(path)}, but the working directory, to which that is relative, was deleted; go to one "
            "that is there, or give the absolute path"
        ) from None


def absolute_globs(paths: Any) -> list[str]:
    """Return the absolute globs of a catalog."""
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    if not isinstance(paths, Iterable):
        raise InvalidCatalogError(f"paths must be a list of globs, not {short(paths)}; give ['DIRECTORY/*.msgpack']")
    return [absolute_glob(path, "paths") for path in paths]


def files_matching(patterns: Iterable[str]) -> Iterator[str]:
    """The files that globs match; unlike `glob`, raise for a directory that cannot be listed."""
    for pattern in map(str, patterns):
        directory, name = os.path.split(pattern)
        if has_wildcards(directory):
            yield from glob.iglob(pattern)
            continue
        if not has_wildcards(name):
            yield from _existing(unescaped(pattern))
            continue
        # as glob does, but for asking of each file what its directory is
        beginning = os.path.join(unescaped(directory), "")
        names = fnmatch.filter(names_in(unescaped(directory)), name)
        hidden = name.startswith(".")
        yield from [beginning + found for found in names if hidden or not found.startswith(".")]


def names_in(directory: str) -> list[str]:
    """The names in a directory that runs or remarks may be in; raise `InvalidCatalogError` if it cannot be read."""
    with _directory_that_may_be_missing(directory):
        return os.listdir(directory or ".")
    return []


def _existing(path: str) -> list[str]:
    """The path in a list if there is such a file; the files beside it need not be readable."""
    with _directory_that_may_be_missing(os.path.dirname(path)):
        os.lstat(path)
        return [path]
    return []


@contextlib.contextmanager
def _directory_that_may_be_missing(directory: str) -> Iterator[None]:
    """Raise `InvalidCatalogError` for a directory that cannot be read in the block."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        pass  # it is made by the first run
    except PermissionError as exc:
        raise InvalidCatalogError(why_not_listed(directory, exc)) from None
    except OSError as exc:
        if is_of_this_process(exc):
            raise
        raise InvalidCatalogError(why_not_listed(directory, exc)) from exc


@functools.lru_cache
def directories_of(globs: tuple[str, ...]) -> tuple[str, ...]:
    """The directories of the globs that name one each."""
    parents = dict.fromkeys(map(os.path.dirname, globs))
    return tuple(unescaped(parent) for parent in parents if not has_wildcards(parent))


@functools.lru_cache
def assets_beside(path: str) -> str:
    """The directory of assets for the run files of an absolute glob."""
    return os.path.join(unescaped(os.path.dirname(path)), ASSETS)


@functools.lru_cache
def unescaped(path: str) -> str:
    """Undo `glob.escape`."""
    return _ESCAPED.sub(r"\1", path)


def has_wildcards(path: str) -> bool:
    """Whether a glob names more than one path."""
    return glob.has_magic(_ESCAPED.sub("", path))


def remedy_for_pattern(pattern: str, suffix: str) -> str:
    """What to write instead of a glob of several directories; a directory may be named as the glob is written."""
    directory, name = os.path.split(pattern)
    existing = directory
    while not os.path.isdir(existing):
        existing = os.path.dirname(existing)
    if glob.has_magic(existing):
        return f"for the directory of that name write {os.path.join(glob.escape(directory), name)!r}"
    return f"put 'DIRECTORY/*{suffix}' first"


def _checked(path: Any, name: str, what: str) -> str:
    if isinstance(path, os.PathLike):
        path = os.fspath(path)
    if isinstance(path, str) and not path.strip():
        raise InvalidCatalogError(f"{name} is empty; give a directory (in YAML: is its environment variable set?)")
    if not isinstance(path, str):
        raise InvalidCatalogError(f"{name} must be {what}, not {short(path)}")
    if _URL.match(path):
        raise InvalidCatalogError(f"{name} is a directory, not the URL {short(path)}; mount it as a directory")
    check_encodable(path, name)
    _check_recordable(path, name)
    of_shell = _SHELL_VARIABLE.search(path)
    if of_shell is not None and not os.path.lexists(path[: of_shell.end()]):
        variable, key = of_shell.groups()
        raise InvalidCatalogError(
            f"{name} is {short(path)}, but only a shell replaces {variable}; write {{{{ env({key}) }}}} in YAML, "
            f"os.environ[{key!r}] in Python, or the absolute path"
        )
    return path
