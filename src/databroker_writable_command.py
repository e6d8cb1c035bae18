"""The command ``databroker-writable``: its start, and its list of commands.

It is outside the package, because importing the package imports databroker, which takes seconds. So the list of
commands appears without delay, and an interrupt during the import ends the command without a traceback.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from types import FrameType

import click

import databroker_writable_command_cache as command_cache

SUMMARIES = {
    "store": "Store the table in each FILE as a run.",
    "ls": "List the runs of CATALOG, newest first.",
    "show": "Show the metadata, streams and first rows of a run, or plot it.",
    "note": "Add a remark, tags or a verdict to a stored run.",
    "diff": "Show how two runs differ.",
    "lineage": "Show what a run was made from, and what was made from it.",
    "copy": "Copy runs from one catalog into another.",
    "export": "Write runs to files for other programs.",
    "serve": "Serve CATALOG to web browsers and Tiled clients, read-only.",
    "delete": "Delete runs permanently.",
    "check": "Look for damage in CATALOG, and for what crashes left behind.",
    "deploy": "Put CATALOG.yml where databroker looks for catalogs.",
}


class SummarizedGroup(click.Group):
    """A group that lists its commands in the order of their summaries, without loading them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name in SUMMARIES if name in self.commands]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(SUMMARIES.items()))


def make_group(cls: type[SummarizedGroup], commands: Iterable[click.Command]) -> click.Group:
    """Make the group of all commands."""

    @click.group(cls=cls)
    @click.version_option(package_name="databroker-writable", message="%(version)s")
    @click.option("--traceback", is_flag=True, help="Show where an error comes from, to report a bug.")
    def databroker_writable(traceback: bool) -> None:
        """Store analysis results as runs in a databroker catalog, and look at them.

        Each command has its own --help, with an example.
        """

    for command in commands:
        databroker_writable.add_command(command)
    return databroker_writable


def main() -> None:
    """Run the command line."""
    is_about_all = sys.argv[1:] in ([], ["--help"], ["--version"])
    if is_about_all and not _completes_a_command():
        make_group(SummarizedGroup, [click.Command(name, help=summary) for name, summary in SUMMARIES.items()])()
    if is_about_all or (sys.argv[1] in SUMMARIES and sys.argv[2:] == ["--help"]):
        known = command_cache.recall()
        if known is not None:
            make_group(SummarizedGroup, known)()
    is_interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_interruptible:
        # before the command begins there is nothing to clean up
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        with keeping_what_is_imported():
            from databroker_writable.cli import main as command
        command_cache.remember(command.commands)
    except ImportError as exc:
        sys.exit(f"databroker-writable: {exc}")

    if is_interruptible:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _end)
    command()


def _completes_a_command() -> bool:
    """Whether a shell asks for what can follow the name of a command, which the command itself knows."""
    return not SUMMARIES.keys().isdisjoint(os.environ.get("COMP_WORDS", "").split()[1:-1])


@contextlib.contextmanager
def keeping_what_is_imported() -> Iterator[None]:
    """Collect no garbage meanwhile, and none of what is there at the end: that takes a fifth of the time of imports."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _end(signum: int, frame: FrameType | None) -> None:
    """Exit with an exception, so that incomplete files are removed."""
    raise SystemExit(128 + signum)
