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
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import platformdirs

from ..runs.run_headers import RunHeader

Files = Mapping[str, os.stat_result]
"""What the file system says of run files, by path."""
Known = dict[str, tuple[bytes, RunHeader]]
"""The state of a file, and its header then, by path."""

T = TypeVar("T")

FILE_NAME = "headers-2.sqlite"
"""The number is the version of the table."""

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


class HeaderIndex:
    """The headers of run files, each for one state of its file, in memory and in the user's cache directory.

    The state of a file is its device, inode, size and times of modification and change. Files that were changed just
    now are not kept on disk, since their next change may leave these as they are; nor are headers that msgpack does not
    give back.

    Parameters
    ----------
    run_format : str
        How headers are read from the files: another way may give other headers, or refuse a file.
    on_disk : bool
        Whether to use the cache directory.
    """

    def __init__(self, run_format: str, on_disk: bool) -> None:
        self.run_format = run_format
        self.on_disk = on_disk
        self._known: Known = {}

    def is_like(self, other: HeaderIndex) -> bool:
        """Whether it can serve in place of another."""
        return (self.run_format, self.on_disk) == (other.run_format, other.on_disk)

    def headers(self, files: Files) -> dict[str, RunHeader]:
        """The headers that are known of files in this state."""
        known = self._known
        headers = {
            path: known[path][1] for path, status in files.items() if path in known and known[path][0] == _state(status)
        }
        if self.on_disk and _is_worthwhile((path for path in files if path not in headers), files):
            nothing: Known = {}
            read = _in_database(lambda database: _read(database, files, self.run_format), nothing)
            known |= read
            headers |= {path: header for path, (_, header) in read.items()}
        return headers

    def add(self, headers: Mapping[str, RunHeader], files: Files) -> None:
        """Keep headers that were read from files in this state."""
        read = {path: (_state(files[path]), header) for path, header in headers.items()}
        self._known |= read
        if self.on_disk and _is_worthwhile(read, files):
            settled = time.time() - SECONDS_TO_SETTLE
            rows = [_row(path, *read[path], self.run_format) for path in read if files[path].st_ctime < settled]
            _in_database(lambda database: database.executemany(_INSERT, filter(None, rows)), None)


def _is_worthwhile(paths: Iterable[str], files: Files) -> bool:
    """Whether to read the files takes longer than to open a database, as about 100 small ones do."""
    sizes = itertools.accumulate(files[path].st_size + 20_000 for path in paths)
    return any(size > 2_000_000 for size in sizes)


def _state(status: os.stat_result) -> bytes:
    return _STATE.pack(
        status.st_dev & _64_BITS,
        status.st_ino & _64_BITS,
        status.st_size & _64_BITS,
        status.st_mtime_ns & _64_BITS,
        status.st_ctime_ns & _64_BITS,
    )


def _row(path: str, state: bytes, header: RunHeader, run_format: str) -> tuple[Any, ...] | None:
    try:
        seconds = float(header.time)
        uid = header.uid.encode()
    except (OverflowError, UnicodeEncodeError):
        return None
    if header.packed is None or seconds != header.time:
        return None
    directory, name = os.path.split(path)
    checksum = _checksum(state, uid, seconds, header.packed)
    return _place(directory, run_format), os.fsencode(name), state, uid, seconds, header.packed, checksum


def _place(directory: str, run_format: str) -> bytes:
    return os.fsencode(f"{run_format}:{directory}")


def _read(database: sqlite3.Connection, files: Files, run_format: str) -> Known:
    known: Known = {}
    encoding, errors = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()
    try:
        for directory in set(map(os.path.dirname, files)):
            beginning = os.path.join(directory, "")
            rows = database.execute(_SELECT, (_place(directory, run_format),))
            for name, state, uid, seconds, packed, checksum in rows:
                path = beginning + name.decode(encoding, errors)
                status = files.get(path)
                if status is None or state != _state(status):
                    continue
                if checksum == _checksum(state, uid, seconds, packed):
                    known[path] = state, RunHeader(uid.decode(), seconds, packed)
    except (AttributeError, TypeError, ValueError, struct.error) as exc:
        raise sqlite3.DatabaseError("a row holds values of other types") from exc
    return known


def _checksum(state: bytes, uid: bytes, seconds: float, packed: bytes) -> int:
    return zlib.crc32(packed, zlib.crc32(state + uid + _TIME.pack(seconds)))


def _in_database(work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
    """Do something in a transaction; where the database cannot be used, give something else, and leave it at that."""
    try:
        path = platformdirs.user_cache_path("databroker-writable", appauthor=False) / FILE_NAME
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > LARGEST:
            _remove(path)
        with contextlib.closing(sqlite3.connect(path, timeout=2)) as database:
            try:
                database.execute("PRAGMA journal_mode = WAL")
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
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
