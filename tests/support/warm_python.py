"""New Python processes in a tenth of the time: forked from one that has imported databroker and this package.

databroker, intake and this package read the environment when they are imported. In another environment than that of
the tests, a process imports these itself.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SERVER = Path(__file__).with_name("warm_python_server.py")
STARTING_SECONDS = 120
ENVIRONMENT: dict[str, str] = {}
"""That of the tests before any of them changes it, for processes that have imported everything."""

CLIENT = """#!{python} -IS
import array, json, os, socket, sys
request = {{"arguments": {arguments} + sys.argv[1:], "directory": os.getcwd(), "environment": dict(os.environ)}}
body = json.dumps(request).encode()
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect({address!r})
    streams = array.array("i", [0, 1, 2])
    connection.sendmsg([len(body).to_bytes(8, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams)])
    connection.sendall(body)
    answer = connection.recv(1)
sys.exit(answer[0] if answer else 70)
"""


@functools.cache
def directory() -> Path:
    """A directory with the commands `python`, `python3` and `databroker-writable`, for PATH."""
    made = Path(tempfile.mkdtemp(prefix="warm-"))
    address = str(made / "socket")
    installed = Path(sys.executable).parent / "databroker-writable"
    for name, arguments in {"python": [], "python3": [], installed.name: [str(installed)]}.items():
        command = made / name
        command.write_text(CLIENT.format(python=sys.executable, arguments=arguments, address=address))
        command.chmod(0o700)
    start = [sys.executable, "-W", "ignore", str(SERVER), address, str(made / "python")]
    server = subprocess.Popen(start, env=ENVIRONMENT)
    atexit.register(_stop, server, made)
    until = time.monotonic() + STARTING_SECONDS
    while not os.path.exists(address):
        if server.poll() is not None or time.monotonic() > until:
            raise RuntimeError("the server of warm processes has not started")
        time.sleep(0.01)
    return made


def executable() -> str:
    """A command that takes what `python` takes: ``-c``, ``-m``, ``-W`` or the path of a script."""
    return str(directory() / "python")


def command() -> str:
    """The package's command."""
    return str(directory() / "databroker-writable")


def _stop(server: subprocess.Popen[bytes], made: Path) -> None:
    server.terminate()
    server.wait()
    shutil.rmtree(made, ignore_errors=True)
