"""The pump between one browser request and one upstream call.

Response bytes pass through untouched: a grpc-web body is the gRPC body plus one trailers frame
(PROTOCOL-WEB). The upstream may send more only after the browser's socket took what came before, and every
answer ends with trailers, also when the upstream dies in the middle or was never there.
"""

from __future__ import annotations

from typing import Protocol

from pyspark_connect_web.wire import Status, StatusCode, code_from_http, encode_text, encode_trailers

from ..errors import UpstreamError
from .metadata import response_metadata, trailing_metadata
from .upstream import Call, Header


class Sink(Protocol):
    """The browser's side, as the relay needs it."""

    def begin(self, metadata: list[tuple[str, str]]) -> None:
        """Set the response headers; called once, before any byte."""

    def write(self, data: bytes) -> None:
        """Queue body bytes."""

    async def flush(self) -> None:
        """Wait until the socket took what was queued. Raises ClientGone."""


class ClientGone(Exception):
    """The browser closed the connection; there is nobody to answer."""


def status_trailers(code: int, message: str) -> list[tuple[str, str]]:
    """The trailers of a status of our own."""
    return Status(StatusCode(code), message).to_pairs()


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
        raise UpstreamError(int(code), f"The Spark endpoint answered HTTP {number} in place of gRPC.")
    if not fields.get(b"content-type", b"").startswith(b"application/grpc"):
        raise UpstreamError(
            int(StatusCode.UNKNOWN),
            "The Spark endpoint answered with a page in place of gRPC: check its address and port.",
        )


class Response:
    """Relays the answer of one call; ``pairs`` are the trailers once ``run`` has returned."""

    def __init__(self, call: Call, sink: Sink, *, text: bool) -> None:
        self._call = call
        self._sink = sink
        self._text = text
        self.begun = False
        self.received = 0

    async def run(self) -> list[tuple[str, str]]:
        """Relay the body and return the trailers for the last frame. Raises UpstreamError, ClientGone."""
        call, sink = self._call, self._sink
        stream = call.stream
        headers = await call.head()
        check_head(headers)
        self.begin(response_metadata(headers))
        while True:
            await call.progress()
            pieces = stream.take()
            if pieces:
                data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
                size = len(data)
                self.received += size
                sink.write(encode_text(data) if self._text else data)
                if not (stream.ended and stream.error is None):
                    await sink.flush()
                    call.consumed(size)
            elif stream.ended:
                break
        trailers = stream.trailers
        if trailers is None:
            # trailers-only: the status stands in the headers, which end the stream
            if self.received or not any(name == b"grpc-status" for name, _ in headers):
                raise UpstreamError(
                    int(StatusCode.INTERNAL), "Spark's answer ended without a status: it may be incomplete."
                )
            trailers = headers[1:]
        pairs = trailing_metadata(trailers)
        if not any(name == "grpc-status" for name, _ in pairs):
            raise UpstreamError(int(StatusCode.UNKNOWN), "Spark's answer ended without a grpc-status.")
        return pairs

    def begin(self, metadata: list[tuple[str, str]]) -> None:
        """Set the response headers unless that has been done."""
        if not self.begun:
            self.begun = True
            self._sink.begin(metadata)
