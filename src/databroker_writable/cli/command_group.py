"""How every command fails: one line, exit status 1, a traceback only when asked for."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import click

from ..catalog.recipes import without_password
from ..errors import StoreError, StoreWarning

CATALOG_HELP = """CATALOG is a directory of runs, a YAML file of one catalog (catalogs.yml) or one entry of it
(catalogs.yml:NAME), or a name in databroker.catalog."""


class CommandGroup(click.Group):
    """A group of commands whose errors are messages; it has the option ``--traceback``."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as exc:
            if ctx.params["traceback"]:
                raise
            raise click.ClickException(message_of(exc)) from exc


def message_of(exc: Exception) -> str:
    """What went wrong; messages of other libraries can repeat a URI."""
    if isinstance(exc, StoreError):
        return without_password(str(exc))
    return without_password(
        f"{type(exc).__name__}: {exc} (databroker-writable --traceback ... shows where this comes from)"
    )


@contextlib.contextmanager
def warnings_as_messages(advice: str = "") -> Iterator[None]:
    """Print this package's warnings as lines of their own, without the place in the code."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", StoreWarning)
        yield
    for warning in caught:
        if issubclass(warning.category, StoreWarning):
            click.echo(f"Warning: {warning.message}{advice}", err=True)
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
