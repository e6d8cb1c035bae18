"""Large arrays in files beside the documents: written once, read lazily.

`AssetRouter` moves them there when a run is stored. A handler, which databroker finds by its entry point, reads them.
HDF5 and dask are imported when they are first needed.
"""

from __future__ import annotations

from .hdf5_handler import HDF5_SPEC, HDF5AssetHandler
from .hdf5_writer import HDF5Writer
from .known_formats import (
    DEFAULT,
    FORMATS,
    find_asset_files,
    find_partial_files,
    format_of,
    is_asset_file,
    is_asset_resource,
)

__all__ = [
    "DEFAULT",
    "FORMATS",
    "HDF5_SPEC",
    "HDF5AssetHandler",
    "HDF5Writer",
    "find_asset_files",
    "find_partial_files",
    "format_of",
    "is_asset_file",
    "is_asset_resource",
]
