"""Read and load run files: only regular files, and pickles only if the catalog allows them."""

from __future__ import annotations

import contextlib
import errno
import gc
import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any

import msgpack
import msgpack_numpy

from ..errors import PickledRunError, is_of_this_process, warn_user
from ..runs import upstream
from ..runs.document_parts import Document, NamedDocument, Reader
from ..runs.packed_headers import TIME_TYPES, PackedHeader
from .catalog_paths import files_matching
from .file_permissions import named_owner, owner_of
from .header_cache import Files, HeaderCache, state_of

StartAndStop = tuple[Document, Document | None]
"""The start document, and the stop document if there is one."""

HOLDS_A_PICKLE = (
    "holds a pickle (an array of objects), and unpacking it can run any code; if you trust its author, open the "
    "catalog with allow_pickle=True"
)

_LEFT_AFTER = 60
"""Seconds after which a program that writes a start document is not expected to go on."""

_READ_SIZE = 1 << 16
"""Bytes read at a time; msgpack's own 1 MB takes longer to allocate than a small run takes to read."""

_NOT_BLOCKING = getattr(os, "O_NONBLOCK", 0)


def read_msgpack(path: str) -> Iterator[NamedDocument]:
    """The documents of a msgpack file; raises `PickledRunError` instead of unpacking a pickle."""
    return _unpacked(path, _decode_without_pickles)


def read_msgpack_and_pickles(path: str) -> Iterator[NamedDocument]:
    """The documents of a msgpack file, as databroker 1.2.5 reads them: arrays of objects are unpickled."""
    return _unpacked(path, msgpack_numpy.decode)


def read_jsonl(path: str) -> Iterator[NamedDocument]:
    with open_run_file(path, "r") as file:
        for line in file:
            name, doc = json.loads(line)
            yield name, doc


@contextlib.contextmanager
def open_run_file(path: str, mode: str) -> Iterator[IO[Any]]:
    """Open a regular file for reading; refuse a named pipe, on which opening would wait for a writer."""

    def opener(path: str, flags: int) -> int:
        return os.open(path, flags | _NOT_BLOCKING)

    with open(path, mode, opener=opener) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "no regular file", path)
        yield file


@dataclass(frozen=True)
class RunFormat:
    """The suffix of run files, and how they are read."""

    name: str
    suffix: str
    read: Reader

    def read_header(self, path: str) -> StartAndStop | None:
        """The start and stop documents, as databroker 1.2.5 finds them in a msgpack file; None if incomplete."""
        documents = self.read(path)
        for name, start in documents:
            if name == "stop":
                return start, start
            return start, next((doc for name, doc in documents if name == "stop"), None)
        return None


class JSONLFormat(RunFormat):
    def read_header(self, path: str) -> StartAndStop | None:
        """The same from the first and the last line."""
        with open_run_file(path, "r") as file:
            line = file.readline()
            try:
                _, start = json.loads(line)
            except json.JSONDecodeError:
                if not line.endswith("\n"):
                    return None  # it is being written
                raise
        return start, upstream.stock_files().stop_of_jsonl(path)


MSGPACK = RunFormat("msgpack", ".msgpack", read_msgpack)
MSGPACK_AND_PICKLES = RunFormat("msgpack and pickles", ".msgpack", read_msgpack_and_pickles)
JSONL = JSONLFormat("jsonl", ".jsonl", read_jsonl)

READERS = {known.suffix: known.read for known in (MSGPACK, JSONL)}
"""The readers of run files, by their suffix, which unpack no pickles."""

RUN_FILES = tuple(READERS)


def _unpacked(path: str, decode: Callable[[Document], Any]) -> Iterator[NamedDocument]:
    options = {**upstream.stock_files().unpack_options, "object_hook": decode, "read_size": _READ_SIZE}
    with open_run_file(path, "rb") as file:
        try:
            yield from msgpack.Unpacker(file, **options)
        except _PickleFound:
            raise PickledRunError(f"the run file {path!r} {HOLDS_A_PICKLE}") from None


class _PickleFound(Exception):
    """Stops reading a file."""


def _decode_without_pickles(obj: dict[Any, Any]) -> Any:
    """Decode msgpack-numpy 0.4.8's arrays, but not arrays of objects.

    It would unpickle those of kind O, and treat the bytes of structured arrays with objects as memory addresses.
    """
    if b"nd" in obj:
        array_kind = obj.get(b"kind", b"")
        if type(array_kind) is not bytes or array_kind == b"O":
            raise _PickleFound
        array = msgpack_numpy.decode(obj)
        if getattr(array, "dtype", None) is not None and array.dtype.hasobject:
            raise _PickleFound
        return array
    return msgpack_numpy.decode(obj) if b"complex" in obj else obj


