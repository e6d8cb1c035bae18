"""The errors of this package.

Each derives from `StoreError` and from the builtin that people would catch::

    StoreError(Exception)
    ├── InvalidTableError(ValueError)       the table, Dataset or column given
    ├── InvalidMetadataError(ValueError)    the metadata given
    ├── InvalidRunError(ValueError)         the run, builder or documents given
    ├── RunExistsError(FileExistsError)     the uid is taken by another run
    ├── NotWritableError(PermissionError)   this catalog takes no runs
    │   └── InvalidCatalogError(ValueError) the catalog's own arguments are wrong
    ├── ExportError(ValueError)             a run cannot be exported in this way, or into this file
    │   └── ExtraMissingError(ImportError)  it needs a package that an extra installs
    ├── StoreFailedError(OSError)           disk full, server gone; nothing was published
    ├── UnreadableAssetError(OSError)       an array's file is missing, moved, cut off or damaged
    ├── PickledRunError(ValueError)         a run's file holds a pickle, which is not unpacked
    └── DatabrokerMissingError(ImportError) databroker 1.2 is not there: runs can be read, not stored

    StoreWarning(UserWarning)               stored, but there is a better form; or a file is passed over

The first six are raised before anything is written; the two before the last when a run is read.
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import re
import sys
import warnings
from types import FrameType
from typing import Any

LONGEST_WORD = 300


@functools.cache
def databroker_version() -> str:
    """The version of databroker that is installed; empty where there is none."""
    try:
        return importlib.metadata.version("databroker")
    except importlib.metadata.PackageNotFoundError:
        return ""


def has_databroker_1() -> bool:
    """Whether catalogs can be opened: databroker 2 has none."""
    return databroker_version().startswith("1.")


def require_databroker_1() -> None:
    """Raise `DatabrokerMissingError` where catalogs cannot be opened."""
    if not has_databroker_1():
        version = databroker_version()
        raise DatabrokerMissingError(
            f"catalogs need databroker 1.2, and here is {f'databroker {version}' if version else 'none'}; "
            "pip install 'databroker-writable[databroker]' in an environment of its own "
            "(handlers and to_dataset work with databroker 2 and Tiled, too)"
        )


def require_package(package: str, extra: str, purpose: str) -> None:
    """Raise `ExtraMissingError` where a package that an extra installs is not there."""
    if importlib.util.find_spec(package) is None:
        raise ExtraMissingError(
            f"{purpose} needs the package {package}; install the extra {extra!r}: "
            f"pip install 'databroker-writable[{extra}]'"
        )


_WITHIN = ("databroker_writable", "databroker", "intake")


class StoreError(Exception):
    """Base of all errors of this package; a name or value of many characters is cut short in its message."""

    def __init__(self, message: str = "") -> None:
        super().__init__(re.sub(rf"\S{{{LONGEST_WORD},}}", lambda word: word.group()[:60] + "...", message))


class InvalidTableError(StoreError, ValueError):
    """A table, a Dataset or one of its columns cannot be stored as it is."""


class InvalidMetadataError(StoreError, ValueError):
    """The metadata of a run cannot be stored as they are."""


class InvalidRunError(StoreError, ValueError):
    """A run, a builder or a sequence of documents cannot be stored as it is."""


class RunExistsError(StoreError, FileExistsError):
    """Another run of this uid is stored; it stays as it was.

    Attributes
    ----------
    run : databroker.core.BlueskyRun
        The stored run of that uid.
    """

    def __init__(self, message: str, run: Any = None) -> None:
        super().__init__(message)
        self.run = run


class NotWritableError(StoreError, PermissionError):
    """This catalog takes no runs: a search result, a driver that cannot write, no permission."""


class InvalidCatalogError(NotWritableError, ValueError):
    """The arguments with which this catalog was opened are wrong."""


class ExportError(StoreError, ValueError):
    """A run cannot be exported, compared or plotted in this way: an unknown suffix or column, a file that is there."""


class ExtraMissingError(ExportError, ImportError):
    """A package is not installed that exporting, plots or lineage need, and that an extra installs."""


class StoreFailedError(StoreError, OSError):
    """Storing failed half-way; nothing was published and a retry is safe.

    Attributes
    ----------
    stored : list of str
        With `store_runs`: the uids of the runs that were stored.
    failures : dict
        With `store_runs`: what could not be stored, position in the input to exception.
    """

    def __init__(
        self, message: str, *, stored: list[str] | None = None, failures: dict[int, Exception] | None = None
    ) -> None:
        super().__init__(message)
        self.stored = stored or []
        self.failures = failures or {}


class UnreadableAssetError(StoreError, OSError):
    """The file of an array is missing, moved, cut off or damaged."""


class PickledRunError(StoreError, ValueError):
    """The file of a run holds a pickle: to unpack it can run whatever its author wrote."""


class DatabrokerMissingError(StoreError, ImportError):
    """databroker 1.2, with which catalogs are opened and runs are stored, is not installed."""


class StoreWarning(UserWarning):
    """A run was stored, but another form would serve its readers better; or a run file was passed over."""


def warn_user(message: str) -> None:
    """Warn, as of the line outside of this package and databroker from which they were called."""
    level = 1
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _WITHIN:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, StoreWarning, stacklevel=level)
