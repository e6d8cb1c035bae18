"""Catalogs over directories of msgpack or JSONL files."""

from __future__ import annotations

import contextlib
import fnmatch
import glob
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

from ..errors import InvalidCatalogError, NotWritableError, RunExistsError
from ..runs import upstream
from ..runs.forks import begin_anew_in_children
from ..tables.backend_limits import INT64_OR_UINT64, Limits
from ..tables.wording import short
from .backend import Arguments, Backend, Document
from .loading import load_run_files, noting_only_what_is_loaded
from .local_paths import RunPaths, absolute_glob
from .new_file import sync_directories
from .publication import PublishingManager
from .roots import ASSETS, AssetRoots
from .run_group import RunGroup
from .run_readers import JSONL, MSGPACK, MSGPACK_AND_PICKLES, RunFormat
from .serializer import callbacks_of

MSGPACK_BUFFER = 1_000_000_000
"""databroker 1.2.5 opens msgpack files with this max_buffer_size; one larger document closes the whole catalog."""


_ESCAPED = re.compile(r"\[([*?[])\]")


class FileRunWriter:
    """Writes one run with the serializer that the driver uses, into files that are published at the end."""

    def __init__(self, backend: FileBackend, start: Document) -> None:
        self._backend = backend
        self.start = start
        self.stop: Document = {}
        self._callbacks = callbacks_of(backend.driver_serializer(), start)
        self._managers = publish_through(self._callbacks, backend.check_file_name)
        self._callbacks += filter(None, map(upstream.stream_document_writer, self._callbacks))

    def __call__(self, name: str, doc: Document) -> None:
        try:
            for callback in self._callbacks:
                callback(name, doc)
        except FileExistsError as exc:
            raise _exists(self.uid, exc) from None
        if name == "stop":
            self.stop = doc

    def publish(self) -> None:
        if self._backend.takes_into_group(self):
            return
        self.sync()
        self.link()
        sync_directories(self.published)
        self._backend.published = [self]

    @property
    def uid(self) -> str:
        return self.start["uid"]

    @property
    def published(self) -> list[str]:
        """The files under their final names."""
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


