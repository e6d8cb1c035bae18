"""Catalogs over directories of msgpack or JSONL files."""

from __future__ import annotations

import contextlib
import errno
import fnmatch
import glob
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import suitcase.utils
from databroker._drivers import jsonl, msgpack

from ..errors import InvalidCatalogError, NotWritableError, RunExistsError
from ..tables.backend_limits import INT64_OR_UINT64, Limits
from .opening import open_entry
from .publication import PublishingManager, fsync_directories
from .roots import ASSETS, AssetRoots, absolute_root
from .run_group import RunGroup
from .serializer import callbacks_of

MSGPACK_BUFFER = 1_000_000_000
"""databroker 1.2.5 opens msgpack files with this max_buffer_size; one larger document closes the whole catalog."""


_ESCAPED = re.compile(r"\[([*?[])\]")


class FileRunWriter:
    """Writes one run with the serializer that the driver uses, into files that are published at the end."""

    def __init__(self, catalog: Any, start: dict[str, Any]) -> None:
        self._catalog = catalog
        self.start = start
        self.stop: dict[str, Any] = {}
        self._callbacks = callbacks_of(catalog._driver_serializer(), start)
        self._managers = publish_through(self._callbacks, catalog._check_file_name)

    def __call__(self, name: str, doc: dict[str, Any]) -> None:
        try:
            for callback in self._callbacks:
                callback(name, doc)
        except FileExistsError as exc:
            raise _exists(self.uid, exc) from None
        if name == "stop":
            self.stop = doc

    def publish(self) -> None:
        group = self._catalog._group
        if group is not None and group.takes(self.uid):
            group.add(self)
            self._catalog._published_runs = []
            return
        self.sync()
        self.link()
        fsync_directories(self.published)
        self._catalog._published_runs = [self]

    @property
    def uid(self) -> str:
        return self.start["uid"]

    @property
    def published(self) -> list[str]:
        return [path for manager in self._managers for path in manager.published]

    def start_sync(self) -> None:
        for manager in self._managers:
            manager.start_sync()

    def sync(self) -> None:
        for manager in self._managers:
            manager.sync()

    def link(self) -> None:
        for manager in self._managers:
            try:
                manager.link()
            except FileExistsError as exc:
                raise _exists(self.uid, exc) from None

    def abandon(self) -> None:
        for manager in self._managers:
            manager.abandon()


