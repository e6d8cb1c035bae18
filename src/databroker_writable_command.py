"""The command ``databroker-writable``, which an interrupt ends without a traceback, also while it is imported.

It stands beside the package, because importing that imports databroker, which takes seconds.
"""

from __future__ import annotations

import signal
import sys
from types import FrameType


def main() -> None:
    """Run the command line."""
    is_interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_interruptible:
        # nothing is to be put in order before the command begins
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        from databroker_writable.cli import main as command
    except ImportError as exc:
        sys.exit(f"databroker-writable: {exc}")

    if is_interruptible:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _end)
    command()


def _end(signum: int, frame: FrameType | None) -> None:
    """End as an exception does, so that nothing half-written is left behind."""
    raise SystemExit(128 + signum)
