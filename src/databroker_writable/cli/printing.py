"""What the command line prints: everything goes through `say`."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from ..runs.shown_text import for_json, printable


def say(text: str = "", *, error: bool = False) -> None:
    """Print lines; with a blank for each control character, and ? for those that the terminal cannot show."""
    text = "\n".join(map(printable, text.split("\n")))
    encoding = getattr(sys.stderr if error else sys.stdout, "encoding", None) or "utf-8"
    try:
        click.echo(text.encode(encoding, "replace").decode(encoding), err=error)
    except BrokenPipeError:
        raise
    except OSError as exc:
        if error:
            raise
        raise click.ClickException(
            f"the output cannot be written: {exc.strerror}; what the command did before that is done"
        ) from exc


def json_text(value: Any) -> str:
    """JSON for programs. JSON has no NaN, so NaN is null."""
    text = json.dumps(for_json(value), indent=2, ensure_ascii=False)
    return "\n".join(
        line if line.isprintable() else "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in line)
        for line in text.split("\n")
    )
