"""Ctrl-C and SIGTERM end the command without a traceback, also while it is being imported, and it says what is done."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from databroker_writable import open_directory
from databroker_writable.catalog.storing_methods import WritableMixin
from databroker_writable.upkeep.copying import CatalogDestination
from support.command_line import run, succeed

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
        "main.commands = {}\n"
    )
    process = start(COMMAND, tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "at work\n"
    process.send_signal(number)
    output, errors = process.communicate(timeout=30)
    assert (process.returncode, output) == (status, "in order\n")
    assert "Traceback" not in errors


def interrupt(monkeypatch: pytest.MonkeyPatch, cls: type, method: str, *, at: int, after: bool = False) -> None:
    """Have Ctrl-C come at one of the calls of a method, or when that is done."""
    calls = iter(range(1, 100))
    original = getattr(cls, method)

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        is_last = next(calls) == at
        if is_last and not after:
            raise KeyboardInterrupt
        result = original(*args, **kwargs)
        if is_last:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(cls, method, interrupted)


def test_an_interrupt_of_copy_says_how_many_runs_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source = open_directory("source")
    source.store_runs([{"x": [number]} for number in range(3)])
    interrupt(monkeypatch, CatalogDestination, "copy", at=2)
    result = run("copy", "source", "copies")
    assert result.exit_code == 1
    assert result.stderr == "\nInterrupted: 1 of 3 copied; run it again to continue\n"
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert succeed("copy", "source", "copies") == "2 copied, 1 there already\n"


@pytest.mark.parametrize(
    ("at", "after", "said"),
    [
        (1, False, "0 of 2 files stored; run it again, beginning with a.csv"),
        (2, False, "1 of 2 files stored; run it again, beginning with b.csv"),
        (2, True, "2 of 2 files stored"),
    ],
)
def test_an_interrupt_of_store_says_which_files_are_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int, after: bool, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.csv", "b.csv"):
        Path(name).write_text("x\n1\n")
    interrupt(monkeypatch, WritableMixin, "store_run", at=at, after=after)
    result = run("store", "a.csv", "b.csv", "--to", "results")
    assert (result.exit_code, result.stderr) == (1, f"\nInterrupted: {said}\n")


def test_an_interrupt_while_files_are_read_says_that_nothing_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text("x\n1\n")
    monkeypatch.setattr(
        importlib.import_module("databroker_writable.cli.store"),
        "read_file",
        lambda *args: signal.raise_signal(signal.SIGINT),
    )
    assert run("store", "a.csv", "--to", "results").stderr == "\nInterrupted: nothing was stored\n"
    assert not Path("results").exists()
