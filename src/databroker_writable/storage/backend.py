"""What a backend is: where the runs of a catalog are kept, and how one becomes visible there.

A catalog holds its backend as an object. A facility gives its own driver another one by the class attribute
``writable_backend``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from ..tables.backend_limits import ANY_BACKEND, Limits
from .file_writer import RunGroup

Document = dict[str, Any]
Arguments = tuple[tuple[Any, ...], dict[str, Any]]
"""By position and by name."""


class RunWriter(Protocol):
    """Writes the documents of one run where no reader sees them."""

    def __call__(self, name: str, doc: Document) -> Any:
        """Write one document."""

    def publish(self) -> None:
        """Make the whole run visible, durably."""

    def abandon(self) -> None:
        """Remove what was written."""


class Backend(ABC):
    """Where the runs of one catalog are kept.

    Only `open_writer` and `has_run` have no default.

    Parameters
    ----------
    catalog : databroker.v2.Broker
        The catalog that holds this backend; it may not be open yet.
    driver_serializer : callable
        Gives what the driver's own ``_get_serializer`` returns.

    Attributes
    ----------
    limits : Limits
        What documents may hold that are built or stored here.
    insert_limits : Limits
        What documents may hold that an acquisition sends to ``v1.insert``.
    batch_size : int
        How many runs `store_runs` publishes together; 1 where `grouped` is not implemented.
    allow_pickle : bool
        Whether pickles in run files are unpacked; set when the catalog is opened.
    """

    limits: Limits = ANY_BACKEND
    insert_limits: Limits = ANY_BACKEND
    batch_size: int = 1
    allow_pickle: bool = False
    catalog: Any
    driver_serializer: Callable[[], Any]

    def __init__(self, catalog: Any, driver_serializer: Callable[[], Any]) -> None:
        self.catalog = catalog
        self.driver_serializer = driver_serializer

    @property
    def label(self) -> str:
        """How messages name the catalog."""
        return label_of(self.catalog)

    def lasting_arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        """Give the arguments by which the same place is opened again, from any working directory."""
        return args, kwargs

    def driver_arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any], asset_root: str | None) -> dict[str, Any]:
        """Check the driver's arguments before anything is opened; give its keyword arguments."""
        return kwargs

    def check_writable(self) -> None:  # noqa: B027 (most know of no reason beforehand)
        """Raise `NotWritableError` where it is known beforehand that nothing can be stored."""

    @abstractmethod
    def open_writer(self, start: Document) -> RunWriter:
        """Begin to write the run of a start document."""

    @abstractmethod
    def has_run(self, uid: str) -> bool:
        """Whether a run of this uid is visible, also one that another process has stored meanwhile."""

    def obstacle(self, uid: str) -> str:
        """Say what is in the place of a run that is not visible, and what to do about it."""
        return "something else has its place, which this catalog cannot read as a run; store yours under another uid"

    def stored_run(self, uid: str) -> Any:
        """Give the run that was published last; O(1) in the number of runs stored."""
        return self.catalog[uid]

    def default_asset_root(self) -> str | None:
        """Where assets go if the catalog has no ``asset_root``; None refuses them."""
        return None

    def grouped(self, uids: Iterable[str]) -> AbstractContextManager[RunGroup]:
        """Have the runs of these uids wait, when they are complete, to be published together."""
        raise NotImplementedError

    def show_published(self, writers: list[Any]) -> None:
        """Let the open catalog see the runs of a group."""
        self.catalog.force_reload()

    def adopt(self) -> None:  # noqa: B027 (most keep nothing by which it was opened)
        """Take over an open catalog of the driver."""

    def load(self, load_all: Callable[[], None]) -> None:
        """Load the catalog's entries; `load_all` is the driver's own ``_load``."""
        load_all()


def label_of(catalog: Any) -> str:
    """How messages name a catalog."""
    return str(catalog.name or type(catalog).name)
