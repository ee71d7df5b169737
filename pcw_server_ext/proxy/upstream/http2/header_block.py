"""Header blocks (RFC 7541): ours are written without compression state, the peer's are read with ``hpack``.

A proxy must not put one user's credential and another's text into one compression context (RFC 7541 section
7.1), and a stateless block costs a fraction of a compressed one. So every field is a literal that never goes
into the dynamic table, and the first block sets that table's size to zero, which every later limit allows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import hpack
from hpack.exceptions import HPACKError, OversizedHeaderListError

from pcw_server_ext.proxy.upstream.http2.errors import ErrorCode, ProtocolViolation
from pcw_server_ext.proxy.upstream.http2.frames import Flag

Header = tuple[bytes, bytes]

NO_DYNAMIC_TABLE: Final = b"\x20"
_METHOD_POST: Final = (b":method", b"POST")
_SCHEMES: Final = {(b":scheme", b"http"): b"\x86", (b":scheme", b"https"): b"\x87", _METHOD_POST: b"\x83"}
# Blocks of a connection whose meaning is remembered: the heads and trailers of most answers are alike.
_KNOWN_BLOCKS: Final = 64
_SMALL_BLOCK: Final = 256
_SECRET: Final = frozenset({b"authorization", b"cookie", b"proxy-authorization"})


def _length(size: int) -> bytes:
    """RFC 7541 section 5.1 with a seven-bit prefix and no Huffman bit."""
    if size < 127:
        return bytes((size,))
    out = bytearray((127,))
    size -= 127
    while size >= 128:
        out.append(size & 127 | 128)
        size >>= 7
    out.append(size)
    return bytes(out)


def field_size(name: bytes, value: bytes) -> int:
    """What a field counts in a limit on header lists, in octets (RFC 9113 section 6.5.2)."""
    return len(name) + len(value) + 32


def encode(headers: Iterable[Header]) -> bytes:
    """A block for ``headers`` (names in lower case), which reads and writes no compression state."""
    out: list[bytes] = []
    for field in headers:
        indexed = _SCHEMES.get(field)
        if indexed is not None:
            out.append(indexed)
            continue
        name, value = field
        # section 6.2.3 "never indexed" tells every later hop to keep credentials out of its table too
        out += (b"\x10" if name in _SECRET else b"\x00", _length(len(name)), name, _length(len(value)), value)
    return b"".join(out)


class HeaderReader:
    """Decodes the peer's blocks; one for each connection, since the table is shared by all of its streams."""

    def __init__(self, max_list_bytes: int) -> None:
        self._decoder = hpack.Decoder(max_header_list_size=max_list_bytes)
        self._known: dict[bytes, list[Header]] = {}

    def decode(self, block: bytes) -> list[Header]:
        """Fields in order, as bytes. Raises ProtocolViolation: the shared table is lost with any error."""
        # We ask the peer for no dynamic table; while there is none, equal blocks mean equal fields.
        entries = self._decoder.header_table.dynamic_entries
        known = self._known.get(block) if not entries else None
        if known is not None:
            return known
        fields = self._decode(block)
        # a block that begins with a size update (section 6.3) does more than name fields
        if not entries and len(block) <= _SMALL_BLOCK and block[:1] and block[0] & 0xE0 != 0x20:
            if len(self._known) >= _KNOWN_BLOCKS:
                self._known.clear()
            self._known[block] = fields
        return fields

    def _decode(self, block: bytes) -> list[Header]:
        try:
            fields = self._decoder.decode(block, raw=True)
        except OversizedHeaderListError as error:
            raise ProtocolViolation(ErrorCode.ENHANCE_YOUR_CALM, "header list above our limit") from error
        except HPACKError as error:
            raise ProtocolViolation(ErrorCode.COMPRESSION_ERROR, "header block cannot be decoded") from error
        return [(bytes(name), bytes(value)) for name, value, *_ in fields]


class HeaderAssembler:
    """Joins HEADERS and its CONTINUATION frames to one block (RFC 9113 section 6.10) and decodes it."""

    def __init__(self, *, max_list_bytes: int, max_block_bytes: int) -> None:
        self._reader = HeaderReader(max_list_bytes)
        self._max_block = max_block_bytes
        self._block = bytearray()
        self._end_stream = False
        self.stream_id: int | None = None
        """The stream whose block is incomplete; None between blocks."""

    def headers(self, flags: int, stream_id: int, payload: bytes) -> None:
        """A HEADERS frame. Raises ProtocolViolation."""
        start, stop = 0, len(payload)
        if flags & Flag.PADDED:
            if not payload:
                raise ProtocolViolation(ErrorCode.FRAME_SIZE_ERROR, "padded HEADERS without a pad length")
            start, stop = 1, stop - payload[0]
        if flags & Flag.PRIORITY:
            start += 5
        if start > stop:
            raise ProtocolViolation(ErrorCode.PROTOCOL_ERROR, "HEADERS is shorter than its own fields")
        self.stream_id = stream_id
        self._end_stream = bool(flags & Flag.END_STREAM)
        self._block = bytearray(payload[start:stop])

    def continuation(self, payload: bytes) -> None:
        """A CONTINUATION frame of the open block. Raises ProtocolViolation."""
        if self.stream_id is None:
            raise ProtocolViolation(ErrorCode.PROTOCOL_ERROR, "CONTINUATION without HEADERS")
        self._block += payload
        if len(self._block) > self._max_block:
            raise ProtocolViolation(ErrorCode.ENHANCE_YOUR_CALM, "header block above our limit")

    def done(self) -> tuple[list[Header], bool]:
        """The fields of the complete block, and whether it ends its stream. Raises ProtocolViolation."""
        self.stream_id = None
        return self._reader.decode(bytes(self._block)), self._end_stream
