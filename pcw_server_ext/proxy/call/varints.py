"""Protobuf's variable-length numbers ("Encoding", developers' documentation), of bytes that may end too early."""

from __future__ import annotations

from typing import Final

MAX_VARINT: Final = 10
"""Octets of the longest number."""
MAX_FIELD_HEAD: Final = 2 * MAX_VARINT
"""Octets of the longest tag and the longest length behind it."""


def read_varint(data: bytes, at: int) -> tuple[int, int] | None:
    """The number at ``at`` and the place behind it; None when it is not complete, or too long."""
    value = shift = 0
    while at < len(data) and shift < 7 * MAX_VARINT:
        octet = data[at]
        at += 1
        value |= (octet & 127) << shift
        if octet < 128:
            return value, at
        shift += 7
    return None
