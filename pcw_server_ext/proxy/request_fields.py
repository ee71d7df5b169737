"""Reads the names in a request of SparkConnectService as it passes: session, user, operation.

Only the top level of the message is looked at, and only strings of a few bytes are kept; a plan of many megabytes is
skipped, not held. Field numbers are those of spark/connect/base.proto, the encoding is protobuf's ("Encoding",
developers' documentation).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_SESSION_ID: Final = 1
_USER_CONTEXT: Final = 2
_RELEASE_ALL: Final = 5  # of a ReleaseExecute
_REQUEST_OPTIONS: Final = 5  # of an ExecutePlan

# method -> the field that holds the operation's id; other methods name none
_OPERATION_FIELDS: Final[Mapping[str, int]] = {
    "ExecutePlan": 6,
    "ReattachExecute": 3,
    "ReleaseExecute": 3,
}

_MAX_VALUE: Final = 4096
_MAX_VARINT: Final = 10
_MAX_HEAD: Final = 2 * _MAX_VARINT


def _varint(data: bytes, at: int) -> tuple[int, int] | None:
    """The number at ``at`` and the place behind it; None when it is not complete, or too long."""
    value = shift = 0
    while at < len(data) and shift < 7 * _MAX_VARINT:
        octet = data[at]
        at += 1
        value |= (octet & 127) << shift
        if octet < 128:
            return value, at
        shift += 7
    return None


class RequestFields:
    """Give it a message in pieces of any size, then ask for its fields.

    A message that is no protobuf, or whose names are longer than any client's, has none: ``readable`` is false.
    Groups count as no protobuf: no message of Spark Connect has any.
    """

    def __init__(self, method: str = "") -> None:
        self._method = method
        self._operation_field = _OPERATION_FIELDS.get(method)
        self._wanted = {_SESSION_ID, _USER_CONTEXT, self._operation_field}
        if method in ("ReleaseExecute", "ExecutePlan"):
            self._wanted.add(_RELEASE_ALL)
        self._kept: dict[int, bytes] = {}
        self._number = 0
        self._left = 0
        self._head = b""
        self._sound = True
        self._short = True

    @property
    def readable(self) -> bool:
        """Whether the names can be told."""
        return self._sound and self._short

    @property
    def between(self) -> bool:
        """Whether the message so far ends where a field ends, so that what follows is read as further fields."""
        return self._sound and not self._left and not self._head

    @property
    def session_id(self) -> str:
        """The client's id of the session; empty when there is none."""
        return self._text(_SESSION_ID)

    @property
    def operation_id(self) -> str:
        """The id of the operation; empty when the request names none."""
        return self._text(self._operation_field)

    @property
    def user_context(self) -> bytes:
        """The encoded UserContext that the client sent; empty when there is none."""
        return self._kept.get(_USER_CONTEXT, b"")

    @property
    def releases_all(self) -> bool:
        """Whether a ReleaseExecute ends the operation, rather than a part of its answer."""
        return self._method == "ReleaseExecute" and _RELEASE_ALL in self._kept

    @property
    def reattachable(self) -> bool:
        """Whether the client may come back for the answer; of a request with other options: true, to be sure."""
        return self._method == "ReattachExecute" or (
            self._method == "ExecutePlan" and _REQUEST_OPTIONS in self._kept
        )

    def _text(self, field: int | None) -> str:
        return self._kept.get(field, b"").decode("utf-8", "replace") if field is not None else ""

    def feed(self, data: bytes, at: int, end: int) -> None:
        """Take ``data[at:end]``, the next piece of the message."""
        while at < end and self._sound:
            if self._left:
                step = min(self._left, end - at)
                self._left -= step
                if self._number:
                    self._kept[self._number] += data[at : at + step]
                at += step
            else:
                head = self._head + data[at : min(at + _MAX_HEAD, end)]
                used = self._begin(head)
                if used:
                    at += used - len(self._head)
                    self._head = b""
                else:
                    self._head = head
                    at = end
                    self._sound = self._sound and len(head) < _MAX_HEAD

    def _begin(self, head: bytes) -> int:
        """Start the field whose tag (and length) ``head`` begins with; returns their size, 0 when it is too short."""
        tag = _varint(head, 0)
        if tag is None:
            return 0
        number, kind, at = tag[0] >> 3, tag[0] & 7, tag[1]
        self._number = 0
        if kind in (1, 5):
            self._left = 8 if kind == 1 else 4
            return at
        value = _varint(head, at) if kind in (0, 2) else None
        if value is None:
            self._sound = kind in (0, 2)
            return 0
        if kind == 2:
            self._left = value[0]
            self._keep(number, value[0])
        return value[1]

    def _keep(self, number: int, size: int) -> None:
        if number not in self._wanted:
            return
        # Of a string that occurs twice the last one counts; messages are merged, which joined bytes are too.
        before = self._kept.get(number, b"") if number == _USER_CONTEXT else b""
        if len(before) + size > _MAX_VALUE:
            self._short = False
            return
        self._kept[number] = before
        self._number = number
