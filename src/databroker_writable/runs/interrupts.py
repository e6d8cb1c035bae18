"""Defer Ctrl-C while something is written, without losing it, and keep it away from the locks of thread pools."""

from __future__ import annotations

import contextvars
import math
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from .forks import begin_anew_in_children


class _Deferral:
    """The state of the main thread, which is the only one that runs signal handlers."""

    def __init__(self) -> None:
        self.depth = 0  # how many blocks of `deferred_interrupts` are open
        self.handler: Any = None  # what SIGINT did before the outermost of them
        self.patience = math.inf  # for how many seconds it lets SIGINT be deferred
        self.is_pending = False  # whether SIGINT arrived in the meantime
        self.arrived = 0.0  # when it did so, for the first time
        self.is_broken_off = False  # whether a later one ended the block
        begin_anew_in_children(self)

    def begin_anew(self) -> None:
        """Stop deferring: a child may be forked by another thread, or never leave the block it was forked in."""
        self.depth, self.is_pending, self.is_broken_off = 0, False, False
        if signal.getsignal(signal.SIGINT) is _note:
            signal.signal(signal.SIGINT, self.handler)


_deferral = _Deferral()


def _note(signum: int, frame: FrameType | None) -> None:
    if not _deferral.is_pending:
        _deferral.is_pending, _deferral.arrived = True, time.monotonic()
    elif time.monotonic() - _deferral.arrived > _deferral.patience:
        # what it raises may be lost in a callback of C code, so that the first one remains pending
        _deferral.is_broken_off = True
        _deferral.handler(signum, frame)
        _deferral.is_broken_off = False


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def are_broken_off() -> bool:
    """Whether this thread is leaving blocks of `deferred_interrupts` that a second SIGINT ended.

    What would be removed after another failure is then left, as after a kill, because its removal may wait as long.
    """
    return _in_main_thread() and _deferral.is_broken_off


class deferred_interrupts:
    """Defer SIGINT to the end of a block, in the main thread; elsewhere do nothing.

    Python runs the handler of SIGINT between any two instructions, and inside callbacks whose C callers drop its
    KeyboardInterrupt. After the outermost of nested blocks the handler that was in force before runs: by default it
    raises KeyboardInterrupt, whatever the block itself raised. Several interrupts become one.

    Parameters
    ----------
    patience : float, optional
        For a block that may wait for a server without end: a SIGINT that comes more than so many seconds after the
        first is not deferred. That of the outermost block counts.

    Raises
    ------
    KeyboardInterrupt
        SIGINT came, and nobody has set another handler for it.

    Examples
    --------
    >>> done = []
    >>> try:
    ...     with deferred_interrupts():
    ...         signal.raise_signal(signal.SIGINT)
    ...         done.append("all of this")
    ... except KeyboardInterrupt:
    ...     done.append("then the interrupt")
    >>> done
    ['all of this', 'then the interrupt']
    """

    def __init__(self, patience: float = math.inf) -> None:
        self._patience = patience

    def __enter__(self) -> None:
        self._is_counted = _in_main_thread()
        if not self._is_counted:
            return
        self._depth = _deferral.depth
        if not self._depth:
            handler = signal.getsignal(signal.SIGINT)
            if not callable(handler):
                # SIGINT is ignored, or ends the process: it does not interrupt Python code
                self._is_counted = False
                return
            _deferral.handler, _deferral.is_pending, _deferral.is_broken_off = handler, False, False
            _deferral.patience = self._patience
            # from here on no exception can occur between two lines
            signal.signal(signal.SIGINT, _note)
        _deferral.depth = self._depth + 1

    def __exit__(self, *error: Any) -> None:
        if self._is_counted:
            _deferral.depth = self._depth
            if not self._depth:
                _end_deferral(sys._getframe(1))


class interruptible:
    """Allow SIGINT in a block within `deferred_interrupts`, for a long wait that may be interrupted.

    The surrounding code must handle an exception at any point of the block.

    Raises
    ------
    KeyboardInterrupt
        SIGINT arrived, before or in the block, and no other handler is set.
    """

    def __enter__(self) -> None:
        self._depth = _deferral.depth if _in_main_thread() else 0
        if self._depth:
            _deferral.depth = 0
            try:
                _end_deferral(sys._getframe(1))
            except BaseException:
                self._defer_again()
                raise

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if self._depth:
            self._defer_again()
            interrupt = error.__context__ if isinstance(error, RuntimeError) else None
            if isinstance(interrupt, KeyboardInterrupt) and "unlocked lock" in str(error):
                # Python's Condition.wait releases a lock that the interrupt kept it from taking back
                raise interrupt from None

    def _defer_again(self) -> None:
        signal.signal(signal.SIGINT, _note)
        _deferral.depth = self._depth


def apart_from_interrupts(work: Callable[[], None]) -> None:
    """Do work in another thread than the main one, which only waits, and can be interrupted.

    An interrupt within Python's semaphores and queues can leave a lock of theirs locked. Where threads of a pool wait
    for it, they wait for ever, and with them the end of the process.
    """
    if not _in_main_thread():
        work()
        return
    context, errors = contextvars.copy_context(), list[BaseException]()
    is_over = threading.Lock()  # not an Event, which has such a lock
    is_over.acquire()

    def do() -> None:
        try:
            context.run(work)
        except BaseException as exc:
            errors.append(exc)
        finally:
            is_over.release()

    with deferred_interrupts():
        try:
            threading.Thread(target=do).start()
        except RuntimeError:
            # the interpreter shuts down, or a limit is reached
            do()
    is_over.acquire()
    if errors:
        try:
            raise errors[0]
        finally:
            errors.clear()  # its traceback refers to this frame


def _end_deferral(frame: FrameType) -> None:
    """Restore the user's handler, and call it if SIGINT arrived meanwhile."""
    if signal.getsignal(signal.SIGINT) is _note:
        signal.signal(signal.SIGINT, _deferral.handler)
    _deferral.is_broken_off = False
    if _deferral.is_pending:
        _deferral.is_pending = False
        _deferral.handler(signal.SIGINT, frame)
