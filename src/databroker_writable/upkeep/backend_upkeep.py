"""How `check` and `delete` work in a backend, and in drivers of other packages."""

from __future__ import annotations

import contextlib
import errno
import os
from abc import ABC, abstractmethod
from typing import Any

from ..errors import NotWritableError, StoreError, StoreFailedError
from ..results.run_uids import open_run
from ..runs.document_parts import Document
from ..storage.assets import is_asset_file, is_asset_resource
from ..storage.durable_file import sync_directories
from ..storage.file_permissions import why_not_removable, why_not_removed
from ..storage.run_file_readers import why_unreadable
from .asset_findings import Assets, path_of_resource
from .check_report import Report

CUT_OFF = "run whose deletion was interrupted: its assets and remarks may be left; databroker-writable delete CATALOG"
STILL_THERE = (
    "left by the interrupted deletion of a run that is there: databroker-writable delete removes both; to keep the "
    "run, remove this by hand"
)


class BackendUpkeep:
    """The upkeep of a catalog whose driver is of another package: its runs are read, and nothing is removed."""

    def __init__(self, catalog: Any) -> None:
        self.catalog = catalog
        self.backend = catalog._backend

    def look_through(self, report: Report, assets: Assets) -> None:
        """Report leftovers, damage and deletions that were cut off, and tell `assets` which resources they name."""
        uids = list(self.catalog)
        report.looked_at["runs"] = len(uids)
        for uid in uids:
            documents = open_run(self.catalog, uid).documents(fill="no")
            assets.refer(doc for name, doc in documents if name == "resource")

    def deletion_of(self, uid: str) -> Deletion | None:
        """Prepare the deletion of the run with this uid; None where there is none."""
        raise NotWritableError(
            f"the driver of the catalog {self.backend.label!r} cannot delete runs; use the facility's own tools"
        )


class Deletion(ABC):
    """The deletion of one run, new or interrupted: it is hidden in one step, and then all its parts are removed."""

    is_visible: bool
    """Whether the run is still there; False if an earlier deletion was interrupted."""

    def __init__(self, catalog: Any, uid: str) -> None:
        self.catalog = catalog
        self.backend = catalog._backend
        self.uid = uid
        self.run_files: list[str] = []  # those of the documents, if they are in files
        self.assets: list[str] = []  # the files that are deleted with it
        self.kept: list[str] = []  # those that another run uses or could, or that are outside the asset root
        self._closed: list[str] = []

    @property
    @abstractmethod
    def size(self) -> str:
        """The size of the documents, as text."""

    @abstractmethod
    def hide(self) -> None:
        """Hide the run in one step, in a way that its deletion can be found again."""

    @abstractmethod
    def remove_documents(self) -> None:
        """Remove the documents, and last the one by which the deletion is found again."""

    @abstractmethod
    def used_by_others(self, resources: list[Document]) -> set[str]:
        """Real paths of the assets that other runs refer to, or of all, where some runs cannot be read."""

    def check_rights(self) -> None:
        """Raise `NotWritableError` if this user may not remove all of it, before anything changes."""
        remarks: list[str] = []
        for folder in self.backend.remark_folders:
            found, unreadable = folder.look()
            if unreadable:
                raise NotWritableError(unreadable)  # it may be on this run
            remarks += [folder.file_of(remark) for remark in found if remark["run"] == self.uid]
        reasons = ((path, why_unreadable(path, PermissionError())) for path in self._closed)
        refused = ((path, why_not_removable(path)) for path in (*self.run_files, *self.assets, *remarks))
        for path, why in (*reasons, *refused):
            if why:
                raise NotWritableError(f"the run {self.uid!r} cannot be deleted: {path}: {why}; nothing was changed")

    def execute(self) -> None:
        """Delete the run, or finish its deletion."""
        try:
            if self.is_visible:
                self.hide()
                self.is_visible = False
            # first, because another run of this uid must not inherit them
            self.backend.remove_remarks(self.uid)
            for path in self.assets:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
            sync_directories(path for path in self.assets if os.path.isdir(os.path.dirname(path)))
            self.remove_documents()
        except StoreError:
            raise
        except OSError as exc:
            path = str(exc.filename or "")
            is_refused = isinstance(exc, PermissionError) or exc.errno == errno.EROFS
            rest = "nothing was changed" if self.is_visible else "delete it again to remove the rest"
            raise (NotWritableError if is_refused else StoreFailedError)(
                f"the run {self.uid!r} cannot be deleted: {path}: {why_not_removed(path, exc)}; {rest}"
            ) from exc

    def find_assets(self, resources: list[Document]) -> None:
        """Divide the files of resources into those to delete and those to keep."""
        own = [resource for resource in resources if is_asset_resource(resource)]
        root = self.catalog._store.asset_root()
        used = self.used_by_others(own) if own else set()
        for path in sorted({path_of_resource(self.catalog, resource) for resource in own}):
            is_below = root is not None and path.startswith(os.path.realpath(root) + os.sep)
            if is_below and _is_closed(path):
                self._closed.append(path)
            elif is_below and path not in used and os.path.isfile(path) and is_asset_file(path):
                self.assets.append(path)
            elif os.path.exists(path):
                self.kept.append(path)


def _is_closed(path: str) -> bool:
    """Whether there is no permission to read a file or a directory above it, so that its run is not known."""
    try:
        os.stat(path)
    except PermissionError:
        return True
    except OSError:
        return False
    return not os.access(path, os.R_OK)
