"""LZ4 frame decompression (lz4_Frame_format.md 1.6, lz4_Block_format.md) in pure Python.

One loop turn a sequence, slices for literals and matches: no per-byte work. Checksums are skipped, not
verified; the caller knows the exact decompressed size and checks it.
"""

from __future__ import annotations

from pyspark_connect_web.lean.arrow.errors import ArrowInvalid

_MAGIC = 0x184D2204


def decompress_frame(raw: memoryview, size: int) -> bytes:
    """The frame's content, at most ``size`` bytes; raises :class:`ArrowInvalid` for anything malformed."""
    data = bytes(raw)
    if len(data) < 7 or int.from_bytes(data[:4], "little") != _MAGIC:
        raise ArrowInvalid("Corrupt LZ4 buffer: not an LZ4 frame")
    flags = data[4]
    if flags >> 6 != 1:
        raise ArrowInvalid(f"Corrupt LZ4 buffer: version {flags >> 6}")
    block_checksum = 4 * (flags >> 4 & 1)
    pos = 6 + 8 * (flags >> 3 & 1) + 4 * (flags & 1) + 1
    out = bytearray()
    while True:
        if pos + 4 > len(data):
            raise ArrowInvalid("Corrupt LZ4 buffer: the frame has no end mark")
        word = int.from_bytes(data[pos : pos + 4], "little")
        pos += 4
        if word == 0:
            return bytes(out)
        length = word & 0x7FFFFFFF
        end = pos + length
        if end > len(data):
            raise ArrowInvalid("Corrupt LZ4 buffer: truncated block")
        if word >> 31:
            out += data[pos:end]
        else:
            _decompress_block(data, pos, end, out, size)
        if len(out) > size:
            raise ArrowInvalid(f"Corrupt LZ4 buffer: more than the {size} bytes announced")
        pos = end + block_checksum


def _decompress_block(data: bytes, pos: int, end: int, out: bytearray, limit: int) -> None:
    """Append the block ``data[pos:end]``; matches may reach back into what ``out`` already holds."""
    try:
        while pos < end:
            token = data[pos]
            pos += 1
            literals = token >> 4
            if literals == 15:
                while True:
                    more = data[pos]
                    pos += 1
                    literals += more
                    if more != 255:
                        break
            if literals:
                out += data[pos : pos + literals]
                pos += literals
            if pos >= end:
                break  # the last sequence has no match
            offset = data[pos] | data[pos + 1] << 8
            pos += 2
            match = token & 15
            if match == 15:
                while True:
                    more = data[pos]
                    pos += 1
                    match += more
                    if more != 255:
                        break
            match += 4
            start = len(out) - offset
            if offset == 0 or start < 0 or len(out) + match > limit:
                raise ArrowInvalid("Corrupt LZ4 buffer: a match reaches outside of the data")
            if offset >= match:
                out += out[start : start + match]
            else:  # overlapping: the last `offset` bytes repeat
                repeats = match // offset + 1
                out += (out[start:] * repeats)[:match]
    except IndexError:
        raise ArrowInvalid("Corrupt LZ4 buffer: truncated sequence") from None
    if pos != end:
        raise ArrowInvalid("Corrupt LZ4 buffer: a sequence runs over the end of its block")
