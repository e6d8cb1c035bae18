"""Names that documents and every backend can hold."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ..errors import InvalidTableError

LONGEST_NAME = 1000


def check_name(name: Any, what: str) -> None:
    """Refuse a name that cannot be a data key; `what` says whose it is ("column", "coordinate")."""
    if type(name) is str and name.isidentifier() and len(name) <= LONGEST_NAME:
        return
    if not isinstance(name, str):
        raise InvalidTableError(
            f"the name of {what} {name!r} is of type {type(name).__name__}; "
            f"make it a str, e.g. table.rename(columns=str) or {{str(k): v for k, v in table.items()}}"
        )
    if len(name) > LONGEST_NAME:
        raise InvalidTableError(
            f"the name of {what} {name[:40]!r}... has {len(name)} characters, {LONGEST_NAME} is the most; shorten it"
        )
    if not name:
        raise InvalidTableError(f"a {what} has the empty string as its name; give it a name")
    for bad in "./":
        if bad in name:
            raise InvalidTableError(
                f"the name of {what} {name!r} holds {bad!r}, which documents do not allow in keys; "
                f"rename it, e.g. to {name.replace(bad, '_')!r}"
            )
    if name.startswith("$"):
        raise InvalidTableError(f"the name of {what} {name!r} starts with '$', which MongoDB reserves; rename it")
    if any(ord(char) < 32 or ord(char) == 127 for char in name):
        raise InvalidTableError(f"the name of {what} {name!r} holds a control character; rename it")
    check_text([name], f"the name of {what} {name!r}")


def check_text(values: list[str], where: str) -> None:
    """Refuse strings that have no UTF-8 form: msgpack and BSON cannot write them."""
    try:
        "".join(values).encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidTableError(
            f"{where} holds a lone surrogate ({error.object[error.start]!r}), which has no UTF-8 form; "
            "replace it, e.g. text.encode('utf-8', 'replace').decode()"
        ) from error


def free_name(wanted: str, taken: Collection[str]) -> str:
    """Return `wanted`, with as many underscores appended as it takes to be free."""
    while wanted in taken:
        wanted += "_"
    return wanted
