"""Run code in a new Python process, which imports and opens what this one may have in memory."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

PATIENCE = 120
"""Seconds that another process may take to open catalogs."""


def failure_elsewhere(python: str, code: str, arguments: Sequence[str], **environment: str) -> list[str] | None:
    """The lines that code prints if it fails in a new process of this interpreter.

    They are empty if it does not, None if it takes too long.
    """
    try:
        done = subprocess.run(
            [python, "-W", "ignore", "-c", code, *arguments],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    return (done.stderr.strip().splitlines() or ["it gave no reason"]) if done.returncode else []
