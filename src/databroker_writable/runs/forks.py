"""Release what a forked child must not share with its parent: locks, and runs in progress."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any

_lock = threading.Lock()
# no WeakSet: its callbacks are Python code, in which an interrupt would be lost
_known: list[weakref.ref[Any]] = []
_enough = 1000


def begin_anew_in_children(thing: Any) -> None:
    """Call its `begin_anew` in each child that is forked later, for new locks and without the parent's runs.

    In a child a lock may be held by a thread that does not exist.
    """
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
