"""The rights of files and directories: of new ones in shared directories, and why others are refused."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Sequence

FILE_MODE = 0o664
DIRECTORY_MODE = 0o775
"""The rights before the umask; never writable by everybody."""


_removed: set[str] = set()
"""The directories that this process has made and removed again, as nothing could be stored in them."""


def make_directories(path: str) -> list[str]:
    """Make a directory and its parents; return those that this call made, outermost first."""
    missing = []
    parent = os.path.abspath(path)
    while not os.path.isdir(parent):
        missing.append(parent)
        parent = os.path.dirname(parent)
    made = []
    for directory in reversed(missing):
        try:
            os.mkdir(directory, DIRECTORY_MODE)
        except FileExistsError:
            if not os.path.isdir(directory):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), directory) from None
        else:
            _removed.discard(directory)
            made.append(directory)
            share_with_group(directory, os.path.dirname(directory))
    return made


def remove_empty_directories(paths: Sequence[str]) -> None:
    """Remove the empty ones of the directories, innermost first."""
    for directory in reversed(paths):
        try:
            os.rmdir(directory)
        except FileNotFoundError:
            continue
        except OSError:
            # Another run's file is in it now, so it stays, with its parents.
            return
        _removed.add(directory)


def was_removed(directory: str) -> bool:
    """Whether it was this process that removed a directory."""
    return directory in _removed


def share_with_group(new: str | int, directory: str) -> None:
    """Give a new file (its descriptor) or directory the group rights of its directory, if a group shares that.

    A directory is shared if its setgid bit is set, or if its group can write to it. Otherwise members with a umask of
    022 or 077 would lock the others out of what they make first.
    """
    shared, status = os.stat(directory), os.stat(new)
    if status.st_gid != shared.st_gid or not shared.st_mode & (stat.S_ISGID | stat.S_IWGRP):
        return
    rights = stat.S_IRWXG if stat.S_ISDIR(status.st_mode) else stat.S_IRGRP | stat.S_IWGRP
    mode = stat.S_IMODE(status.st_mode)
    wanted = mode & ~stat.S_IRWXG | shared.st_mode & rights
    if mode != wanted:
        # file systems without such rights refuse the change, and do not need it
        with contextlib.suppress(PermissionError):
            os.chmod(new, wanted)


def not_a_directory(error: NotADirectoryError) -> str:
    """What is in the place of a directory, and what to do."""
    path = str(error.filename)
    while path != os.path.dirname(path) and not os.path.lexists(path):
        path = os.path.dirname(path)
    return f"{path!r} is not a directory; move it away"


def why_not_removable(path: str) -> str:
    """The reason why this user may not remove or rename a file, and what to do; empty if the rights allow it."""
    directory = os.path.dirname(path) or os.curdir
    if _is_read_only(directory):
        return "its file system is mounted read-only; do this where it can be written"
    if not os.access(directory, os.W_OK | os.X_OK):
        return f"you have no permission to change {directory!r}; ask its owner{named_owner(directory)} to do this"
    status, user = os.stat(directory), os.geteuid() if hasattr(os, "geteuid") else 0
    if status.st_mode & stat.S_ISVTX and user not in (0, status.st_uid, os.lstat(path).st_uid):
        return (
            f"in {directory!r}, which has the sticky bit, only the owner of a file removes it; ask that of the file"
            f"{named_owner(path)} to do this"
        )
    return ""


def why_not_removed(path: str, error: OSError) -> str:
    """The reason why a file was not removed, and what to do."""
    is_refused = isinstance(error, PermissionError) or error.errno == errno.EROFS
    return (why_not_removable(path) if is_refused else "") or str(error.strerror or error)


def _is_read_only(path: str) -> bool:
    try:
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except (AttributeError, OSError):  # Windows has no statvfs
        return False


def why_not_listed(directory: str, exc: OSError) -> str:
    """The reason why a directory cannot be read, and what to do."""
    if isinstance(exc, PermissionError):
        return (
            f"the directory {directory!r} cannot be read by this user; ask its owner{named_owner(directory)} for the "
            "permission to read it"
        )
    return f"the directory {directory!r} cannot be read ({exc.strerror}); is its file system mounted?"


def named_owner(path: str) -> str:
    """The name of the owner of a file between commas, for messages; empty if it cannot be seen."""
    owner = owner_of(path)
    return f", {owner}," if owner else ""


def owner_of(path: str) -> str:
    """The name of the owner of a file; empty if a directory above it may not be entered."""
    try:
        user = os.lstat(path).st_uid
    except OSError:
        return ""
    try:
        import pwd

        return pwd.getpwuid(user).pw_name
    except (ImportError, KeyError):  # Windows has no such database, and a user may be from another machine
        return f"user {user}"
