"""Content types and request headers of grpc-web.

Source: PROTOCOL-WEB, "Protocol differences vs gRPC over HTTP2".
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["GRPC_WEB_PROTO", "GRPC_WEB_TEXT_PROTO", "ContentType", "parse_content_type"]

GRPC_WEB_PROTO = "application/grpc-web+proto"
GRPC_WEB_TEXT_PROTO = "application/grpc-web-text+proto"

_BINARY = "application/grpc-web"
_TEXT = "application/grpc-web-text"


@dataclass(frozen=True)
class ContentType:
    """A grpc-web content type.

    ``text`` marks the base64 variant; ``codec`` is the part after ``+``, ``proto`` by default.
    """

    text: bool
    codec: str

    @property
    def header(self) -> str:
        """The full header value, codec included."""
        return f"{_TEXT if self.text else _BINARY}+{self.codec}"


def parse_content_type(value: str) -> ContentType | None:
    """The grpc-web kind of a Content-Type header, parameters ignored; None for anything else."""
    media = value.partition(";")[0].strip().lower()
    base, plus, codec = media.partition("+")
    if plus and not codec:
        return None
    if base == _BINARY:
        return ContentType(False, codec or "proto")
    if base == _TEXT:
        return ContentType(True, codec or "proto")
    return None
