"""Values as messages show them."""

from __future__ import annotations

from typing import Any


def short(value: Any, longest: int = 60) -> str:
    """A value as messages show it."""
    try:
        text = repr(value)
    except RecursionError:
        text = f"a {type(value).__name__}, nested deeply or in itself"
    except Exception:
        # the message is of more use than what the object's own code says
        text = f"a {type(value).__name__} that cannot be shown"
    return text if len(text) <= longest else text[: longest - 3] + "..."
