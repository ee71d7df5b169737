"""What the handlers share: the endpoints, the limits and what is running."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pyspark_connect_web.wire import StatusCode

from ..errors import UpstreamError
from .absent import AbsentClients
from .admission import Admissions
from .call_log import CallLog
from .cors import Cors
from .delegation import Delegations
from .endpoints import SPARK_CONNECT, Endpoint, Endpoints
from .exchange import CallRequest, Exchange
from .identity import user_context
from .lifecycle import Lifecycle
from .observation import Observation
from .operations import Client, Operation, Operations, Session
from .undelivered import Undelivered

if TYPE_CHECKING:
    from .handlers import GrpcWebHandler

# How long answers may take to end at a message's end when the server stops.
_DRAIN: Final = 3.0


@dataclass
class Proxy:
    """Limits are in bytes, grace periods in seconds; ``set_user`` puts Jupyter's user into every request."""

    endpoints: Endpoints
    cors: Cors
    delegations: Delegations
    set_delegating_user: bool
    """Puts who made a token for one endpoint into the requests that come with it."""
    log: logging.Logger
    call_log: CallLog | None
    """Where each call gets a line."""
    lifecycle: Lifecycle
    request_idle_timeout: float
    max_request_body: int
    max_request_message: int
    admissions: Admissions
    set_user: bool
    grace_period: float
    session_grace_period: float

    def __post_init__(self) -> None:
        self._absent = AbsentClients(self.log, lambda *left: self._operations.interrupted(*left))
        self._operations = Operations(
            self.grace_period,
            self.session_grace_period,
            interrupt=self._interrupt,
            release=self._release,
        )
        self._undelivered = Undelivered()
        self._running: set[Exchange] = set()
        self._idle = asyncio.Event()
        self._closing: UpstreamError | None = None

    def exchange(self, endpoint: Endpoint, request: CallRequest, handler: GrpcWebHandler) -> Exchange:
        """A new call for the handler's authenticated user; tell ``ended`` when its answer is out."""
        exchange = Exchange(
            endpoint,
            request,
            self.log,
            max_message=self.max_request_message,
            operations=self._operations,
            undelivered=self._undelivered,
            user=handler.current_user.username if self._sets_user(endpoint, handler) else "",
            suffix=self._user(endpoint, request, handler),
        )
        self._running.add(exchange)
        if self._closing is not None:
            exchange.drain(self._closing)
        return exchange

    def ended(self, exchange: Exchange) -> None:
        """The call is over; safe to call twice."""
        self._running.discard(exchange)
        if not self._running:
            self._idle.set()

    async def close(self, reason: str) -> None:
        """End calls with UNAVAILABLE and trailers, behind the message that is being sent; then the endpoints."""
        self._closing = UpstreamError(int(StatusCode.UNAVAILABLE), reason)
        self._operations.close()
        self._absent.close()
        for exchange in list(self._running):
            exchange.drain(self._closing)
        self._idle.clear()
        if self._running:
            try:
                await asyncio.wait_for(self._idle.wait(), _DRAIN)
            except asyncio.TimeoutError:
                self.log.warning("%d calls did not end in time and are cut off.", len(self._running))
        await self.endpoints.close(reason)
        if self.call_log is not None:
            self.call_log.close()

    def observe(self, endpoint: Endpoint, request: CallRequest, handler: GrpcWebHandler) -> Observation:
        """Count the handler's call, and log it when it ends."""
        return Observation(
            self.call_log,
            endpoint.name,
            request.service,
            request.method,
            handler.current_user.username,
            handler.delegation.token_id if handler.delegation is not None else None,
            self.lifecycle,
        )

    def _user(self, endpoint: Endpoint, request: CallRequest, handler: GrpcWebHandler) -> bytes:
        if request.service != SPARK_CONNECT:
            return b""
        if self._sets_user(endpoint, handler):
            user = handler.current_user
            return user_context(user.username, user.name or user.username)
        # as in Spark's own clients, the connection string may name the user
        return user_context(endpoint.user_id, endpoint.user_id) if endpoint.user_id else b""

    def _sets_user(self, endpoint: Endpoint, handler: GrpcWebHandler) -> bool:
        if self.set_user:
            return True
        return handler.delegation is not None and self.set_delegating_user and not endpoint.user_id

    def _interrupt(self, operation: Operation, client: Client) -> None:
        session = operation.session
        self.lifecycle.interrupted((session.endpoint, session.user, session.id), operation.id)
        self._absent.interrupt(operation, client)

    def _release(self, session: Session, client: Client) -> None:
        self.lifecycle.released((session.endpoint, session.user, session.id), "server")
        self._absent.release(session, client)
