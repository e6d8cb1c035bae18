"""What a forked child must not share with its parent: locks, and runs that are under way."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol


class ForkAware(Protocol):
    """Something that holds locks or runs under way."""

    def begin_anew(self) -> None:
        """Take new locks, and let go of runs that are the parent's, in a child that was forked."""


_lock = threading.Lock()
# references without callbacks: those of a WeakSet are Python code, in which an interrupt is swallowed
_known: list[weakref.ref[ForkAware]] = []
_enough = 1000


def begin_anew_in_children(thing: ForkAware) -> None:
    """Have this called in each child that is forked from now on: a lock may be held by a thread it does not have."""
    global _enough
    with _lock:
        if len(_known) >= _enough:
            _known[:] = [known for known in _known if known() is not None]
            _enough = 1000 + 2 * len(_known)
        _known.append(weakref.ref(thing))


def _begin_anew() -> None:
    global _lock
    _lock = threading.Lock()
    for known in _known:
        thing = known()
        if thing is not None:
            thing.begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
