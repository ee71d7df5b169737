"""The pump between one browser request and one upstream call.

Response bytes pass through untouched: a grpc-web body is the gRPC body plus one trailers frame
(PROTOCOL-WEB). The upstream may send more only after the browser's socket took what came before, and every
answer ends with trailers, also when the upstream dies in the middle or was never there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from typing import Final, Protocol

from pyspark_connect_web.wire import Status, StatusCode, code_from_http, encode_text, encode_trailers

from pcw_server_ext.errors import UpstreamError
from pcw_server_ext.proxy.call.message_boundary import MessageBoundary
from pcw_server_ext.proxy.call.metadata import response_metadata, trailing_metadata
from pcw_server_ext.proxy.upstream.connections import Call, Header

# Ends an answer that may be asked for again. Spark's own limit of a stream ends it the same way: by OK, without the
# message that says that the result is complete (spark/connect/base.proto, ReattachExecute).
SILENT: Final = UpstreamError(StatusCode.OK, "")

# As many of the last bytes of an answer are kept as may follow the id of a message, its progress included.
_TAIL: Final = 1024

# More pieces than these are joined: the system's call and MessageBoundary take long for many small ones.
_FEW: Final = 16


class Sink(Protocol):
    """The browser's side, as the relay needs it."""

    def begin(self, metadata: list[tuple[str, str]]) -> None:
        """Set the response headers; called once, before any byte."""

    def send(self, pieces: Sequence[bytes | memoryview], size: int) -> Awaitable[None] | None:
        """Send body pieces of ``size`` bytes together: None when the socket took all of them at once, else what to
        await before more is sent. Views are read before it returns. Raises ClientGone, at once or when awaited.
        """

    def write(self, data: bytes) -> None:
        """Queue bytes that end the body and leave together with its end."""


class Quota(Protocol):
    """How much of an answer may pass."""

    def exceeded(self, pieces: Sequence[bytes | memoryview]) -> UpstreamError | None:
        """Count the next pieces; the error with which the answer ends when they are too much."""


class ClientGone(Exception):
    """The browser closed the connection; there is nobody to answer."""


class BrokenOff(Exception):
    """The answer ended inside a message. It cannot be ended with trailers: close the connection.

    ``status`` is the gRPC status that the call ended with.
    """

    def __init__(self, status: int) -> None:
        super().__init__(f"the answer broke off inside a message, with status {status}")
        self.status = status


def status_trailers(code: StatusCode, message: str) -> list[tuple[str, str]]:
    """The trailers of a status of our own."""
    return Status(code, message).to_pairs()


def trailers_frame(pairs: list[tuple[str, str]], *, text: bool) -> bytes:
    """The last frame of a body."""
    encoded = encode_trailers(pairs)
    return encode_text(encoded) if text else encoded


def check_head(headers: list[Header]) -> None:
    """Refuse an answer that is not gRPC, with the code that gRPC maps its HTTP status to."""
    fields = dict(headers)
    status = fields.get(b":status", b"")
    if b"grpc-status" in fields:
        return
    if status != b"200":
        number = int(status)
        code = code_from_http(number)
        raise UpstreamError(code, f"The Spark endpoint answered HTTP {number} in place of gRPC.")
    if not fields.get(b"content-type", b"").startswith(b"application/grpc"):
        raise UpstreamError(
            StatusCode.UNKNOWN,
            "The Spark endpoint answered with a page in place of gRPC: check its address and port.",
        )


