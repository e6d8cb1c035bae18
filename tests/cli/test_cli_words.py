"""Messages of the command line are in its own words, not in those of Python."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from databroker_writable import open_directory
from support.command_line import run

PYTHON = re.compile(r"\w\(|catalog\[|\bderived_from\b|(?<!-)\bsupersedes\b|\[\.\.\.\]")


@pytest.fixture(autouse=True)
def _results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    open_directory("results").store_run({"x": [1, 2]}, {"sample": "Cu"}, uid="one")
    Path("table.csv").write_text("x\n1\n")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("ls results --tag good", "databroker-writable note CATALOG UID --tag TAG"),
        ("ls results --derived-from nothing", "--derived-from names the run 'nothing'"),
        ("store table.csv --to results --derived-from nothing", "--derived-from names the run 'nothing'"),
        ("store table.csv --to results --supersedes nothing", "--supersedes names the run 'nothing'"),
        ("note results nothing good", "'nothing'"),
        ("show results nothing", "databroker-writable ls results"),
        ("show results one --column y", "'y'"),
        ("lineage results nothing", "nothing"),
        ("diff results one nothing", "nothing"),
        ("export results nothing", "nothing"),
        ("export results one -o one.xyz", "suffixes"),
        ("delete results nothing --yes", "nothing"),
    ],
)
def test_messages_are_in_words_of_the_command_line(command: str, said: str) -> None:
    errors = run(*command.split()).stderr
    assert said in errors
    assert not PYTHON.search(errors), errors
