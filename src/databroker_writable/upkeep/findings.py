"""What a check finds, and the removal of leftovers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

DAY = 86400.0


@dataclass
class Finding:
    """One thing that a check found.

    Attributes
    ----------
    kind : str
        What it is, e.g. ``"partial-run-file"``; for programs.
    place : str
        The file, or the collection and uid.
    message : str
        What it is and what to do, in one line.
    is_problem : bool
        Whether it needs attention by itself. Leftovers do when they are older than the grace period.
    """

    kind: str
    place: str
    message: str
    is_problem: bool = True
    removed: bool = False

    def needs_attention(self, grace: float) -> bool:
        """Whether somebody should do something about it."""
        return self.is_problem

    def as_json(self, grace: float) -> dict[str, Any]:
        """Give what `json` can write."""
        return {
            "kind": self.kind,
            "place": self.place,
            "message": self.message,
            "needs_attention": self.needs_attention(grace),
            "removed": self.removed,
        }


@dataclass
class Leftover(Finding):
    """Something that no run refers to: left by a process that was killed, or being written at this moment.

    Attributes
    ----------
    age : float or None
        Seconds since it was last written; None where nothing tells.
    may_be_shared : bool
        Whether other catalogs can have theirs in the same place, so that this one cannot tell.
    remove : callable
        Removes it, after having looked once more; gives whether it did. Takes the grace period.
    """

    age: float | None = None
    may_be_shared: bool = False
    remove: Callable[[float], bool] = field(default=lambda grace: False, repr=False)

    def needs_attention(self, grace: float) -> bool:
        return not self.removed and (self.age is None or self.age >= grace)

    def as_json(self, grace: float) -> dict[str, Any]:
        return {**super().as_json(grace), "age": self.age, "may_be_shared": self.may_be_shared}


@dataclass
class Report:
    """What was looked at, and what was found.

    Attributes
    ----------
    looked_at : dict
        Numbers: ``runs``, ``assets``, ``bytes``, ``unknown_resources``.
    findings : list of Finding
    """

    looked_at: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def needs_attention(self, grace: float = DAY) -> bool:
        """Whether anything needs attention; leftovers do from an age in seconds on."""
        return any(finding.needs_attention(grace) for finding in self.findings)


def clean(findings: Iterable[Finding], grace: float = DAY, *, unshared: bool = False) -> None:
    """Remove the leftovers that are older than a grace period, and mark them as removed.

    Parameters
    ----------
    findings : iterable of Finding
        As `examine` gave them.
    grace : float
        Seconds; choose more than the longest pause in the storing of one run. The age is that of the youngest
        part: the modification time of a file, the time in an ObjectId, which the writer's clock sets. What has
        neither is removed with a grace period of 0 only, to be used when nobody stores.
    unshared : bool
        Remove also what lies where other catalogs can keep theirs: under an ``asset_root`` that was set by hand, or
        in an asset registry in a database of its own. Say so only if no other catalog uses them.
    """
    for finding in findings:
        if not isinstance(finding, Leftover) or (finding.may_be_shared and not unshared):
            continue
        if grace == 0 or (finding.age is not None and finding.age >= grace):
            finding.removed = finding.remove(grace)
