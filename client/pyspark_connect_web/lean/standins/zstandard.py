"""A stand-in for `zstandard` where that is not installed: PySpark compresses large plans with it.

On Python 3.14 it is the standard library's codec. Before, a frame of stored blocks is made (RFC 8878, section
3.1.1.2): every decoder reads it, and PySpark sends the plain plan instead because it did not get smaller.
"""

from __future__ import annotations

import struct

__version__ = "0.25.0"

_MAGIC = 0xFD2FB528
_BLOCK = 128 * 1024


class ZstdError(Exception):
    """Compression or decompression failed."""


def compress(data: bytes, level: int = 3) -> bytes:
    """One Zstandard frame of ``data``."""
    try:
        from compression import zstd  # type: ignore[import-not-found]
    except ImportError:
        return _stored(data)
    compressed: bytes = zstd.compress(data, level)
    return compressed


def decompress(data: bytes, max_output_size: int = 0) -> bytes:
    """The content of one frame; needs Python 3.14."""
    try:
        from compression import zstd
    except ImportError:
        raise ZstdError(
            "This Python (before 3.14) cannot decompress Zstandard; run `pip install zstandard`"
        ) from None
    plain: bytes = zstd.decompress(data)
    return plain


def _stored(data: bytes) -> bytes:
    # descriptor 0xE0: eight-byte content size, single segment, no checksum, no dictionary
    parts = [struct.pack("<IBQ", _MAGIC, 0xE0, len(data))]
    for start in range(0, max(len(data), 1), _BLOCK):
        piece = data[start : start + _BLOCK]
        last = start + _BLOCK >= len(data)
        parts += (struct.pack("<I", len(piece) << 3 | last)[:3], piece)
    return b"".join(parts)
