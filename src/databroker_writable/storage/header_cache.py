"""What start and stop documents of run files say, kept so that opening and searching read only files that are new.

It is a cache of the user's own, not in the directory of the runs. What it does not know is read from the run files.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import sqlite3
import struct
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import platformdirs

from ..runs.packed_headers import PackedHeader

Files = Mapping[str, tuple[float, bytes]]
"""When run files were modified, and their states, by path."""
Known = dict[str, PackedHeader]
"""Headers by the path of their file."""

T = TypeVar("T")

FILE_NAME = "headers-4.sqlite"
"""The number is the version of the table and of its journal, which is the usual one: a WAL needs memory that all share,
and a file of it that another computer shortens ends the process."""

SECONDS_TO_SETTLE = 2
"""A file that is changed this long after a change has another time of change, whatever the file system."""

LARGEST = 2**30
"""Bytes of the file, beyond which it begins anew."""

_TABLE = """
CREATE TABLE IF NOT EXISTS headers (
    place BLOB, name BLOB, state BLOB, uid BLOB, time REAL, header BLOB, checksum INTEGER, PRIMARY KEY (place, name)
) WITHOUT ROWID
"""
_INSERT = "INSERT OR REPLACE INTO headers VALUES (?, ?, ?, ?, ?, ?, ?)"
_SELECT = "SELECT name, state, uid, time, header, checksum FROM headers WHERE place = ?"
_STATE = struct.Struct("<5Q")
_TIME = struct.Struct("<d")
_64_BITS = 2**64 - 1

_log = logging.getLogger(__name__)


class HeaderCache:
    """The headers of run files, each for one state of its file, in memory and in the user's cache directory.

    The state of a file is its device, inode, size and times of modification and change. Files that were changed just
    now are not kept on disk, since their next change may leave these as they are; nor are headers that msgpack does not
    give back. Headers are those of a run format: another one may give other headers, or refuse a file.
    """

    def __init__(self, run_format: str, on_disk: bool) -> None:
        self.run_format = run_format
        self.on_disk = on_disk
        self._known: Known = {}

    def recall(self, files: Files) -> None:
        """Read from the cache directory what is there of these files, and not known yet."""
        unknown = (state for path, (_, state) in files.items() if self.header(path, state) is None)
        if self.on_disk and _is_worthwhile(unknown):
            nothing: Known = {}
            self._known |= _in_database(lambda database: _read(database, files, self.run_format), nothing)

    def header(self, path: str, state: bytes) -> PackedHeader | None:
        """The header of a file, if it is known of the file in this state."""
        header = self._known.get(path)
        return header if header is not None and header.state == state else None

    def add(self, headers: Sequence[PackedHeader]) -> None:
        """Keep headers that were read from their files."""
        self._known |= {header.path: header for header in headers}
        if self.on_disk and _is_worthwhile(header.state for header in headers):
            settled = (time.time() - SECONDS_TO_SETTLE) * 1e9
            rows = [_row(header, self.run_format) for header in headers if _STATE.unpack(header.state)[4] < settled]
            _in_database(lambda database: database.executemany(_INSERT, filter(None, rows)), None)


def _is_worthwhile(states: Iterable[bytes]) -> bool:
    """Whether reading these files takes longer than opening the database, as 100 small ones do."""
    sizes = itertools.accumulate(_STATE.unpack(state)[2] + 20_000 for state in states)
    return any(size > 2_000_000 for size in sizes)


def state_of(status: os.stat_result) -> bytes:
    """The device, inode, size and times of a file."""
    return _STATE.pack(
        status.st_dev & _64_BITS,
        status.st_ino & _64_BITS,
        status.st_size & _64_BITS,
        status.st_mtime_ns & _64_BITS,
        status.st_ctime_ns & _64_BITS,
    )


def _row(header: PackedHeader, run_format: str) -> tuple[Any, ...] | None:
    try:
        seconds = float(header.time)
        uid = header.uid.encode()
    except (OverflowError, UnicodeEncodeError):
        return None
    if header.packed is None or seconds != header.time:
        return None
    directory, _, name = header.path.rpartition(os.sep)
    checksum = _checksum(header.state, uid, seconds, header.packed)
    return _place(directory, run_format), os.fsencode(name), header.state, uid, seconds, header.packed, checksum


def _place(directory: str, run_format: str) -> bytes:
    return os.fsencode(f"{run_format}:{directory}")


def _read(database: sqlite3.Connection, files: Files, run_format: str) -> Known:
    known: Known = {}
    encoding, errors = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()
    try:
        for directory in {path.rpartition(os.sep)[0] for path in files}:
            beginning = directory + os.sep
            rows = database.execute(_SELECT, (_place(directory, run_format),))
            for name, state, uid, seconds, packed, checksum in rows:
                path = beginning + name.decode(encoding, errors)
                file = files.get(path)
                if file is not None and file[1] == state and checksum == _checksum(state, uid, seconds, packed):
                    known[path] = PackedHeader(uid.decode(), seconds, packed, path=path, state=state)
    except (AttributeError, TypeError, ValueError, struct.error) as exc:
        raise sqlite3.DatabaseError("a row holds values of other types") from exc
    return known


def _checksum(state: bytes, uid: bytes, seconds: float, packed: bytes) -> int:
    return zlib.crc32(packed, zlib.crc32(state + uid + _TIME.pack(seconds)))


def _in_database(work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
    """Do some work in a transaction; return `otherwise` if the database cannot be used."""
    try:
        path = platformdirs.user_cache_path("databroker-writable", appauthor=False) / FILE_NAME
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > LARGEST:
            _remove(path)
        with contextlib.closing(sqlite3.connect(path, timeout=2)) as database:
            try:
                database.execute("PRAGMA synchronous = NORMAL")
                database.execute(_TABLE)
                with database:
                    return work(database)
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError:
                _remove(path)
                raise
    except (OSError, sqlite3.Error) as exc:
        _log.debug("run files are read without the index of their headers: %s", exc)
        return otherwise


def _remove(path: Path) -> None:
    """Remove a database that is damaged, too large, or of another program."""
    for suffix in ("", "-journal"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
