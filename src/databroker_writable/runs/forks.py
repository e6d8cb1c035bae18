"""What a forked child must not share with its parent: locks, and runs that are under way."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class ForkAware(Protocol):
    """Something that holds locks or runs under way."""

    def begin_anew(self) -> None:
        """Take new locks, and let go of runs that are the parent's, in a child that was forked."""


_known: weakref.WeakSet[ForkAware] = weakref.WeakSet()


def begin_anew_in_children(thing: ForkAware) -> None:
    """Have this called in each child that is forked from now on: a lock may be held by a thread it does not have."""
    _known.add(thing)


def _begin_anew() -> None:
    for thing in list(_known):
        thing.begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
