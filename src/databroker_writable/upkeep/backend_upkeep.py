"""What looking through a catalog, and deleting from it, must know of its backend; and that for drivers of others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ..errors import NotWritableError
from .asset_findings import Assets
from .findings import Finding, Leftover
from .run_deletion import Deletion

CUT_OFF = "its assets and remarks may be left; databroker-writable delete CATALOG"


@dataclass
class Look:
    """What a look through the documents of a catalog shows.

    Attributes
    ----------
    runs : int
    findings : list of Finding
    unreadable : str
        The path of a file that may name assets but cannot be read; empty where there is none.
    """

    runs: int
    findings: list[Finding] = field(default_factory=list)
    unreadable: str = ""


class BackendUpkeep:
    """The upkeep of a catalog whose driver is of another package: its runs are read, and nothing is removed.

    Parameters
    ----------
    catalog : WritableMixin

    Attributes
    ----------
    database : pymongo.database.Database or None
        On whose server the runs are; None where there is none, or none that is known.
    needs_runs : bool
        Whether the catalog must have loaded its runs, because their places are not known.
    """

    database: Any = None
    needs_runs: ClassVar[bool] = True

    def __init__(self, catalog: Any) -> None:
        self.catalog = catalog
        self.backend = catalog._backend

    def look_through(self, assets: Assets) -> Look:
        """Look for leftovers and damage among the documents, and tell `assets` which resources they name."""
        uids = list(self.catalog)
        for uid in uids:
            documents = self.catalog[uid].documents(fill="no")
            assets.refer(doc for name, doc in documents if name == "resource")
        return Look(len(uids))

    def cut_off_deletions(self) -> Iterator[Leftover]:
        """Give the deletions that were cut off."""
        yield from ()

    def deletion_of(self, uid: str) -> Deletion | None:
        """Prepare the deletion of the run with this uid; None where there is none."""
        raise NotWritableError(
            f"the driver of the catalog {self.backend.label!r} cannot delete runs; use the facility's own tools"
        )

    def missing_indexes(self) -> Iterator[Finding]:
        """Give the indexes of a database that are needed and missing."""
        yield from ()
