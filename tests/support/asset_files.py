"""What the tests of asset files share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy

from databroker_writable.storage.assets import HDF5AssetHandler, HDF5Writer

TIME = 1700000000.0  # 2023-11-14 UTC


def stream_assets(root: Path, run_uid: str = "d34db33f", stream: str = "primary") -> HDF5Writer:
    return HDF5Writer(str(root), run_uid, stream, TIME, "descriptor-1")


def path_of(root: Path, assets: HDF5Writer) -> Path:
    return root / assets.resource_path


def published(root: Path, **columns: Any) -> tuple[Path, HDF5Writer]:
    """A file with the given columns, each with dims of its own."""
    assets = stream_assets(root)
    for key, values in columns.items():
        assets.append(key, values, dims=[f"{key}_{axis}" for axis in range(values.ndim)])
    assets.publish()
    return path_of(root, assets), assets


def handler(path: Path, assets: HDF5Writer, key: str = "img") -> HDF5AssetHandler:
    return HDF5AssetHandler(str(path), **assets.resource_kwargs(key))


def whole(path: Path, assets: HDF5Writer, key: str, rows: int) -> Any:
    """A column read back as one Event."""
    return handler(path, assets, key)(start=0, stop=rows)


def visible(root: Path) -> list[str]:
    """Files under a root that are not hidden."""
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file() and p.name[0] != ".")


def hidden(root: Path) -> list[str]:
    return sorted(p.name for p in root.rglob(".*"))


def frames(rows: int = 6, height: int = 8, width: int = 5) -> numpy.ndarray:
    return numpy.arange(rows * height * width, dtype="u2").reshape(rows, height, width)
