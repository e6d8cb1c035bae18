"""Pages of documentation whose code is run: the README and those of docs/."""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import intake
import pytest

from support import warm_python

ROOT = Path(__file__).parents[2]
OUTPUT = "output"


class Block(NamedTuple):
    """A fenced block of a page, the line where its text begins, and what the page shows directly after it."""

    page: Path
    language: str
    text: str
    line: int
    output: str | None = None
    picture: Path | None = None

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}, line {self.line}"

    @property
    def file_name(self) -> str | None:
        """The file that the block is the content of, named by a comment on its first line."""
        match = re.match(r"# ([\w-]+\.\w+)$", self.text, re.MULTILINE)
        return match and match[1]


def follow_pages_in(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a directory like a copy of the repository, and the place where pages are followed."""
    for name in ("examples", "catalogs"):
        shutil.copytree(ROOT / name, directory / name)
    monkeypatch.chdir(directory)
    commands = [str(warm_python.directory()), os.path.dirname(sys.executable)]
    monkeypatch.setenv("PATH", os.pathsep.join([*commands, os.environ["PATH"]]))
    monkeypatch.setenv("XDG_DATA_HOME", str(directory / "share"))
    monkeypatch.setenv("BEAMLINE_DATA", str(directory / "beamline"))


def blocks_of(page: Path) -> list[Block]:
    """The blocks of a page. One of the language `output` belongs to the block before it."""
    text = page.read_text(encoding="utf-8")
    fences = list(re.finditer(r"^```([\w{}-]*)(?: .*)?\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    assert text.count("```") == 2 * len(fences), f"{page} has a fence that is not found"
    blocks: list[Block] = []
    end = 0
    for match in fences:
        if match[1] == OUTPUT:
            assert not text[end : match.start()].strip(), f"{page} shows an output that follows no code"
            blocks[-1] = blocks[-1]._replace(output=match[2])
        else:
            blocks.append(Block(page, match[1], match[2], text.count("\n", 0, match.start()) + 2))
        end = match.end()
        if picture := re.match(r"\n\n!\[[^\]]*\]\(([\w/.-]+\.png)\)\n", text[end:]):
            blocks[-1] = blocks[-1]._replace(picture=page.parent / picture[1])
    return blocks


def replace_output(block: Block, output: str) -> None:
    """Show another output after a block."""
    text = block.page.read_text(encoding="utf-8")
    before = f"{block.text}```\n\n```{OUTPUT}\n"
    assert text.count(before + f"{block.output}```\n") == 1, block.place
    block.page.write_text(text.replace(before + f"{block.output}```\n", f"{before}{output}```\n"), encoding="utf-8")


def run_bash(block: Block, prefix: str = "") -> list[str]:
    """Run each command of a block; give what each prints. A prefix is taken off the commands that have it."""
    return [_output_of(line.removeprefix(prefix), block) for line in block.text.replace("\\\n", "").splitlines()]


def run_python(block: Block, names: dict[str, Any]) -> str:
    """Run a block; give what a notebook shows below it: what it prints, and the value of a last expression."""
    tree = ast.parse("\n" * (block.line - 1) + block.text)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, str(block.page), "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), str(block.page), "eval"), names)
            if value is not None:
                print(repr(value))
    return printed.getvalue()


def run_yaml(block: Block, directory: Path) -> None:
    """Open each catalog of a block, and store into those that are not read-only."""
    path = directory / f"block-{block.line}.yml"
    path.write_text(block.text, encoding="utf-8")
    opened = [catalog for _, catalog in intake.open_catalog(str(path)).items()]
    writable = [catalog for catalog in opened if catalog.writable]
    assert writable
    for catalog in writable:
        assert catalog.store_run({"x": [1]}).primary.read().x.values.tolist() == [1]


def write_file(block: Block, directory: Path) -> None:
    """Write the block to the file that its first line names."""
    assert block.file_name
    (directory / block.file_name).write_text(block.text, encoding="utf-8")


def _output_of(command: str, block: Block) -> str:
    run = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, f"{block.place}: {command}\n{run.stdout}{run.stderr}"
    return run.stdout
