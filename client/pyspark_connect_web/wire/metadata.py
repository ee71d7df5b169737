"""Call metadata: which names and values HTTP headers may carry.

Source: gRPC over HTTP/2, "Custom-Metadata": Header-Name is ``1*( %x30-39 / %x61-7A / "_" / "-" / ".")``,
an ASCII value is ``1*( %x20-%x7E )``, names that end in ``-bin`` carry base64, ``grpc-`` is reserved.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pyspark_connect_web.wire.errors import MetadataError, ProtocolError
from pyspark_connect_web.wire.values import decode_bin, encode_bin

__all__ = [
    "DECLARED_METADATA",
    "LONGEST_SILENCE",
    "Metadata",
    "check_key",
    "check_value",
    "decode_metadata",
    "encode_metadata",
    "is_reserved",
]

DECLARED_METADATA = "x-pcw-metadata"
"""The header in which a client names its call's metadata, comma-separated: no other header is passed on to Spark.

A proxy on the way that logs people in adds headers of its own, which the client does not know and does not name.
"""

LONGEST_SILENCE = "x-pcw-longest-silence"
"""The header in which a server promises how many seconds, at most, it lets pass without a byte of an answer that the
client can ask for again (an ExecutePlan that says so, a ReattachExecute); what is silent for much longer is dead.
"""

Metadata = Sequence[tuple[str, "str | bytes"]]
"""Pairs of a lower-case key and its value: ``bytes`` for keys that end in ``-bin``, else ``str``."""

_KEY = re.compile(r"[0-9a-z_.\-]+")
_VALUE = re.compile(r"[\x20-\x7e]*")

# Names that belong to HTTP or to the transport. A caller's metadata must not overwrite them, and they
# are not shown as metadata of a response.
_TRANSPORT = frozenset(
    {
        "accept",
        "accept-encoding",
        "accept-ranges",
        "age",
        "alt-svc",
        "cache-control",
        "connection",
        "content-encoding",
        "content-length",
        "content-security-policy",
        "content-type",
        "cookie",
        "date",
        "etag",
        "expect",
        "expires",
        "host",
        "keep-alive",
        "last-modified",
        "location",
        "origin",
        "pragma",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "referer",
        "server",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "vary",
        "via",
        "x-content-type-options",
        "x-grpc-web",
        DECLARED_METADATA,
        LONGEST_SILENCE,
        "x-user-agent",
        "x-xsrftoken",
    }
)
_TRANSPORT_PREFIXES = ("grpc-", ":", "access-control-", "cross-origin-", "sec-", "proxy-")


def is_reserved(key: str) -> bool:
    """True for a lower-case name that belongs to gRPC, HTTP or the browser and so is no custom metadata."""
    return key in _TRANSPORT or key.startswith(_TRANSPORT_PREFIXES)


def check_key(key: str) -> None:
    """Refuse a name that is no lower-case header name.

    Raises:
        MetadataError: upper case, blanks, colons, control characters, or empty.
    """
    if not _KEY.fullmatch(key):
        raise MetadataError(
            f"The metadata key {key[:64]!r} is not valid: use lower-case letters, digits, '-', '_' and '.'."
        )


def check_value(key: str, value: str) -> None:
    """Refuse a value that a header line cannot hold; the message does not repeat it (it may be a secret).

    Raises:
        MetadataError: line breaks or anything else outside printable ASCII.
    """
    if not _VALUE.fullmatch(value):
        raise MetadataError(
            f"The value of the metadata key {key!r} holds a line break, a control character or a character"
            " outside ASCII; a key that ends in -bin carries any bytes."
        )


def encode_metadata(pairs: Iterable[tuple[str, str | bytes]]) -> list[tuple[str, str]]:
    """A caller's metadata as HTTP headers.

    Raises:
        MetadataError: a reserved or malformed key, a value that HTTP cannot carry, ``bytes`` under a
            key without ``-bin`` or ``str`` under one with it.
    """
    headers = []
    for raw_key, value in pairs:
        key = raw_key.lower()
        check_key(key)
        if is_reserved(key):
            raise MetadataError(f"The metadata key {key!r} is reserved by gRPC or HTTP; choose another name.")
        if key.endswith("-bin"):
            if not isinstance(value, bytes):
                raise MetadataError(f"The metadata key {key!r} ends in -bin, so its value must be bytes.")
            headers.append((key, encode_bin(value)))
            continue
        if isinstance(value, bytes):
            raise MetadataError(f"The metadata key {key!r} has a bytes value, so its name must end in -bin.")
        check_value(key, value)
        headers.append((key, value))
    return headers


def decode_metadata(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str | bytes]]:
    """Custom metadata of a response: reserved names left out, ``-bin`` values decoded.

    Values under a ``-bin`` key may be joined by commas ("Custom-Metadata" allows it for binary values)
    and then count one by one. A ``-bin`` value that is not base64 is left out.
    """
    found: list[tuple[str, str | bytes]] = []
    for raw_key, value in pairs:
        key = raw_key.lower()
        if is_reserved(key):
            continue
        if not key.endswith("-bin"):
            found.append((key, value))
            continue
        for piece in value.split(","):
            try:
                found.append((key, decode_bin(piece)))
            except ProtocolError:
                continue
    return found
