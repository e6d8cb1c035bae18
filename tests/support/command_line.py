"""How tests run the commands."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner, Result

from databroker_writable.cli import main

PASSWORD = "geheim-9f2c"

# click 8.2 keeps them apart always
SEPARATE: dict[str, Any] = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}


def run(*arguments: str) -> Result:
    return CliRunner(**SEPARATE).invoke(main, list(arguments))


def succeed(*arguments: str) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def fail(*arguments: str) -> str:
    """The message of a command that fails, which is one line without a traceback."""
    result = run(*arguments)
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    assert not result.stdout
    assert result.stderr.startswith("Error: ")
    return result.stderr


def write_catalog(path: str, driver: str, **arguments: object) -> str:
    """Write a YAML file of one catalog, named after the file."""
    source = {"driver": driver, "args": arguments}
    Path(path).write_text(yaml.safe_dump({"sources": {Path(path).stem: source}}), encoding="utf-8")
    return path


def write_mongo_catalog(path: str, layout: str, uri: str, **arguments: object) -> str:
    """Write a YAML file of a catalog in MongoDB."""
    names = ("metadatastore_db", "asset_registry_db") if layout == "mongo-normalized" else ("datastore_db",)
    return write_catalog(path, f"writable-{layout}-catalog", **dict.fromkeys(names, uri), **arguments)


def unreachable_uri() -> str:
    """A URI with a password, of a server that is not there."""
    return f"mongodb://user:{PASSWORD}@127.0.0.1:1/db?serverSelectionTimeoutMS=100"
