"""Uids of runs, which become names of files and are looked up by databroker."""

from __future__ import annotations

import re
from typing import Any

from ..errors import InvalidRunError
from ..tables.wording import short

MAX_UID_LENGTH = 200

_SAFE_UIDS = "use a UUID4, or letters, digits and any of _-.+=@~"
_SAFE_UID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+=@~-]*\Z")

_RESERVED_NAMES = {"con", "prn", "aux", "nul", *(f"{p}{n}" for p in ("com", "lpt") for n in range(1, 10))}
"""Windows makes no files of these names, with or without an ending."""


def check_run_uid(uid: Any) -> None:
    """Refuse a run's uid that is unsafe as a file name or that databroker would not look up."""
    check_safe_uid(uid)
    try:
        int(uid)
    except ValueError:
        return
    raise InvalidRunError(f"databroker reads the uid {uid!r} as a scan_id; {_SAFE_UIDS}, with at least one letter")


def check_safe_uid(uid: Any) -> None:
    """Refuse a run's uid that is unsafe as a file name."""
    if not isinstance(uid, str):
        raise InvalidRunError(f"the uid of a run is a string, not {short(uid)}")
    if len(uid) > MAX_UID_LENGTH:
        raise InvalidRunError(f"the uid {uid[:40]!r}... has {len(uid)} characters, {MAX_UID_LENGTH} is the most")
    if not _SAFE_UID.match(uid) or uid.endswith(".") or uid.split(".")[0].lower() in _RESERVED_NAMES:
        raise InvalidRunError(f"the uid {uid!r} is not safe as the name of a file; {_SAFE_UIDS}")
