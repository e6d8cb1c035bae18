"""Text that intake 0.6.4 takes for a Jinja template, and runs, when a run is read."""

from __future__ import annotations

import re
from typing import Any

from ..errors import StoreError

_TEMPLATE = re.compile(r"\{(?=[{%#])[{%#]")


def without_templates(text: str) -> str:
    """Separate the braces that intake would take for a template.

    Examples
    --------
    >>> without_templates("KeyError('{{x}}')")
    "KeyError('{ {x}}')"
    """
    return _TEMPLATE.sub(lambda found: " ".join(found.group()), text)


def check_templates(value: Any, where: str, error: type[StoreError]) -> None:
    """Refuse templates in a value of plain Python, at any depth."""
    if isinstance(value, str):
        if _TEMPLATE.search(value):
            raise error(
                f"{where} is {value[:60]!r}: intake takes '{{{{', '{{%' and '{{#' for a template, which it would run "
                f"whenever the run is read; write for example {without_templates(value)[:60]!r}"
            )
    elif isinstance(value, dict):
        for key, item in value.items():
            check_templates(item, f"{where}[{key!r}]", error)
    elif isinstance(value, list):
        for i, item in enumerate(value):
            check_templates(item, f"{where}[{i}]", error)
