"""``databroker-writable serve`` in a process of its own."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMAND = Path(sys.executable).parent / "databroker-writable"
_KEY = "key"


@dataclass(frozen=True)
class Served:
    """What the command printed."""

    page: str
    uri: str

    @property
    def address(self) -> str:
        """Where the server is, without the key."""
        return self.uri.partition("/api/")[0]


def started(directory: Path, **options: Any) -> Any:
    """A server of Tiled in this process, as a context manager.

    All have one key: a second one would change that of the first (Tiled 0.2.20 keeps it for the process).
    """
    from tiled.server.simple import SimpleTiledServer

    return SimpleTiledServer(directory, api_key=_KEY, **options)


@contextlib.contextmanager
def connected(uri: str) -> Iterator[Any]:
    """A client of Tiled, whose connections are closed when the block ends."""
    from tiled.client import from_uri

    client = from_uri(uri)
    with client.context:
        yield client


@contextlib.contextmanager
def served(catalog: Any, *options: str) -> Iterator[Served]:
    """Serve a catalog until the block ends; Ctrl-C then ends the command quietly."""
    command = [str(COMMAND), "serve", str(catalog), "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        page, uri = (re.search(r"(http://[^\s']+)", process.stdout.readline())[1] for _ in range(2))  # type: ignore[index]
        yield Served(page, uri)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.stdout.close()
        process.wait()
