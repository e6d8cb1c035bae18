"""What a user without rights sees and can do, in a process of its own: root may do everything."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from databroker_writable import StoreError, StoreWarning
from databroker_writable.cli import main
from support import children, sites
from support.command_line import SEPARATE

NOBODY = 65534


@contextlib.contextmanager
def site_in_the_open(name: str) -> Iterator[sites.Site]:
    """A site of files that others reach: pytest closes its own directories for others whenever it starts."""
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        with sites.site(name, Path(place), lambda: None) as made:  # type: ignore[arg-type, return-value]
            yield made


def as_nobody(use: Callable[..., Any], report: Path, *args: Any) -> Any:
    """What a function of the directories of a catalog, and of others, gives to a user without rights."""
    with children.child(_use_as_nobody, report, use, *map(str, args)) as child:
        (given,) = child.result()
    return given


def outcome(call: Callable[[], Any]) -> tuple[list[str], list[str]]:
    """What a call gives as text, or the type and text of its error, and its warnings."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", StoreWarning)
        try:
            result = ["ok", str(call())]
        except StoreError as error:
            result = [type(error).__name__, str(error)]
        except Exception as error:
            result = ["foreign", repr(error)]
    return result, sorted({str(warning.message) for warning in warned if warning.category is StoreWarning})


def command(*arguments: str) -> dict[str, Any]:
    """The exit status and the output of a command."""
    result = CliRunner(**SEPARATE).invoke(main, list(arguments))
    return {"status": result.exit_code, "out": result.stdout, "err": result.stderr}


def _use_as_nobody(report: Callable[[Any], None], use: Callable[..., Any], *args: str) -> None:
    # what is imported on the way may lie where nobody may read
    rehearsed = []
    for arg in args:
        rehearsed.append(f"{arg}-rehearsal" if os.path.isabs(arg) else arg)
        if os.path.isdir(arg):
            shutil.copytree(arg, rehearsed[-1])
    use(*rehearsed)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    report(use(*args))
