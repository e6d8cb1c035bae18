"""How tests store text files with the command, in the catalog ``results`` of the working directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from databroker_writable import open_directory, to_dataset

from .command_line import fail, run


def write(name: str, content: str | bytes) -> str:
    Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return name


def store_text(name: str, content: str | bytes, *options: str) -> tuple[dict[str, list[Any]], str]:
    """The columns of a file that is stored, and what was said on the error stream."""
    result = run("store", write(name, content), "--to", "results", *options)
    assert result.exit_code == 0, result.output
    return columns(open_directory("results")[-1]), result.stderr


def refused_text(name: str, content: str | bytes, *options: str, results: str = "results") -> str:
    """The message for a file that is not stored, in a catalog that did not exist."""
    message = fail("store", write(name, content), "--to", results, *options)
    assert not Path(results).exists()
    return message


def columns(run: Any) -> dict[str, list[Any]]:
    return {str(name): values.tolist() for name, values in to_dataset(run).to_dataframe().items()}
