"""Copy the asset files of one run to the asset root of another catalog."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import InvalidRunError, StoreFailedError
from ..runs.document_parts import Document
from ..storage.assets import format_of
from ..storage.assets.asset_paths import check_same, free_path
from ..storage.durable_file import NewFile
from ..storage.failures import explaining
from ..storage.run_file_readers import why_unreadable
from .asset_findings import path_of_resource


class AssetCopies:
    """The copies of the asset files of one run, from one catalog to another."""

    def __init__(self, source: Any, destination: Any, uid: str) -> None:
        self._source, self._destination = source, destination
        self._uid = uid
        # from where files may be copied, whatever the documents say
        store = getattr(source, "_store", None)
        root_map = getattr(source, "root_map", None) or {}
        self._roots = [*root_map.values(), *([] if store is None else store.asset_roots())]
        self._paths: dict[str, str] = {}  # below the root of the destination, by the path at the source
        self._made: dict[str, int] = {}  # the time of the last change of each new file

    def copied(self, resource: Document) -> Document:
        """Copy the file of a resource, and return the resource for the destination."""
        root = self._destination._store.asset_root()
        if root is None:
            raise InvalidRunError(
                f"the run {self._uid!r} has assets, but the catalog {self._destination.name!r} has no asset_root; "
                "open it with asset_root='DIRECTORY', on a file system that all readers share"
            )
        recorded, relative = str(resource["root"]), str(resource["resource_path"])
        path = path_of_resource(self._source, resource)
        if not _is_below(os.path.join(root, relative), root):
            raise InvalidRunError(f"the run {self._uid!r} refers to {relative!r}, which is outside the asset root")
        if not any(_is_below(path, known) for known in self._roots):
            raise InvalidRunError(
                f"the run {self._uid!r} refers to {path}, which is in no asset root of the source; if that file is to "
                f"be copied, open the source with root_map={{{recorded!r}: 'DIRECTORY'}}, the directory that holds it"
            )
        if path not in self._paths:
            with explaining(self._destination._backend):
                self._paths[path] = self._copy(path, root, relative, format_of(resource).verify)
        return {**resource, "root": root, "resource_path": self._paths[path]}

    def discard(self) -> None:
        """Remove the new files, unless the run is stored with them, or another process has begun to use them."""
        try:
            if self._destination._backend.has_run(self._uid):
                return
        except Exception:
            return  # for example, the server is gone
        for path, changed in self._made.items():
            with contextlib.suppress(FileNotFoundError):
                if os.stat(path).st_mtime_ns == changed:
                    os.unlink(path)

    def _copy(self, path: str, root: str, relative: str, verify: Callable[[str], None]) -> str:
        """Copy a file completely and durably, unless it is there already; return its path below the root."""
        _check_is_readable(path)
        target = os.path.join(root, relative)
        if os.path.lexists(target) and os.path.samefile(path, target):
            # both catalogs have one asset root: a deletion in one of them must not remove the file of the other
            relative = free_path(root, relative)
            target = os.path.join(root, relative)
        if not os.path.lexists(target):
            with contextlib.suppress(FileExistsError):
                with open(path, "rb") as original, NewFile(target) as copy:
                    shutil.copyfileobj(original, copy, 2**24)
                    verify(copy.partial)
                    copy.publish()
                self._made[target] = os.stat(target).st_mtime_ns
                return relative
        check_same(path, target)
        # it must not look like an old leftover, nor like a file that nobody else uses, before its run is stored
        os.utime(target)
        return relative


def _check_is_readable(path: str) -> None:
    """Raise `StoreFailedError` for a file that is missing, or that may not be read."""
    if os.access(path, os.R_OK) and os.path.isfile(path):
        return
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        raise StoreFailedError(
            f"the file {path} is missing; restore it, or map its root with root_map at the source"
        ) from None
    except OSError:
        pass  # a directory above it is closed
    raise StoreFailedError(f"the file {path} {why_unreadable(path, PermissionError())}")


def _is_below(path: str, root: str) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))
