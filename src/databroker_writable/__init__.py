"""Store analysis results next to the raw data, from the databroker catalog that you already use."""

import importlib
from typing import TYPE_CHECKING, Any

from .errors import (
    DatabrokerMissingError,
    ExportError,
    ExtraMissingError,
    InvalidCatalogError,
    InvalidMetadataError,
    InvalidRunError,
    InvalidTableError,
    NotFoundError,
    NotWritableError,
    PickledRunError,
    RunExistsError,
    ServerAwayError,
    StoreError,
    StoreFailedError,
    StoreWarning,
    UnreadableAssetError,
    come_before_bluesky_live,
    has_databroker_1,
    require_databroker_1,
)

if has_databroker_1():
    import databroker  # noqa: F401  first: its import finds the drivers, including ours

    come_before_bluesky_live()

if TYPE_CHECKING:
    from .catalog.wrapping import make_writable, writable_class
    from .drivers import open_directory
    from .results.differences import diff
    from .results.plots import plot
    from .runs.attachments import attachments
    from .runs.builder import RunBuilder
    from .runs.simple_run import build_simple_run
    from .runs.sinks import BuiltRun
    from .storage.backend import Backend
    from .tables import ragged, to_dataset
    from .upkeep.copying import copy_runs
    from .upkeep.exporting import export
    from .upkeep.recovering import recover

__all__ = [
    "Backend",
    "BuiltRun",
    "DatabrokerMissingError",
    "ExportError",
    "ExtraMissingError",
    "InvalidCatalogError",
    "InvalidMetadataError",
    "InvalidRunError",
    "InvalidTableError",
    "NotFoundError",
    "NotWritableError",
    "PickledRunError",
    "RunBuilder",
    "RunExistsError",
    "ServerAwayError",
    "StoreError",
    "StoreFailedError",
    "StoreWarning",
    "UnreadableAssetError",
    "attachments",
    "build_simple_run",
    "copy_runs",
    "diff",
    "export",
    "make_writable",
    "open_directory",
    "plot",
    "ragged",
    "recover",
    "to_dataset",
    "writable_class",
]

_MODULES = {
    "Backend": "storage.backend",
    "BuiltRun": "runs.sinks",
    "RunBuilder": "runs.builder",
    "attachments": "runs.attachments",
    "build_simple_run": "runs.simple_run",
    "copy_runs": "upkeep.copying",
    "diff": "results.differences",
    "export": "upkeep.exporting",
    "make_writable": "catalog.wrapping",
    "open_directory": "drivers",
    "plot": "results.plots",
    "ragged": "tables",
    "recover": "upkeep.recovering",
    "to_dataset": "tables",
    "writable_class": "catalog.wrapping",
}


def __getattr__(name: str) -> Any:
    """Import names when they are first used (PEP 562), because databroker, dask and the drivers load slowly."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if _MODULES[name] != "tables":
        require_databroker_1()
    value = getattr(importlib.import_module(f".{_MODULES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, for completion in a shell."""
    return sorted(__all__)
