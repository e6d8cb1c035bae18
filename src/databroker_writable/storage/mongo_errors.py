"""What errors of MongoDB mean: the server is away, or refuses the user."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import pymongo.errors

from ..errors import ServerAwayError
from ..tables.wording import cut

_UNAUTHORIZED = {13, 18, 8000}
"""Unauthorized, AuthenticationFailed, and Atlas' AtlasError."""

_REFUSING = {2, 121, 10334}
"""BadValue, as FerretDB says of what it cannot hold, DocumentValidationFailure and BSONObjectTooLarge."""

_MAX_REASON = 400

_TIMEOUTS = re.compile(r" \(configured timeouts:[^)]*\)")
_SERVER = re.compile(r"ServerDescription \('([^']+)', (\d+)\)")
_AWAY_IN_TRACEBACK = re.compile(r"(?:ServerSelectionTimeoutError|AutoReconnect|NetworkTimeout): (.*)")


def reason_of(exc: BaseException) -> str:
    """The error in one line; pymongo repeats whole documents."""
    if is_away(exc):
        return away(str(exc))
    refused = _refused_writes(exc)
    text = refused[0].get("errmsg", "") if refused else str(exc)
    return f"{type(exc).__name__}: {cut(text, _MAX_REASON)}"


def _refused_writes(exc: BaseException) -> list[Any]:
    """What a server says of each document that it refused."""
    details = getattr(exc, "details", None) or {}
    if isinstance(exc, pymongo.errors.BulkWriteError):
        return list(details.get("writeErrors") or [])
    return [details] if isinstance(exc, pymongo.errors.WriteError) and "errmsg" in details else []


def is_refusal_of_values(exc: BaseException) -> bool:
    """Whether a server refused a document for what it holds, which it will do again."""
    return any(error.get("code") in _REFUSING for error in _refused_writes(exc))


def is_away(exc: BaseException | None) -> bool:
    """Whether a server did not answer."""
    return isinstance(exc, pymongo.errors.ConnectionFailure) and not isinstance(exc, pymongo.errors.NotPrimaryError)


def away(text: str) -> str:
    """The message which server does not answer, and why; pymongo's text is mostly topology."""
    reasons = _TIMEOUTS.sub("", text).partition(", Timeout:")[0]
    servers = dict.fromkeys(":".join(server) for server in _SERVER.findall(text))
    unnamed = "".join(f"{server}: " for server in servers if server not in reasons)
    return (
        f"no MongoDB server answers ({unnamed}{cut(reasons, _MAX_REASON)}); check that it runs, that this computer "
        "reaches it, and that the catalog's URI names its host and port"
    )


def away_in_words(line: str) -> str:
    """The last line of a traceback of another process, in our words if its server is away."""
    return _AWAY_IN_TRACEBACK.sub(lambda match: away(match[1]), line)


@contextlib.contextmanager
def away_as_error() -> Iterator[None]:
    """Raise `ServerAwayError` if a server does not answer while runs are looked up."""
    try:
        yield
    except pymongo.errors.ConnectionFailure as exc:
        if not is_away(exc):
            raise
        raise ServerAwayError(away(str(exc))) from exc


def is_unauthorized(exc: BaseException) -> bool:
    """Whether a server refused for lack of permission."""
    return isinstance(exc, pymongo.errors.OperationFailure) and exc.code in _UNAUTHORIZED
