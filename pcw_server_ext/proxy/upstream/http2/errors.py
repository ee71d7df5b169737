"""Errors of the HTTP/2 core.

- Http2Error
    ├── ProtocolViolation     the peer broke RFC 9113: the connection is finished
    ├── StreamReset           one stream ended early: RST_STREAM, or refused by GOAWAY
    ├── HeaderListTooLarge    a request's headers are above the peer's limit: nothing of it was sent
    └── ConnectionClosed      the connection is gone: GOAWAY, end of file, or closed by us
"""

from __future__ import annotations

from enum import IntEnum


class ErrorCode(IntEnum):
    """RFC 9113 section 7."""

    NO_ERROR = 0x0
    PROTOCOL_ERROR = 0x1
    INTERNAL_ERROR = 0x2
    FLOW_CONTROL_ERROR = 0x3
    SETTINGS_TIMEOUT = 0x4
    STREAM_CLOSED = 0x5
    FRAME_SIZE_ERROR = 0x6
    REFUSED_STREAM = 0x7
    CANCEL = 0x8
    COMPRESSION_ERROR = 0x9
    CONNECT_ERROR = 0xA
    ENHANCE_YOUR_CALM = 0xB
    INADEQUATE_SECURITY = 0xC
    HTTP_1_1_REQUIRED = 0xD


def code_name(code: int) -> str:
    """The name of an error code; an unknown one (allowed by section 7) is shown as a number."""
    try:
        return ErrorCode(code).name
    except ValueError:
        return f"error {code:#x}"


class Http2Error(Exception):
    """Base of the core's errors."""


class ProtocolViolation(Http2Error):
    """The peer's bytes break RFC 9113; the connection must be closed with ``code``."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(f"{message} ({code.name})")
        self.code = code


class StreamReset(Http2Error):
    """A stream ended before its END_STREAM.

    `code` is the error code as a number. REFUSED_STREAM promises that the peer has not looked at the request
    (section 8.7): it can safely be sent again.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{message} ({code_name(code)})")
        self.code = code


class HeaderListTooLarge(Http2Error):
    """A request's header list is above the limit that the peer has announced; both sizes are in octets."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"a header list of {size} octets is above the peer's limit of {limit}")
        self.size = size
        self.limit = limit


class ConnectionClosed(Http2Error):
    """No stream can be opened, or a stream was cut, because the connection has ended."""
