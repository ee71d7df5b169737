"""A TCP relay on loopback that cuts the connection of one request when so many bytes of its answer have passed.

Or it keeps the connection open and lets nothing pass any more, as a network does that was lost without a word.

A browser and a Jupyter server have many connections, and what passes on them besides a query is theirs to decide. So
the cut is aimed: at the connection on which bytes pass that only the request has, such as a tag of its plan.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading

_RESET = struct.pack("ii", 1, 0)
_LONGEST_MARK = 200


#: For a cell: `reattached` grows whenever PySpark asks for the rest of an answer.
COUNT_REATTACHES = """
from pyspark.sql.connect.client import reattach
kind = reattach.ExecutePlanResponseReattachableIterator
original, reattached = kind._create_reattach_execute_request, []
kind._create_reattach_execute_request = lambda self: reattached.append(1) or original(self)
"""


class Cutter:
    """Relays to loopback port ``upstream``; ``port`` is its own. Not armed, it only relays."""

    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._mark: bytes | None = None
        self._after = 0
        self._reset = False
        self._swallow = False
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def arm(self, mark: bytes, after: int, *, reset: bool = False, swallow: bool = False) -> None:
        """Cut once: the connection of the next request with `mark` in its headers or its body.

        Args:
            mark: Bytes that the request holds, uncompressed, and no other one.
            after: How many bytes come from the server after the mark has passed to it, before the cut.
            reset: Whether both ends are reset, or closed.
            swallow: Whether they are left open instead, until the client gives up, while nothing passes, no end either.
        """
        with self._lock:
            self._mark, self._after, self._reset, self._swallow = mark, after, reset, swallow

    def disarm(self) -> None:
        """Relay only."""
        with self._lock:
            self._mark = None

    def close(self) -> None:
        """Stop listening and end what is open."""
        self._listener.close()
        with self._lock:
            ended = list(self._open)
        self._cut(*ended, reset=False)

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
        # the last bytes of the request, in which a mark may begin; how many bytes of the answer are left to pass
        tail = b""
        left: int | None = None
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
                    if source is client:
                        if left is None:
                            tail += data
                            left = self._aimed(tail)
                            tail = tail[-_LONGEST_MARK:]
                        server.sendall(data)
                    elif left is None or len(data) < left:
                        left = None if left is None else left - len(data)
                        client.sendall(data)
                    else:
                        client.sendall(data[:left])
                        self.cuts += 1
                        if self._swallow:
                            while client.recv(1 << 16):
                                pass
                            return self._end(client, server)
                        return self._cut(client, server, reset=self._reset)
        return self._end(client, server)

    def _aimed(self, seen: bytes) -> int | None:
        """How many bytes of the answer pass before the cut, once the mark has been seen; it is seen once."""
        with self._lock:
            if self._mark is None or self._mark not in seen:
                return None
            self._mark = None
            return self._after

    def _cut(self, *ended: socket.socket, reset: bool) -> None:
        with self._lock:
            self._open -= set(ended)
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
