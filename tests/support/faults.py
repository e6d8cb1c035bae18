"""Make the n-th step of storing fail: a write to a file, a call of the system, a command to MongoDB."""

from __future__ import annotations

import builtins
import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mongomock
import pymongo.collection
import pymongo.errors
import pytest
import suitcase.jsonl
import suitcase.mongo_normalized
import suitcase.msgpack

from databroker_writable.storage.durable_file import NewFile
from support import facility

SYSTEM_CALLS = ("fsync", "link", "unlink", "mkdir", "replace")
INSERTS = ("insert_one", "insert_many")
WRITING_COMMANDS = (*INSERTS, "delete_many", "delete_one", "replace_one", "update_one", "update_many")
ALL_COMMANDS = (*WRITING_COMMANDS, "create_index", "create_indexes", "find_one", "find", "count_documents")


@contextlib.contextmanager
def files_grow_to(size: int) -> Iterator[None]:
    """No file of this process may grow beyond a size; not even the one that pytest's output may go to."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # the interpreter ignores SIGXFSZ, so that a write fails with EFBIG
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextlib.contextmanager
def no_file_can_be_opened() -> Iterator[None]:
    """This process has as many files open as it may."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        with contextlib.suppress(OSError):
            while True:
                stack.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        yield


class Fault:
    """Raises at one step of what is done in its ``with`` block.

    Parameters
    ----------
    make_error : callable
        Gives the exception.
    late : bool
        The step is done before it is reported as failed, as when a server's answer is lost.
    lasting : bool
        Every later step in the block fails too.
    """

    def __init__(self, make_error: Callable[[], Exception], *, late: bool = False, lasting: bool = False) -> None:
        self._make_error = make_error
        self.late = late
        self._lasting = lasting
        self._position = 1
        self._count = 0
        self._is_active = False
        self.fired = False

    def __enter__(self) -> Fault:
        self._count, self.fired, self._is_active = 0, False, True
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self._is_active = False

    def positions(self, limit: int = 80) -> Iterator[int]:
        """Fail at the first step, then at the second, ..., and end after a block that had no more steps."""
        for self._position in range(1, limit + 1):
            yield self._position
            if not self.fired:
                return
        raise AssertionError(f"there are more than {limit} steps")

    def step(self, do: Callable[[], Any]) -> Any:
        if not self._is_active:
            return do()
        self._count += 1
        is_now = self._count >= self._position if self._lasting else self._count == self._position
        if not is_now:
            return do()
        self.fired = True
        if self.late:
            do()
        raise self._make_error()


def attempt(function: Callable[..., Any], *args: Any) -> Exception | None:
    """Call and give the exception, if there is one."""
    try:
        function(*args)
    except Exception as exc:
        return exc
    return None


def at_each_document(fault: Fault, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the serializer fail at documents."""
    if kind == "collecting":
        make = facility.CollectingCatalog._get_serializer

        def get_serializer(self: Any) -> Any:
            insert = make(self)
            return lambda name, doc: fault.step(lambda: insert(name, doc))

        monkeypatch.setattr(facility.CollectingCatalog, "_get_serializer", get_serializer)
        return
    cls = suitcase.jsonl.Serializer if kind == "jsonl" else suitcase.msgpack.Serializer
    call = cls.__call__

    def faulty_call(self: Any, name: str, doc: Any, *args: Any) -> Any:
        return fault.step(lambda: call(self, name, doc, *args))

    monkeypatch.setattr(cls, "__call__", faulty_call)


def at_each_system_call(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let writes to files, and the calls of the system that publish them, fail."""

    def faulty(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args, **kwargs: fault.step(lambda: function(*args, **kwargs))

    # a file that was opened and reported as not opened is beyond what systems do
    may_fail = (lambda function: function) if fault.late else faulty

    class FaultyFile:
        def __init__(self, file: Any) -> None:
            self._file = file

        def __getattr__(self, name: str) -> Any:
            value = getattr(self._file, name)
            return faulty(value) if name in ("write", "flush", "writelines") else value

    really_open = builtins.open

    def faulty_open(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if not set(mode) & set("wxa"):
            return really_open(file, mode, *args, **kwargs)
        return FaultyFile(may_fail(really_open)(file, mode, *args, **kwargs))

    for name in SYSTEM_CALLS:
        monkeypatch.setattr(os, name, faulty(getattr(os, name)))
    monkeypatch.setattr(os, "open", may_fail(os.open))
    monkeypatch.setattr(builtins, "open", faulty_open)
    really_write = NewFile.write
    monkeypatch.setattr(NewFile, "write", lambda self, data: fault.step(lambda: really_write(self, data)))


def at_each_command(
    fault: Fault, database: Any, monkeypatch: pytest.MonkeyPatch, commands: tuple[str, ...] = WRITING_COMMANDS
) -> None:
    """Let commands to MongoDB fail."""
    cls = mongomock.collection.Collection
    if not isinstance(database, mongomock.Database):
        cls = pymongo.collection.Collection

    def faulty(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args, **kwargs: fault.step(lambda: function(*args, **kwargs))

    for name in commands:
        monkeypatch.setattr(cls, name, faulty(getattr(cls, name)))


def lost_connection() -> Exception:
    return pymongo.errors.AutoReconnect("connection closed")


def open_files(directory: Path | None) -> list[str]:
    """What this process has open below a directory, where the system tells; other tests have other directories."""
    found = []
    for number in os.listdir("/proc/self/fd") if directory and os.path.isdir("/proc/self/fd") else []:
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/self/fd/{number}"))
    return sorted(path for path in found if path.startswith(str(directory)))


def threads() -> set[threading.Thread]:
    """The threads that run, but for those with which pymongo watches servers, which come and go."""
    return {thread for thread in threading.enumerate() if not thread.name.startswith("pymongo")}
