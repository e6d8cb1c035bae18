"""Find assets that no run refers to, and assets that are missing or damaged."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..errors import UnreadableAssetError
from ..runs.document_parts import Document
from ..runs.shown_text import shown_size
from ..storage.asset_roots import mapped_path
from ..storage.assets import find_asset_files, find_partial_files, format_of, is_asset_file, is_asset_resource
from ..storage.file_locks import is_being_written
from ..storage.file_permissions import why_not_listed
from .check_report import Finding, Leftover, in_place_of_directory

_OF_OTHERS = "which another program wrote, or which cannot be read, so that --clean keeps it; move it away"


class Assets:
    """The files under a catalog's asset root, listed before its runs are read.

    This way, what is published meanwhile is not mistaken for a leftover.
    """

    def __init__(self, catalog: Any) -> None:
        self.root = catalog._store.asset_root()
        self._may_be_shared = catalog.asset_root is not None
        self._catalog = catalog
        self._closed: dict[str, OSError] = {}
        self._partial = find_partial_files(self.root, closed=self._closed.__setitem__) if self.root else {}
        self._published = find_asset_files(self.root, closed=self._closed.__setitem__) if self.root else {}
        self.needed: dict[str, Document] = {}  # the resources that runs refer to, by the paths of their files
        self._referred: set[str] = set()
        self.unknown_resources = self.bytes_read = 0
        self.unreadable = ""  # a file that cannot be read, and may refer to assets

    def refer(self, resources: Iterable[Document]) -> None:
        for resource in resources:
            if is_asset_resource(resource):
                self.needed[path_of_resource(self._catalog, resource)] = resource
                if self.root:
                    # files that were moved here belong to the run, even without a root_map
                    self._referred.add(os.path.realpath(os.path.join(self.root, str(resource["resource_path"]))))
            else:
                self.unknown_resources += 1

    def obstacles(self) -> Iterator[Finding]:
        """What is in the place of the root, and directories below it that cannot be read."""
        if self.root and os.path.lexists(self.root) and not os.path.isdir(self.root):
            yield in_place_of_directory(self.root, "array in a file")
        for path, error in self._closed.items():
            message = f"{why_not_listed(path, error)}, so no leftovers are looked for in it"
            yield Finding("unreadable-directory", path, message)

    def leftovers(self) -> Iterator[Finding]:
        """Partial files, and files that no run refers to."""
        for path, status in self._partial.items():
            if not is_being_written(path):
                yield self._leftover("partial-asset", "partial asset file", path, status)
        in_use = self._in_use()
        for path, status in self._published.items():
            if (status.st_dev, status.st_ino) in in_use:
                continue
            what = "asset file that no run of this catalog refers to"
            if self.unreadable:
                message = f"{what}, kept because {self.unreadable} cannot be read and may refer to it"
                yield Finding("orphan-asset", path, message, is_problem=False)
            elif not is_asset_file(path):
                message = f"file that no run of this catalog refers to, {_OF_OTHERS}"
                yield Finding("orphan-asset", path, message)
            else:
                yield self._leftover("orphan-asset", what, path, status, is_ours=is_asset_file)

    def damage(self, report: Callable[[], Any]) -> Iterator[Finding]:
        """Read every file that runs refer to, and verify checksums; `report` is called after each."""
        for path, resource in self.needed.items():
            try:
                format_of(resource).verify(path)
                self.bytes_read += os.path.getsize(path)
            except UnreadableAssetError as exc:
                missing = isinstance(exc.__cause__, FileNotFoundError)
                closed = isinstance(exc.__cause__, PermissionError)
                category = "missing-asset" if missing else "unreadable-asset" if closed else "damaged-asset"
                run = resource.get("run_start", "?")
                yield Finding(category, path, f"run {run} cannot be read completely: {exc}")
            report()

    def _in_use(self) -> set[tuple[int, int]]:
        """Device and inode of the files that runs refer to, because file systems may ignore the case of names."""
        files = set()
        for path in (*self.needed, *self._referred):
            with contextlib.suppress(OSError):
                status = os.stat(path)
                files.add((status.st_dev, status.st_ino))
        return files

    def _leftover(self, category: str, what: str, path: str, status: os.stat_result, **options: Any) -> Leftover:
        shared = " (under an asset_root that other catalogs may share)" if self._may_be_shared else ""
        what = f"{what}{shared}, {shown_size(status.st_size)}"
        return Leftover.of_file(category, path, what, may_be_shared=self._may_be_shared, **options)


def path_of_resource(catalog: Any, resource: Document) -> str:
    """The real path of the file of a resource."""
    return os.path.realpath(mapped_path(resource, getattr(catalog, "root_map", None) or {}))
