"""Large arrays in HDF5 files beside the documents: written once, read lazily.

`StreamAssets` writes the file of one run and stream; `HDF5AssetHandler`, which databroker finds by its entry
point, reads it. HDF5 and dask are imported when they are first needed.
"""

from __future__ import annotations

from .asset_paths import SPEC, is_our_asset
from .handler import HDF5AssetHandler
from .stream_assets import StreamAssets

__all__ = ["SPEC", "HDF5AssetHandler", "StreamAssets", "is_our_asset"]
