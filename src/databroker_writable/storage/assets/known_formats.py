"""The formats of asset files, and which one a file or a resource has.

A run is stored, checked, copied and deleted by what its format does alone. To add one, write a class like `HDF5Format`,
with a writer that has the public methods of `HDF5Writer`, list it in `FORMATS`, and register its handler as an entry
point in ``pyproject.toml``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from ..durable_file import final_name
from .asset_paths import find_files
from .hdf5_file import opened_to_read
from .hdf5_handler import HDF5_SPEC, HDF5AssetHandler
from .hdf5_source import verify
from .hdf5_writer import DESCRIPTOR, SUFFIX, HDF5Writer


class HDF5Format:
    """One HDF5 file for each stream of a run, with one dataset for each column."""

    spec = HDF5_SPEC  # of resource documents, by which databroker finds the handler
    suffix = SUFFIX  # of the names of the files, one dot and what follows it
    handler: Any = HDF5AssetHandler  # of databroker, which reads the files
    new_file = HDF5Writer  # begins the file of a stream; nothing changes on disk before the first array
    verify = staticmethod(verify)  # raises `UnreadableAssetError` for a file that is damaged, or refers to others

    @staticmethod
    def is_ours(path: str) -> bool:
        """Whether this package wrote a file, or reserved its name with an empty one; False if unreadable."""
        return os.path.getsize(path) == 0 or _read(path, lambda file: file.attrs.get("creator")) == HDF5_SPEC

    @staticmethod
    def rows_of(path: str, key: str) -> int:
        """The number of rows of a column; 0 if the file cannot be read."""
        return _read(path, lambda file: int(file[key].shape[0])) or 0

    @staticmethod
    def descriptor_of(path: str) -> str | None:
        """The uid of the descriptor for which a file was begun; None if the file does not say."""
        return _read(path, lambda file: file.attrs.get(DESCRIPTOR))  # type: ignore[no-any-return]


DEFAULT = HDF5Format()
"""The format of new files."""

FORMATS: dict[str, HDF5Format] = {known.spec: known for known in (DEFAULT,)}
"""All formats, by their spec."""


def is_asset_resource(resource: Mapping[str, Any]) -> bool:
    """Whether a resource is an asset file of this package."""
    return resource.get("spec") in FORMATS


def format_of(resource: Mapping[str, Any]) -> HDF5Format:
    """The format of the file that a resource of ours names."""
    return FORMATS[resource["spec"]]


def is_asset_file(path: str) -> bool:
    """Whether this package wrote a file under the name of an asset; other programs may use such names, too."""
    suffix = os.path.splitext(path)[1]
    return any(known.is_ours(path) for known in FORMATS.values() if known.suffix == suffix)


def find_partial_files(root: str, **options: Any) -> dict[str, os.stat_result]:
    """Hidden files under a root, with their status, that are being written or were left by a killed process."""
    return find_files(root, lambda name: _is_asset_name(final_name(name) or ""), **options)


def find_asset_files(root: str, **options: Any) -> dict[str, os.stat_result]:
    """Published files under a root, with their status; `is_asset_file` tells whether this package wrote one."""
    return find_files(root, _is_asset_name, **options)


def _is_asset_name(name: str) -> bool:
    return not name.startswith(".") and os.path.splitext(name)[1] in {known.suffix for known in FORMATS.values()}


def _read(path: str, part: Callable[[Any], Any]) -> Any:
    """A part of a file; None if it is not there, or cannot be read."""
    try:
        with opened_to_read(path) as file:
            return part(file)
    except (OSError, KeyError, RuntimeError, TypeError):
        return None
