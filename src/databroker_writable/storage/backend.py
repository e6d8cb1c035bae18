"""The interface of backends: where the runs of a catalog are kept, and how a run becomes visible.

A catalog holds its backend as an object. The class attribute ``writable_backend`` of a driver names another backend.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from ..errors import InvalidCatalogError, NotWritableError
from ..runs.document_parts import Document
from ..tables.backend_limits import ANY_BACKEND, Limits
from .remark_files import RemarkFolder

Arguments = tuple[tuple[Any, ...], dict[str, Any]]
"""By position and by name."""


class RunWriter(Protocol):
    """Writes the documents of one run, which readers do not see until it is published."""

    def __call__(self, name: str, doc: Document) -> Any:
        """Write one document."""

    def publish(self) -> None:
        """Make the whole run visible, durably."""

    def abandon(self) -> None:
        """Remove what was written."""


class RunGroup(Protocol):
    """Complete runs that wait to be published together."""

    def publish(self) -> list[str]:
        """Publish the runs durably, and remove those that cannot be; return the uids of the published ones."""


class Backend(ABC):
    """Where the runs of one catalog are kept.

    Only `open_writer` and `has_run` are required.

    Parameters
    ----------
    catalog : databroker.v2.Broker
        The catalog that holds this backend; it may not be open yet.
    driver_serializer : callable
        Returns the result of the driver's own ``_get_serializer``.

    Attributes
    ----------
    limits : Limits
        What documents that are built or stored here can hold.
    insert_limits : Limits
        What documents that an acquisition sends to ``v1.insert`` can hold.
    batch_size : int
        How many runs `store_runs` publishes together; 1 if `grouped` is not implemented.
    allow_pickle : bool
        Whether pickles in run files are unpacked; set when the catalog is opened.
    failures : tuple of type
        Errors that mean that nothing could be stored, beside OSError and pymongo's: those of the library with which the
        backend stores, such as ``sqlite3.Error``.
    index : bool
        Whether headers of run files are kept in the user's cache directory; set when the catalog is opened.
    patience : float
        How many seconds after a first Ctrl-C, which is deferred while something is stored, a second one ends the wait.
        By default it is deferred, too; a backend whose server may never answer has a number here.
    place_of_remarks : str
        Where the backend itself keeps remarks on runs, for messages; empty if it needs a directory for them.
    """

    limits: Limits = ANY_BACKEND
    insert_limits: Limits = ANY_BACKEND
    batch_size: int = 1
    failures: tuple[type[Exception], ...] = ()
    allow_pickle: bool = False
    index: bool = True
    patience: float = math.inf
    place_of_remarks: str = ""
    catalog: Any
    driver_serializer: Callable[[], Any]

    def __init__(self, catalog: Any, driver_serializer: Callable[[], Any]) -> None:
        self.catalog = catalog
        self.driver_serializer = driver_serializer
        self._remark_folders: list[RemarkFolder] = []

    @property
    def label(self) -> str:
        """How messages name the catalog."""
        return label_of(self.catalog)

    def lasting_arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        """Return the arguments that open the same place again, from any working directory."""
        return args, kwargs

    def driver_arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any], asset_root: str | None) -> dict[str, Any]:
        """Check the driver's arguments before anything is opened, and return its keyword arguments."""
        return kwargs

    def check_writable(self) -> None:  # noqa: B027 (most know of no reason beforehand)
        """Raise `NotWritableError` if it is known beforehand that nothing can be stored."""

    @abstractmethod
    def open_writer(self, start: Document) -> RunWriter:
        """Start to write the run of a start document."""

    @abstractmethod
    def has_run(self, uid: str) -> bool:
        """Whether a run with this uid is visible, including one that another process has stored meanwhile."""

    def shows_stored(self, uid: str) -> bool:
        """Whether a run is visible after its stop document was written; a facility's driver may leave some out."""
        return True

    def obstacle(self, uid: str) -> str:
        """Return what occupies the place of a run that is not visible, and what to do about it; empty if unknown."""
        return "something that is not a run has its place; store yours under another uid"

    def stored_run(self, uid: str) -> Any:
        """Return the run that was published last; O(1) in the number of stored runs."""
        return self.catalog[uid]

    def default_asset_root(self) -> str | None:
        """Where assets go if the catalog has no ``asset_root``; None refuses them."""
        return None

    def default_asset_roots(self) -> list[str]:
        """All directories of assets of the catalog's runs, without that of ``asset_root``."""
        root = self.default_asset_root()
        return [] if root is None else [root]

    def grouped(self, uids: Iterable[str]) -> AbstractContextManager[RunGroup]:
        """Let the runs with these uids wait until all are complete, to be published together."""
        raise NotImplementedError

    @property
    def remedy_for_lost_builder(self) -> str:
        """What to do when the documents that a builder has sent are gone."""
        return "build and store the run again"

    def set_annotations(self, directory: str | None) -> None:
        """Use a directory for remarks; a backend that has its own place for them refuses one."""
        if directory is not None and self.place_of_remarks:
            raise InvalidCatalogError(
                f"annotations={directory!r} is for drivers that cannot keep remarks; this catalog keeps them "
                f"{self.place_of_remarks}: omit the option"
            )
        self._remark_folders = [] if directory is None else [RemarkFolder(directory)]

    @property
    def remark_folders(self) -> list[RemarkFolder]:
        """The folders of remarks, of which the first takes new ones; none if the backend keeps them in another way."""
        return self._remark_folders

    def check_takes_remarks(self) -> None:
        """Raise `NotWritableError` if it is known beforehand that no remark can be stored."""
        if not self.remark_folders:
            raise NotWritableError(
                f"the catalog {self.label!r} cannot keep remarks on runs; open it with annotations=DIRECTORY"
            )
        self.remark_folders[0].check_place()

    def add_remark(self, remark: Document) -> None:
        """Store a remark on a run durably; an existing one with the same uid does not change."""
        self.check_takes_remarks()
        self.remark_folders[0].add(remark)

    def remarks(self) -> Iterable[Document]:
        """Return all remarks on runs, in any order."""
        return [remark for folder in self.remark_folders for remark in folder.read()]

    def remove_remarks(self, run: str) -> None:
        """Remove the remarks on a run that is deleted."""
        for folder in self.remark_folders:
            for remark in folder.read():
                if remark["run"] == run:
                    folder.remove(remark)

    def adopt(self) -> None:  # noqa: B027 (most keep nothing by which it was opened)
        """Take over an open catalog of the driver."""

    def load(self, load_all: Callable[[], None]) -> None:
        """Load the catalog's entries; `load_all` is the driver's own ``_load``."""
        load_all()


def label_of(catalog: Any) -> str:
    """How messages name a catalog."""
    return str(catalog.name or type(catalog).name)
