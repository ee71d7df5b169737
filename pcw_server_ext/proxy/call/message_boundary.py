"""Follows the messages of a body that passes by, to know at its end whether the last one is whole.

Trailers after a part of a message would be read as the rest of it (PROTOCOL-WEB, "Message framing"), so an answer
that breaks off inside of one must be cut off, not ended.
"""

from __future__ import annotations

import struct

from pyspark_connect_web.wire import HEADER_SIZE

_length = struct.Struct(">I").unpack_from


class MessageBoundary:
    """Give it every byte, in pieces of any size; ``between`` is true when no message is incomplete."""

    __slots__ = ("_head", "_left")

    def __init__(self) -> None:
        self._left = 0
        self._head = b""

    @property
    def between(self) -> bool:
        """Whether the bytes so far end where a message ends."""
        return not self._left and not self._head

    def rest(self, data: bytes) -> int | None:
        """How many bytes of ``data`` end the incomplete message; None when it needs more."""
        size = self._left
        if self._head:
            head = self._head + data[: HEADER_SIZE - len(self._head)]
            if len(head) < HEADER_SIZE:
                return None
            size = HEADER_SIZE - len(self._head) + _length(head, 1)[0]
        return size if size <= len(data) else None

    def follow(self, data: bytes | memoryview, at: int, end: int) -> None:
        """Take ``data[at:end]``."""
        at += self._left
        if self._head and at < end:
            missing = HEADER_SIZE - len(self._head)
            self._head += data[at : min(at + missing, end)]
            if len(self._head) < HEADER_SIZE:
                return
            at += missing + _length(self._head, 1)[0]
            self._head = b""
        last = end - HEADER_SIZE
        while at <= last:
            at += HEADER_SIZE + _length(data, at + 1)[0]
        if at < end:
            self._head = bytes(data[at:end])
            self._left = 0
        else:
            self._left = at - end
