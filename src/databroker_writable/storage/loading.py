"""Load the run files of a catalog as databroker 1.2.5 does, but that no file stands in the way of the others."""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import stat
from collections.abc import Iterator
from typing import Any

from ..errors import PickledRunError, warn_user
from ..runs import upstream
from .run_readers import HOLDS_A_PICKLE, RunFormat

_OF_THIS_PROCESS = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR}
"""What hinders this process, whatever file it would read."""


def load_run_files(catalog: Any, run_format: RunFormat, failed: dict[str, float]) -> None:
    """Add each file that is new, or has changed, to the entries of a catalog.

    A file is noted as loaded after its entry is there. One that cannot be read is passed over with a warning, and
    looked at again next time.

    Parameters
    ----------
    catalog : databroker.v2.Broker
    run_format : RunFormat
    failed : dict
        When the files were modified that raised an error before. As with databroker, a damaged file raises once for
        each catalog object; after that it is passed over.
    """
    noted = upstream.loaded_files(catalog)
    complaints: list[tuple[str, str]] = []
    for path in (path for pattern in catalog.paths for path in glob.glob(str(pattern))):
        try:
            modified = os.stat(path).st_mtime
            if modified == noted.get(path):
                continue
            header = run_format.read_header(path)
        except FileNotFoundError as exc:
            # a file that was removed meanwhile is none
            if os.path.islink(path):
                complaints.append((path, why_unreadable(path, exc)))
        except (OSError, PickledRunError) as exc:
            if isinstance(exc, OSError) and exc.errno in _OF_THIS_PROCESS:
                raise
            complaints.append((path, why_unreadable(path, exc)))
        except Exception as exc:
            if failed.get(path) != modified:
                failed[path] = modified
                raise
            complaints.append((path, why_unreadable(path, exc)))
        else:
            if header is not None:
                upstream.add_run_file(catalog, path, *header, run_format.read, modified)
    if complaints:
        _warn(complaints)


@contextlib.contextmanager
def noting_only_what_is_loaded(catalog: Any) -> Iterator[None]:
    """Have a driver's own ``_load``, when it raises, look at the same files again next time."""
    noted = upstream.loaded_files(catalog)
    before = dict(noted)
    try:
        yield
    except BaseException:
        noted.clear()
        noted.update(before)
        raise


def why_unreadable(path: str, exc: Exception | None = None) -> str:
    """Say why a run file cannot be read, and what to do about it; `exc` is what reading it raised."""
    if isinstance(exc, PickledRunError):
        return HOLDS_A_PICKLE
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        if os.path.islink(path):
            return (
                f"is a link to {os.readlink(path)!r}, which is not there; mount its file system, or restore that file"
            )
        return "was removed meanwhile"
    except OSError as error:
        return f"cannot be looked at ({error.strerror}); ask its owner, {owner_of(path)}, for the permission to read it"
    if not stat.S_ISREG(mode):
        return "is not a file but a directory, a pipe or the like; move it away, or give it another name"
    if isinstance(exc, PermissionError):
        return f"cannot be read by this user; ask its owner, {owner_of(path)}, for the permission to read it"
    if isinstance(exc, OSError):
        return f"cannot be read ({exc.strerror}); restore it from a copy"
    return f"is no run, or is damaged ({type(exc).__name__}); restore it from a copy, or move it away"


def owner_of(path: str) -> str:
    """Name the owner of a file."""
    user = os.lstat(path).st_uid
    try:
        import pwd

        return pwd.getpwuid(user).pw_name
    except (ImportError, KeyError):  # no such database on Windows, or a user of another machine
        return f"user {user}"


def _warn(complaints: list[tuple[str, str]]) -> None:
    path, why = complaints[0]
    others = len(complaints) - 1
    more = f"; {others} more {'file is' if others == 1 else 'files are'} passed over" if others else ""
    warn_user(
        f"the run file {path!r} of {owner_of(path)} is passed over: it {why}{more}; "
        "databroker-writable check lists what cannot be read"
    )
