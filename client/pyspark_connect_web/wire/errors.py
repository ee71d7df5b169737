"""The exceptions of the wire codec.

    WireError
      +- MetadataError   our own caller passed metadata that HTTP cannot carry
      +- StateError      our own caller fed an event that the state does not allow
      +- ProtocolError   the peer sent bytes that grpc-web does not allow
           +- MessageTooLarge   the peer announced a message above the configured limit

A decoder raises nothing else, whatever the bytes are.
"""

from __future__ import annotations

__all__ = ["MessageTooLarge", "MetadataError", "ProtocolError", "StateError", "WireError"]


class WireError(Exception):
    """Base of every error that this package raises."""


class MetadataError(WireError, ValueError):
    """Metadata, a timeout or a status message that cannot go on the wire."""


class StateError(WireError, RuntimeError):
    """An event that the present state does not allow."""


class ProtocolError(WireError):
    """Bytes from the peer that break the grpc-web rules."""


class MessageTooLarge(ProtocolError):
    """A frame whose header announces more bytes than the limit; raised before its payload is read."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"The peer announced a message of {size} bytes; the limit is {limit} bytes.")
        self.size = size
        self.limit = limit