class FileBackend(Backend):
    """A directory of files, one per run, as `BlueskyMsgpackCatalog` and `BlueskyJSONLCatalog` read them."""

    batch_size = 64
    suffix: ClassVar[str]
    stock_driver: ClassVar[Any]  # the driver class whose _load is known
    stock_reader: ClassVar[Any]  # what it reads files with

    def __init__(self, catalog: Any, driver_serializer: Callable[[], Any]) -> None:
        super().__init__(catalog, driver_serializer)
        self.published: list[FileRunWriter] | None = None
        self._group: RunGroup | None = None
        self._loaded_at: float | None = None
        self._failed: dict[str, float] = {}
        begin_anew_in_children(self)

    def begin_anew(self) -> None:
        """Leave a group that is under way to the process that began it."""
        self._group, self.published = None, None

    @property
    def run_format(self) -> RunFormat:
        """How the run files are read."""
        raise NotImplementedError

    @property
    def read_file(self) -> Callable[[str], Iterator[tuple[str, Document]]]:
        """What gives the documents of a run file."""
        return self.run_format.read

    def lasting_arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        named = upstream.named_arguments(self.catalog, args, kwargs)
        if "paths" not in named or len(named) < len(args) + len(kwargs):
            return args, kwargs
        paths = named["paths"]
        if getattr(paths, "allow_pickle", False):
            named.setdefault("allow_pickle", True)
        return (), {**named, "paths": absolute_globs(paths)}

    def driver_arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any], asset_root: str | None) -> dict[str, Any]:
        """Add the map by which assets are found after the directory was moved."""
        if not kwargs.get("paths"):
            return kwargs
        paths = RunPaths(kwargs["paths"], self.allow_pickle)
        roots = AssetRoots(kwargs.get("root_map") or {}, assets_beside(paths[0]), asset_root)
        return {**kwargs, "paths": paths, "root_map": roots}

    def adopt(self) -> None:
        self.catalog.paths = RunPaths(absolute_globs(self.catalog.paths), self.allow_pickle)
        upstream.read_files_by(self.catalog, self.stock_reader, self.read_file)

    def check_writable(self) -> None:
        if not self.catalog.paths:
            raise InvalidCatalogError(
                f"the catalog {self.label!r} has no paths; open it with paths=['DIRECTORY/*{self.suffix}']"
            )
        first = str(self.catalog.paths[0])
        if glob.has_magic(_ESCAPED.sub("", os.path.dirname(first))):
            raise InvalidCatalogError(
                f"the first path of the catalog {self.label!r}, {first!r}, does not name one directory; "
                f"put 'DIRECTORY/*{self.suffix}' first"
            )
        existing = os.path.abspath(self.directory)
        while not os.path.lexists(existing):
            existing = os.path.dirname(existing)
        if not os.path.isdir(existing):
            raise NotWritableError(f"{existing!r} is not a directory; open the catalog with another path")
        if not os.access(existing, os.W_OK | os.X_OK):
            raise NotWritableError(
                f"no permission to write into {existing!r}; ask its owner, or store into a catalog of your own"
            )

    def open_writer(self, start: Document) -> FileRunWriter:
        return FileRunWriter(self, start)

    def has_run(self, uid: str) -> bool:
        known = upstream.loaded_entries(self.catalog)
        if uid not in known and os.path.lexists(self.run_file(uid)):
            # another process has stored it since this catalog was loaded
            self.catalog.force_reload()
        return uid in known

    def obstacle(self, uid: str) -> str:
        path = self.run_file(uid)
        others = [name for name in os.listdir(self.directory) if name.lower() == os.path.basename(path).lower()]
        if others and os.path.basename(path) not in others:
            return (
                f"its file system takes {os.path.basename(path)!r} and {others[0]!r}, which is there, for one name; "
                "store yours under another uid"
            )
        if not os.path.isfile(path):
            return f"{path!r} is no file that can be opened; store yours under another uid"
        if not os.path.getsize(path):
            return (
                f"{path!r} is an empty file, which a store that was cut off leaves on a file system without hard "
                "links; remove it if no program is about to write it, or store yours under another uid"
            )
        if not os.access(path, os.R_OK):
            return f"you may not read {path!r}, which can be a run; ask its owner, or store yours under another uid"
        return (
            f"{path!r} is there, and this catalog does not show it as that run; look at it with databroker-writable "
            "check, and store yours under another uid"
        )

    def stored_run(self, uid: str) -> Any:
        return upstream.open_entry(upstream.loaded_entries(self.catalog)[uid], self.catalog)

    def default_asset_root(self) -> str:
        return assets_beside(str(self.catalog.paths[0]))

    @property
    def directory(self) -> str:
        """Where runs are written."""
        return unescaped(os.path.dirname(str(self.catalog.paths[0])))

    def run_file(self, uid: str) -> str:
        """Path of the file of a run."""
        return os.path.join(self.directory, uid + self.suffix)

    def check_file_name(self, path: str) -> None:
        """Refuse a file that the catalog would not find again."""
        if not any(_finds(str(pattern), path) for pattern in self.catalog.paths):
            raise InvalidCatalogError(
                f"the file {path!r} would not be found again by the paths {[str(p) for p in self.catalog.paths]} of "
                f"the catalog {self.label!r}; put {os.path.join(os.path.dirname(path), '*' + self.suffix)!r} first"
            )

    @contextlib.contextmanager
    def grouped(self, uids: Iterable[str]) -> Iterator[RunGroup]:
        self._group = RunGroup(uids)
        try:
            yield self._group
        except BaseException:
            self._group.abandon()
            raise
        finally:
            self._group = None

    def takes_into_group(self, writer: FileRunWriter) -> bool:
        """Whether a complete run waits for others of its group."""
        if self._group is None or not self._group.takes(writer.uid):
            return False
        self._group.add(writer)
        self.published = []
        return True

    def show_published(self, writers: list[Any]) -> None:
        self.published = writers
        self.catalog.force_reload()

    def load(self, load_all: Callable[[], None]) -> None:
        """Load the catalog's entries; after publication only those of the new runs.

        databroker 1.2.5's v1.insert reloads the whole catalog at each stop document: a glob and a stat of every
        file.
        """
        writers, self.published = self.published, None
        is_stock = upstream.is_method_of(load_all, self.stock_driver, "_load")
        upstream.read_files_by(self.catalog, self.stock_reader, self.read_file)
        if writers is None or (writers and not is_stock) or any(len(writer.published) != 1 for writer in writers):
            if is_stock:
                load_run_files(self.catalog, self.run_format, self._failed)
            else:
                with noting_only_what_is_loaded(self.catalog):
                    load_all()
            self._loaded_at = time.time()
            return
        for writer in writers:
            (path,) = writer.published
            modified = os.path.getmtime(path)
            upstream.add_run_file(self.catalog, path, writer.start, writer.stop, self.read_file, modified)
        # what other processes store is still looked for as often as before
        if self._loaded_at is not None:
            self.catalog.updated = self._loaded_at


