"""grpc-web frames: one flag byte, four length bytes (big-endian), the payload.

Source: gRPC over HTTP/2, "Length-Prefixed-Message"; PROTOCOL-WEB, "Message framing" (flag 0x80: trailers).
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from pyspark_connect_web.wire.errors import MessageTooLarge, ProtocolError

__all__ = [
    "COMPRESSED",
    "DEFAULT_MAX_MESSAGE",
    "HEADER_SIZE",
    "TRAILERS",
    "Frame",
    "FrameDecoder",
    "encode_frame",
    "frame_header",
]

COMPRESSED = 0x01
TRAILERS = 0x80
HEADER_SIZE = 5

# PySpark's own client allows messages of 128 MiB (ChannelBuilder.MAX_MESSAGE_LENGTH).
DEFAULT_MAX_MESSAGE = 128 * 1024 * 1024
DEFAULT_MAX_TRAILERS = 1024 * 1024

_HEADER = struct.Struct(">BI")
# Pieces below this size are gathered in one buffer, so that a peer that dribbles single bytes costs
# the size of the message and not an object a byte.
_SMALL_PIECE = 16 * 1024
_MAX_LENGTH = 0xFFFFFFFF


class Frame(NamedTuple):
    """One frame: the raw flag byte and the payload."""

    flags: int
    payload: bytes

    @property
    def is_trailers(self) -> bool:
        """True for the trailers frame, False for a message."""
        return bool(self.flags & TRAILERS)

    @property
    def compressed(self) -> bool:
        """True when the payload is compressed by the encoding that the headers name."""
        return bool(self.flags & COMPRESSED)


def frame_header(length: int, flags: int = 0) -> bytes:
    """The five bytes before a payload of ``length`` bytes; send the payload itself as the next part.

    Raises:
        MessageTooLarge: the length does not fit four bytes.
    """
    if length > _MAX_LENGTH:
        raise MessageTooLarge(length, _MAX_LENGTH)
    return _HEADER.pack(flags, length)


def encode_frame(payload: bytes, flags: int = 0) -> bytes:
    """Header and payload in one ``bytes``; copies the payload once."""
    return frame_header(len(payload), flags) + payload


class FrameDecoder:
    """Incremental decoder: bytes in, whole frames out, in order.

    Args:
        max_message: largest payload of a message, in bytes; enforced from the header alone.
        max_trailers: the same for a trailers frame.

    A payload is copied once when it arrives in one piece, and once more only when it spans pieces.
    """

    __slots__ = ("_flags", "_head", "_missing", "_parts", "_small", "fault", "max_message", "max_trailers")

    def __init__(
        self, max_message: int = DEFAULT_MAX_MESSAGE, max_trailers: int = DEFAULT_MAX_TRAILERS
    ) -> None:
        self.max_message = max_message
        self.max_trailers = max_trailers
        self.fault: ProtocolError | None = None
        self._head = b""
        self._flags = 0
        self._missing = -1  # -1: waiting for a header
        self._parts: list[bytes | bytearray | memoryview] = []
        self._small: bytearray | None = None

    @property
    def partial(self) -> bool:
        """True when the bytes so far end inside a frame."""
        return self._missing >= 0 or bool(self._head)

    def feed(self, data: bytes) -> list[Frame]:
        """Decode the next piece of the body, of any size, and return the frames that it completes.

        A fault is final: it is kept in ``fault``, and raised at once or, when frames before it were
        completed by the same piece, by the next call.

        Raises:
            MessageTooLarge: a header announces more than the limit.
            ProtocolError: a flag byte with unknown bits.
        """
        if self.fault is not None:
            raise self.fault
        frames: list[Frame] = []
        pos = 0
        end = len(data)
        unpack_from = _HEADER.unpack_from
        while True:
            if self._missing < 0:
                if self._head:
                    take = HEADER_SIZE - len(self._head)
                    self._head += data[pos : pos + take]
                    pos += take
                    if len(self._head) < HEADER_SIZE:
                        return frames
                    flags, length = _HEADER.unpack(self._head)
                    self._head = b""
                elif end - pos >= HEADER_SIZE:
                    flags, length = unpack_from(data, pos)
                    pos += HEADER_SIZE
                else:
                    if pos < end:
                        self._head = data[pos:]
                    return frames
                self.fault = self._check(flags, length)
                if self.fault is not None:
                    if frames:
                        return frames
                    raise self.fault
                if end - pos >= length:
                    frames.append(Frame(flags, data[pos : pos + length]))
                    pos += length
                    continue
                self._flags = flags
                self._missing = length
            if end - pos < self._missing:
                if pos < end:
                    self._keep(data, pos, end)
                    self._missing -= end - pos
                return frames
            self._keep(data, pos, pos + self._missing)
            pos += self._missing
            frames.append(Frame(self._flags, b"".join(self._parts)))
            self._parts = []
            self._small = None
            self._missing = -1

    def _check(self, flags: int, length: int) -> ProtocolError | None:
        if flags & ~(TRAILERS | COMPRESSED):
            return ProtocolError(
                f"A frame has the unknown flag byte 0x{flags:02x}: the body is not grpc-web."
            )
        limit = self.max_trailers if flags & TRAILERS else self.max_message
        return MessageTooLarge(length, limit) if length > limit else None

    def _keep(self, data: bytes, start: int, stop: int) -> None:
        if stop - start < _SMALL_PIECE:
            if self._small is None:
                self._small = bytearray()
                self._parts.append(self._small)
            self._small += data[start:stop]
            if len(self._small) >= _SMALL_PIECE:
                self._small = None
            return
        self._small = None
        whole = start == 0 and stop == len(data)
        self._parts.append(data if whole else memoryview(data)[start:stop])

    def finish(self) -> None:
        """Declare the end of the body.

        Raises:
            ProtocolError: the body ended inside a frame.
        """
        if self.fault is not None:
            raise self.fault
        if self.partial:
            where = f"{self._missing} bytes before the end of" if self._missing >= 0 else "in the header of"
            raise ProtocolError(f"The body ended {where} a frame: it was cut off.")
