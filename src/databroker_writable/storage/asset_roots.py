"""Find the assets of a catalog of files where its documents do not say, because the directory was moved."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..runs.document_parts import Document
from .assets.asset_paths import check_same, files_under, run_uids
from .catalog_paths import ASSETS, assets_beside, directories_of, files_matching
from .run_file_readers import RUN_FILES


class AssetRoots(dict[str, str]):
    """A `root_map` that finds the assets beside the run files if the recorded root is gone, or belongs to other runs.

    Resources record the absolute root, so that databroker reads them without this package. If the directory is moved or
    mounted elsewhere, its ``assets`` move with it, and a new directory may take its place. A root that is there may
    also be right: the runs may be of a second directory, or of another catalog. It is right if it has a file of one of
    the runs that is not beside them. The `root_map` and the `asset_root` are those that the user gave.
    """

    def __init__(self, root_map: Mapping[str, str], globs: Iterable[str], asset_root: str | None = None) -> None:
        self._globs = tuple(map(str, globs))
        self._assets = assets_beside(self._globs[0]) if self._globs else ""
        # not empty, or databroker 1.2.5 replaces it by its own dict
        super().__init__({**{root: root for root in (self._assets, asset_root) if root}, **root_map})
        self._right: dict[tuple[Any, ...], bool] = {}

    def get(self, root: str, default: Any = None) -> Any:
        """Return the directory for a recorded root; event_model's Filler calls this."""
        if root in self:
            return self[root]
        recorded = root.replace("\\", "/").rstrip("/")
        if os.path.basename(recorded) != ASSETS:
            return default
        if not os.path.isdir(root):
            return self._assets
        is_replaced = os.path.isdir(self._assets) and _has_run_files(os.path.dirname(recorded))
        return self._assets if is_replaced and not self._is_right(root) else default

    def check_reference(self, resource: Document) -> None:
        """Refuse the asset of a run to store if another file, beside the run files, would be read in its place."""
        root, relative = str(resource.get("root", "")), str(resource["resource_path"])
        path, beside = os.path.join(root, relative), os.path.join(self._assets, relative)
        if root not in self and os.path.isfile(path) and os.path.isfile(beside):
            check_same(path, beside)

    def _is_right(self, root: str) -> bool:
        """Whether a root has a file of one of the runs that is not beside them; asked again when a run is added."""
        state = (root, *map(_changed, directories_of(self._globs)))
        if state not in self._right:
            self._right[state] = self._has_files_of_runs(root)
        return self._right[state]

    def _has_files_of_runs(self, root: str) -> bool:
        known = {end for path in files_matching(self._globs) for end in _ends(os.path.basename(path))}
        return any(
            not os.path.lexists(os.path.join(self._assets, os.path.relpath(path, root)))
            and not known.isdisjoint(run_uids(path))
            for path in files_under(root)
        )


def mapped_path(resource: Document, root_map: Mapping[str, str]) -> str:
    """The path of the file of a resource, where a root_map says."""
    root = str(resource.get("root", ""))
    return os.path.join(root_map.get(root, root), str(resource["resource_path"]))


def _ends(name: str) -> Iterator[str]:
    """What may be the uid in the name of a run file: a facility's names may begin in another way."""
    stem = os.path.splitext(name)[0]
    yield stem
    for position, character in enumerate(stem):
        if character in "-_.":
            yield stem[position + 1 :]


def _changed(directory: str) -> int:
    with contextlib.suppress(OSError):
        return os.stat(directory).st_mtime_ns
    return 0


def _has_run_files(directory: str) -> bool:
    with contextlib.suppress(OSError):
        return any(name.endswith(RUN_FILES) for name in os.listdir(directory))
    return False
