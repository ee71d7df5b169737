"""The trailers frame: HTTP/1 header lines in a frame with flag 0x80.

Source: PROTOCOL-WEB, "Message framing": lower-case keys, ``key:value`` lines with CRLF, no blank line
at the end.
"""

from __future__ import annotations

from collections.abc import Iterable

from pyspark_connect_web.wire.errors import ProtocolError
from pyspark_connect_web.wire.frames import TRAILERS, encode_frame
from pyspark_connect_web.wire.metadata import check_key, check_value

__all__ = ["encode_trailers", "parse_trailers", "serialize_trailers"]


def serialize_trailers(pairs: Iterable[tuple[str, str]]) -> bytes:
    """The payload of a trailers frame; keys are written in lower case, order and duplicates are kept.

    Raises:
        MetadataError: a key or value that a header line cannot hold (line breaks, control characters).
    """
    lines = []
    for key, value in pairs:
        name = key.lower()
        check_key(name)
        check_value(name, value)
        lines.append(f"{name}:{value}\r\n")
    return "".join(lines).encode("ascii")


def encode_trailers(pairs: Iterable[tuple[str, str]]) -> bytes:
    """The whole trailers frame, the last frame of a body."""
    return encode_frame(serialize_trailers(pairs), TRAILERS)


def parse_trailers(payload: bytes) -> list[tuple[str, str]]:
    """Parse a trailers payload to pairs with lower-case keys, in order, duplicates kept.

    Accepts what peers are known to send: mixed case, blanks around values, bare LF, blank lines, no
    final line break, and bytes above ASCII (read as UTF-8).

    Raises:
        ProtocolError: a line without a colon or without a name.
    """
    pairs = []
    for line in payload.decode("utf-8", "replace").replace("\r\n", "\n").split("\n"):
        if not line.strip():
            continue
        key, colon, value = line.partition(":")
        key = key.strip().lower()
        if not colon or not key:
            raise ProtocolError(f"The trailers hold a line that is no header: {line[:80]!r}.")
        pairs.append((key, value.strip(" \t")))
    return pairs
