"""The process from which `warm_python` forks others; run as a script, with a socket's path and the command's."""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import signal
import socket
import sys
import types
import warnings
from collections.abc import Iterable
from typing import Any, NoReturn

PRELOADED = (
    "bluesky_live.bluesky_run", "click", "dask.array", "dask.bag", "distributed", "doct", "event_model", "h5py",
    "humanize", "jsonschema", "jsonschema_rs", "matplotlib.pyplot", "mongoquery", "msgpack_numpy", "numpy", "pandas",
    "pims", "pint", "pkg_resources", "platformdirs", "pymongo", "requests", "suitcase.jsonl",
    "suitcase.mongo_embedded", "suitcase.mongo_normalized", "suitcase.msgpack", "tqdm", "tzlocal", "uncertainties",
    "xarray", "yaml", "zarr",
)  # fmt: skip
READ_LATER = ("databroker", "intake", "databroker_writable")
"""What reads the environment when it is imported."""

READ_BY_NO_IMPORT = {
    "DATABROKER_WRITABLE_TRACEBACK", "OLDPWD", "PATH", "PWD", "PYTEST_CURRENT_TEST", "PYTHONPATH", "SHLVL",
    "XDG_CACHE_HOME", "_",
}  # fmt: skip
"""Where the environment of a process differs from the server's in these only, `READ_LATER` is imported already."""


def main(address: str, executable: str) -> int:
    os.chdir("/")  # the directory of a test may go away
    _load(PRELOADED)
    assert not {name.split(".")[0] for name in sys.modules} & set(READ_LATER)
    gc.freeze()
    signal.signal(signal.SIGCHLD, lambda *_: None)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address + ".new")
        listening.listen(16)
        os.rename(address + ".new", address)
        listening.settimeout(5)
        parent = os.getppid()
        warmer: socket.socket | None = None
        while True:
            try:
                connection, _ = listening.accept()
            except TimeoutError:
                if os.getppid() != parent:
                    return 0  # what has started it was killed
                continue
            _reap()
            body, streams = _received(connection)
            files = [connection.detach(), *streams]
            request = json.loads(body)
            if {name for name, _ in request["environment"].items() ^ os.environ.items()} <= READ_BY_NO_IMPORT:
                warmer = warmer or _forked_with_everything(listening, files, executable)
                socket.send_fds(warmer, [len(body).to_bytes(8, "big")], files)
                warmer.sendall(body)
            elif os.fork() == 0:
                listening.close()
                _attend(request, files, executable)
            for file in files:
                os.close(file)


def _load(names: Iterable[str]) -> None:
    for name in names:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def _forked_with_everything(listening: socket.socket, files: list[int], executable: str) -> socket.socket:
    """Where to send requests to a process that has imported `READ_LATER` as well, and ends when this one does."""
    ours, its_own = socket.socketpair()
    if os.fork():
        its_own.close()
        return ours
    ours.close()
    listening.close()
    for file in files:
        os.close(file)
    _load(READ_LATER)
    package = sys.modules["databroker_writable"]
    modules = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    _load(module.name for module in modules if "tiled" not in module.name)
    gc.freeze()
    while True:
        body, files = _received(its_own)
        if not files:
            os._exit(0)
        if os.fork() == 0:
            its_own.close()
            _attend(json.loads(body), files, executable)
        for file in files:
            os.close(file)
        _reap()


def _attend(request: dict[str, Any], files: list[int], executable: str) -> NoReturn:
    """Do in a forked process what a client asks, with its standard streams, and tell it how that has ended."""
    connection, *streams = files
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    worker = os.fork()
    if worker == 0:
        os.close(connection)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        sys.executable = executable
        sys.exit(_do(request))
    code = os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
    with socket.socket(fileno=connection) as answering:
        answering.send(bytes([code if code >= 0 else 128 - code]))
    os._exit(0)


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _received(connection: socket.socket) -> tuple[bytes, list[int]]:
    """A request, and the open files that come with it: none where there are no more requests."""
    size, files, _, _ = socket.recv_fds(connection, 8, 4)
    body = b""
    while len(body) < int.from_bytes(size, "big"):
        body += connection.recv(min(1 << 16, int.from_bytes(size, "big") - len(body)))
    return body, files


def _do(request: dict[str, Any]) -> int:
    """What the interpreter does with its arguments and its environment."""
    os.chdir(request["directory"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.path[:] = [*filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)), *sys.path[1:]]
    warnings.resetwarnings()
    arguments = request["arguments"]
    options = []
    while arguments[0] == "-W":
        _, option, *arguments = arguments
        options.append(option)
    warnings._processoptions(options)  # type: ignore[attr-defined]
    what, *rest = arguments
    module = sys.modules["__main__"] = types.ModuleType("__main__")
    if what == "-c":
        sys.argv = [what, *rest[1:]]
        sys.path.insert(0, "")
        exec(compile(rest[0], "<string>", "exec"), vars(module))
    elif what == "-m":
        sys.argv = rest
        sys.path.insert(0, os.getcwd())
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = [what, *rest]
        sys.path.insert(0, os.path.dirname(what))
        runpy.run_path(what, run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
