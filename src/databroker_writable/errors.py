"""The errors of this package.

Each derives from `StoreError` and from the builtin that people would catch::

    StoreError(Exception)
    ├── InvalidTableError(ValueError)       this table, Dataset or column cannot be stored as it is
    ├── InvalidMetadataError(ValueError)    this metadata cannot be stored as it is
    ├── InvalidRunError(ValueError)         this run, builder or documents cannot be stored as they are
    ├── RunExistsError(FileExistsError)     another run has this uid
    ├── NotFoundError(KeyError)             there is no such run, stream or attachment
    ├── NotWritableError(PermissionError)   nothing can be stored in this catalog
    │   └── InvalidCatalogError(ValueError) the catalog's own arguments are wrong
    ├── ExportError(ValueError)             a run cannot be exported in this way, or into this file
    │   └── ExtraMissingError(ImportError)  it needs a package that an extra installs
    ├── StoreFailedError(OSError)           disk full, server not reachable; nothing was published
    ├── ServerAwayError(ConnectionError)    the MongoDB server is not reachable when runs are looked for
    ├── UnreadableAssetError(OSError)       the file of an array is missing, damaged, or of an unknown kind
    ├── PickledRunError(ValueError)         a run's file holds a pickle, which is not unpacked
    └── DatabrokerMissingError(ImportError) databroker 1.2 is not installed: runs can be read, not stored

    StoreWarning(UserWarning)               stored, but there is a better form; or a file was skipped

Errors in the input are raised before anything is written. `NotFoundError`, `ServerAwayError`, `UnreadableAssetError`
and `PickledRunError` are raised when runs are read.
"""

from __future__ import annotations

import difflib
import errno
import functools
import importlib
import importlib.metadata
import importlib.util
import os
import re
import sys
import warnings
from collections.abc import Iterable
from types import FrameType, TracebackType
from typing import Any

LONGEST_WORD = 300

FULL_TRACEBACK = "DATABROKER_WRITABLE_TRACEBACK"
"""The environment variable with which developers have whole tracebacks."""


@functools.cache
def databroker_version() -> str:
    """The version of databroker that is installed; empty if none is."""
    try:
        return importlib.metadata.version("databroker")
    except importlib.metadata.PackageNotFoundError:
        return ""


def has_databroker_1() -> bool:
    """Whether catalogs can be opened, which databroker 2 cannot do."""
    return databroker_version().startswith("1.")


def require_databroker_1() -> None:
    """Raise `DatabrokerMissingError` if catalogs cannot be opened."""
    if not has_databroker_1():
        version = databroker_version()
        raise DatabrokerMissingError(
            f"catalogs need databroker 1.2, and {f'databroker {version}' if version else 'no databroker'} is "
            "installed; pip install 'databroker-writable[databroker]' in a separate environment "
            "(handlers and to_dataset work with databroker 2 and Tiled, too)"
        )


def come_before_bluesky_live() -> None:
    """Import databroker.core, which cannot be imported any more when bluesky-live 0.0.8 has read a run.

    Both register a function with event-model; bluesky-live leaves databroker's in place if it comes first.
    """
    if has_databroker_1() and "bluesky_live" in sys.modules and "databroker.core" not in sys.modules:
        importlib.import_module("databroker.core")


