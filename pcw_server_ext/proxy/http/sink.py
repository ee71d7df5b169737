"""Writes a call's answer to the browser's connection."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Sequence
from typing import Final

from pyspark_connect_web.wire import ContentType
from tornado import web
from tornado.http1connection import HTTP1Connection
from tornado.iostream import BaseIOStream, IOStream, StreamClosedError

from pcw_server_ext.proxy.call.relay import ClientGone
from pcw_server_ext.proxy.observability.observation import Observation

# What the chunks written here need of a connection's stream; `IOStream` sets `socket` when it is made.
_STREAM_METHODS: Final = ("write", "writing", "close_fd")


def fits(stream: type) -> bool:
    """Whether a stream is of a Tornado that can be written to directly; Tornado's own way is taken otherwise."""
    return issubclass(stream, BaseIOStream) and all(hasattr(stream, name) for name in _STREAM_METHODS)


class BrowserSink:
    """The relay's Sink over a Tornado handler.

    Tornado puts the chunks of a response together by three copies. Once the headers are out, pieces become a chunk
    (RFC 9112 section 7.1) here and go to the connection's socket by one gathering call, without any copy; only what
    the socket does not take is copied, and given to Tornado's stream. Tornado still ends the body.
    """

    def __init__(
        self, handler: web.RequestHandler, reply_type: ContentType, observation: Observation
    ) -> None:
        self._handler = handler
        self._reply_type = reply_type
        self._observation = observation
        self._stream: IOStream | None = None
        self._gathers = False

    def write(self, data: bytes) -> None:
        self._observation.response += len(data)
        self._handler.write(data)

    def begin(self, metadata: list[tuple[str, str]]) -> None:
        handler = self._handler
        handler.set_header("Content-Type", self._reply_type.header)
        # a reverse proxy that collects the answer would undo streaming and back-pressure
        handler.set_header("X-Accel-Buffering", "no")
        handler.set_header("Cache-Control", "no-store")
        for name, value in metadata:
            handler.add_header(name, value)

    def send(self, pieces: Sequence[bytes | memoryview], size: int) -> Awaitable[None] | None:
        stream = self._stream
        self._observation.response += size
        if stream is None:
            self._handler.write(b"".join(pieces))
            written = self._handler.flush()
            self._find_stream()
            return self._wait(written)
        chunk = (b"%x\r\n" % size, *pieces, b"\r\n")
        sent = self._gather(stream, chunk)
        if sent == len(chunk[0]) + size + 2:
            return None
        try:
            written = stream.write(memoryview(b"".join(chunk))[sent:])
        except StreamClosedError:
            raise ClientGone from None
        return self._wait(written) if stream.writing() else None

    def _gather(self, stream: IOStream, chunk: Sequence[bytes | memoryview]) -> int:
        """Write at once what the socket takes, when nothing waits before it; returns how many bytes that were."""
        if not self._gathers or stream.writing() or stream.socket is None:
            return 0
        try:
            return stream.socket.sendmsg(chunk)
        except OSError:
            # it is full, or broken, which the stream finds too
            return 0

    def _find_stream(self) -> None:
        request = self._handler.request
        stream = getattr(request.connection, "stream", None)
        if (
            request.version == "HTTP/1.1"
            and isinstance(request.connection, HTTP1Connection)
            and fits(type(stream))
        ):
            self._stream = stream
            # not TLS, whose streams are of another class, and not Windows
            self._gathers = type(stream) is IOStream and hasattr(socket.socket, "sendmsg")

    async def _wait(self, written: Awaitable[None]) -> None:
        try:
            await written
        except StreamClosedError:
            raise ClientGone from None
