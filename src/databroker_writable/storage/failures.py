"""What went wrong, as one of this package's errors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from ..errors import NotWritableError, RunExistsError, StoreError, StoreFailedError
from .files import is_read_only
from .mongo import is_unauthorized, not_authorized, reason_of


class ExplainingMixin:
    """What goes wrong while a catalog stores, as one of this package's errors."""

    def _explained(self, exc: Exception, uid: str | None) -> Exception:
        return explained(exc, uid, self)

    @contextlib.contextmanager
    def _explaining(self) -> Iterator[None]:
        """Where the catalog is asked for what a run to be built needs."""
        try:
            yield
        except StoreError:
            raise
        except Exception as exc:
            raise self._explained(exc, None) from exc


def explained(exc: Exception, uid: str | None, catalog: Any) -> StoreError:
    """Give the error to raise for what failed while a run was stored."""
    if isinstance(exc, StoreError):
        return exc
    if is_unauthorized(exc):
        return not_authorized(catalog, exc)
    if isinstance(exc, OSError) and is_read_only(exc):
        return NotWritableError(
            f"no permission to store into the catalog {catalog._label!r}: {exc}; ask its owner, "
            "or store into a catalog of your own"
        )
    return StoreFailedError(
        f"storing {'a run' if uid is None else f'the run {uid!r}'} into {catalog._label!r} failed ({reason_of(exc)}); "
        "nothing was published and a retry is safe"
    )


def taken(uid: str, existing: Any, catalog: Any) -> RunExistsError:
    """Give the error that says that another run has this uid."""
    if existing is None:
        return RunExistsError(
            f"the place of the run {uid!r} in {catalog._label!r} is taken by what is not a run, such as an empty file "
            "that a store cut off left on a file system without hard links; remove it, or store under another uid"
        )
    return RunExistsError(
        f"another run of the uid {uid!r} is stored in {catalog._label!r}; it stays as it was. "
        "It is this error's 'run'; store yours under another uid",
        existing,
    )
