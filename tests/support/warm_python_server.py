"""The process from which `warm_python` forks others; run as a script, with a socket's path and the command's."""

from __future__ import annotations

import array
import contextlib
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
import types
import warnings
from typing import Any

PRELOADED = (
    "bluesky_live.bluesky_run", "click", "dask.array", "dask.bag", "doct", "event_model", "h5py", "humanize",
    "jsonschema", "jsonschema_rs", "matplotlib.pyplot", "mongoquery", "msgpack_numpy", "numpy", "pandas", "pims",
    "pkg_resources", "pymongo", "requests", "suitcase.jsonl", "suitcase.mongo_embedded", "suitcase.mongo_normalized",
    "suitcase.msgpack", "tqdm", "tzlocal", "xarray", "yaml", "zarr",
)  # fmt: skip
READ_LATER = ("databroker", "intake", "databroker_writable")
"""What reads the environment when it is imported."""


def main(address: str, executable: str) -> int:
    for name in PRELOADED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    assert not {name.split(".")[0] for name in sys.modules} & set(READ_LATER)
    gc.freeze()
    signal.signal(signal.SIGCHLD, lambda *_: None)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address + ".new")
        listening.listen(16)
        os.rename(address + ".new", address)
        listening.settimeout(5)
        parent = os.getppid()
        while True:
            try:
                connection, _ = listening.accept()
            except TimeoutError:
                if os.getppid() != parent:
                    return 0  # what has started it was killed
                continue
            with connection:
                with contextlib.suppress(ChildProcessError):
                    while os.waitpid(-1, os.WNOHANG)[0]:
                        pass
                if os.fork() == 0:
                    listening.close()
                    request = _received(connection)
                    worker = os.fork()
                    if worker == 0:
                        connection.close()
                        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                        sys.executable = executable
                        return _do(request)
                    code = os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
                    connection.send(bytes([code if code >= 0 else 128 - code]))
                    os._exit(0)


def _received(connection: socket.socket) -> dict[str, Any]:
    """The request of a client, whose standard streams become those of this process."""
    size, ancillary, _, _ = connection.recvmsg(8, socket.CMSG_LEN(3 * array.array("i").itemsize))
    streams = array.array("i")
    streams.frombytes(ancillary[0][2])
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    body = b""
    while len(body) < int.from_bytes(size, "big"):
        body += connection.recv(1 << 16)
    return json.loads(body)


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
