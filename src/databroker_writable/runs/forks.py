"""Release what a forked child must not share with its parent: locks, and runs in progress."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol


class ForkAware(Protocol):
    """Something that holds locks or runs in progress."""

    def begin_anew(self) -> None:
        """Create new locks, and drop the parent's runs, in a forked child."""


_lock = threading.Lock()
# no WeakSet: its callbacks are Python code, in which an interrupt would be lost
_known: list[weakref.ref[ForkAware]] = []
_enough = 1000


def begin_anew_in_children(thing: ForkAware) -> None:
    """Call this in each child that is forked later, where a lock may be held by a thread that does not exist."""
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
