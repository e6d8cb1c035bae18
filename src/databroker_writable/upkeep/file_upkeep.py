"""The upkeep of catalogs of files."""

from __future__ import annotations

import contextlib
import glob
import os
from collections.abc import Iterator
from typing import Any

import humanize

from ..errors import PickledRunError
from ..runs.document_parts import Document
from ..storage.assets import is_our_asset
from ..storage.durable_file import sync_directories
from ..storage.file_backend import FileBackend
from .asset_findings import Assets, asset_path
from .backend_upkeep import CUT_OFF, BackendUpkeep, Deletion, Look
from .findings import Finding, Leftover, age_of
from .run_file_findings import UNREADABLE, partial_files, read_run_file, readers_of_files, run_files

DELETED = ".deleted"
"""The suffix of the hidden name of a run file during its deletion."""


class FileUpkeep(BackendUpkeep):
    """The upkeep of a directory of run files."""

    backend: FileBackend
    needs_runs = False

    def look_through(self, assets: Assets) -> Look:
        own, readers = run_files(self.catalog), readers_of_files(self.catalog)
        look = Look(len(own), list(partial_files(self.catalog)))
        for path, read in readers.items():
            file = read_run_file(path, read)
            assets.refer(file.resources)
            if not file.is_known:
                look.unreadable = path
            if file.complaint and path in own:
                look.findings.append(Finding("bad-run-file", path, f"run file {file.complaint}"))
        return look

    def cut_off_deletions(self) -> Iterator[Leftover]:
        for path in self._hidden_runs():
            message = f"run whose deletion was interrupted: {CUT_OFF} {self._uid_in(path)} finishes it"
            yield Leftover("cut-off-deletion", path, message, age=age_of(path))

    def deletion_of(self, uid: str) -> Deletion | None:
        usual, files = self.backend.run_file(uid), run_files(self.catalog)
        visible = usual if usual in files else next((path for path in files if self._uid_in(path) == uid), None)
        if visible is not None:
            return FileDeletion(self.catalog, uid, visible, is_visible=True)
        for path in self._hidden_runs():
            if path == _hidden_name(usual) or self._uid_in(path) == uid:
                return FileDeletion(self.catalog, uid, path, is_visible=False)
        return None

    def _hidden_runs(self) -> list[str]:
        """The run files whose deletion was cut off."""
        return sorted(glob.glob(os.path.join(glob.escape(self.backend.directory), f".*{self.backend.suffix}{DELETED}")))

    def _uid_in(self, path: str) -> str | None:
        """The uid of the run in a file; None if its start document cannot be read."""
        try:
            name, doc = next(iter(self.backend.read_file(path)), ("", {}))
            return str(doc["uid"]) if name == "start" else None
        except (*UNREADABLE, PickledRunError):
            return None


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
        readers = readers_of_files(self.catalog)
        files = (read_run_file(path, read) for path, read in readers.items() if path != self._path)
        return {asset_path(self.catalog, doc) for file in files for doc in file.resources if is_our_asset(doc)}


def _hidden_name(path: str) -> str:
    """The name of a run file during the deletion of its run."""
    directory, name = os.path.split(path)
    return os.path.join(directory, f".{name}{DELETED}")
