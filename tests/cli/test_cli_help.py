"""What the command line says of itself."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

import databroker_writable_command
from databroker_writable.cli import main
from support.command_line import succeed

COMMAND = "import sys, databroker_writable_command as c; sys.argv[0] = 'databroker-writable'"


def in_a_new_process(code: str, *arguments: str) -> str:
    command = [sys.executable, "-c", code, *arguments]
    # click prints the list to stderr where no command is given
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True).stdout


def test_each_command_is_listed_with_a_whole_sentence() -> None:
    listed = succeed("--help").partition("Commands:\n")[2].splitlines()
    assert len(listed) == len(main.commands)
    for line in listed:
        name, _, summary = line.strip().partition(" ")
        assert name in main.commands
        assert summary.endswith(".")
        assert not summary.endswith("...")
        assert len(line) <= 80


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], []])
def test_the_list_of_commands_comes_before_databroker_is_imported(arguments: list[str]) -> None:
    code = f"{COMMAND}\ntry:\n    c.main()\nexcept SystemExit:\n    print('databroker' in sys.modules)"
    output = in_a_new_process(code, *arguments)
    result = CliRunner().invoke(main, arguments, prog_name="databroker-writable")
    assert output == f"{result.output}False\n"


def test_every_command_is_summarized() -> None:
    assert set(databroker_writable_command.SUMMARIES) == set(main.commands)


@pytest.mark.parametrize("name", databroker_writable_command.SUMMARIES)
def test_the_help_of_a_command_has_an_example(name: str) -> None:
    help_text = succeed(name, "--help")
    assert f"Example: databroker-writable {name} " in " ".join(help_text.split())
    assert max(map(len, help_text.splitlines())) <= 80
