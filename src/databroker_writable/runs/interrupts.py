"""Defer Ctrl-C while something is written, without losing it."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any, Literal

from .forks import begin_anew_in_children


class _Deferral:
    """The state of the main thread, which is the only one that runs signal handlers."""

    def __init__(self) -> None:
        self.depth = 0  # how many blocks of `deferred_interrupts` are open
        self.handler: Any = None  # what SIGINT did before the outermost of them
        self.is_pending = False  # whether SIGINT arrived in the meantime
        begin_anew_in_children(self)

    def begin_anew(self) -> None:
        """Stop deferring: a child may be forked by another thread, or never leave the block it was forked in."""
        self.depth, self.is_pending = 0, False
        if signal.getsignal(signal.SIGINT) is _note:
            signal.signal(signal.SIGINT, self.handler)


_deferral = _Deferral()


def _note(signum: int, frame: FrameType | None) -> None:
    _deferral.is_pending = True


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


class deferred_interrupts:
    """Defer SIGINT to the end of a block, in the main thread; elsewhere do nothing.

    Python runs the handler of SIGINT between any two instructions, and inside callbacks whose C callers drop its
    KeyboardInterrupt. After the outermost of nested blocks the handler that was in force before runs: by default it
    raises KeyboardInterrupt, whatever the block itself raised. Several interrupts become one.

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
            _deferral.handler, _deferral.is_pending = handler, False
            # from here on no exception can occur between two lines
            signal.signal(signal.SIGINT, _note)
        _deferral.depth = self._depth + 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        if self._is_counted:
            _deferral.depth = self._depth
            if not self._depth:
                _end_deferral(sys._getframe(1))
        return False


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

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        if self._depth:
            self._defer_again()
            interrupt = error.__context__ if isinstance(error, RuntimeError) else None
            if isinstance(interrupt, KeyboardInterrupt) and "unlocked lock" in str(error):
                # Python's Condition.wait releases a lock that the interrupt kept it from taking back
                raise interrupt from None
        return False

    def _defer_again(self) -> None:
        signal.signal(signal.SIGINT, _note)
        _deferral.depth = self._depth


def _end_deferral(frame: FrameType) -> None:
    """Restore the user's handler, and call it if SIGINT arrived meanwhile."""
    if signal.getsignal(signal.SIGINT) is _note:
        signal.signal(signal.SIGINT, _deferral.handler)
    if _deferral.is_pending:
        _deferral.is_pending = False
        _deferral.handler(signal.SIGINT, frame)
