"""Asset files in HDF5."""

from __future__ import annotations

import os

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
        import h5py

        if os.path.getsize(path) == 0:
            return True
        try:
            with h5py.File(path, "r") as file:
                return bool(file.attrs.get("creator") == HDF5_SPEC)
        except OSError:
            return False

    @staticmethod
    def rows_of(path: str, key: str) -> int:
        import h5py

        try:
            with h5py.File(path, "r") as file:
                return int(file[key].shape[0])
        except (OSError, KeyError, RuntimeError, TypeError):
            return 0

    @staticmethod
    def descriptor_of(path: str) -> str | None:
        import h5py

        try:
            with h5py.File(path, "r") as file:
                descriptor: str | None = file.attrs.get(DESCRIPTOR)
        except OSError:
            return None
        return descriptor
