"""Paths of asset files, names of their datasets, and lists of the files in an asset root."""

from __future__ import annotations

import filecmp
import hashlib
import itertools
import os
import re
import stat
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from urllib.parse import quote, unquote

from ...errors import StoreFailedError

# File systems allow 255 bytes; the hidden name is 15 longer, and that of a retry a few more.
_LONGEST_NAME = 200


def new_asset_path(run_uid: str, stream: str, time: float, suffix: str) -> str:
    """Path of the file of a run's stream, relative to the asset root, with forward slashes."""
    day = datetime.fromtimestamp(time, timezone.utc)
    name = f"{file_safe(run_uid)}-{file_safe(stream)}"
    if len(name) > _LONGEST_NAME:
        digest = hashlib.sha256(name.encode()).hexdigest()[:32]
        name = f"{name[: _LONGEST_NAME - 33]}~{digest}"
    return f"{day:%Y}/{day:%m}/{name}{suffix}"


def run_uids(path: str) -> Iterator[str]:
    """The uids of runs that a path can be for: uids and names of streams may hold hyphens, too.

    Not for names that were too long.
    """
    name = os.path.basename(path)
    return (unquote(name[:position]) for position, character in enumerate(name) if character == "-")


def free_path(root: str, relative: str) -> str:
    """The path itself, or if it exists, the first of ``…+2.h5``, ``…+3.h5``, … that is free.

    An existing file can be a leftover of an attempt that was killed before its documents were written.
    """
    return next(path for path in _numbered(relative) if not os.path.lexists(os.path.join(root, path)))


def taken_paths(root: str, relative: str) -> Iterator[str]:
    """The path itself and those that follow it up to the first that is free."""
    return itertools.takewhile(lambda path: os.path.lexists(os.path.join(root, path)), _numbered(relative))


def _numbered(relative: str) -> Iterator[str]:
    stem, suffix = os.path.splitext(relative)
    yield relative
    # percent-encoding leaves no plus sign in the names of runs and streams, so no other stream has these paths
    yield from (f"{stem}+{n}{suffix}" for n in itertools.count(2))


def check_same(path: str, target: str) -> None:
    """Raise `StoreFailedError` if a file that is to be used in place of another one differs from it."""
    if not filecmp.cmp(path, target, shallow=False):
        raise StoreFailedError(
            f"{target} exists already and differs from {path}; databroker-writable check shows whether it is a leftover"
        )


def dataset_name(key: str) -> str:
    """Name of the dataset of a column, without slash and dot, which have a meaning in HDF5."""
    if set(key) <= {"."}:
        return key.replace(".", "%2E") or "%"
    return key.replace("%", "%25").replace("/", "%2F").replace("\0", "%00")


def file_safe(text: str) -> str:
    encoded = quote(text, safe=" ,=@()[]").replace("~", "%7E")
    return "%2E" + encoded[1:] if encoded.startswith(".") else encoded


_DIRECTORIES = (re.compile(r"\d{4}"), re.compile(r"\d\d"))
"""The names of years, and of the months in them."""

Closed = Callable[[str, OSError], object]
"""Called with a directory that cannot be read, and the error."""


def _raise(directory: str, error: OSError) -> None:
    raise error


def find_files(root: str, wanted: Callable[[str], bool], closed: Closed = _raise) -> dict[str, os.stat_result]:
    """The files in the places of asset files under a root whose names are wanted, with their status."""
    files = {}
    for path in sorted(files_under(root, closed)):
        try:
            if wanted(os.path.basename(path)) and stat.S_ISREG((status := os.lstat(path)).st_mode):
                files[path] = status
        except FileNotFoundError:
            continue  # removed meanwhile
        except OSError as error:
            closed(os.path.dirname(path), error)
    return files


def files_under(root: str, closed: Closed = lambda directory, error: None) -> Iterator[str]:
    """What is in the places of asset files, ``{root}/{year}/{month}``, as far as it may be read."""

    def note(error: OSError) -> None:
        closed(str(error.filename), error)

    top = len(os.path.join(root, ""))
    for directory, inner, names in os.walk(root, onerror=note, followlinks=True) if os.path.isdir(root) else ():
        depth = len(directory[top:].split(os.sep)) if directory[top:] else 0
        if depth < len(_DIRECTORIES):
            inner[:] = filter(_DIRECTORIES[depth].fullmatch, inner)
        else:
            inner.clear()
            yield from (os.path.join(directory, name) for name in names)
