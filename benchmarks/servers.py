"""Servers on loopback for the contenders that need one."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

STARTING_SECONDS = 60
GIVEN_MONGO = "DATABROKER_WRITABLE_TEST_MONGO_URI"


@contextlib.contextmanager
def mongo_uri() -> Iterator[str | None]:
    """The URI of a new database on the server that the tests would use; None where there is none."""
    if not os.environ.get(GIVEN_MONGO) and not any(map(shutil.which, ("mongod", "ferretdb"))):
        yield None
        return
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from support import servers

    with servers.running_server() as server, server.database() as database:
        yield server.database_uri(database)


@contextlib.contextmanager
def tiled_server(python: str, log: Path) -> Iterator[dict[str, str]]:
    """Address and key of a Tiled server with a temporary catalog; empty where Tiled is not installed."""
    probe = subprocess.run(
        [python, "-c", "import tiled.server, tiled.client, pyarrow"], capture_output=True, check=False
    )
    if probe.returncode:
        yield {}
        return
    with contextlib.closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    key, uri = secrets.token_hex(16), f"http://127.0.0.1:{port}"
    command = [python, "-m", "tiled", "serve", "catalog", "--temp", "--api-key", key, "--port", str(port)]
    with open(log, "wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    try:
        _wait_for(f"{uri}/api/v1/", process, log)
        yield {"tiled_uri": uri, "tiled_key": key}
    finally:
        process.terminate()
        process.wait()


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + STARTING_SECONDS
    while True:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except (urllib.error.URLError, OSError):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"Tiled does not answer:\n{log.read_text(errors='replace')[-2000:]}") from None
            time.sleep(0.2)
