"""Asset files in HDF5."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from .hdf5_handler import HDF5_SPEC, HDF5AssetHandler
from .hdf5_verification import verify
from .hdf5_writer import DESCRIPTOR, SUFFIX, HDF5Writer


class HDF5Format:
    """One HDF5 file for each stream of a run, with one dataset for each column."""

    spec = HDF5_SPEC
    suffix = SUFFIX
    handler: type = HDF5AssetHandler
    new_file = HDF5Writer
    verify = staticmethod(verify)

    @staticmethod
    def is_ours(path: str) -> bool:
        return os.path.getsize(path) == 0 or _read(path, lambda file: file.attrs.get("creator")) == HDF5_SPEC

    @staticmethod
    def rows_of(path: str, key: str) -> int:
        return _read(path, lambda file: int(file[key].shape[0])) or 0

    @staticmethod
    def descriptor_of(path: str) -> str | None:
        return _read(path, lambda file: file.attrs.get(DESCRIPTOR))  # type: ignore[no-any-return]


def _read(path: str, part: Callable[[Any], Any]) -> Any:
    """A part of a file; None if it is not there, or cannot be read."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return part(file)
    except (OSError, KeyError, RuntimeError, TypeError):
        return None
