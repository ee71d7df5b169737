"""HTTP/2 client core without I/O: bytes in, stream changes out (RFC 9113, RFC 7541)."""

from .connection import ClientConnection, Limits
from .errors import ConnectionClosed, ErrorCode, Http2Error, ProtocolViolation, StreamReset
from .stream import Stream, StreamState

__all__ = [
    "ClientConnection",
    "ConnectionClosed",
    "ErrorCode",
    "Http2Error",
    "Limits",
    "ProtocolViolation",
    "Stream",
    "StreamReset",
    "StreamState",
]
