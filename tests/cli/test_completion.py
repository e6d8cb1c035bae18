"""A shell completes commands without importing databroker, and what follows a command as that command has it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import databroker_writable_command

CODE = """
import sys
from databroker_writable_command import main
try:
    main()
finally:
    print("databroker" in sys.modules, file=sys.stderr)
"""


def completed(words: str) -> tuple[list[str], bool]:
    """What bash is offered for the last word, and whether databroker was imported for it."""
    variables = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    environment = {**os.environ, "_DATABROKER_WRITABLE_COMPLETE": "bash_complete", **variables}
    code = f"import sys; sys.argv = ['databroker-writable']\n{CODE}"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    return [line.partition(",")[2] for line in done.stdout.split()], done.stderr.split()[-1] == "True"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("databroker-writable ", list(databroker_writable_command.SUMMARIES)),
        ("databroker-writable l", ["ls", "lineage"]),
        ("databroker-writable --tr", ["--traceback"]),
        ("databroker-writable x", []),
    ],
)
def test_commands_are_completed_without_importing_databroker(words: str, expected: list[str]) -> None:
    assert completed(words) == (expected, False)


def test_options_of_a_command_are_completed() -> None:
    assert completed("databroker-writable ls --sta") == (["--status"], True)
