"""Catalogs over directories of msgpack or JSONL files."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePath
from typing import Any, ClassVar

from ..errors import InvalidCatalogError, NotWritableError
from ..runs import upstream
from ..runs.document_parts import Document, Reader
from ..runs.forks import begin_anew_in_children
from ..runs.packed_headers import PackedHeader
from ..runs.upstream_entries import is_deleted
from ..tables.backend_limits import INT64_OR_UINT64, Limits
from .asset_roots import AssetRoots
from .backend import Arguments, Backend
from .catalog_paths import (
    ASSETS,
    IN_DELETION,
    REMARKS,
    RunPaths,
    absolute_globs,
    assets_beside,
    directories_of,
    has_wildcards,
    remedy_for_pattern,
    unescaped,
)
from .file_permissions import was_removed
from .file_writer import FileRunWriter, RunFileGroup, SerializerWriter, name_during_deletion
from .header_cache import HeaderCache
from .remark_files import RemarkFolder
from .run_file_readers import (
    JSONL,
    MSGPACK,
    MSGPACK_AND_PICKLES,
    RunFormat,
    load_run_files,
    noting_only_what_is_loaded,
)

MSGPACK_BUFFER = 1_000_000_000
"""databroker 1.2.5 opens msgpack files with this max_buffer_size; one larger document closes the whole catalog."""


class FileBackend(Backend):
    """A directory of files, one per run, as `BlueskyMsgpackCatalog` and `BlueskyJSONLCatalog` read them."""

    batch_size = 64
    place_of_remarks = f"beside its run files, in the directory {REMARKS!r}"
    suffix: ClassVar[str]
    stock_driver: ClassVar[Any]  # the driver class whose _load is known
    stock_reader: ClassVar[Any]  # the functions that read its files

    def __init__(self, catalog: Any, driver_serializer: Callable[[], Any]) -> None:
        super().__init__(catalog, driver_serializer)
        self._loaded_at: float | None = None
        self._had_directory = False
        self._searched: RunPaths | None = None  # of the catalog whose search result this is
        self.begin_anew()
        begin_anew_in_children(self)

    def begin_anew(self) -> None:
        """Leave an open group to the process that began it, and create a new lock."""
        self.group: RunFileGroup | None = None
        # what was published since the catalog was last loaded, also by an acquisition at the same time
        self.published: deque[list[SerializerWriter]] = deque()
        self._loading = threading.RLock()

    @property
    def run_format(self) -> RunFormat:
        raise NotImplementedError

    @property
    def read_file(self) -> Reader:
        """The function that reads the documents of a run file."""
        return self.run_format.read

    def lasting_arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        named = upstream.named_arguments(self.catalog, args, kwargs)
        if "paths" not in named or len(named) < len(args) + len(kwargs):
            return args, kwargs
        paths = named["paths"]
        if isinstance(paths, RunPaths):
            self._searched = paths
            options = {"allow_pickle": True} if paths.allow_pickle else {}
            named = {**options, **({} if paths.headers.on_disk else {"index": False}), **named}
        named["paths"] = absolute_globs(paths)
        if not isinstance(paths, RunPaths):
            self._check_names_files(named["paths"])
        return (), named

    def _check_names_files(self, globs: list[str]) -> None:
        """Refuse a directory, which the driver would take for the file of a run."""
        for pattern in globs:
            path = unescaped(pattern)
            if has_wildcards(pattern) or os.path.isfile(path):
                continue
            if os.path.isdir(path) or not path.endswith(self.suffix):
                raise InvalidCatalogError(
                    f"paths has {path!r}, which names a directory; write {os.path.join(pattern, '*' + self.suffix)!r} "
                    "for the run files in it"
                )

    def driver_arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any], asset_root: str | None) -> dict[str, Any]:
        if "paths" not in kwargs:
            return kwargs
        paths = self._paths(kwargs["paths"])
        return {**kwargs, "paths": paths, "root_map": AssetRoots(kwargs.get("root_map") or {}, paths, asset_root)}

    def adopt(self) -> None:
        self.catalog.paths = self._paths(absolute_globs(self.catalog.paths))
        upstream.loaded_entries(self.catalog).readers = {self.stock_reader: self.read_file}
        upstream.map_roots_by(
            self.catalog, AssetRoots(self.catalog.root_map, self.catalog.paths, self.catalog.asset_root)
        )

    def _paths(self, globs: list[str]) -> RunPaths:
        headers, files = HeaderCache(self.run_format.name, self.index), None
        if self._searched is not None:
            files = self._searched.files
            shared = self._searched.headers
            if (shared.run_format, shared.on_disk) == (headers.run_format, headers.on_disk):
                headers = shared
        return RunPaths(globs, self.allow_pickle, headers, files)

    def check_writable(self) -> None:
        if not self.catalog.paths:
            raise InvalidCatalogError(
                f"the catalog {self.label!r} has no paths; open it with paths=['DIRECTORY/*{self.suffix}']"
            )
        first = str(self.catalog.paths[0])
        if has_wildcards(os.path.dirname(first)):
            raise InvalidCatalogError(
                f"the first path of the catalog {self.label!r}, {first!r}, does not name one directory; "
                f"{remedy_for_pattern(first, self.suffix)}"
            )
        self._check_still_there()
        existing = os.path.abspath(self.directory)
        while not os.path.isdir(existing):
            if os.path.lexists(existing):
                raise NotWritableError(f"{existing!r} is not a directory; open the catalog with another path")
            existing = os.path.dirname(existing)
        if not os.access(existing, os.W_OK | os.X_OK):
            raise NotWritableError(f"no permission to write into {existing!r}; ask its owner, or use your own catalog")

    def _check_still_there(self) -> None:
        """Refuse a directory that was there: another one made in its place would hide it, or be hidden by it."""
        if self._had_directory and not os.path.isdir(self.directory) and not was_removed(self.directory):
            raise InvalidCatalogError(
                f"the directory {self.directory!r} is gone; mount its file system again, or open the catalog anew"
            )

    def open_writer(self, start: Document) -> FileRunWriter:
        return FileRunWriter(self, start)

    def has_run(self, uid: str) -> bool:
        known = upstream.loaded_entries(self.catalog)
        if uid in known and not is_deleted(self.catalog, uid):
            return True
        if not any(os.path.lexists(self.run_file(uid, directory)) for directory in self.directories()):
            return False
        # another process may have stored it since this catalog was loaded
        self.catalog.force_reload()
        return uid in known

    def shows_stored(self, uid: str) -> bool:
        return self.group is not None or uid in upstream.loaded_entries(self.catalog)

    def obstacle(self, uid: str) -> str:
        path = self.run_file(uid)
        if os.path.lexists(name_during_deletion(path)):
            return IN_DELETION
        if not os.path.lexists(path):
            return ""
        others = [name for name in os.listdir(self.directory) if name.lower() == os.path.basename(path).lower()]
        if others and os.path.basename(path) not in others:
            return (
                f"its file system does not distinguish {os.path.basename(path)!r} from {others[0]!r}, which exists; "
                "store yours under another uid"
            )
        if not os.path.isfile(path):
            return f"{path!r} is not a file that can be opened; store yours under another uid"
        if not os.path.getsize(path):
            return (
                f"{path!r} is an empty file, which an interrupted store leaves on a file system without hard "
                "links; remove it if no program is about to write it, or store yours under another uid"
            )
        if not os.access(path, os.R_OK):
            return f"you cannot read {path!r}, which may be a run; ask its owner, or store yours under another uid"
        return (
            f"{path!r} exists, but this catalog does not show it as this run; look at it with databroker-writable "
            "check, and store yours under another uid"
        )

    def stored_run(self, uid: str) -> Any:
        return upstream.open_entry(upstream.loaded_entries(self.catalog)[uid], self.catalog)

    def default_asset_root(self) -> str:
        return assets_beside(str(self.catalog.paths[0]))

    def default_asset_roots(self) -> list[str]:
        return [os.path.join(directory, ASSETS) for directory in self.directories()]

    def directories(self) -> tuple[str, ...]:
        """The directories of the paths that name one each."""
        return directories_of(tuple(map(str, self.catalog.paths)))

    @property
    def directory(self) -> str:
        """The directory to which runs are written."""
        return unescaped(os.path.dirname(str(self.catalog.paths[0])))

    @property
    def remedy_for_lost_builder(self) -> str:
        return (
            f"{super().remedy_for_lost_builder}, or, if its hidden file is still in {self.directory!r}, publish that "
            "with databroker_writable.recover(catalog)"
        )

    def check_takes_remarks(self) -> None:
        self.check_writable()
        self.remark_folders[0].check_place()

    @property
    def remark_folders(self) -> list[RemarkFolder]:
        """Those beside the run files; none for paths that name no one directory."""
        paths = [os.path.join(directory, REMARKS) for directory in self.directories()]
        if [folder.path for folder in self._remark_folders] != paths:
            self._remark_folders = [RemarkFolder(path) for path in paths]
        return self._remark_folders

    def run_file(self, uid: str, directory: str | None = None) -> str:
        """Path of the file of a run, by default in the directory to which runs are written."""
        return os.path.join(directory or self.directory, uid + self.suffix)

    def check_file_name(self, path: str) -> None:
        """Refuse a file that the catalog would not find again."""
        # as glob has it, wildcards do not pass separators
        if any(PurePath(os.path.normpath(path)).match(os.path.normpath(pattern)) for pattern in self.catalog.paths):
            return
        if not path.endswith(self.suffix):
            raise InvalidCatalogError(
                f"the file {path!r} is no '*{self.suffix}' file, so the catalog {self.label!r} would not find it "
                "again; take its serializer out of the driver's _get_serializer, and export such files of stored runs"
            )
        raise InvalidCatalogError(
            f"the file {path!r} would not be found again by the paths {[str(p) for p in self.catalog.paths]} of "
            f"the catalog {self.label!r}; put {os.path.join(os.path.dirname(path), '*' + self.suffix)!r} first"
        )

    @contextlib.contextmanager
    def grouped(self, uids: Iterable[str]) -> Iterator[RunFileGroup]:
        self.group = RunFileGroup(uids, self.published.append)
        try:
            yield self.group
        except BaseException:
            self.group.abandon()
            raise
        finally:
            self.group = None

    def load(self, load_all: Callable[[], None]) -> None:
        """Load the catalog's entries; after publication only those of the new runs.

        databroker 1.2.5's v1.insert reloads the whole catalog at each stop document: a glob and a stat of every
        file.
        """
        is_stock = upstream.is_method_of(load_all, self.stock_driver, "_load")
        with self._loading:
            published = [self.published.popleft() for _ in range(len(self.published))]
            writers = [writer for group in published for writer in group]
            if not published or (writers and not is_stock) or any(len(writer.files) != 1 for writer in writers):
                self._load_files(load_all, is_stock)
            else:
                self._load_published(writers)

    def _load_published(self, writers: list[SerializerWriter]) -> None:
        self._had_directory = True
        headers = [PackedHeader.of(writer.start, writer.stop, writer.files[0].path) for writer in writers]
        modified = {header.path: os.path.getmtime(header.path) for header in headers}
        upstream.loaded_entries(self.catalog).add(headers, self.read_file)
        upstream.loaded_files(self.catalog).update(modified)
        # what other processes store is still looked for as often as before
        if self._loaded_at is not None:
            self.catalog.updated = self._loaded_at

    def _load_files(self, load_all: Callable[[], None], is_stock: bool) -> None:
        if not isinstance(self.catalog.paths, RunPaths):  # a facility's driver made them from its own arguments
            self.adopt()
        self._check_still_there()
        upstream.loaded_entries(self.catalog).readers = {self.stock_reader: self.read_file}
        if is_stock:
            load_run_files(self.catalog, self.run_format, self.catalog.paths.headers)
        else:
            with noting_only_what_is_loaded(self.catalog):
                load_all()
        self._loaded_at = time.time()
        self._had_directory = bool(self.catalog.paths) and os.path.isdir(self.directory)


class MsgpackBackend(FileBackend):
    """msgpack files."""

    limits = Limits(
        "msgpack",
        integers=INT64_OR_UINT64,
        binary=True,
        complex_numbers=True,
        stream_documents=True,
        page_bytes=MSGPACK_BUFFER,
    )
    insert_limits = dataclasses.replace(limits, numpy_metadata=True)  # as databroker's own driver stores them
    suffix = MSGPACK.suffix
    stock_driver = upstream.stock_drivers().msgpack
    stock_reader = staticmethod(upstream.stock_files().read_msgpack)

    @property
    def run_format(self) -> RunFormat:
        return MSGPACK_AND_PICKLES if self.allow_pickle else MSGPACK


class JSONLBackend(FileBackend):
    """Files of one JSON document a line."""

    limits = insert_limits = Limits("JSON", integers=INT64_OR_UINT64, stream_documents=True)
    suffix = JSONL.suffix
    stock_driver = upstream.stock_drivers().jsonl
    stock_reader = staticmethod(upstream.stock_files().read_jsonl)
    run_format = JSONL
