"""Ctrl-C and SIGTERM end the command without a traceback, also while it is being imported."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = "import databroker_writable_command; databroker_writable_command.main()"


def start(code: str, modules: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(modules), "PYTHONUNBUFFERED": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", code, "ls", "."], env=environment, text=True, **pipes)


@pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_the_imports_ends_the_command_without_a_traceback(tmp_path: Path, number: int) -> None:
    (tmp_path / "databroker.py").write_text("import time\nprint('importing')\ntime.sleep(60)\n")
    process = start(COMMAND, tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "importing\n"
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (-number, "")


@pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 1), (signal.SIGTERM, 143)])
def test_a_signal_during_a_command_lets_it_put_things_in_order(tmp_path: Path, number: int, status: int) -> None:
    package = tmp_path / "databroker_writable"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "cli.py").write_text(
        "import time, click\n"
        "@click.command()\n@click.argument('words', nargs=-1)\n"
        "def main(words):\n"
        "    try:\n        print('at work')\n        time.sleep(60)\n"
        "    finally:\n        print('in order')\n"
    )
    process = start(COMMAND, tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "at work\n"
    process.send_signal(number)
    output, errors = process.communicate(timeout=30)
    assert (process.returncode, output) == (status, "in order\n")
    assert "Traceback" not in errors
