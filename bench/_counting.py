"""A TCP relay on loopback that counts what a server sends."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

_PIECE = 1 << 16


class Wire:
    """Connections to `port` lead to the server; `received`: bytes that it has sent on all of them."""

    def __init__(self, target: int) -> None:
        self.received = 0
        self._target = target
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def settled(self, quiet: float, longest: float = 120.0) -> int:
        """Wait until next to nothing has come for `quiet` seconds; returns the bytes so far."""
        deadline = time.monotonic() + longest
        count, since = self.received, time.monotonic()
        while time.monotonic() < deadline and time.monotonic() - since < quiet:
            time.sleep(0.1)
            # What JupyterLab polls for is no download.
            if self.received - count > 10_000:
                count, since = self.received, time.monotonic()
        return self.received

    def close(self) -> None:
        """End all connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                browser, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            with self._lock:
                self._open |= {browser, server}
            for source, sink, counted in ((browser, server, False), (server, browser, True)):
                threading.Thread(target=self._copy, args=(source, sink, counted), daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(_PIECE):
                if counted:
                    with self._lock:
                        self.received += len(piece)
                sink.sendall(piece)
        for connection in (source, sink):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._open.discard(source)
        source.close()


@contextlib.contextmanager
def counting(port: int) -> Iterator[Wire]:
    """Count what the server at `port` sends to those who come through the relay."""
    wire = Wire(port)
    try:
        yield wire
    finally:
        wire.close()
