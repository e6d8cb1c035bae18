"""``databroker-writable serve``: what it prints, and what it says where it cannot serve."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from databroker_writable import open_directory
from support import tiled_server
from support.command_line import fail, succeed


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    open_directory(tmp_path).store_run({"x": [1, 2]}, uid="first")
    return tmp_path


def test_help_says_who_can_read() -> None:
    text = succeed("serve", "--help")
    assert "--public" in text
    assert "with the key" in text


def test_no_garbage_is_looked_for_while_a_command_is_imported() -> None:
    code = (
        "import atexit, gc, sys\n"
        "atexit.register(lambda: print(gc.get_stats()[2]['collections'], gc.isenabled()))\n"
        "sys.argv = ['databroker-writable', 'serve', '--help']\n"
        "from databroker_writable_command import main\n"
        "main()\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    collections, is_enabled = done.stdout.splitlines()[-1].split()
    assert int(collections) <= 2
    assert is_enabled == "True"


def test_without_tiled_the_command_says_what_to_install(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "databroker_writable.upkeep.tiled_serve", raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert "pip install 'databroker-writable[databroker,tiled]'" in fail("serve", str(directory))


def test_a_catalog_that_is_not_there_is_named(tmp_path: Path) -> None:
    pytest.importorskip("tiled.server.app", reason="Tiled's server is not installed: pip install '.[interop]'")
    assert "nowhere" in fail("serve", str(tmp_path / "nowhere"))


def test_a_port_that_is_taken_is_named(directory: Path) -> None:
    pytest.importorskip("tiled.server.app", reason="Tiled's server is not installed: pip install '.[interop]'")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        message = fail("serve", str(directory), "--port", port)
    assert f"port {port}" in message
    assert "give another port" in message


def test_public_is_read_without_a_key_and_still_not_written(directory: Path) -> None:
    httpx = pytest.importorskip("httpx", reason="Tiled's server is not installed: pip install '.[interop]'")
    pytest.importorskip("tiled.server.app", reason="Tiled's server is not installed: pip install '.[interop]'")
    with tiled_server.served(directory, "--public") as server:
        assert "api_key" not in server.page + server.uri
        address = server.address.replace("0.0.0.0", "127.0.0.1")
        assert httpx.get(f"{address}/api/v1/metadata/first").status_code == 200
        assert httpx.delete(f"{address}/api/v1/metadata/first").status_code >= 400
