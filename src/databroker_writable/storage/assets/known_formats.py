"""The formats of asset files, and which one a file or a resource has."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ..durable_file import final_name
from .asset_format import AssetFormat
from .asset_paths import find_files
from .hdf5_format import HDF5Format

DEFAULT: AssetFormat = HDF5Format()
"""The format of new files."""

FORMATS: dict[str, AssetFormat] = {known.spec: known for known in (DEFAULT,)}
"""All formats, by their spec."""


def is_asset_resource(resource: Mapping[str, Any]) -> bool:
    """Whether a resource is an asset file of this package."""
    return resource.get("spec") in FORMATS


def format_of(resource: Mapping[str, Any]) -> AssetFormat:
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
