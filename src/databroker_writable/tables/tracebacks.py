"""Shorten the tracebacks of errors."""

from __future__ import annotations

import os
from types import TracebackType

from ..errors import FULL_TRACEBACK, StoreError


class ErrorsEndHere:
    """End the traceback of this package's errors at the public method with this ``with`` block.

    The message says what is wrong with the call, so the cause is kept as its ``__context__``, which is not shown.
    Developers who want the whole traceback set the environment variable
    ``DATABROKER_WRITABLE_TRACEBACK``.
    """

    def __enter__(self) -> None:
        pass

    def __exit__(self, cls: type | None, exc: BaseException | None, traceback: TracebackType | None) -> None:
        if isinstance(exc, StoreError) and traceback is not None and not os.environ.get(FULL_TRACEBACK):
            traceback.tb_next = None
            if exc.__cause__ is not None:
                exc.__context__, exc.__cause__ = exc.__cause__, None


errors_end_here = ErrorsEndHere()
