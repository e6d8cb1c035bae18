"""A network between a client and a server on this computer that goes silent: open connections, and no more data."""

from __future__ import annotations

import socket
import threading
from types import TracebackType


class SilentNetwork:
    """Forwards what comes to its port to another port, until a client sends certain bytes."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._ends_with: bytes | None = None
        self._is_open = threading.Event()
        self._is_open.set()
        self.has_gone_silent = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def __enter__(self) -> SilentNetwork:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.go_on()
        self._listener.close()

    def go_silent_at(self, sent: bytes) -> None:
        """Forward nothing more from the moment when a client sends these bytes."""
        self._ends_with = sent

    def go_on(self) -> None:
        """Forward again, also what was kept back."""
        self._ends_with = None
        self._is_open.set()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            for source, sink, is_client in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._forward, args=(source, sink, is_client), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, is_client: bool) -> None:
        try:
            while data := source.recv(65536):
                if is_client and self._ends_with is not None and self._ends_with in data:
                    self._is_open.clear()
                    self.has_gone_silent.set()
                self._is_open.wait()
                sink.sendall(data)
        except OSError:
            pass
        finally:
            for end in (source, sink):
                end.close()