class MsgpackBackend(FileBackend):
    """msgpack files."""

    limits = insert_limits = Limits(
        "msgpack", integers=INT64_OR_UINT64, binary=True, stream_assets=True, page_bytes=MSGPACK_BUFFER
    )
    suffix = ".msgpack"
    stock_driver = upstream.stock_drivers().msgpack
    stock_reader = staticmethod(upstream.stock_files().read_msgpack)

    @property
    def run_format(self) -> RunFormat:
        return MSGPACK_AND_PICKLES if self.allow_pickle else MSGPACK


class JSONLBackend(FileBackend):
    """Files of one JSON document a line."""

    limits = insert_limits = Limits("JSON", integers=INT64_OR_UINT64, stream_assets=True)
    suffix = ".jsonl"
    stock_driver = upstream.stock_drivers().jsonl
    stock_reader = staticmethod(upstream.stock_files().read_jsonl)
    run_format = JSONL


def publish_through(
    callbacks: list[Any], check_name: Callable[[str], None] = lambda path: None
) -> list[PublishingManager]:
    """Give suitcase serializers managers that publish atomically, and give these managers."""
    managers = []
    for callback in callbacks:
        directory = upstream.directory_of_serializer(callback)
        if directory is not None:
            managers.append(PublishingManager(unescaped(directory), check_name))
            upstream.set_manager(callback, managers[-1])
    return managers


def absolute_globs(paths: Any) -> list[str]:
    """Give the globs of a catalog as absolute ones."""
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    if not isinstance(paths, Iterable):
        raise InvalidCatalogError(f"paths is a list of globs, not {short(paths)}; give ['DIRECTORY/*.msgpack']")
    return [absolute_glob(path, "paths") for path in paths]


def assets_beside(path: str) -> str:
    """The directory of assets of the run files that a glob names."""
    return os.path.join(os.path.abspath(unescaped(os.path.dirname(path))), ASSETS)


def unescaped(path: str) -> str:
    """Undo `glob.escape`."""
    return _ESCAPED.sub(r"\1", path)


def _finds(pattern: str, path: str) -> bool:
    """Whether `glob.glob` finds a path, whose wildcards, unlike fnmatch's, do not pass separators."""
    patterns, parts = os.path.normpath(pattern).split(os.sep), os.path.normpath(path).split(os.sep)
    return len(patterns) == len(parts) and all(map(fnmatch.fnmatch, parts, patterns))


def _exists(uid: str, exc: OSError) -> RunExistsError:
    return RunExistsError(f"the run {uid!r} is stored already, in {exc.filename2 or exc.filename!r}")
