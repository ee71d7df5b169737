"""Frame layout (RFC 9113 sections 4 and 6): numbers, and the frames a client writes."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADER_BYTES: Final = 9
DEFAULT_WINDOW: Final = 65_535
MAX_WINDOW: Final = 2**31 - 1
MIN_FRAME_SIZE: Final = 16_384
MAX_FRAME_SIZE: Final = 2**24 - 1
MAX_STREAM_ID: Final = 2**31 - 1


class FrameType(IntEnum):
    DATA = 0x0
    HEADERS = 0x1
    PRIORITY = 0x2
    RST_STREAM = 0x3
    SETTINGS = 0x4
    PUSH_PROMISE = 0x5
    PING = 0x6
    GOAWAY = 0x7
    WINDOW_UPDATE = 0x8
    CONTINUATION = 0x9


class Flag:
    """Bits of the flags octet: plain numbers, because an IntFlag costs a microsecond for every ``&``."""

    ACK: Final = 0x1
    END_STREAM: Final = 0x1
    END_HEADERS: Final = 0x4
    PADDED: Final = 0x8
    PRIORITY: Final = 0x20


class Setting(IntEnum):
    HEADER_TABLE_SIZE = 0x1
    ENABLE_PUSH = 0x2
    MAX_CONCURRENT_STREAMS = 0x3
    INITIAL_WINDOW_SIZE = 0x4
    MAX_FRAME_SIZE = 0x5
    MAX_HEADER_LIST_SIZE = 0x6


_UINT32 = struct.Struct(">I")
_SETTING = struct.Struct(">HI")
_HEAD = struct.Struct(">HBBBI")
parse_head = _HEAD.unpack_from
"""From a buffer and a position: length's upper 16 bits, its lower 8, type, flags, stream id with the reserved bit."""


def head(length: int, kind: int, flags: int, stream_id: int) -> bytes:
    """The nine octets in front of a payload of ``length`` octets."""
    return _HEAD.pack(length >> 8, length & 0xFF, kind, flags, stream_id)


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """A whole frame."""
    return head(len(payload), kind, flags, stream_id) + payload


def window_update(stream_id: int, increment: int) -> bytes:
    """Section 6.9; ``increment`` in octets, 1 to 2**31-1."""
    return frame(FrameType.WINDOW_UPDATE, 0, stream_id, _UINT32.pack(increment))


def rst_stream(stream_id: int, code: int) -> bytes:
    """Section 6.4."""
    return frame(FrameType.RST_STREAM, 0, stream_id, _UINT32.pack(code))


def goaway(last_stream_id: int, code: int, debug: bytes = b"") -> bytes:
    """Section 6.8."""
    return frame(FrameType.GOAWAY, 0, 0, _UINT32.pack(last_stream_id) + _UINT32.pack(code) + debug)


def settings(values: dict[Setting, int]) -> bytes:
    """Section 6.5."""
    return frame(FrameType.SETTINGS, 0, 0, b"".join(_SETTING.pack(k, v) for k, v in values.items()))


def parse_settings(payload: bytes) -> list[tuple[int, int]]:
    """Identifier and value of every parameter, in order; the length is a multiple of six."""
    return [_SETTING.unpack_from(payload, at) for at in range(0, len(payload), 6)]


def uint32(payload: bytes, at: int = 0) -> int:
    """A big-endian 32-bit number."""
    value: int = _UINT32.unpack_from(payload, at)[0]
    return value
