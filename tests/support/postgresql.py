"""A PostgreSQL server in a temporary directory, in which FerretDB can store."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

STARTING_SECONDS = 30


def programs() -> Path:
    """The directory of initdb and pg_ctl: on PATH, or where Debian puts them."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if not versions:
        raise RuntimeError("no PostgreSQL: install the package postgresql, or put initdb and postgres on PATH")
    return versions[-1].parent


@contextlib.contextmanager
def running_postgresql(port: int) -> Iterator[int]:
    """Run a server on loopback, its port yielded; root runs it as the user postgres, since it refuses root."""
    user = "postgres" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="writable-postgresql-", ignore_cleanup_errors=True) as directory:
        if user:
            shutil.chown(directory, user)
        data = f"{directory}/data"
        initdb = [programs() / "initdb", "-D", data, "-U", "writable", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"]
        subprocess.run(initdb, check=True, capture_output=True, user=user, cwd=directory)
        command = [programs() / "postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", directory]
        with subprocess.Popen(
            command, user=user, cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            try:
                ready = [programs() / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port), "-t", "5"]
                until = time.monotonic() + STARTING_SECONDS
                while subprocess.run(ready).returncode != 0:
                    if process.poll() is not None or time.monotonic() > until:
                        raise RuntimeError(f"PostgreSQL does not answer at port {port}")
                    time.sleep(0.1)
                yield port
            finally:
                process.send_signal(signal.SIGINT)
