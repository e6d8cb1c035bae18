"""A server that speaks MongoDB's protocol, for the tests: one that is given, mongod, FerretDB, or none."""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymongo

GIVEN = "DATABROKER_WRITABLE_TEST_MONGO_URI"
STARTING_SECONDS = 30
PORTS = range(27000, 28000)
"""By these the filter of warnings in setup.cfg knows connections to servers of the tests."""

NO_SERVER = f"no MongoDB server: set {GIVEN}, or put mongod or ferretdb on PATH"


def program() -> str | None:
    """The server program on PATH that would be started."""
    return next((name for name in ("mongod", "ferretdb") if shutil.which(name)), None)


def is_available() -> bool:
    return bool(os.environ.get(GIVEN) or program())


class MongoServer:
    """A running server and what it cannot do."""

    def __init__(self, uri: str, kind: str, restart: Any = None) -> None:
        self.uri = uri.rstrip("/")
        self.kind = kind
        self.client: Any = pymongo.MongoClient(uri, serverSelectionTimeoutMS=5000)
        self.process = restart

    @property
    def is_ferretdb(self) -> bool:
        return self.kind == "ferretdb"

    def database_uri(self, database: str) -> str:
        """The URI of one database; a URI that was given can have options after its database."""
        address, _, options = self.uri.partition("?")
        scheme, _, rest = address.partition("://")
        host = rest.split("/")[0]
        return f"{scheme}://{host}/{database}" + (f"?{options}" if options else "")

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """The name of a database that does not exist yet, dropped afterwards."""
        name = f"writable_test_{secrets.token_hex(6)}"
        try:
            yield name
        finally:
            self.client.drop_database(name)


class ServerProcess:
    """A server program on loopback with its state in a directory; it can be killed and started again."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self.directory = directory
        self.port = _free_port()
        self.uri = f"mongodb://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the program and wait until it answers."""
        with open(self.directory / "log", "ab") as log:
            self._process = subprocess.Popen(self._command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        until = time.monotonic() + STARTING_SECONDS
        while True:
            with contextlib.closing(pymongo.MongoClient(self.uri, serverSelectionTimeoutMS=200)) as client:
                try:
                    client.admin.command("ping")
                    return
                except pymongo.errors.PyMongoError:
                    ended = self._process.poll() is not None
                    if ended or time.monotonic() > until:
                        self.stop()
                        log_text = (self.directory / "log").read_text(errors="replace")[-2000:]
                        raise RuntimeError(f"{self.name} does not answer at {self.uri}:\n{log_text}") from None

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Stop the program, by SIGKILL where it is to crash."""
        if self._process is None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _command(self) -> list[str]:
        data = self.directory / "data"
        data.mkdir(exist_ok=True)
        if self.name == "mongod":
            return ["mongod", "--dbpath", str(data), "--bind_ip", "127.0.0.1", "--port", str(self.port), "--quiet"]
        return [
            "ferretdb",
            "--telemetry=disable",
            "--handler=sqlite",
            f"--sqlite-url=file:{data}/",
            f"--listen-addr=127.0.0.1:{self.port}",
            f"--state-dir={self.directory}",
            "--debug-addr=-",
            "--log-level=error",
        ]


@contextlib.contextmanager
def running_process() -> Iterator[ServerProcess]:
    """Start the server program that is on PATH, stopped at the end."""
    name = program()
    if name is None:
        raise RuntimeError(NO_SERVER)
    with tempfile.TemporaryDirectory(prefix="writable-server-", ignore_cleanup_errors=True) as directory:
        process = ServerProcess(name, Path(directory))
        process.start()
        try:
            yield process
        finally:
            process.stop()


@contextlib.contextmanager
def running_server() -> Iterator[MongoServer]:
    """The server that is given by its URI, else the program on PATH."""
    given = os.environ.get(GIVEN)
    if given:
        server = MongoServer(given, "given")
        yield server
        server.client.close()
        return
    with running_process() as process:
        server = MongoServer(process.uri, process.name, process)
        yield server
        server.client.close()


def _free_port() -> int:
    for port in random.sample(PORTS, len(PORTS)):
        with contextlib.closing(socket.socket()) as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError(f"no port from {PORTS[0]} to {PORTS[-1]} is free")
