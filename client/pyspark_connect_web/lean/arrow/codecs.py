"""Decompression of Arrow buffers: ZSTD by the standard library or `zstandard`, LZ4 in pure Python."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from pyspark_connect_web.lean.arrow.errors import ArrowInvalid, ArrowNotImplementedError
from pyspark_connect_web.lean.arrow.lz4 import decompress_frame

LZ4_FRAME, ZSTD = 0, 1
#: Bytes that are decompressed at a time where the decoder allocates what it is asked for; an ordinary buffer is less.
_PIECE = 16 << 20


def decompress(codec: int, raw: memoryview, size: int) -> bytes:
    """``raw`` decompressed to exactly ``size`` bytes.

    Never makes much more than ``size`` bytes, whatever the input claims. Raises :class:`ArrowInvalid` when
    the result is shorter or longer, :class:`ArrowNotImplementedError` when no decoder is there.
    """
    if codec == LZ4_FRAME:
        out = decompress_frame(raw, size)
    elif codec == ZSTD:
        out = _zstd_decoder()(raw, size)
    else:
        raise ArrowNotImplementedError(f"Arrow compression codec {codec} is not known")
    if len(out) != size:
        raise ArrowInvalid(f"Corrupt compressed buffer: {len(out)} bytes instead of {size}")
    return out


@cache
def _zstd_decoder() -> Callable[[memoryview, int], bytes]:
    try:
        from compression import zstd  # type: ignore[import-not-found]  # Python 3.14
    except ImportError:
        return _zstandard_decoder()

    def decode(raw: memoryview, size: int) -> bytes:
        try:
            decoder = zstd.ZstdDecompressor()
            out: bytes = decoder.decompress(raw, max_length=size + 1)
        except zstd.ZstdError as error:
            raise ArrowInvalid(f"Corrupt ZSTD buffer: {error}") from None
        return out

    return decode


def _zstandard_decoder() -> Callable[[memoryview, int], bytes]:
    try:
        from zstandard import ZstdDecompressor, ZstdError
    except ImportError:
        raise ArrowNotImplementedError(
            "The result is ZSTD-compressed and this Python (before 3.14) cannot decompress it; "
            "run `pip install zstandard`"
        ) from None

    def decode(raw: memoryview, size: int) -> bytes:
        try:
            # decompressobj() would return everything at once; a reader stops at the size asked for, which it
            # allocates before it reads: only what is there may grow, not what a corrupt length claims
            with ZstdDecompressor().stream_reader(raw) as reader:
                out: bytes = reader.read(min(size + 1, _PIECE))
                pieces = [out]
                while out and (left := size + 1 - sum(map(len, pieces))) > 0:
                    out = reader.read(min(left, _PIECE))
                    pieces.append(out)
                return b"".join(pieces)
        except ZstdError as error:
            raise ArrowInvalid(f"Corrupt ZSTD buffer: {error}") from None

    return decode
