"""Encodings of single header values: percent-encoded messages and base64 of ``-bin`` keys.

Source: gRPC over HTTP/2, "Percent-Encoded" (Responses) and "Custom-Metadata" (Requests).
"""

from __future__ import annotations

import binascii
from urllib.parse import quote, unquote

from pyspark_connect_web.wire.errors import ProtocolError

__all__ = ["decode_bin", "encode_bin", "percent_decode", "percent_encode"]

# Percent-Byte-Unencoded = 1*( %x20-%x24 / %x26-%x7E ): every printable ASCII character but "%".
_UNENCODED = "".join(chr(c) for c in range(0x20, 0x7F) if c != 0x25)
_BASE64_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_URL_SAFE_TO_STANDARD = bytes.maketrans(b"-_", b"+/")


def percent_encode(text: str) -> str:
    """Encode a ``grpc-message``: UTF-8, every byte outside printable ASCII and ``%`` as ``%XX``.

    Lone surrogates, which UTF-8 has no form for, become ``?``.
    """
    return quote(text, safe=_UNENCODED, encoding="utf-8", errors="replace")


def percent_decode(value: str) -> str:
    """Decode a ``grpc-message``; never fails.

    The specification forbids an error here: broken escapes stay as they are and bytes that are no
    UTF-8 become U+FFFD.
    """
    return unquote(value, encoding="utf-8", errors="replace")


def encode_bin(data: bytes) -> str:
    """Base64 without padding, as senders should write ``-bin`` values."""
    return binascii.b2a_base64(data, newline=False).rstrip(b"=").decode("ascii")


def decode_bin(value: str) -> bytes:
    """Decode one ``-bin`` value with or without padding, standard or URL-safe alphabet.

    Raises:
        ProtocolError: the value is not base64.
    """
    try:
        raw = value.strip().encode("ascii").rstrip(b"=").translate(_URL_SAFE_TO_STANDARD)
    except UnicodeEncodeError:
        raise ProtocolError("A -bin value holds characters outside ASCII, so it is not base64.") from None
    if len(raw) % 4 == 1 or raw.translate(None, _BASE64_ALPHABET):
        raise ProtocolError("A -bin value is not base64.")
    return binascii.a2b_base64(raw + b"=" * (-len(raw) % 4))
