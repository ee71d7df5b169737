"""Message framing of a request that passes through: checked, counted and limited, never held.

Sources: PROTOCOL-WEB "Message framing"; gRPC "Compression" (a compressed message under identity is INTERNAL).
"""

from __future__ import annotations

from pyspark_connect_web.wire import (
    COMPRESSED,
    HEADER_SIZE,
    ProtocolError,
    StatusCode,
    TextDecoder,
    frame_header,
)

from pcw_server_ext.errors import UpstreamError
from pcw_server_ext.proxy.call.request_fields import RequestFields


class RequestBody:
    """Follows the frames of one request body.

    ``text`` decodes grpc-web-text, ``compressed`` tells that the call names a grpc-encoding, ``streaming``
    allows any number of messages (one otherwise), ``max_message`` is the largest payload in bytes.
    ``suffix`` is appended to every message: protobuf merges repeated occurrences of a field, so it
    overrides fields without parsing the rest. A message must end where a field of it ends, or a last field that
    claims more bytes than it has would swallow the suffix. ``fields`` reads the names in the first message, when it
    is not compressed.
    """

    def __init__(
        self,
        *,
        text: bool,
        compressed: bool,
        streaming: bool,
        max_message: int,
        suffix: bytes = b"",
        fields: RequestFields | None = None,
    ) -> None:
        self._text = TextDecoder() if text else None
        self._compressed = compressed
        self._streaming = streaming
        self._max_message = max_message
        self._suffix = suffix
        self._names = None if compressed else fields
        self._fields: RequestFields | None = None
        self._head = b""
        self._left = 0
        self.messages = 0
        self.first_is_whole = False
        """Whether the first message has come to its end."""

    def feed(self, data: bytes) -> bytes:
        """The bytes to send upstream for the next piece of the body. Raises UpstreamError."""
        if self._text is not None:
            try:
                data = self._text.feed(data)
            except ProtocolError as error:
                raise UpstreamError(StatusCode.INTERNAL, str(error)) from None
        out: list[bytes] | None = [] if self._suffix else None
        at, end = 0, len(data)
        while at < end:
            if self._left:
                step = min(self._left, end - at)
                self._left -= step
                if self._fields is not None:
                    self._fields.feed(data, at, at + step)
                self.first_is_whole = self.first_is_whole or not self._left
                if out is not None:
                    out.append(data[at : at + step])
                    if not self._left:
                        self._check_end()
                        out.append(self._suffix)
                at += step
                continue
            missing = HEADER_SIZE - len(self._head)
            self._head += data[at : at + missing]
            at += missing
            if len(self._head) < HEADER_SIZE:
                break
            flags, size = self._head[0], int.from_bytes(self._head[1:], "big")
            self._head = b""
            self._begin(flags, size)
            self._left = size
            self.first_is_whole = self.first_is_whole or not size
            if out is not None:
                out.append(frame_header(size + len(self._suffix), flags))
                if not size:
                    out.append(self._suffix)
        return data if out is None else b"".join(out)

    def _begin(self, flags: int, size: int) -> None:
        if flags & ~COMPRESSED:
            raise UpstreamError(StatusCode.INTERNAL, "The request holds a frame that is no message.")
        if flags & COMPRESSED and not self._compressed:
            raise UpstreamError(
                StatusCode.INTERNAL, "A message is marked as compressed, but the call names no grpc-encoding."
            )
        if flags & COMPRESSED and self._suffix:
            raise UpstreamError(
                StatusCode.UNIMPLEMENTED,
                "Compressed requests are not possible where the server sets the user: send them uncompressed.",
            )
        if size > self._max_message:
            raise UpstreamError(
                StatusCode.RESOURCE_EXHAUSTED,
                f"The request holds a message of {size} bytes; the limit is {self._max_message} bytes"
                " (PcwExtension.max_request_message).",
            )
        self.messages += 1
        if self.messages > 1 and not self._streaming:
            raise UpstreamError(
                StatusCode.UNIMPLEMENTED, "The method takes one message, and the request holds more."
            )
        self._fields, self._names = self._names, None
        if self._fields is None and self._suffix:
            self._fields = RequestFields()

    def _check_end(self) -> None:
        if self._fields is None or not self._fields.between:
            raise UpstreamError(
                StatusCode.INTERNAL, "The request body is cut off or is not a Spark Connect message."
            )
        if not self._fields.user_is_clear:
            raise UpstreamError(
                StatusCode.INVALID_ARGUMENT,
                "The request's user_context cannot be read, and this server sets the user: leave it out, or send it as"
                " Spark Connect's clients do.",
            )

    def finish(self) -> None:
        """Declare the end of the body. Raises UpstreamError when it is cut off or lacks its message."""
        if self._text is not None:
            try:
                self._text.finish()
            except ProtocolError as error:
                raise UpstreamError(StatusCode.INTERNAL, str(error)) from None
        if self._left or self._head:
            raise UpstreamError(StatusCode.INTERNAL, "The request ends in the middle of a message.")
        if not self.messages and not self._streaming:
            raise UpstreamError(
                StatusCode.UNIMPLEMENTED, "The method takes one message, and the request holds none."
            )