class Response:
    """Relays the answer of one call; ``pairs`` are the trailers once ``run`` has returned.

    While the browser's socket takes everything, body pieces go from the upstream's read buffer to it within the
    turn of the event loop that received them (``Call.on_body``). When it does not, ``run`` waits for it, the stream
    keeps what still comes, and the upstream's window stays as it is: that bounds the memory of a stuck reader.
    """

    def __init__(
        self,
        call: Call,
        sink: Sink,
        *,
        text: bool,
        quota: Quota | None = None,
        head: Iterable[tuple[str, str]] = (),
    ) -> None:
        self._call = call
        self._sink = sink
        self._text = text
        self._quota = quota
        self._head = list(head)
        self._exceeded: UpstreamError | None = None
        self._waiting: tuple[Awaitable[None], int] | None = None
        self._gone = False
        self._last: UpstreamError | None = None
        self._boundary = MessageBoundary()
        self.begun = False
        self.received = 0
        self.tail: bytes | None = None
        """The last bytes that were sent on, once an answer may end when it is silent."""
        self._seen = 0
        self._silence_timer: asyncio.TimerHandle | None = None

    @property
    def between_messages(self) -> bool:
        """Whether trailers may follow what was sent so far."""
        return self._boundary.between

    def finish_message(self, error: UpstreamError) -> None:
        """End the call with ``error`` as soon as trailers may follow: now, or behind the message that is being sent."""
        self._last = error
        self._call.wake()

    def end_when_silent(self, limit: float, tail: bytes = b"") -> None:
        """End the answer by `SILENT` when nothing has come from Spark for `limit` to 1.5 `limit` seconds; 0: never.

        The call goes on. `tail` is what the client has had of the answer before this call of its. A reader that does
        not read is no silence of Spark's.
        """
        if limit > 0:
            self.tail = tail
            self._seen = -1
            self._watch(limit / 2, 0)

    def _watch(self, interval: float, quiet: int) -> None:
        # Looked at twice within the limit: to note the time of every piece would cost each of them something.
        if self._seen != self.received or self._waiting is not None:
            self._seen, quiet = self.received, 0
        else:
            quiet += 1
        if self._last is not None:
            return
        # Inside a message there is nothing that could end: the rest of it comes first.
        if quiet >= 2 and self._boundary.between:
            self.finish_message(SILENT)
        else:
            loop = asyncio.get_running_loop()
            self._silence_timer = loop.call_later(interval, self._watch, interval, quiet)

    async def run(self) -> list[tuple[str, str]]:
        """Relay the body and return the trailers for the last frame. Raises UpstreamError, ClientGone."""
        try:
            return await self._run()
        finally:
            if self._silence_timer is not None:
                self._silence_timer.cancel()

    async def _run(self) -> list[tuple[str, str]]:
        call = self._call
        stream = call.stream
        while stream.headers is None:
            call.check()
            if self._last is not None:
                raise self._last
            await call.changed()
        headers = stream.headers
        check_head(headers)
        self.begin(response_metadata(headers))
        call.on_body = self._pass_on
        try:
            await self._relay()
        finally:
            call.on_body = None
        trailers = stream.trailers
        if trailers is None:
            # trailers-only: the status stands in the headers, which end the stream
            if self.received or not any(name == b"grpc-status" for name, _ in headers):
                raise UpstreamError(
                    StatusCode.INTERNAL, "Spark's answer ended without a status: it may be incomplete."
                )
            trailers = headers[1:]
        pairs = trailing_metadata(trailers)
        if not any(name == "grpc-status" for name, _ in pairs):
            raise UpstreamError(StatusCode.UNKNOWN, "Spark's answer ended without a grpc-status.")
        return pairs

    async def _relay(self) -> None:
        call, stream = self._call, self._call.stream
        while True:
            if self._gone:
                raise ClientGone
            if self._waiting is not None:
                waiting, size = self._waiting
                await waiting
                self._waiting = None
                call.consumed(size)
            elif self._exceeded is not None and self._boundary.between:
                raise self._exceeded
            elif (
                self._last is not None and self._boundary.between and not (stream.ended and not stream.error)
            ):
                raise self._last
            elif stream.chunks:
                if stream.ended and stream.error is None:
                    self._queue(stream.take())
                else:
                    self._send(stream.take())
            elif stream.ended or call.failure is not None:
                call.check()
                return
            else:
                await call.changed()

    def _pass_on(self) -> None:
        stream = self._call.stream
        if self._waiting is not None or self._gone or (stream.ended and stream.error is None):
            return  # run sends them: later, or in one write with the trailers
        if self._last is not None:
            self._call.wake()
            return
        try:
            self._send(stream.take())
        except ClientGone:
            self._gone = True
        if self._waiting is not None or self._gone:
            self._call.wake()

    def _send(self, pieces: list[bytes | memoryview]) -> None:
        size = sum(map(len, pieces))
        self.received += size
        if self._quota is not None:
            self._count(self._quota, pieces)
        if self._last is not None:
            data = b"".join(pieces)
            pieces = [data[: self._boundary.rest(data)]]
            size = len(pieces[0])
            if not size:
                return
        if len(pieces) > _FEW:
            pieces = [b"".join(pieces)]
        for piece in pieces:
            self._boundary.follow(piece, 0, len(piece))
        if self.tail is not None:
            last = pieces[-1]
            self.tail = (
                bytes(last[-_TAIL:]) if len(last) >= _TAIL else (self.tail + b"".join(pieces))[-_TAIL:]
            )
        if self._text:
            pieces = [encode_text(b"".join(pieces))]
        waiting = self._sink.send(pieces, len(pieces[0]) if self._text else size)
        if waiting is None:
            self._call.consumed(size)
        else:
            self._waiting = waiting, size

    def _queue(self, pieces: list[bytes | memoryview]) -> None:
        data = b"".join(pieces)
        self.received += len(data)
        if self._quota is not None:
            self._count(self._quota, pieces)
            if self._exceeded is not None:
                data = data[: self._boundary.rest(data)]
        self._boundary.follow(data, 0, len(data))
        self._sink.write(encode_text(data) if self._text else data)

    def _count(self, quota: Quota, pieces: list[bytes | memoryview]) -> None:
        """End the answer behind the message that is being sent when the pieces are too much."""
        if self._exceeded is None:
            self._exceeded = quota.exceeded(pieces)
            if self._exceeded is not None:
                self.finish_message(self._exceeded)

    def begin(self, metadata: list[tuple[str, str]]) -> None:
        """Set the response headers unless that has been done."""
        if not self.begun:
            self.begun = True
            self._sink.begin(self._head + metadata)
