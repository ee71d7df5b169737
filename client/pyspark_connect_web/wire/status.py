"""gRPC status codes, the status of a call, and how HTTP statuses map to it.

Sources: gRPC "Status codes and their use" and "HTTP to gRPC Status Code Mapping".
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pyspark_connect_web.wire.errors import ProtocolError
from pyspark_connect_web.wire.values import decode_bin, encode_bin, percent_decode, percent_encode

__all__ = ["HTTP_TO_GRPC", "Status", "StatusCode", "code_from_http"]

STATUS_KEY = "grpc-status"
MESSAGE_KEY = "grpc-message"
DETAILS_KEY = "grpc-status-details-bin"


class StatusCode(enum.IntEnum):
    """The seventeen gRPC status codes."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


HTTP_TO_GRPC: Mapping[int, StatusCode] = MappingProxyType(
    {
        400: StatusCode.INTERNAL,
        401: StatusCode.UNAUTHENTICATED,
        403: StatusCode.PERMISSION_DENIED,
        404: StatusCode.UNIMPLEMENTED,
        429: StatusCode.UNAVAILABLE,
        502: StatusCode.UNAVAILABLE,
        503: StatusCode.UNAVAILABLE,
        504: StatusCode.UNAVAILABLE,
    }
)


def code_from_http(status: int) -> StatusCode:
    """The gRPC code of an HTTP response that carries no grpc-status; UNKNOWN where the mapping names none."""
    return HTTP_TO_GRPC.get(status, StatusCode.UNKNOWN)


@dataclass(frozen=True)
class Status:
    """How a call ended: code, message (decoded text) and the serialised ``google.rpc.Status``, if sent."""

    code: StatusCode
    message: str = ""
    details: bytes | None = None

    @classmethod
    def from_pairs(cls, pairs: Iterable[tuple[str, str]]) -> Status | None:
        """Read the status from trailers or headers with lower-case keys; None when there is no grpc-status.

        The first of duplicate values counts. A code that is no number in 0..16 is UNKNOWN, as the gRPC
        status document demands, and its message says what was sent. Details that are not base64 are dropped.
        """
        found: dict[str, str] = {}
        for key, value in pairs:
            if key in (STATUS_KEY, MESSAGE_KEY, DETAILS_KEY):
                found.setdefault(key, value)
        raw = found.get(STATUS_KEY)
        if raw is None:
            return None
        message = percent_decode(found.get(MESSAGE_KEY, ""))
        try:
            code = StatusCode(int(raw)) if raw.isascii() and raw.isdecimal() else None
        except ValueError:
            code = None
        if code is None:
            code = StatusCode.UNKNOWN
            message = message or f"The server sent the unknown gRPC status {raw[:32]!r}."
        details: bytes | None = None
        if DETAILS_KEY in found:
            try:
                details = decode_bin(found[DETAILS_KEY])
            except ProtocolError:
                details = None
        return cls(code, message, details)

    def to_pairs(self) -> list[tuple[str, str]]:
        """The trailers of this status: ``grpc-status``, and message and details where there are any."""
        pairs = [(STATUS_KEY, str(int(self.code)))]
        if self.message:
            pairs.append((MESSAGE_KEY, percent_encode(self.message)))
        if self.details is not None:
            pairs.append((DETAILS_KEY, encode_bin(self.details)))
        return pairs
