"""Where the assets of a directory of runs are, also after the directory was moved."""

from __future__ import annotations

import os
from typing import Any

ASSETS = "assets"


class AssetRoots(dict[str, str]):
    """A `root_map` that finds the assets beside the run files where their recorded root is gone.

    Resources record the absolute root, so that databroker reads them without this package. A directory that was
    moved, or is mounted elsewhere, brings its ``assets`` along.
    """

    def __init__(self, root_map: dict[str, str], assets: str) -> None:
        # not empty, or databroker 1.2.5 replaces it by a dict of its own
        super().__init__({assets: assets, **root_map})
        self._assets = assets

    def get(self, root: str, default: Any = None) -> Any:
        """Give the place of a recorded root; event_model's Filler asks by this method."""
        if root in self:
            return self[root]
        if os.path.basename(root.replace("\\", "/").rstrip("/")) == ASSETS and not os.path.isdir(root):
            return self._assets
        return default
