"""What failed while a run was stored, in this package's words."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from typing import NoReturn

import pymongo.errors

from ..errors import NotWritableError, RunExistsError, StoreError, StoreFailedError
from .mongo import is_unauthorized, reason_of


def _in_our_words(exc: Exception, uid: str | None, label: str) -> Exception:
    """Give the error to raise for what failed while a run was stored into the catalog of that label.

    Only failures of the disk and of the server become errors of this package; any other error is the caller's to see.
    """
    if isinstance(exc, StoreError):
        return exc
    if is_unauthorized(exc):
        return NotWritableError(
            f"the MongoDB server refuses to write for the user of the catalog {label!r} "
            f"(code {getattr(exc, 'code', None)}); ask its administrator for the role readWrite, "
            "or check user name and password"
        )
    if isinstance(exc, PermissionError) or (isinstance(exc, OSError) and exc.errno == errno.EROFS):
        return NotWritableError(
            f"no permission to store into the catalog {label!r}: {exc}; ask its owner, "
            "or store into a catalog of your own"
        )
    if isinstance(exc, OSError | pymongo.errors.PyMongoError):
        return StoreFailedError(
            f"storing {'a run' if uid is None else f'the run {uid!r}'} into {label!r} failed ({reason_of(exc)}); "
            "nothing was published and a retry is safe"
        )
    return exc


@contextlib.contextmanager
def explaining(label: str, uid: str | None = None) -> Iterator[None]:
    """Raise what fails in the block in this package's words."""
    try:
        yield
    except Exception as exc:
        raise_explained(exc, uid, label)


def raise_explained(exc: BaseException, uid: str | None, label: str) -> NoReturn:
    """Raise what failed in this package's words."""
    error = _in_our_words(exc, uid, label) if isinstance(exc, Exception) else exc
    if error is exc:
        raise exc
    raise error from exc


def in_the_way(uid: str, obstacle: str, label: str) -> RunExistsError:
    """Give the error that says that something is in the place of the run of this uid."""
    return RunExistsError(f"the run {uid!r} cannot be stored in {label!r}: {obstacle}")
