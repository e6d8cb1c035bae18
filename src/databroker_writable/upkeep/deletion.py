"""The deletion of one run: in one step out of sight, and then all that belongs to it."""

from __future__ import annotations

import contextlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from ..storage.assets import is_our_asset
from ..storage.assets.asset_paths import is_asset
from ..storage.durable_file import sync_directories

Document = dict[str, Any]


class Deletion(ABC):
    """The deletion of one run, which begins or goes on.

    Attributes
    ----------
    uid : str
    is_visible : bool
        Whether the run is still there; False where an earlier deletion was cut off.
    assets : list of str
        Paths of the asset files that go with it.
    kept : list of str
        Paths of asset files that stay, because another run uses them or they lie outside of the asset root.
    """

    def __init__(self, catalog: Any, uid: str) -> None:
        self.catalog = catalog
        self.backend = catalog._backend
        self.uid = uid
        self.assets: list[str] = []
        self.kept: list[str] = []

    is_visible: bool

    @property
    @abstractmethod
    def size(self) -> str:
        """How much the documents are, for people."""

    @abstractmethod
    def hide(self) -> None:
        """Take the run out of sight in one step, so that its deletion can be found again."""

    @abstractmethod
    def remove_documents(self) -> None:
        """Remove the documents, and last of all that by which the deletion is found again."""

    @abstractmethod
    def used_by_others(self, resources: list[Document]) -> set[str]:
        """Real paths of the assets that other runs refer to."""

    def execute(self) -> None:
        """Delete the run, or go on with it."""
        if self.is_visible:
            self.hide()
        for path in self.assets:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        sync_directories(path for path in self.assets if os.path.isdir(os.path.dirname(path)))
        self.backend.remove_remarks(self.uid)
        self.remove_documents()

    def find_assets(self, resources: list[Document]) -> None:
        """Sort the files that resources name into those that go and those that stay."""
        own = [resource for resource in resources if is_our_asset(resource)]
        root = self.catalog._store.asset_root()
        used = self.used_by_others(own) if own else set()
        for path in sorted({self.path_of(resource) for resource in own}):
            is_below = root is not None and path.startswith(os.path.realpath(root) + os.sep)
            if is_below and path not in used and os.path.isfile(path) and is_asset(path):
                self.assets.append(path)
            elif os.path.exists(path):
                self.kept.append(path)

    def path_of(self, resource: Document) -> str:
        """Where the file of a resource is."""
        root = str(resource.get("root", ""))
        root_map = getattr(self.catalog, "root_map", None) or {}
        return os.path.realpath(os.path.join(root_map.get(root, root), str(resource["resource_path"])))


def shown_count(counts: Iterable[int]) -> str:
    """How many documents there are, for people."""
    return f"{sum(counts):,} documents"
