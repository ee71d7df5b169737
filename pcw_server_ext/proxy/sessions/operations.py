"""Which queries nobody waits for any more.

Spark goes on computing after its client has left, and PySpark may come back for the rest of an answer
(ReattachExecute). So a query that nobody reads, and that its client has not released, is interrupted when ``grace``
seconds pass without anyone reattaching. When it was still running, and its session is not heard of for
``session_grace`` seconds more, the session is released.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pcw_server_ext.proxy.sessions.timed_map import TimedMap
from pcw_server_ext.proxy.upstream.connections import Upstream
from pcw_server_ext.proxy.upstream.endpoints import Endpoint

_MOST: Final = 1024


@dataclass(frozen=True)
class Session:
    """A client's session; ``user`` is Jupyter's, where the server sets it, ``id`` the client's."""

    endpoint: str
    user: str
    id: str


@dataclass(frozen=True)
class Operation:
    """One query; ``id`` is the client's."""

    session: Session
    id: str


@dataclass(frozen=True)
class Client:
    """Where a session's server is, and whom it takes the client for (the encoded field of the requests)."""

    endpoint: Endpoint
    upstream: Upstream
    user_context: bytes


@dataclass
class _Attached:
    answers: int = 0
    released: bool = False


class Operations:
    """Told what clients do, and what came of an interrupt, calls ``interrupt``, ``stop`` and ``release``.

    Times are in seconds; 0 never does it.

    Memory: an entry for each running answer, and at most 1024 queries and 1024 sessions that are waited for; when there
    are more, the oldest is due at once.
    """

    def __init__(
        self,
        grace: float,
        session_grace: float,
        *,
        interrupt: Callable[[Operation, Client], None],
        stop: Callable[[Operation, Client], None],
        release: Callable[[Session, Client], None],
    ) -> None:
        self._grace = grace
        self._session_grace = session_grace
        self._attached: dict[Operation, _Attached] = {}
        self._interrupt = interrupt
        self._stop = stop
        self._detached: TimedMap[Operation, Client] = TimedMap(grace, _MOST, self._due)
        self._silent: TimedMap[Session, Client] = TimedMap(session_grace, _MOST, release)
        self._fewer: asyncio.Event | None = None

    @property
    def waits_for_sessions(self) -> bool:
        """Whether ``heard`` must be told of every call."""
        return len(self._silent) > 0

    def attach(self, operation: Operation) -> None:
        """An answer of the query is being sent."""
        self._detached.remove(operation)
        self._attached.setdefault(operation, _Attached()).answers += 1

    def detach(self, operation: Operation, client: Client, *, over: bool) -> None:
        """An answer has ended; ``over``: and the query with it."""
        attached = self._attached[operation]
        attached.answers -= 1
        attached.released |= over
        if attached.answers:
            return
        del self._attached[operation]
        if not attached.released and self._grace > 0:
            self._detached.add(operation, client)
        else:
            self._tell_fewer()

    def released(self, operation: Operation) -> None:
        """The client wants no more of the query."""
        self._detached.remove(operation)
        self._tell_fewer()
        attached = self._attached.get(operation)
        if attached is not None:
            attached.released = True

    def stop(self, operation: Operation, client: Client) -> None:
        """The client may have no more of the query; unlike one that left, it keeps its session."""
        self.released(operation)
        self._stop(operation, client)

    def session_released(self, session: Session) -> None:
        """The client has ended its session, and its queries with it."""
        self._silent.remove(session)
        for operation in [*self._attached, *self._detached.keys()]:
            if operation.session == session:
                self.released(operation)

    def heard(self, session: Session) -> None:
        """The session's client is there."""
        self._silent.remove(session)

    def running(self, endpoint: str, user: str | None, *, but: Operation) -> int:
        """How many queries of a user (None: of anybody) run on an endpoint, besides one.

        Those whose answer is being sent, and those whose client may come back for the rest.
        """
        return sum(
            operation.session.endpoint == endpoint
            and (user is None or operation.session.user == user)
            and operation != but
            for operation in (*self._attached, *self._detached.keys())
        )

    async def fewer(self, seconds: float) -> None:
        """Return when a query has ended, or after ``seconds``."""
        if self._fewer is None:
            self._fewer = asyncio.Event()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._fewer.wait(), seconds)

    def _tell_fewer(self) -> None:
        if self._fewer is not None:
            self._fewer.set()
            self._fewer = None

    def _due(self, operation: Operation, client: Client) -> None:
        self._tell_fewer()
        self._interrupt(operation, client)

    def close(self) -> None:
        """Stop waiting: from now on nothing is interrupted or released."""
        self._detached.clear()
        self._silent.clear()

    def interrupted(self, operation: Operation, client: Client) -> None:
        """Spark says that the query was running until it was interrupted: its client left in the middle."""
        session = operation.session
        if self._session_grace > 0 and not any(other.session == session for other in self._attached):
            self._silent.add(session, client)
