"""grpc-web-text: the body as base64, sent in pieces that may each carry their own padding.

Source: PROTOCOL-WEB, "Streaming support": "the server encodes each message separately", so padding
may stand in the middle of the stream.
"""

from __future__ import annotations

import binascii

from pyspark_connect_web.wire.errors import ProtocolError

__all__ = ["TextDecoder", "encode_text"]

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def encode_text(data: bytes) -> bytes:
    """Base64 of one piece, padded; pieces are sent one after the other."""
    return binascii.b2a_base64(data, newline=False)


class TextDecoder:
    """Incremental decoder of concatenated base64 pieces."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """Decode the next characters; up to three of them are held back until their group is whole.

        Raises:
            ProtocolError: a character outside base64, or padding in a wrong place.
        """
        if self._rest:
            data = self._rest + data
        whole = len(data) & ~3
        self._rest = data[whole:]
        groups = data[:whole]
        if not groups:
            return b""
        foreign = groups.translate(None, _ALPHABET)
        if not foreign:
            return binascii.a2b_base64(groups)
        if foreign.strip(b"="):
            raise ProtocolError("The body is announced as base64 text and holds other characters.")
        pieces = []
        start = 0
        while start < whole:
            padding = groups.find(b"=", start)
            if padding < 0:
                pieces.append(binascii.a2b_base64(groups[start:]))
                break
            stop = (padding & ~3) + 4
            tail = groups[padding:stop]
            if padding & 3 < 2 or tail.strip(b"="):
                raise ProtocolError("The body is announced as base64 text and its padding is misplaced.")
            pieces.append(binascii.a2b_base64(groups[start:stop]))
            start = stop
        return b"".join(pieces)

    def finish(self) -> None:
        """Declare the end of the body.

        Raises:
            ProtocolError: the text ended inside a group of four.
        """
        if self._rest:
            raise ProtocolError("The base64 text ended inside a group of four characters: it was cut off.")
