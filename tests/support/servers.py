"""A server that speaks MongoDB's protocol, for the tests: one that is given, one that is started, or none."""

from __future__ import annotations

import contextlib
import os
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

from support import postgresql

GIVEN = "DATABROKER_WRITABLE_TEST_MONGO_URI"
CHOICE = "DATABROKER_WRITABLE_TEST_MONGO_SERVER"
PROGRAMS = {
    "mongod": "mongod",
    "ferretdb-sqlite": "ferretdb",
    "ferretdb-postgresql": "ferretdb",
    "mongo-java-server": "mongo-java-server",
}
"""The servers that CHOICE can name, and the program of each; without a choice the first that is on PATH."""

STARTING_SECONDS = 30

NO_SERVER = f"no MongoDB server: set {GIVEN}, or put mongod or ferretdb on PATH"


def program() -> str | None:
    """The server that would be started: the one that is chosen, else the first whose program is on PATH."""
    chosen = os.environ.get(CHOICE)
    if not chosen:
        return next((name for name, command in PROGRAMS.items() if shutil.which(command)), None)
    if chosen not in PROGRAMS:
        raise ValueError(f"{CHOICE} is {chosen!r}; it can be {', '.join(PROGRAMS)}")
    if not shutil.which(PROGRAMS[chosen]):
        raise RuntimeError(f"{CHOICE} is {chosen!r}, but {PROGRAMS[chosen]} is not on PATH")
    return chosen


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
        return self.kind.startswith("ferretdb")

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
            # mongo-java-server 1.46 fails to drop indexes; it is started for these tests alone
            if self.kind != "mongo-java-server":
                self.client.drop_database(name)


class ServerProcess:
    """A server program on loopback with its state in a directory; it can be killed and started again."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self.directory = directory
        self.port = _free_port()
        self.uri = f"mongodb://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        self.postgresql_port: int | None = None

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
        if self.name == "mongo-java-server":
            return ["mongo-java-server", str(data / "h2"), str(self.port)]
        if self.name == "ferretdb-postgresql":
            address = f"postgres://writable@127.0.0.1:{self.postgresql_port}/postgres"
            storage = ["--handler=postgresql", f"--postgresql-url={address}"]
        else:
            storage = ["--handler=sqlite", f"--sqlite-url=file:{data}/"]
        return [
            "ferretdb",
            "--telemetry=disable",
            *storage,
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
        with contextlib.ExitStack() as stack:
            if name == "ferretdb-postgresql":
                process.postgresql_port = stack.enter_context(postgresql.running_postgresql(_free_port()))
            process.start()
            stack.callback(process.stop)
            yield process


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
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
