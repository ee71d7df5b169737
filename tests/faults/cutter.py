"""A TCP relay on loopback that cuts all of its connections when so many bytes of answers have passed."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading

_RESET = struct.pack("ii", 1, 0)


class Cutter:
    """Relays to loopback port ``upstream``; ``port`` is its own. Not armed, it only relays."""

    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._left: int | None = None
        self._reset = False
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def arm(self, after: int, *, reset: bool) -> None:
        """Cut once, when ``after`` more bytes have come from the server; with TCP resets or by closing."""
        with self._lock:
            self._left, self._reset = after, reset

    def disarm(self) -> None:
        """Relay only."""
        with self._lock:
            self._left = None

    def close(self) -> None:
        """Stop listening and end what is open."""
        self._listener.close()
        self._cut(reset=False)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._upstream), 5)
            except OSError:
                client.close()
                continue
            with self._lock:
                self._open |= {client, server}
            threading.Thread(target=self._relay, args=(client, server), daemon=True).start()

    def _relay(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), selectors.DefaultSelector() as ready:
            ready.register(client, selectors.EVENT_READ)
            ready.register(server, selectors.EVENT_READ)
            while True:
                for key, _ in ready.select():
                    source = key.fileobj
                    assert isinstance(source, socket.socket)
                    data = source.recv(1 << 16)
                    if not data:
                        return self._end(client, server)
                    if source is server:
                        data, cut = self._count(data)
                        client.sendall(data)
                        if cut:
                            self._cut(reset=self._reset)
                            return None
                    else:
                        server.sendall(data)
        return self._end(client, server)

    def _count(self, data: bytes) -> tuple[bytes, bool]:
        with self._lock:
            if self._left is None:
                return data, False
            self._left -= len(data)
            if self._left > 0:
                return data, False
            data = data[: len(data) + self._left]
            self._left = None
            self.cuts += 1
            return data, True

    def _cut(self, *, reset: bool) -> None:
        with self._lock:
            ended, self._open = self._open, set()
        for end in ended:
            with contextlib.suppress(OSError):
                if reset:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                else:
                    # wakes whoever waits in another thread
                    end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _end(self, *ends: socket.socket) -> None:
        with self._lock:
            self._open -= set(ends)
        for end in ends:
            end.close()
