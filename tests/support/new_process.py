"""Python code in a process of its own, for what only a new process shows."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from support import warm_python


def run_python(
    code: str, *arguments: Any, env: dict[str, str] | None = None, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run code that finds `support`, without warnings."""
    environment = dict(os.environ if env is None else env)
    tests = str(Path(__file__).parents[1])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [tests, environment.get("PYTHONPATH")]))
    command = [warm_python.executable(), "-W", "ignore", "-c", code, *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout, check=False)


def output_of(code: str, *arguments: Any, env: dict[str, str] | None = None, timeout: float = 120) -> str:
    """Run code that succeeds and give what it prints."""
    done = run_python(code, *arguments, env=env, timeout=timeout)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