def require_package(package: str, extra: str, purpose: str) -> None:
    """Raise `ExtraMissingError` if a package that an extra installs is missing."""
    if importlib.util.find_spec(package) is None:
        raise ExtraMissingError(
            f"{purpose} needs the package {package}; install the extra {extra!r}: "
            f"pip install 'databroker-writable[{extra}]'"
        )


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Suggest a known word for a misspelt one; empty if none is similar."""
    likely = difflib.get_close_matches(word, list(known), 1, cutoff=0.75)
    return f"; did you mean {likely[0]!r}?" if likely else ""


def is_of_this_process(error: BaseException) -> bool:
    """Whether an error, such as too many open files, is about this process and not about the file."""
    return isinstance(error, OSError) and error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR}


_WITHIN = ("databroker_writable", "databroker", "intake")


class StoreError(Exception):
    """Base of all errors of this package; its message shortens long names and values."""

    def __init__(self, message: str = "") -> None:
        super().__init__(re.sub(rf"\S{{{LONGEST_WORD},}}", lambda word: word.group()[:60] + "...", message))

    def _render_traceback_(self) -> list[str]:
        """What IPython and Jupyter show: the call, without the code of the method that was called."""
        from IPython import get_ipython

        display: Any = get_ipython().InteractiveTB
        lines: list[str] = display.structured_traceback(type(self), self, _up_to_the_call(self.__traceback__))
        return lines


def _up_to_the_call(traceback: TracebackType | None) -> TracebackType | None:
    """A traceback without the last frames, which are of this package; all of it, if developers ask for it."""
    entries = []
    while traceback is not None:
        entries.append(traceback)
        traceback = traceback.tb_next
    while not os.environ.get(FULL_TRACEBACK) and len(entries) > 1 and _is_ours(entries[-1].tb_frame):
        entries.pop()
    for entry in reversed(entries):
        traceback = TracebackType(traceback, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return traceback


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] == "databroker_writable"


class ErrorsEndHere:
    """End the traceback of this package's errors at the public method with this ``with`` block.

    The message says what is wrong with the call, so the cause is kept as its ``__context__``, which is not shown.
    """

    def __enter__(self) -> None:
        pass

    def __exit__(self, cls: type | None, exc: BaseException | None, traceback: TracebackType | None) -> None:
        if isinstance(exc, StoreError) and traceback is not None and not os.environ.get(FULL_TRACEBACK):
            traceback.tb_next = None
            if exc.__cause__ is not None:
                exc.__context__, exc.__cause__ = exc.__cause__, None


errors_end_here = ErrorsEndHere()


class InvalidTableError(StoreError, ValueError):
    """A table, a Dataset or one of its columns cannot be stored as it is."""


class InvalidMetadataError(StoreError, ValueError):
    """The metadata of a run cannot be stored as it is."""


class InvalidRunError(StoreError, ValueError):
    """A run, a builder or a sequence of documents cannot be stored as it is."""


class RunExistsError(StoreError, FileExistsError):
    """Another run with this uid is stored already; it was not changed.

    Attributes
    ----------
    run : databroker.core.BlueskyRun or None
        The stored run with that uid; None if documents were inserted one by one, or the error is from another process.
    """

    REMEDY = "It is this error's 'run'; store yours under another uid"

    def __init__(self, message: str, run: Any = None) -> None:
        super().__init__(message)
        self.run = run

    def __reduce__(self) -> tuple[Any, ...]:
        # a run is unpickled only where its catalog opens, and a pool waits forever for an error that cannot be
        return type(self), self.args, {**self.__dict__, "run": None}

    @classmethod
    def of_uid(cls, uid: str, where: str, run: Any = None) -> RunExistsError:
        """Say that a run of this uid is stored; another one, where it was opened to be compared."""
        if run is None:
            return cls(f"a run with the uid {uid!r} is stored already in {where!r}; it stays as it was")
        return cls(
            f"another run with the uid {uid!r} is stored in {where!r}; it stays as it was. {cls.REMEDY} (a table that "
            "is stored again is another run, with Events of its own)",
            run,
        )

    @classmethod
    def in_the_way(cls, uid: str, where: str, obstacle: str) -> RunExistsError:
        """Say what is in the place of a run of this uid, though no such run is shown."""
        return cls(f"the run {uid!r} cannot be stored in {where!r}: {obstacle}")


class NotFoundError(StoreError, KeyError):
    """There is no such run, stream or attachment."""

    # KeyError shows the repr of its message
    __str__ = Exception.__str__


class NotWritableError(StoreError, PermissionError):
    """Nothing can be stored in this catalog: search results, a driver that cannot write, no permission."""


class InvalidCatalogError(NotWritableError, ValueError):
    """The arguments with which this catalog was opened are wrong."""


class ExportError(StoreError, ValueError):
    """A run cannot be exported, compared or plotted in this way: an unknown suffix or column, an existing file."""


class ExtraMissingError(ExportError, ImportError):
    """Exporting, plotting or lineage need a package that is not installed; an extra installs it."""


class StoreFailedError(StoreError, OSError):
    """Storing failed; nothing was published, and it is safe to try again.

    Attributes
    ----------
    stored : list of str
        With `store_runs`: the uids of the runs that were stored.
    failures : dict
        With `store_runs`: the runs that could not be stored, as a dict from position in the input to exception.
    """

    def __init__(
        self, message: str, *, stored: list[str] | None = None, failures: dict[int, Exception] | None = None
    ) -> None:
        super().__init__(message)
        self.stored = stored or []
        self.failures = failures or {}


class ServerAwayError(StoreError, ConnectionError):
    """The MongoDB server does not answer when runs are looked for or copied, or a Tiled server when they are copied."""


class UnreadableAssetError(StoreError, OSError):
    """The file of an array is missing, moved, truncated or damaged, or no package that reads it is installed."""


class PickledRunError(StoreError, ValueError):
    """The file of a run holds a pickle, and unpacking a pickle can run any code."""


class DatabrokerMissingError(StoreError, ImportError):
    """databroker 1.2 is not installed; it is needed to open catalogs and to store runs."""


class StoreWarning(UserWarning):
    """A run was stored, but another form would be better for readers; or a run file was skipped."""


def warn_user(message: str) -> None:
    """Warn, with the line outside this package and databroker as the place."""
    level = 1
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _WITHIN:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, StoreWarning, stacklevel=level)
