"""The upkeep of catalogs of files."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import humanize

from ..errors import PickledRunError
from ..storage.assets import is_our_asset
from ..storage.durable_file import sync_directories
from ..storage.file_backend import FileBackend
from .asset_findings import Assets
from .backend_upkeep import CUT_OFF, BackendUpkeep, Look
from .findings import Leftover, age_of
from .run_deletion import Deletion, Document
from .run_file_findings import UNREADABLE, complaint_of, neighbours, partial_files, read_run_file, reader_of, run_files

DELETED = ".deleted"
"""The suffix of the hidden name of a run file during its deletion."""


class FileUpkeep(BackendUpkeep):
    """The upkeep of a directory of run files."""

    backend: FileBackend
    needs_runs = False

    def look_through(self, assets: Assets) -> Look:
        paths, others = run_files(self.catalog), neighbours(self.catalog)
        look = Look(len(paths), list(partial_files(self.catalog)))
        for path in (*paths, *others):
            file = read_run_file(path, reader_of(path) if path in others else self.backend.read_file)
            assets.refer(file.resources)
            if not file.is_known:
                look.unreadable = path
            complaint = complaint_of(file)
            if complaint is not None and path not in others:
                look.findings.append(complaint)
        return look

    def cut_off_deletions(self) -> Iterator[Leftover]:
        for name in self._hidden_runs():
            path = os.path.join(self.backend.directory, name)
            uid = _uid_in(path, self.backend)
            message = f"run whose deletion was interrupted: {CUT_OFF} {uid} finishes it"
            yield Leftover("cut-off-deletion", path, message, age=age_of(path))

    def deletion_of(self, uid: str) -> Deletion | None:
        usual = self.backend.run_file(uid)
        files = run_files(self.catalog)
        visible = next((path for path in files if _uid_in(path, self.backend) == uid), None)
        if usual in files:
            visible = usual
        if visible is not None:
            return FileDeletion(self.catalog, uid, visible, is_visible=True)
        for name in self._hidden_runs():
            path = os.path.join(self.backend.directory, name)
            if path == _hidden_name(usual) or _uid_in(path, self.backend) == uid:
                return FileDeletion(self.catalog, uid, path, is_visible=False)
        return None

    def _hidden_runs(self) -> list[str]:
        """The names of run files whose deletion was cut off."""
        if not os.path.isdir(self.backend.directory):
            return []
        end = self.backend.suffix + DELETED
        return sorted(n for n in os.listdir(self.backend.directory) if n.startswith(".") and n.endswith(end))


class FileDeletion(Deletion):
    """A run file: it gets a hidden name, and is removed last."""

    def __init__(self, catalog: Any, uid: str, path: str, *, is_visible: bool) -> None:
        super().__init__(catalog, uid)
        self.is_visible = is_visible
        self._hidden = path if not is_visible else _hidden_name(path)
        self._path = path
        self.find_assets(read_run_file(path, self.backend.read_file).resources)

    @property
    def size(self) -> str:
        return str(humanize.naturalsize(os.path.getsize(self._path)))

    def run_files(self) -> list[str]:
        return [self._path]

    def hide(self) -> None:
        # check computes the age from this; only the owner and those who may write to the file may change it
        with contextlib.suppress(PermissionError):
            os.utime(self._path)
        os.replace(self._path, self._hidden)
        sync_directories([self._path])

    def remove_documents(self) -> None:
        os.unlink(self._hidden)
        sync_directories([self._hidden])

    def used_by_others(self, resources: list[Document]) -> set[str]:
        others = neighbours(self.catalog)
        paths = [path for path in (*run_files(self.catalog), *others) if path != self._path]
        used: set[str] = set()
        for path in paths:
            file = read_run_file(path, reader_of(path) if path in others else self.backend.read_file)
            used.update(self.path_of(resource) for resource in file.resources if is_our_asset(resource))
        return used


def _hidden_name(path: str) -> str:
    """The name of a run file during the deletion of its run."""
    directory, name = os.path.split(path)
    return os.path.join(directory, f".{name}{DELETED}")


def _uid_in(path: str, backend: FileBackend) -> str | None:
    """The uid of the run in a file; None if its start document cannot be read."""
    try:
        name, doc = next(iter(backend.read_file(path)), ("", {}))
        return str(doc["uid"]) if name == "start" else None
    except (*UNREADABLE, PickledRunError):
        return None
