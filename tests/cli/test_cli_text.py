"""What is printed steers no terminal, whoever wrote it."""

from __future__ import annotations

import errno
import io
import sys
from pathlib import Path

import click
import pytest

from databroker_writable import open_directory
from databroker_writable.cli.printing import json_text, say
from databroker_writable.errors import FULL_TRACEBACK
from support.command_line import run

STEERING = "\x1b]0;title\x07 \x9b31m \r \u202e \ud800"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    metadata = {"sample": STEERING[:-2], "plan_name": STEERING[:-2], "a\x1b[31mb": 1}
    open_directory("results").store_run({"x": [1]}, metadata, uid="one", exit_status="fail", reason=STEERING[:-2])
    Path("broken.yml").write_text("sources: {a: {driver: csv, args: {urlpath: x}}}")
    return "results"


@pytest.mark.parametrize(
    "command",
    [
        "ls results",
        "ls results --json",
        "ls @",
        "ls results --since @",
        "ls results --where @=1",
        "ls broken.yml:@",
        "show results one",
        "show results one --json",
        "show results @",
        "show results one --column @",
        "show results one --@",
        "lineage results one",
        "lineage results one --mermaid",
        "check results",
        "check @",
        "copy results @.yml",
        "copy results other @",
        "store @ --to results",
        "deploy @",
        "@",
        "--traceback ls @.yml",
    ],
)
def test_no_control_character_reaches_the_terminal(place: str, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FULL_TRACEBACK, "")  # --traceback sets it
    result = run(*(word.replace("@", STEERING) for word in command.split(" ")))
    printed = result.stdout + result.stderr
    assert printed
    assert not [character for character in printed if not character.isprintable() and character != "\n"]


def test_json_keeps_what_it_escapes() -> None:
    text = json_text({"sample": STEERING})
    assert text == '{\n  "sample": "\\u001b]0;title\\u0007 \\u009b31m \\r \\u202e \\ud800"\n}'


def test_a_terminal_that_lacks_a_character_gets_another_one(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    say("└─╼ fit-1")
    sys.stdout.flush()
    assert raw.getvalue() == b"??? fit-1\n"


class FullDisk(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_an_output_that_cannot_be_written_is_no_failure_of_what_was_done(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", FullDisk())
    with pytest.raises(click.ClickException) as caught:
        say("stored one")
    said = "the output cannot be written: No space left on device; what the command did before that is done"
    assert caught.value.message == said
