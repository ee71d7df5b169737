"""Reads the names in a request of SparkConnectService as it passes: session, user, operation.

Only the top level of the message is looked at, and only strings of a few bytes are kept; a plan of many megabytes is
skipped, not held. Field numbers are those of spark/connect/base.proto, the encoding is protobuf's ("Encoding",
developers' documentation).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pcw_server_ext.proxy.call.methods import METHODS, NEW_SESSION_ID, SESSION_ID, USER_CONTEXT
from pcw_server_ext.proxy.call.varints import MAX_FIELD_HEAD, read_varint

_RELEASE_ALL: Final = 5  # of a ReleaseExecute
_REQUEST_OPTIONS: Final = 5  # of an ExecutePlan
_LAST_RESPONSE_ID: Final = 5  # of a ReattachExecute

_REATTACH_OPTIONS: Final = 1  # of a RequestOption
_REATTACHABLE: Final = 1  # of ReattachOptions

_MAX_VALUE: Final = 4096
_MAX_USER_CONTEXT: Final = 1 << 16
_MAX_TAG: Final = 0xFFFFFFFF
_USER_STRINGS: Final = (1, 2)  # user_id and user_name of a UserContext


def _fields(payload: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Numbers and values of the fields of an encoded message, up to the first that cannot be read."""
    at = 0
    while at < len(payload):
        tag = read_varint(payload, at)
        if tag is None:
            return
        number, kind, at = tag[0] >> 3, tag[0] & 7, tag[1]
        if kind in (1, 5):
            at += 8 if kind == 1 else 4
            continue
        value = read_varint(payload, at) if kind in (0, 2) else None
        if value is None:
            return
        at = value[1]
        if kind == 0:
            yield number, value[0]
        else:
            yield number, payload[at : at + value[0]]
            at += value[0]


def _embedded(payload: bytes, field: int) -> list[bytes]:
    """The encoded messages, or strings, in a field."""
    return [value for number, value in _fields(payload) if number == field and isinstance(value, bytes)]


def _number(payload: bytes, field: int) -> int:
    """The number in a field, of which the last one counts; 0 when there is none."""
    found = [value for number, value in _fields(payload) if number == field and isinstance(value, int)]
    return found[-1] if found else 0


def is_user_context(payload: bytes) -> bool:
    """Whether `payload` is an encoded UserContext: whole fields, and its strings are text."""
    at = 0
    while at < len(payload):
        tag = read_varint(payload, at)
        if tag is None or not 8 <= tag[0] <= _MAX_TAG:
            return False
        number, kind, at = tag[0] >> 3, tag[0] & 7, tag[1]
        if number in _USER_STRINGS and kind != 2:
            return False
        if kind in (1, 5):
            at += 8 if kind == 1 else 4
        elif kind in (0, 2):
            value = read_varint(payload, at)
            if value is None:
                return False
            begin = at = value[1]
            if kind == 2:
                at += value[0]
            if number in _USER_STRINGS and not _is_text(payload[begin:at]):
                return False
        else:
            return False
    return at == len(payload)


