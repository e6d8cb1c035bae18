"""Turn failures of storing into this package's errors."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from typing import NoReturn

import bson.errors
import pymongo.errors

from ..errors import InvalidRunError, NotWritableError, StoreError, StoreFailedError
from ..runs import upstream
from .backend import Backend
from .file_permissions import not_a_directory
from .mongo_errors import is_refusal_of_values, is_unauthorized, reason_of


def _in_our_words(exc: Exception, what: str, backend: Backend) -> Exception:
    """Return the error for a failure while a run, or something else, was stored through a backend.

    Only failures of the disk and of the server, and documents that MongoDB cannot hold, become errors of this package;
    other errors are unchanged.
    """
    label = backend.label
    if isinstance(exc, StoreError):
        return exc
    if is_unauthorized(exc):
        return NotWritableError(
            f"the MongoDB server refuses to write for the user of {label!r} (code {getattr(exc, 'code', None)}); ask "
            "its administrator for the role readWrite, or check user name and password"
        )
    if isinstance(exc, bson.errors.BSONError):  # raised before the document is sent, and no PyMongoError
        return InvalidRunError(
            f"{what} holds what MongoDB cannot store ({reason_of(exc)}); change it, or store it in a catalog of files"
        )
    if isinstance(exc, PermissionError) or (isinstance(exc, OSError) and exc.errno == errno.EROFS):
        return NotWritableError(
            f"no permission to store into the catalog {label!r}: {exc}; ask its owner, or use a catalog of your own"
        )
    if isinstance(exc, NotADirectoryError):
        return StoreFailedError(f"nothing can be stored into {label!r} ({exc}): {not_a_directory(exc)}")
    if is_refusal_of_values(exc):
        return StoreFailedError(
            f"storing {what} into {label!r} failed: its server refuses what it holds ({reason_of(exc)}); nothing was "
            "published, and a retry would be refused again: change it, or store it in a catalog of files"
        )
    if isinstance(exc, _failures_of(backend)):
        return StoreFailedError(
            f"storing {what} into {label!r} failed ({reason_of(exc)}); nothing was published and a retry is safe"
        )
    return exc


def _failures_of(backend: Backend) -> tuple[type[Exception], ...]:
    """The errors of the disk, of the server and of the library of a backend."""
    return OSError, pymongo.errors.PyMongoError, *backend.failures


@contextlib.contextmanager
def explaining(backend: Backend, what: str = "a run") -> Iterator[None]:
    """Raise failures of storing in the block as this package's errors."""
    try:
        yield
    except Exception as exc:
        raise_explained(exc, what, backend)


def raise_explained(exc: BaseException, what: str, backend: Backend) -> NoReturn:
    """Raise a failure of storing something as this package's error."""
    error = _in_our_words(exc, what, backend) if isinstance(exc, Exception) else exc
    if error is exc:
        raise exc
    raise error from exc


@contextlib.contextmanager
def explaining_reads(backend: Backend) -> Iterator[None]:
    """Raise failures of looking something up in the block, before anything is stored, as this package's errors."""
    failures = _failures_of(backend)
    try:
        yield
    except StoreError:
        raise
    except failures as exc:
        raise StoreFailedError(
            f"the catalog {backend.label!r} could not be read ({reason_of(exc)}); nothing was published and a retry is "
            "safe"
        ) from exc


def not_shown(uid: str, backend: Backend) -> InvalidRunError:
    """Return the error for a run that a facility's driver leaves out."""
    return InvalidRunError(
        f"the driver {upstream.driver_name(backend.catalog)} of the catalog {backend.label!r} leaves out the run "
        f"{uid!r}: it shows only some runs, by their metadata; change these, or use another catalog"
    )
