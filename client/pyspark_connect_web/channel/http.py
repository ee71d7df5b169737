"""The transport of ordinary Python processes: ``http.client`` over sockets, with connections kept alive.

A browser has no sockets; there `sab` carries the calls. This one makes the client usable, and testable,
on CPython.
"""

from __future__ import annotations

import contextlib
import http.client
import select
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from pyspark_connect_web.channel.api import Head, Headers
from pyspark_connect_web.errors import ChannelCancelled, ChannelError, ChannelTimeout, NetworkError

__all__ = ["HttpCall", "HttpChannel"]

CONNECT_TIMEOUT = 10.0
"""Seconds to wait for a connection when the call itself has no timeout."""

_PIECE = 1024 * 1024
_JOIN_BELOW = 256 * 1024
_IDLE_CONNECTIONS = 4

_Origin = tuple[str, str, int]


class HttpChannel:
    """Calls over HTTP/1.1 connections, several at once, each kept for the next call when its body was read.

    Args:
        context: TLS settings for https URLs; the system's by default.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._context = context
        self._idle: dict[_Origin, deque[http.client.HTTPConnection]] = {}
        self._running: set[HttpCall] = set()
        # Re-entrant: a finalizer of PySpark may start a call while the collector runs under this lock.
        self._lock = threading.RLock()

    def call(self, url: str, headers: Headers, parts: Iterable[bytes], timeout: float | None) -> HttpCall:
        """See `Channel.call`; connects and sends before it returns. The body is held until then: its length goes first.

        Raises:
            NetworkError: no connection.
            ChannelTimeout: no connection in time.
        """
        body = list(parts)
        split = urlsplit(url)
        if split.scheme not in ("http", "https") or not split.hostname:
            raise NetworkError("The address is no http(s) URL; check the connection string.")
        port = split.port or (443 if split.scheme == "https" else 80)
        call = HttpCall(self, (split.scheme, split.hostname, port), timeout)
        with self._lock:
            self._running.add(call)
        path = split.path or "/"
        call.send(f"{path}?{split.query}" if split.query else path, headers, body)
        return call

    def close(self) -> None:
        """Cancel running calls and close idle connections."""
        with self._lock:
            running = list(self._running)
            idle = [connection for kept in self._idle.values() for connection in kept]
            self._idle.clear()
        for call in running:
            call.cancel()
        for connection in idle:
            connection.close()

    def take(self, origin: _Origin) -> http.client.HTTPConnection:
        """An idle connection that the server has not closed, or a new one that is not connected yet."""
        while True:
            with self._lock:
                kept = self._idle.get(origin)
                connection = kept.pop() if kept else None
            if connection is None:
                break
            # A readable idle connection was closed by the server (or holds bytes nobody asked for).
            if connection.sock is not None and not select.select([connection.sock], [], [], 0)[0]:
                return connection
            connection.close()
        scheme, host, port = origin
        if scheme == "https":
            context = self._context or ssl.create_default_context()
            return http.client.HTTPSConnection(host, port, context=context)
        return http.client.HTTPConnection(host, port)

    def give_back(self, origin: _Origin, connection: http.client.HTTPConnection) -> None:
        """Keep a connection whose response was read to the end."""
        with self._lock:
            kept = self._idle.setdefault(origin, deque())
            if len(kept) < _IDLE_CONNECTIONS:
                kept.append(connection)
                return
        connection.close()

    def forget(self, call: HttpCall) -> None:
        """Drop a call that is over."""
        with self._lock:
            self._running.discard(call)


class HttpCall:
    """One call; see `Call`."""

    def __init__(self, channel: HttpChannel, origin: _Origin, timeout: float | None) -> None:
        self._channel = channel
        self._origin = origin
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._connection: http.client.HTTPConnection | None = None
        self._response: http.client.HTTPResponse | None = None
        self._head: Head | None = None
        self._cancelled = False
        self._over = False

    @property
    def _where(self) -> str:
        scheme, host, port = self._origin
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    def _remaining(self) -> float | None:
        if self._deadline is None:
            return None
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self._end(
                ChannelTimeout(f"{self._where} did not answer within the time given for the call.")
            )
        return left

    def _end(self, error: ChannelError) -> ChannelError:
        self._abandon()
        if self._cancelled:
            return ChannelCancelled("The call was cancelled.")
        return error

    def _cut(self, error: Exception) -> ChannelError:
        if isinstance(error, TimeoutError):
            return self._end(
                ChannelTimeout(f"{self._where} did not answer within the time given for the call.")
            )
        if self._head is not None:
            text = f"The connection to {self._where} was cut in the middle of the answer"
        else:
            text = f"The connection to {self._where} was closed before an answer came"
        return self._end(NetworkError(f"{text} ({_reason(error)})."))

    def _limit(self) -> None:
        left = self._remaining()
        if self._connection is not None and self._connection.sock is not None:
            self._connection.sock.settimeout(left)

    def send(self, path: str, headers: Headers, parts: Sequence[bytes]) -> None:
        """Connect and send the request."""
        left = self._remaining()
        connection = self._channel.take(self._origin)
        self._connection = connection
        try:
            if connection.sock is None:
                connection.timeout = CONNECT_TIMEOUT if left is None else min(left, CONNECT_TIMEOUT)
                connection.connect()
        except (OSError, http.client.HTTPException) as error:
            text = (
                f"Could not connect to {self._where} ({_reason(error)}). Check that the server runs, and the"
                " address."
            )
            raise self._end(NetworkError(text)) from None
        self._limit()
        size = sum(map(len, parts))
        try:
            connection.putrequest("POST", path, skip_accept_encoding=True)
            for name, value in headers:
                connection.putheader(name, value)
            connection.putheader("Content-Length", str(size))
            if size <= _JOIN_BELOW:
                connection.endheaders(b"".join(parts))
                return
            connection.endheaders()
            for part in parts:
                connection.send(part)
        except (BrokenPipeError, ConnectionResetError):
            # A server may refuse a large body with an answer and close: `head` reads that answer.
            return
        except (OSError, http.client.HTTPException) as error:
            raise self._cut(error) from None

    def head(self) -> Head:
        """See `Call.head`.

        Raises:
            NetworkError, ChannelTimeout, ChannelCancelled
        """
        if self._head is not None:
            return self._head
        if self._over or self._connection is None:
            raise ChannelCancelled("The call was cancelled.")
        self._limit()
        try:
            self._response = self._connection.getresponse()
        except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
            # http.client raises ValueError or AttributeError when another thread closes the socket.
            raise self._cut(error) from None
        self._head = Head(self._response.status, self._response.getheaders())
        return self._head

    def ready(self) -> bool:
        """See `Call.ready`."""
        if self._over or self._head is not None or self._connection is None or self._connection.sock is None:
            return True
        return bool(select.select([self._connection.sock], [], [], 0)[0])

    def readable(self, seconds: float = 0.0) -> bool:
        """See `Call.readable`; what has come in part counts."""
        if self._head is None:
            if not self._over and not self._selected(seconds):
                return False
            try:
                self.head()
            except ChannelError:
                return True  # `read` raises it again, to whoever asks
        if self._over or self._connection is None or self._connection.sock is None or self._response is None:
            return True
        if self._response.isclosed() or self._response.length == 0:
            return True
        self._connection.sock.settimeout(0)
        buffered = len(self._response.fp.peek(1))
        # Behind a chunk that was read lies its line end: no bytes of the body, and none may follow for long.
        if buffered > (2 if self._response.chunk_left == 0 else 0):
            return True
        return self._selected(seconds)

    def _selected(self, seconds: float) -> bool:
        """True when the socket has bytes, or its end; wait for that."""
        connection = self._connection
        if connection is None or connection.sock is None:
            return True
        return bool(select.select([connection.sock], [], [], seconds)[0])

    def read(self) -> bytes:
        """See `Call.read`.

        Raises:
            NetworkError: the connection was cut before the announced end of the body.
            ChannelTimeout, ChannelCancelled
        """
        self.head()
        if self._over or self._response is None:
            if self._cancelled:
                raise ChannelCancelled("The call was cancelled.")
            return b""
        self._limit()
        try:
            data = self._response.read1(_PIECE)
        except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
            raise self._cut(error) from None
        if data:
            return data
        # read1 answers b"" both at the end and when the peer closed before Content-Length bytes came.
        if self._response.length:
            raise self._cut(http.client.IncompleteRead(b"", self._response.length))
        self._finish()
        return b""

    def _finish(self) -> None:
        connection, response = self._connection, self._response
        self._over = True
        self._connection = None
        self._channel.forget(self)
        if connection is None or response is None:
            return
        response.close()
        if response.will_close or connection.sock is None:
            connection.close()
        else:
            self._channel.give_back(self._origin, connection)

    def cancel(self) -> None:
        """See `Call.cancel`; a thread that blocks in `head` or `read` gets `ChannelCancelled`."""
        if not self._over:
            self._cancelled = True
            self._abandon()

    def _abandon(self) -> None:
        self._over = True
        self._channel.forget(self)
        connection = self._connection
        if connection is None:
            return
        sock = connection.sock
        if sock is None and self._response is not None:
            # With "Connection: close" http.client hands the socket over to the response.
            connection.close()
            return
        if sock is not None:
            # close() alone does not wake a thread that is blocked in recv(). OSError: not connected any
            # more, so there is nobody to wake.
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        connection.close()


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, http.client.RemoteDisconnected):
        return "the server closed it"
    if isinstance(error, http.client.IncompleteRead):
        return "bytes are missing"
    return str(error) or type(error).__name__
