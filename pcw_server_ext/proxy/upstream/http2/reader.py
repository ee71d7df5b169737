"""Cuts received octets into frames (RFC 9113 section 4.1); DATA is handed out as it comes."""

from __future__ import annotations

from typing import Protocol

from pcw_server_ext.proxy.upstream.http2.errors import ErrorCode, ProtocolViolation
from pcw_server_ext.proxy.upstream.http2.frames import (
    HEADER_BYTES,
    MAX_STREAM_ID,
    Flag,
    FrameType,
    parse_head,
    uint32,
)


class FrameReceiver(Protocol):
    """What a reader tells; every method may raise ProtocolViolation."""

    def frame_begins(self, kind: int, flags: int, stream_id: int) -> None:
        """A frame head was read: may such a frame come now?"""

    def frame(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        """A whole frame other than DATA."""

    def plain_data(self, stream_id: int, length: int, piece: memoryview) -> bool:
        """A DATA frame without flags and its first octets, all that are there: True when it was taken as it is.

        Nearly all octets of a result come this way. False asks for the calls below, which know every error.
        """

    def data_begins(self, stream_id: int, length: int) -> None:
        """A DATA frame; ``length`` counts for flow control and includes padding."""

    def data_padding(self, size: int) -> None:
        """Of the present DATA frame ``size`` octets are padding or its length field."""

    def data_piece(self, piece: memoryview) -> None:
        """The next octets of the present DATA frame."""

    def data_ends(self, flags: int) -> None:
        """The present DATA frame is complete."""


class FrameReader:
    """Feed it pieces of any size. After it has raised it must not be fed again."""

    def __init__(self, receiver: FrameReceiver, max_frame_size: int) -> None:
        self._receiver = receiver
        self._max_frame_size = max_frame_size
        # a frame head, a payload, or the pad length of DATA, until it is whole
        self._part = bytearray()
        self._wanted = HEADER_BYTES
        self._frame: tuple[int, int, int] | None = None
        # the DATA frame being handed out
        self._data_flags: int | None = None
        self._data_left = 0
        self._pad_left = 0
        self._padded = 0

    def feed(self, view: memoryview) -> None:
        """Take octets. Raises what the receiver raises, and ProtocolViolation."""
        at, end = 0, len(view)
        while at < end:
            if self._data_left:
                size = min(self._data_left, end - at)
                self._data_left -= size
                self._receiver.data_piece(view[at : at + size])
                at += size
            elif self._pad_left:
                size = min(self._pad_left, end - at)
                self._pad_left -= size
                at += size
            elif not self._part and end - at >= self._wanted:
                # the usual case: a frame head (or a small payload) lies whole in the buffer
                if self._frame is None:
                    begun, at = at, self._plain_data(view, at, end)
                    if at > begun:
                        continue
                piece = bytes(view[at : at + self._wanted])
                at += self._wanted
                self._whole(piece)
            else:
                size = min(self._wanted - len(self._part), end - at)
                self._part += view[at : at + size]
                at += size
                if len(self._part) == self._wanted:
                    piece = bytes(self._part)
                    self._part.clear()
                    self._whole(piece)
            flags = self._data_flags
            if flags is not None and not self._data_left and not self._pad_left and self._frame is None:
                self._data_flags = None
                self._receiver.data_ends(flags)

    def _plain_data(self, view: memoryview, at: int, end: int) -> int:
        take = self._receiver.plain_data
        while end - at >= HEADER_BYTES:
            upper, lower, kind, flags, stream_id = parse_head(view, at)
            length = upper << 8 | lower
            begin = at + HEADER_BYTES
            stop = begin + length
            if (
                kind
                or flags
                or length > self._max_frame_size
                or not take(stream_id, length, view[begin:stop])
            ):
                break
            if stop > end:
                self._data_flags, self._data_left = 0, stop - end
                return end
            at = stop
        return at

    def _whole(self, piece: bytes) -> None:
        if self._frame is None:
            self._head(piece)
            return
        kind, flags, stream_id = self._frame
        self._frame, self._wanted = None, HEADER_BYTES
        if kind == FrameType.DATA:
            self._padding(piece[0])
        else:
            self._receiver.frame(kind, flags, stream_id, piece)

    def _head(self, piece: bytes) -> None:
        length = piece[0] << 16 | piece[1] << 8 | piece[2]
        kind, flags = piece[3], piece[4]
        stream_id = uint32(piece, 5) & MAX_STREAM_ID
        if length > self._max_frame_size:
            raise ProtocolViolation(
                ErrorCode.FRAME_SIZE_ERROR, f"frame of {length} octets is above our limit"
            )
        self._receiver.frame_begins(kind, flags, stream_id)
        if kind == FrameType.DATA:
            self._receiver.data_begins(stream_id, length)
            self._data_flags, self._data_left = flags, length
            if flags & Flag.PADDED:
                if not length:
                    raise ProtocolViolation(ErrorCode.FRAME_SIZE_ERROR, "padded DATA without a pad length")
                # how much of the rest is padding is known once the first octet is here
                self._padded, self._data_left = length - 1, 0
                self._frame, self._wanted = (kind, flags, stream_id), 1
        elif length:
            self._frame, self._wanted = (kind, flags, stream_id), length
        else:
            self._receiver.frame(kind, flags, stream_id, b"")

    def _padding(self, size: int) -> None:
        if size > self._padded:
            raise ProtocolViolation(ErrorCode.PROTOCOL_ERROR, "padding is longer than its frame")
        self._data_left, self._pad_left = self._padded - size, size
        self._receiver.data_padding(size + 1)
