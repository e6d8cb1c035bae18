"""What the commands of ``databroker-writable`` take, kept in the user's cache directory.

For the help and the completion of a command its options must be known, and they are written where databroker is
imported, which takes seconds. So what they are is kept when a command runs, until a file of the command line changes.
It is outside the package, as `databroker_writable_command` is.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import platformdirs


class KnownOption(click.Option):
    """An option with the line of help that it has in its command."""

    def __init__(self, known: dict[str, Any]) -> None:
        names = "/".join([known["opts"][-1], *known["secondary_opts"][-1:]])
        kept: dict[str, Any] = {key: known[key] for key in ("is_flag", "multiple", "hidden", "nargs")}
        super().__init__([*known["opts"][:-1], names, known["name"]], type=_type_of(known), **kept)
        self._line = known["line"]

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        return None if self._line is None else (self._line[0], self._line[1])


class KnownCommand(click.Command):
    """A command that says how it is called, and does nothing."""

    def __init__(self, known: dict[str, Any]) -> None:
        params = [_param(param) for param in known["params"]]
        super().__init__(known["name"], params=params, help=known["help"], epilog=known["epilog"])
        self._usage = known["usage"]

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return list(self._usage)


def recall() -> list[click.Command] | None:
    """The commands, if they are known."""
    try:
        return [KnownCommand(known) for known in json.loads(_path().read_text())]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def remember(commands: Mapping[str, click.Command]) -> None:
    """Keep what the commands take, unless it is kept; where that cannot be done, leave it at that."""
    with contextlib.suppress(OSError):
        path = _path()
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            for older in path.parent.glob("commands-*.json"):
                older.unlink(missing_ok=True)
            partial = path.with_suffix(f".{os.getpid()}")
            partial.write_text(json.dumps([_known(*named) for named in commands.items()], default=repr))
            partial.replace(path)


def _path() -> Path:
    """Where it is kept, by the state of the files that say it."""
    package = importlib.util.find_spec("databroker_writable")
    if package is None or package.origin is None:
        raise FileNotFoundError("databroker_writable")
    files = sorted([*Path(package.origin).parent.joinpath("cli").glob("*.py"), Path(__file__), Path(click.__file__)])
    states = [(str(file), status.st_size, status.st_mtime_ns) for file in files for status in (file.stat(),)]
    directory = platformdirs.user_cache_path("databroker-writable", appauthor=False)
    return directory / f"commands-{zlib.crc32(repr(states).encode()):08x}.json"


def _known(name: str, command: click.Command) -> dict[str, Any]:
    ctx = click.Context(command, info_name=name)
    params = [{**param.to_info_dict(), "line": param.get_help_record(ctx)} for param in command.params]
    return {**command.to_info_dict(ctx), "name": name, "usage": command.collect_usage_pieces(ctx), "params": params}


def _param(known: dict[str, Any]) -> click.Parameter:
    if known["param_type_name"] == "option":
        return KnownOption(known)
    return click.Argument([known["name"]], nargs=known["nargs"], type=_type_of(known))


def _type_of(known: dict[str, Any]) -> Any:
    if "choices" in known["type"]:
        return click.Choice(known["type"]["choices"])
    return click.Path() if known["type"]["param_type"] == "Path" else None