def load_run_files(catalog: Any, run_format: RunFormat, index: HeaderCache) -> None:
    """Add each new or changed file to the entries of a catalog.

    A file is recorded as loaded after its entry is made. A file that is unreadable or not a run is skipped with a
    warning, and tried again next time; databroker 1.2.5 could not open the catalog at all.
    """
    complaints: list[tuple[str, str]] = []
    read: list[PackedHeader] = []
    with _without_garbage_collection():
        files = _new_files(catalog, complaints)
        loaded = upstream.loaded_files(catalog)

        def headers() -> Iterator[PackedHeader]:
            recalled = False
            for path, (modified, state) in files.items():
                header = index.header(path, state)
                if header is None and not recalled:
                    index.recall(files)
                    recalled = True
                    header = index.header(path, state)
                if header is None:
                    header = _read_header(path, state, run_format, complaints)
                    if header is None:
                        continue
                    read.append(header)
                yield header
                # after its entry is made, because a file that is recorded here is not read again
                loaded[header.path] = modified

        try:
            upstream.loaded_entries(catalog).add(headers(), run_format.read)
        finally:
            index.add(read)
    if complaints:
        _warn(complaints)


def _read_header(
    path: str, state: bytes, run_format: RunFormat, complaints: list[tuple[str, str]]
) -> PackedHeader | None:
    try:
        header = run_format.read_header(path)
        if header is None:
            status = os.stat(path)
            if status.st_size > 0 and time.time() - status.st_mtime > _LEFT_AFTER:
                complaints.append((path, "ends within its start document; restore it from a copy, or move it away"))
            return None
        _check_header(*header)
        return PackedHeader.packed_of(*header, path, state)
    except (OSError, PickledRunError) as exc:
        _note(path, exc, complaints)
    except Exception as exc:  # other programs' files can contain anything
        complaints.append((path, why_unreadable(path, exc)))
    return None


def _check_header(start: Any, stop: Any) -> None:
    """Refuse a start document without a uid or time."""
    if not isinstance(start, dict) or not isinstance(start.get("uid"), str) or not isinstance(stop, dict | None):
        raise ValueError("no start document")
    if isinstance(start.get("time"), bool) or not isinstance(start.get("time"), TIME_TYPES):
        raise ValueError("no time")


@contextlib.contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Pause garbage collection while many dicts are made; its passes take longer than making them."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _new_files(catalog: Any, complaints: list[tuple[str, str]]) -> Files:
    """The files that a catalog has not loaded in their present state."""
    noted = upstream.loaded_files(catalog)
    files: dict[str, tuple[float, bytes]] = {}
    gone = set(noted)
    paths = catalog.paths.files
    if paths is None:
        paths = files_matching(catalog.paths)
    for path in paths:
        try:
            status = os.stat(path)
        except OSError as exc:
            _note(path, exc, complaints)
        else:
            gone.discard(path)
            modified = status.st_mtime
            if modified != noted.get(path):
                files[path] = modified, state_of(status)
    catalog.paths.gone = gone
    return files


def _note(path: str, exc: OSError | PickledRunError, complaints: list[tuple[str, str]]) -> None:
    """Record the complaint about an unreadable file, unless the file was removed meanwhile."""
    if is_of_this_process(exc):
        raise exc
    if not isinstance(exc, FileNotFoundError) or os.path.islink(path):
        complaints.append((path, why_unreadable(path, exc)))


@contextlib.contextmanager
def noting_only_what_is_loaded(catalog: Any) -> Iterator[None]:
    """Make a driver's ``_load`` read the same files again next time if it raises."""
    noted = upstream.loaded_files(catalog)
    before = dict(noted)
    try:
        yield
    except BaseException:
        noted.clear()
        noted.update(before)
        raise


def why_unreadable(path: str, exc: Exception | None = None) -> str:
    """The reason why a run file cannot be read, and what to do; `exc` is the error of reading."""
    if isinstance(exc, PickledRunError):
        return HOLDS_A_PICKLE
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        if os.path.islink(path):
            return (
                f"is a link to {os.readlink(path)!r}, which does not exist; mount its file system, or restore that file"
            )
        return "was removed meanwhile"
    except OSError as error:
        return f"cannot be accessed ({error.strerror}); ask its owner{named_owner(path)} for the permission to read it"
    if not stat.S_ISREG(mode):
        return "is not a regular file; move it away, or rename it"
    if isinstance(exc, PermissionError):
        return f"cannot be read by this user; ask its owner{named_owner(path)} for the permission to read it"
    if isinstance(exc, OSError):
        return f"cannot be read ({exc.strerror}); restore it from a copy"
    return f"is not a run, or is damaged ({type(exc).__name__}); restore it from a copy, or move it away"


def _warn(complaints: list[tuple[str, str]]) -> None:
    path, why = complaints[0]
    others, owner = len(complaints) - 1, owner_of(path)
    more = f"; {others} more {'file is' if others == 1 else 'files are'} skipped" if others else ""
    warn_user(
        f"the run file {path!r}{f' of {owner}' if owner else ''} is skipped: it {why}{more}; "
        "databroker-writable check lists what cannot be read"
    )
