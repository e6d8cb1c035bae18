"""Where the assets of a directory of runs are, also after the directory was moved."""

from __future__ import annotations

import os
from typing import Any

ASSETS = "assets"
RUN_FILES = (".msgpack", ".jsonl")


class AssetRoots(dict[str, str]):
    """A `root_map` that finds the assets beside the run files where their recorded root is gone, or another's by now.

    Resources record the absolute root, so that databroker reads them without this package. A directory that was
    moved, or is mounted elsewhere, brings its ``assets`` along; a new one may have taken its place.
    """

    def __init__(self, root_map: dict[str, str], assets: str, asset_root: str | None = None) -> None:
        # not empty, or databroker 1.2.5 replaces it by a dict of its own
        super().__init__({assets: assets, **({asset_root: asset_root} if asset_root else {}), **root_map})
        self._assets = assets

    def get(self, root: str, default: Any = None) -> Any:
        """Give the place of a recorded root; event_model's Filler asks by this method."""
        if root in self:
            return self[root]
        place = root.replace("\\", "/").rstrip("/")
        if os.path.basename(place) == ASSETS and (
            not os.path.isdir(root) or (os.path.isdir(self._assets) and _has_run_files(os.path.dirname(place)))
        ):
            return self._assets
        return default


def _has_run_files(directory: str) -> bool:
    try:
        with os.scandir(directory) as entries:
            return any(entry.name.endswith(RUN_FILES) for entry in entries)
    except OSError:
        return False
