"""What makes a response well formed (RFC 9113 sections 8.1 to 8.3); else the stream is reset."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from pcw_server_ext.proxy.upstream.http2.header_block import Header

_CONNECTION_FIELDS: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
)
_SHORT: Final = 64
_BREAK: Final = re.compile(rb"[\0\r\n]").search


def _check(name: bytes, value: bytes) -> None:
    if not name or name.startswith(b":") or name != name.lower():
        raise ValueError("a field name is not allowed here")
    if name in _CONNECTION_FIELDS:
        raise ValueError("a connection-specific field")
    if _BREAK(value):
        raise ValueError("a field value holds a line break")


# the fields of most answers are alike
_check_short = lru_cache(maxsize=256)(_check)


def _regular(fields: Sequence[Header]) -> None:
    for name, value in fields:
        if len(value) < _SHORT:
            _check_short(name, value)
        else:
            _check(name, value)


def response_head(fields: Sequence[Header], end: bool) -> bool:
    """True for the final head, False for an interim (1xx) one. Raises ValueError when malformed."""
    if not fields or fields[0][0] != b":status":
        raise ValueError("no :status")
    _regular(fields[1:])
    status = fields[0][1]
    if len(status) != 3 or not status.isdigit():
        raise ValueError(":status is not a number of three digits")
    if status[:1] != b"1":
        return True
    if end or status == b"101":
        raise ValueError("an interim response ends the stream")
    return False


def response_trailers(fields: list[Header], end: bool) -> list[Header]:
    """The trailers, checked. Raises ValueError when malformed."""
    if not end:
        raise ValueError("a second header section that does not end the stream")
    _regular(fields)
    return fields