def _is_text(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


class RequestFields:
    """Give it a message in pieces of any size, then ask for its fields.

    A message that is no protobuf, or whose names are longer than any client's, has none: ``readable`` is false.
    Groups count as no protobuf: no message of Spark Connect has any.
    """

    def __init__(self, method: str = "") -> None:
        self._method = method
        known = METHODS.get(method)
        self._operation_field = known.operation_field if known is not None else None
        self._wanted = {SESSION_ID, USER_CONTEXT, self._operation_field}
        if method in ("ReleaseExecute", "ExecutePlan"):
            self._wanted.add(_RELEASE_ALL)
        if method == "CloneSession":
            self._wanted.add(NEW_SESSION_ID)
        if method == "ReattachExecute":
            self._wanted.add(_LAST_RESPONSE_ID)
        # A list of options is read as one message that has all of their fields.
        self._joined = {USER_CONTEXT, _REQUEST_OPTIONS} if method == "ExecutePlan" else {USER_CONTEXT}
        self._kept: dict[int, bytes] = {}
        self._number = 0
        self._left = 0
        self._head = b""
        self._well_formed = True
        self._names_fit = True
        self._user_fits = True

    @property
    def readable(self) -> bool:
        """Whether the names can be told."""
        return self._well_formed and self._names_fit

    @property
    def between(self) -> bool:
        """Whether the message so far ends where a field ends, so that what follows is read as further fields."""
        return self._well_formed and not self._left and not self._head

    @property
    def user_is_clear(self) -> bool:
        """Whether all that the message says of its user can be read, so that a user put behind it replaces that."""
        return self._user_fits and is_user_context(self._kept.get(USER_CONTEXT, b""))

    @property
    def session_id(self) -> str:
        """The client's id of the session; empty when there is none."""
        return self._text(SESSION_ID)

    @property
    def new_session_id(self) -> str:
        """The id of the session that a CloneSession makes; empty when Spark is to choose it."""
        return self._text(NEW_SESSION_ID) if self._method == "CloneSession" else ""

    @property
    def operation_id(self) -> str:
        """The id of the operation; empty when the request names none."""
        return self._text(self._operation_field)

    @property
    def last_response_id(self) -> str:
        """The id of the last message that the client of a ReattachExecute has; empty when it has none."""
        return self._text(_LAST_RESPONSE_ID) if self._method == "ReattachExecute" else ""

    @property
    def user_context(self) -> bytes:
        """The encoded UserContext that the client sent; empty when there is none."""
        return self._kept.get(USER_CONTEXT, b"")

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

    @property
    def asks_to_reattach(self) -> bool:
        """Whether the client says that it can come back for the rest of the answer."""
        if self._method == "ReattachExecute":
            return self.readable
        if self._method != "ExecutePlan" or not self.readable:
            return False
        options = _embedded(self._kept.get(_REQUEST_OPTIONS, b""), _REATTACH_OPTIONS)
        return any(_number(option, _REATTACHABLE) for option in options)

    def _text(self, field: int | None) -> str:
        return self._kept.get(field, b"").decode("utf-8", "replace") if field is not None else ""

    def feed(self, data: bytes, at: int, end: int) -> None:
        """Take ``data[at:end]``, the next piece of the message."""
        while at < end and self._well_formed:
            if self._left:
                step = min(self._left, end - at)
                self._left -= step
                if self._number:
                    self._kept[self._number] += data[at : at + step]
                at += step
            else:
                head = self._head + data[at : min(at + MAX_FIELD_HEAD, end)]
                used = self._begin(head)
                if used:
                    at += used - len(self._head)
                    self._head = b""
                else:
                    self._head = head
                    at = end
                    self._well_formed = self._well_formed and len(head) < MAX_FIELD_HEAD

    def _begin(self, head: bytes) -> int:
        """Start the field whose tag (and length) ``head`` begins with; returns their size, 0 when it is too short."""
        tag = read_varint(head, 0)
        if tag is None:
            return 0
        number, kind, at = tag[0] >> 3, tag[0] & 7, tag[1]
        self._number = 0
        if not 8 <= tag[0] <= _MAX_TAG:
            self._well_formed = False
            return 0
        if number == USER_CONTEXT and kind != 2:
            self._user_fits = False
        if kind in (1, 5):
            self._left = 8 if kind == 1 else 4
            return at
        value = read_varint(head, at) if kind in (0, 2) else None
        if value is None:
            self._well_formed = kind in (0, 2)
            return 0
        if kind == 2:
            self._left = value[0]
            self._keep(number, value[0])
        return value[1]

    def _keep(self, number: int, size: int) -> None:
        if number not in self._wanted:
            return
        # Of a string that occurs twice the last one counts; messages are merged, which joined bytes are too.
        before = self._kept.get(number, b"") if number in self._joined else b""
        if len(before) + size > (_MAX_USER_CONTEXT if number == USER_CONTEXT else _MAX_VALUE):
            self._names_fit = False
            if number == USER_CONTEXT:
                self._user_fits = False
            return
        self._kept[number] = before
        self._number = number
