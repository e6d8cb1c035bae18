"""A shell completes commands without importing databroker, and what follows a command as that command has it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import types
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import databroker_writable
import databroker_writable_command
import databroker_writable_command_cache as command_cache
from databroker_writable.cli import main

CODE = """
import sys
from databroker_writable_command import main
try:
    main()
finally:
    print("databroker" in sys.modules, file=sys.stderr)
"""


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def offered(words: str) -> tuple[list[tuple[str, str]], bool]:
    """What bash is offered for the last word, with its type, and whether databroker was imported for it."""
    variables = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    environment = {**os.environ, "_DATABROKER_WRITABLE_COMPLETE": "bash_complete", **variables}
    code = f"import sys; sys.argv = ['databroker-writable']\n{CODE}"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    lines = [line.partition(",") for line in done.stdout.split()]
    return [(kind, value) for kind, _, value in lines], done.stderr.split()[-1] == "True"


def completed(words: str) -> tuple[list[str], bool]:
    """The values that bash is offered, and whether databroker was imported."""
    values, is_imported = offered(words)
    return [value for _, value in values], is_imported


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


def test_options_of_a_command_are_completed_and_the_next_time_without_importing_databroker() -> None:
    assert completed("databroker-writable ls --sta") == (["--status"], True)
    assert completed("databroker-writable ls --sta") == (["--status"], False)
    assert completed("databroker-writable ls --status re") == (["retracted"], False)
    assert completed("databroker-writable copy --") == (completed("databroker-writable copy --")[0], False)


@pytest.mark.parametrize(
    "words",
    [
        *(f"{name} da" for name in databroker_writable_command.SUMMARIES),
        "copy results da",
        "store table.csv --to da",
        "store table.csv --attach da",
        "note raw -1 text --to da",
        "export results -1 -o da",
        "show results -1 --plot da",
        "lineage results -1 --plot da",
    ],
)
def test_catalogs_and_files_are_completed_as_paths(words: str) -> None:
    command_cache.remember(main.commands)
    assert offered(f"databroker-writable {words}") == ([("file", "da")], False)


def test_the_help_of_a_command_is_given_without_importing_databroker_once_it_is_known() -> None:
    command_cache.remember(main.commands)
    code = f"import sys; sys.argv = ['databroker-writable', 'copy', '--help']\n{CODE}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    help_text = CliRunner().invoke(main, ["copy", "--help"], prog_name="databroker-writable").output
    assert done.stdout.split() == help_text.split()
    assert done.stderr.split() == ["False"]


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_cached_commands_give_the_help_of_the_commands(width: int) -> None:
    command_cache.remember(main.commands)
    recalled = command_cache.recall()
    assert recalled is not None
    for command in recalled:
        helps = [
            one.get_help(click.Context(one, info_name=command.name, max_content_width=width, terminal_width=width))
            for one in (command, main.commands[str(command.name)])
        ]
        assert helps[0] == helps[1]
    assert [command.name for command in recalled] == list(main.commands)


def test_commands_that_changed_are_not_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    command_cache.remember(main.commands)
    package = Path(str(databroker_writable.__file__)).parent
    shutil.copytree(package / "cli", tmp_path / "changed" / "cli")
    changed = types.SimpleNamespace(origin=str(tmp_path / "changed" / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: changed)
    assert command_cache.recall() is None


@pytest.mark.parametrize("content", ["", "[{}]", "[1]", '{"a": 1}'])
def test_what_is_not_a_list_of_commands_is_not_known(content: str) -> None:
    command_cache.remember(main.commands)
    command_cache._path().write_text(content)
    assert command_cache.recall() is None


def test_where_nothing_can_be_kept_commands_run_all_the_same(cache: Path) -> None:
    cache.write_text("in the place of the directory")
    command_cache.remember(main.commands)
    assert command_cache.recall() is None
