"""Remembers for a moment who was admitted, so that a burst of calls does not pay for authentication each time.

To check host, token or cookie, origin and XSRF value takes Jupyter longer than everything else about a short call.
A request whose URI and headers are, octet for octet, those of one that was admitted on the same TCP connection
moments ago would be admitted again, for the decision depends on nothing else, unless a token was revoked or a user
logged out since. So that takes effect after ``seconds`` at the latest; 0 remembers nothing. What was refused is not
remembered, and a credential is kept no longer than its connection.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakKeyDictionary

from tornado.httputil import HTTPServerRequest

from pcw_server_ext.proxy.access.delegation import Delegation

# URIs and credentials on one connection: a browser's own has a handful, a reverse proxy's has many.
_PER_CONNECTION: Final = 64

Fingerprint = tuple[object, ...]


@dataclass(frozen=True)
class Admission:
    """The user, the response headers that the decision came with (CORS), and the scoped token that was used."""

    user: Any
    headers: tuple[tuple[str, str], ...]
    delegation: Delegation | None = None


class AdmissionCache:
    """What ``remember`` was told, for ``seconds``; ``clock`` counts seconds, ``now`` tells seconds since 1970."""

    def __init__(
        self,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._now = now
        self._connections: WeakKeyDictionary[object, dict[Fingerprint, tuple[float, Admission]]]
        self._connections = WeakKeyDictionary()

    @staticmethod
    def _fingerprint(request: HTTPServerRequest) -> Fingerprint:
        headers = request.headers.get_all()
        return (
            request.method,
            request.uri,
            request.protocol,
            request.remote_ip,
            *(pair for pair in headers if pair[0] not in ("Content-Length", "Grpc-Timeout")),
        )

    @staticmethod
    def _connection(request: HTTPServerRequest) -> object | None:
        # of Tornado's own server; the stream lives as long as the TCP connection
        return getattr(request.connection, "stream", None)

    def recall(self, request: HTTPServerRequest) -> Admission | None:
        """The decision about an equal request; None when it must be made."""
        known = self._connections.get(self._connection(request)) if self._seconds > 0 else None
        if not known:
            return None
        fingerprint = self._fingerprint(request)
        found = known.get(fingerprint)
        if found is None:
            return None
        if found[0] <= self._clock():
            del known[fingerprint]
            return None
        return found[1]

    def forget(self) -> None:
        """Decide anew about every request: a token was revoked."""
        self._connections.clear()

    def remember(
        self, request: HTTPServerRequest, admission: Admission, *, until: float | None = None
    ) -> None:
        """Keep a decision that admitted ``request``, no longer than ``until`` (seconds since 1970)."""
        connection = self._connection(request)
        seconds = self._seconds if until is None else min(self._seconds, until - self._now())
        if seconds <= 0 or connection is None:
            return
        known = self._connections.setdefault(connection, {})
        if len(known) >= _PER_CONNECTION:
            known.clear()
        known[self._fingerprint(request)] = (self._clock() + seconds, admission)
