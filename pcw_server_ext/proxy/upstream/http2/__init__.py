"""HTTP/2 client core without I/O: bytes in, stream changes out (RFC 9113, RFC 7541)."""

from pcw_server_ext.proxy.upstream.http2.connection import ClientConnection, Limits
from pcw_server_ext.proxy.upstream.http2.errors import (
    ConnectionClosed,
    ErrorCode,
    HeaderListTooLarge,
    Http2Error,
    ProtocolViolation,
    StreamReset,
)
from pcw_server_ext.proxy.upstream.http2.header_block import field_size
from pcw_server_ext.proxy.upstream.http2.stream import Stream, StreamState

__all__ = [
    "ClientConnection",
    "ConnectionClosed",
    "ErrorCode",
    "HeaderListTooLarge",
    "Http2Error",
    "Limits",
    "ProtocolViolation",
    "Stream",
    "StreamReset",
    "StreamState",
    "field_size",
]
