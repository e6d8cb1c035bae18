"""The findings of a check, and the removal of leftovers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import humanize
import pymongo.errors

from ..storage.file_locks import is_being_written
from ..storage.file_permissions import why_not_removed
from ..storage.mongo_errors import reason_of

DAY = 86400.0


@dataclass
class Finding:
    """One thing that a check found; a leftover is a problem only when it is older than the grace period."""

    category: str  # for programs, e.g. "partial-run-file"
    where: str  # the file, or the collection and uid
    message: str  # what it is and, where it stays as it is, what to do, in one line
    is_problem: bool = True
    removed: bool = False

    def needs_attention(self, grace: float) -> bool:
        return self.is_problem

    def said(self) -> str:
        """What it is, and what can be done with it now."""
        return self.message

    def as_json(self, grace: float) -> dict[str, Any]:
        return {
            "kind": self.category,
            "place": self.where,
            "message": self.said(),
            "needs_attention": self.needs_attention(grace),
            "removed": self.removed,
        }


@dataclass
class Leftover(Finding):
    """Something that no run refers to: a killed process left it, or a process is still writing it."""

    age: float | None = None  # seconds since it was last written; None if unknown
    may_be_shared: bool = False  # whether other catalogs can use the same place
    use: str = ""  # what can be done with it while it is there, other than to remove it
    failure: str = ""  # why it could not be removed
    remove: Callable[[float], bool] | None = field(default=None, repr=False)
    """Checks it again and removes it; takes the grace period, and returns whether it was removed.

    None where the message says what removes it.
    """

    @classmethod
    def of_age(cls, category: str, where: str, what: str, age: float | None, **more: Any) -> Leftover:
        """A leftover whose message says how old it is."""
        shown = "of unknown age" if age is None else f"{humanize.naturaldelta(age)} old"
        return cls(category, where, f"{what}, {shown}", age=age, **more)

    @classmethod
    def of_file(
        cls, category: str, path: str, what: str, is_ours: Callable[[str], bool] = lambda path: True, **more: Any
    ) -> Leftover:
        """A file, which is removed if it is still that old, and no process is writing it."""

        def remove(grace: float) -> bool:
            age = age_of(path)
            if age is None or age < grace or is_being_written(path) or not is_ours(path):
                return False
            os.unlink(path)
            return True

        return cls.of_age(category, path, what, age_of(path), remove=remove, **more)

    def said(self) -> str:
        if self.failure:
            return f"{self.message}; it could not be removed: {self.failure}"
        return f"{self.message}; {self.use}" if self.use and not self.removed else self.message

    def needs_attention(self, grace: float) -> bool:
        return not self.removed and (self.age is None or self.age >= grace)

    def as_json(self, grace: float) -> dict[str, Any]:
        return {**super().as_json(grace), "age": self.age, "may_be_shared": self.may_be_shared}


@dataclass
class Report:
    """How much was checked (``runs``, ``assets``, ``bytes``, ``unknown_resources``), and what was found."""

    looked_at: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def needs_attention(self, grace: float = DAY) -> bool:
        """Whether anything needs attention; leftovers do above an age in seconds."""
        return any(finding.needs_attention(grace) for finding in self.findings)


def clean(findings: Iterable[Finding], grace: float = DAY, *, unshared: bool = False) -> None:
    """Remove the leftovers that are older than a grace period, and mark them as removed, or why they could not be.

    The age is that of the youngest part: the modification time of a file, or the time in an ObjectId, which the
    writer's clock sets. What has neither is removed only with a grace period of 0, which is for when nobody stores.
    `unshared` also removes leftovers from places that other catalogs can use: only for catalogs that share none.
    """
    for finding in findings:
        if not isinstance(finding, Leftover) or finding.remove is None or (finding.may_be_shared and not unshared):
            continue
        if grace == 0 or (finding.age is not None and finding.age >= grace):
            try:
                finding.removed = finding.remove(grace)
            except OSError as exc:
                finding.failure = why_not_removed(finding.where, exc)
            except pymongo.errors.OperationFailure as exc:
                finding.failure = reason_of(exc)


def in_place_of_directory(path: str, what: str) -> Finding:
    """The finding that a file or a broken link is in the place of a directory in which runs are stored."""
    return Finding("not-a-directory", path, f"is not a directory, so no {what} can be stored or read; move it away")


def age_of(path: str) -> float | None:
    """Seconds since a file was last written, by its file system; None if it is gone, or its directory is closed."""
    try:
        written = os.lstat(path).st_mtime
    except OSError:
        return None
    return max(0.0, time.time() - written)
