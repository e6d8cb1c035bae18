"""How every command fails: one line, exit status 1, and a traceback only if it is asked for."""

from __future__ import annotations

import ast
import contextlib
import functools
import io
import json
import os
import re
import shlex
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import click

from databroker_writable_command import SummarizedGroup

from ..catalog.remark_methods import IN_RESULTS
from ..catalog.reopening import without_password
from ..errors import FULL_TRACEBACK, RunExistsError, StoreError, StoreWarning
from ..results.references import OR_THE_RUN
from ..results.selection import TO_ADD_TAG
from ..runs.shown_text import printable
from .other_names import COMMANDS
from .printing import say

CATALOG_HELP = """CATALOG is a directory of runs, a YAML file of one catalog (catalogs.yml) or one entry of it
(catalogs.yml:NAME), or a name in databroker.catalog."""


_OPTIONS = {
    "one_event=True": "one_event=True (--one-event)",
    IN_RESULTS: "--to RESULTS",
    "stream='primary'": "--stream primary",
    "by attachments={'NAME': figure}": "by --attach FILE",
    "by attachments={'NAME': content}": "by --attach FILE",
    OR_THE_RUN: "",
    TO_ADD_TAG: "databroker-writable note CATALOG UID --tag TAG adds it to one",
    RunExistsError.REMEDY: "Give another --uid",
    "give it as the argument exit_status of store_run, or of the builder's close(), or choose": "choose",
    "the argument derived_from says": "--derived-from says",
    "the argument supersedes says": "--supersedes says",
    "the argument parameters says": "--parameter says",
    "derived_from names": "--derived-from names",
    "supersedes names": "--supersedes names",
}
"""Python terms in messages, and what the command line says instead."""


_EXAMPLE = re.compile(r"such as ('[^']*'|\[[^\]]*\]): metadata\['(\w+)'\] is")
"""An example of a value of metadata, and its key."""


_ARGUMENT = re.compile(r"\b[a-z_]+(?:=True)? \((--[a-z-]+)\)")
"""An argument of Python with the option for it."""

_DIRECTORY = re.compile(r"open_directory\(('[^']*')\)")

_OPENING = re.compile(r"open it with (\w+)=(?:'([^']*)'|([A-Z]+))")
"""An argument with which a catalog should be opened."""


class CommandGroup(SummarizedGroup):
    """A group of commands that prints errors and warnings as messages; it has the option ``--traceback``."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with _as_message():
            return super().make_context(*args, **kwargs)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] in COMMANDS and not ctx.resilient_parsing:
            ctx.fail(f"No such command {args[0]!r}; use databroker-writable {COMMANDS[args[0]]}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        if ctx.params["traceback"]:
            os.environ[FULL_TRACEBACK] = "1"
        with _as_message(), warnings_as_messages():
            try:
                return super().invoke(ctx)
            except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
                raise
            except Exception as exc:
                if ctx.params["traceback"]:
                    sys.excepthook = _say_traceback
                    raise
                raise click.ClickException(message_of(exc)) from exc


@contextlib.contextmanager
def _as_message() -> Iterator[None]:
    """Print click's errors, which it prints itself, as all other text is printed."""
    try:
        yield
    except click.ClickException as exc:
        text = io.StringIO()
        exc.show(text)
        example = exc.ctx.command.epilog if isinstance(exc, click.UsageError) and exc.ctx is not None else None
        said = "\n".join([text.getvalue().rstrip(), *([example] if example else [])])
        exc.show = lambda file=None: say(said, error=True)  # type: ignore[method-assign]
        raise


@contextlib.contextmanager
def saying_what_was_done(done: Callable[[], str]) -> Iterator[None]:
    """Print what was done when an interrupt ends the command."""
    try:
        yield
    except KeyboardInterrupt:
        say(f"\nInterrupted: {done()}", error=True)
        raise click.exceptions.Exit(1) from None


def _say_traceback(cls: type[BaseException], exc: BaseException, *_: Any) -> None:
    say("".join(traceback.format_exception(exc)).rstrip(), error=True)


def message_of(exc: Exception) -> str:
    """What went wrong, without passwords: messages of other libraries can repeat a URI."""
    if isinstance(exc, StoreError):
        return _in_options(without_password(str(exc)))
    from ..storage.mongo_errors import away, is_away

    if is_away(exc):
        return without_password(away(str(exc)))
    return without_password(
        f"{type(exc).__name__}: {exc} (databroker-writable --traceback ... shows where this comes from)"
    )


def _in_options(text: str) -> str:
    """Replace Python terms in a message by those of the command line."""
    text = _OPENING.sub(r"give \1: \2\3 in its YAML file", text)
    text = _EXAMPLE.sub(_as_option, _ARGUMENT.sub(r"\1", _DIRECTORY.sub(r"\1", text)))
    return functools.reduce(lambda said, word: said.replace(word, _OPTIONS[word]), _OPTIONS, text)


def _as_option(example: re.Match[str]) -> str:
    """The example as an option, or unchanged if it is no literal of Python: the message may repeat any text."""
    try:
        value, key = json.dumps(ast.literal_eval(example[1]), ensure_ascii=False), example[2]
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return example[0]
    return f"such as --metadata {shlex.quote(f'{key}={value}')}: metadata[{key!r}] is"


@contextlib.contextmanager
def warnings_as_messages() -> Iterator[None]:
    """Print each warning of this package once, on its own line, without the place in the code."""

    show_others = warnings.showwarning
    said: set[str] = set()

    def show(message: Warning | str, category: type[Warning], *where: Any, **options: Any) -> None:
        text = printable(_in_options(without_password(str(message))))
        if issubclass(category, StoreWarning):
            if text not in said:
                say(f"Warning: {text}", error=True)
            said.add(text)
        else:
            show_others(text, category, *where, **options)

    with warnings.catch_warnings():
        warnings.simplefilter("always", StoreWarning)
        warnings.showwarning = show
        yield
