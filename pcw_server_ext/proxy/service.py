"""What the handlers share: the endpoints, the limits and what is running."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Final

from pyspark_connect_web.wire import StatusCode

from pcw_server_ext.errors import UpstreamError
from pcw_server_ext.proxy.access.admission import AdmissionCache
from pcw_server_ext.proxy.access.caller import Caller
from pcw_server_ext.proxy.access.delegation import Delegations
from pcw_server_ext.proxy.access.identity import user_context
from pcw_server_ext.proxy.call.exchange import CallRequest, Exchange
from pcw_server_ext.proxy.call.methods import SPARK_CONNECT
from pcw_server_ext.proxy.http.cors import Cors
from pcw_server_ext.proxy.observability.call_log import CallLog
from pcw_server_ext.proxy.observability.events import SparkEvents
from pcw_server_ext.proxy.observability.observation import Observation
from pcw_server_ext.proxy.sessions.cleanup import SessionCleanup
from pcw_server_ext.proxy.sessions.held_calls import HeldCalls
from pcw_server_ext.proxy.sessions.operations import Client, Operation, Operations, Session
from pcw_server_ext.proxy.sessions.pending_errors import PendingErrors
from pcw_server_ext.proxy.sessions.quotas import QuotaLimits, Quotas
from pcw_server_ext.proxy.upstream.endpoints import Endpoint, Endpoints
from pcw_server_ext.web.activity import Activity

# How long answers may take to end at a message's end when the server stops.
_DRAIN: Final = 3.0
# Seconds that a silent query's stream is held for its client where queries of clients that left are not interrupted.
_HOLD: Final = 60.0


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
    lifecycle: SparkEvents
    request_idle_timeout: float
    request_minimum_rate: int
    """Bytes a second; 0: none."""
    scoped_tokens_local_engine: bool
    max_request_body: int
    max_request_message: int
    admissions: AdmissionCache
    set_user: bool
    grace_period: float
    session_grace_period: float
    silence_limit: float
    quota_limits: QuotaLimits
    activity: Activity
    """Told of each call."""

    def __post_init__(self) -> None:
        self._cleanup = SessionCleanup(self.log, lambda *left: self._operations.interrupted(*left))
        self._operations = Operations(
            self.grace_period,
            self.session_grace_period,
            interrupt=self._interrupt,
            stop=self._stop,
            release=self._release,
        )
        limits = self.quota_limits
        self._quotas = Quotas(limits, self._operations, by_user=self.set_user) if limits.any else None
        self._pending_errors = PendingErrors()
        self._held_calls = HeldCalls(self.grace_period or _HOLD)
        self._running: set[Exchange] = set()
        self._idle = asyncio.Event()
        self._closing: UpstreamError | None = None

    def exchange(self, endpoint: Endpoint, request: CallRequest, caller: Caller) -> Exchange:
        """A new call of the caller; tell ``ended`` when its answer is out."""
        exchange = Exchange(
            endpoint,
            request,
            self.log,
            max_message=self.max_request_message,
            operations=self._operations,
            pending_errors=self._pending_errors,
            held_calls=self._held_calls,
            quotas=self._quotas,
            silence_limit=self.silence_limit,
            user=caller.user.username if self._sets_user(endpoint, caller) else "",
            suffix=self._user(endpoint, request, caller),
        )
        self._running.add(exchange)
        self.activity.began()
        if self._closing is not None:
            exchange.drain(self._closing)
        return exchange

    def ended(self, exchange: Exchange) -> None:
        """The call is over; safe to call twice."""
        if exchange in self._running:
            self._running.remove(exchange)
            self.activity.ended()
        if not self._running:
            self._idle.set()

    async def close(self, reason: str) -> None:
        """End calls with UNAVAILABLE and trailers, behind the message that is being sent; then the endpoints."""
        self._closing = UpstreamError(StatusCode.UNAVAILABLE, reason)
        self._operations.close()
        self._held_calls.close()
        self._cleanup.close()
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

    def takes_scoped_tokens(self, endpoint: Endpoint) -> bool:
        """Whether a token for one endpoint may open this one."""
        return self.scoped_tokens_local_engine or not endpoint.local

    def observe(self, endpoint: Endpoint, request: CallRequest, caller: Caller) -> Observation:
        """Count the call, and log it when it ends."""
        return Observation(
            self.call_log,
            endpoint.name,
            request.service,
            request.method,
            caller.user.username,
            caller.token_id,
            self.lifecycle,
        )

    def _user(self, endpoint: Endpoint, request: CallRequest, caller: Caller) -> bytes:
        if request.service != SPARK_CONNECT:
            return b""
        if self._sets_user(endpoint, caller):
            user = caller.user
            return user_context(user.username, user.name or user.username)
        # as in Spark's own clients, the connection string may name the user
        return user_context(endpoint.user_id, endpoint.user_id) if endpoint.user_id else b""

    def _sets_user(self, endpoint: Endpoint, caller: Caller) -> bool:
        if self.set_user:
            return True
        return caller.delegation is not None and self.set_delegating_user and not endpoint.user_id

    def _interrupt(self, operation: Operation, client: Client) -> None:
        session = operation.session
        self.lifecycle.interrupted((session.endpoint, session.user, session.id), operation.id)
        self._cleanup.interrupt(operation, client)

    def _stop(self, operation: Operation, client: Client) -> None:
        session = operation.session
        self.lifecycle.interrupted((session.endpoint, session.user, session.id), operation.id)
        self._cleanup.stop(operation, client)

    def _release(self, session: Session, client: Client) -> None:
        self.lifecycle.released((session.endpoint, session.user, session.id), "server")
        self._cleanup.release(session, client)
        if self._quotas is not None:
            self._quotas.session_released(session)