class FileBackend:
    """Storing into `BlueskyMsgpackCatalog` and `BlueskyJSONLCatalog`, and what derives from them."""

    _limits: Limits
    _suffix: str
    _runs_at_a_time = 64
    _group: RunGroup | None = None
    _stock: Any  # the driver class whose _load is known
    _read_file: Callable[[str], Iterator[tuple[str, dict[str, Any]]]]

    def __init__(self, paths: Any, *args: Any, **kwargs: Any) -> None:
        given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
        if given:
            own = absolute_root(kwargs.get("asset_root"))
            kwargs["root_map"] = AssetRoots(kwargs.get("root_map") or {}, assets_beside(str(given[0])), own)
        super().__init__(paths, *args, **kwargs)  # type: ignore[call-arg]

    def _open_writer(self, start: dict[str, Any]) -> FileRunWriter:
        return FileRunWriter(self, start)

    def _check_backend(self: Any) -> None:
        if not self.paths:
            raise InvalidCatalogError(
                f"the catalog {self._label!r} has no paths; open it with paths=['DIRECTORY/*{self._suffix}']"
            )
        directory = self._directory()
        if glob.has_magic(_ESCAPED.sub("", os.path.dirname(str(self.paths[0])))):
            raise InvalidCatalogError(
                f"the first path of the catalog {self._label!r}, {str(self.paths[0])!r}, does not name one directory; "
                f"put 'DIRECTORY/*{self._suffix}' first"
            )
        existing = os.path.abspath(directory)
        while not os.path.lexists(existing):
            existing = os.path.dirname(existing)
        if not os.path.isdir(existing):
            raise NotWritableError(f"{existing!r} is not a directory; open the catalog with another path")
        if not os.access(existing, os.W_OK | os.X_OK):
            raise NotWritableError(
                f"no permission to write into {existing!r}; ask its owner, or store into a catalog of your own"
            )

    def _has_run(self: Any, uid: str) -> bool:
        if uid in self._uid_to_run_start_doc:
            return True
        if os.path.lexists(os.path.join(self._directory(), uid + self._suffix)):
            # another process has stored it since this catalog was loaded
            self.force_reload()
        return uid in self._uid_to_run_start_doc

    @contextlib.contextmanager
    def _grouped(self: Any, uids: Iterable[str]) -> Iterator[RunGroup]:
        """Have the runs of these uids wait, when they are complete, to be published together."""
        self._group = RunGroup(uids)
        try:
            yield self._group
        except BaseException:
            self._group.abandon()
            raise
        finally:
            self._group = None

    def _show_published(self: Any, published: list[Any]) -> None:
        self._published_runs = published
        self.force_reload()

    def _assets_directory(self: Any) -> str:
        return super()._assets_directory() or assets_beside(str(self.paths[0]))  # type: ignore[misc]

    def _stored_run(self: Any, uid: str) -> Any:
        return open_entry(self._entries[uid], self)

    def _directory(self: Any) -> str:
        return unescaped(os.path.dirname(str(self.paths[0])))

    def _check_file_name(self: Any, path: str) -> None:
        if not any(_finds(str(pattern), path) for pattern in self.paths):
            raise InvalidCatalogError(
                f"the file {path!r} would not be found again by the paths {[str(p) for p in self.paths]} of the "
                f"catalog {self._label!r}; put {os.path.join(os.path.dirname(path), '*' + self._suffix)!r} first"
            )

    def _load(self: Any) -> None:
        """Load the catalog's entries; after publication only those of the new runs.

        databroker 1.2.5's v1.insert reloads the whole catalog at each stop document: a glob and a stat of every
        file.
        """
        runs: list[FileRunWriter] | None = self.__dict__.pop("_published_runs", None)
        is_stock = super()._load.__func__ is self._stock._load  # type: ignore[misc]
        if runs is None or (runs and not is_stock) or any(len(run.published) > 1 for run in runs):
            super()._load()  # type: ignore[misc]
            self._loaded_at = time.time()
            return
        for run in runs:
            (path,) = run.published
            self._filename_to_mtime[path] = os.path.getmtime(path)
            self.upsert(run.start, run.stop, type(self)._read_file, (path,), {})
        # what other processes store is still looked for as often as before
        self.updated = self.__dict__.get("_loaded_at", self.updated)


class MsgpackBackend(FileBackend):
    _limits = Limits("msgpack", integers=INT64_OR_UINT64, binary=True, page_bytes=MSGPACK_BUFFER)
    _suffix = ".msgpack"
    _stock = msgpack.BlueskyMsgpackCatalog
    _read_file = staticmethod(msgpack.gen)


class JSONLBackend(FileBackend):
    _limits = Limits("JSON", integers=INT64_OR_UINT64)
    _suffix = ".jsonl"
    _stock = jsonl.BlueskyJSONLCatalog
    _read_file = staticmethod(jsonl.gen)


def publish_through(
    callbacks: list[Any], check_name: Callable[[str], None] = lambda path: None
) -> list[PublishingManager]:
    """Give suitcase serializers managers that publish atomically, and give these managers."""
    managers = []
    for callback in callbacks:
        manager = getattr(callback, "_manager", None)
        if isinstance(manager, suitcase.utils.MultiFileManager):
            callback._manager = PublishingManager(unescaped(str(manager._directory)), check_name)
            managers.append(callback._manager)
    return managers


def assets_beside(path: str) -> str:
    """The directory of assets of the run files that a glob names."""
    return os.path.join(os.path.abspath(unescaped(os.path.dirname(path))), ASSETS)


def _finds(pattern: str, path: str) -> bool:
    """Whether `glob.glob` finds a path, whose wildcards, unlike fnmatch's, do not pass separators."""
    patterns, parts = os.path.normpath(pattern).split(os.sep), os.path.normpath(path).split(os.sep)
    return len(patterns) == len(parts) and all(map(fnmatch.fnmatch, parts, patterns))


def unescaped(path: str) -> str:
    """Undo `glob.escape`."""
    return _ESCAPED.sub(r"\1", path)


def _exists(uid: str, exc: OSError) -> RunExistsError:
    return RunExistsError(f"the run {uid!r} is stored already, in {exc.filename2 or exc.filename!r}")


def is_read_only(exc: OSError) -> bool:
    """Whether an error of the system says that nothing may be written here."""
    return isinstance(exc, PermissionError) or exc.errno == errno.EROFS
