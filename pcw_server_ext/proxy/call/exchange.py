"""One call from its first request byte to its trailers, between a Sink and an endpoint."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from pyspark_connect_web.wire import LONGEST_SILENCE, ContentType, ProtocolError, StatusCode, parse_timeout

from pcw_server_ext.errors import QuotaExceeded, UpstreamError
from pcw_server_ext.proxy.access.identity import sent_user_context
from pcw_server_ext.proxy.call.metadata import call_headers, request_metadata
from pcw_server_ext.proxy.call.methods import ENDING, QUERIES, SPARK_CONNECT
from pcw_server_ext.proxy.call.relay import (
    SILENT,
    BrokenOff,
    ClientGone,
    Response,
    Sink,
    status_trailers,
    trailers_frame,
)
from pcw_server_ext.proxy.call.request_body import RequestBody
from pcw_server_ext.proxy.call.request_fields import RequestFields
from pcw_server_ext.proxy.sessions.held_calls import Asker, HeldCall, HeldCalls, position
from pcw_server_ext.proxy.sessions.operations import Client, Operation, Operations, Session
from pcw_server_ext.proxy.sessions.pending_errors import PendingErrors
from pcw_server_ext.proxy.sessions.quotas import Quotas, ResultQuota
from pcw_server_ext.proxy.upstream.connections import Call, Header, Upstream
from pcw_server_ext.proxy.upstream.endpoints import Endpoint

# Messages pass through as they are; these are the encodings that every gRPC server reads.
_ENCODINGS = ("identity", "gzip", "deflate")
# Lets PySpark's client begin its session anew (docs/architecture.md).
SESSION_LOST = ("x-pcw-session", "lost")
# Codes of failures on the way to Spark; faults of the request itself have others.
_TRANSPORT_CODES = (StatusCode.UNAVAILABLE, StatusCode.UNAUTHENTICATED)
_DEADLINE = "The call's deadline has passed."

Result = TypeVar("Result")


@dataclass(frozen=True)
class CallRequest:
    """What the browser asked for, without the body. ``timeout`` is the grpc-timeout header as sent."""

    service: str
    method: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    content_type: ContentType
    reply_type: ContentType
    timeout: str | None
    encoding: str | None


class Exchange:
    """Feed the request's body, then ``respond``, which always ends with trailers, after any failure too."""

    def __init__(
        self,
        endpoint: Endpoint,
        request: CallRequest,
        log: logging.Logger,
        *,
        max_message: int,
        operations: Operations,
        pending_errors: PendingErrors,
        held_calls: HeldCalls,
        quotas: Quotas | None = None,
        silence_limit: float = 0,
        user: str = "",
        suffix: bytes = b"",
    ) -> None:
        self._endpoint = endpoint
        self._request = request
        self._log = log
        self._operations = operations
        self._pending_errors = pending_errors
        self._held_calls = held_calls
        self._quotas = quotas if request.service == SPARK_CONNECT else None
        self._admitted = False
        self._refused = False
        self._silence_limit = silence_limit
        self._user = user
        self._suffix = suffix
        wanted = request.method in QUERIES | ENDING or operations.waits_for_sessions
        wanted = wanted or (quotas is not None and quotas.reads_every_request)
        named = request.service == SPARK_CONNECT and wanted
        self._fields = RequestFields(request.method) if named else None
        self._attached: Operation | None = None
        self._over = False
        self._response: Response | None = None
        self._loop = asyncio.get_running_loop()
        self._failure: UpstreamError | None = None
        self._call: Call | None = None
        self._upstream: Upstream | None = None
        self._gone = False
        self.failed = False
        """Whether the way to Spark failed, or what came was no gRPC; a status of Spark's own is no failure."""
        self._held = b""
        self._step: asyncio.Task[Any] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline: float | None = None
        streams = endpoint.client_streams(request.service, request.method)
        self._body = RequestBody(
            text=request.content_type.text,
            compressed=(request.encoding or "identity") != "identity",
            streaming=bool(streams),
            max_message=max_message,
            suffix=suffix,
            fields=self._fields,
        )
        self._metadata: list[Header] = []
        try:
            self._check_request(streams)
        except UpstreamError as error:
            self._failure = error

    def _check_request(self, streams: bool | None) -> None:
        """Refuse before anything is dialled what cannot be passed on. Raises UpstreamError."""
        request = self._request
        encoding = request.encoding or "identity"
        if streams is None:
            raise UpstreamError(
                StatusCode.UNIMPLEMENTED,
                f"The endpoint does not serve the method {request.service}/{request.method}.",
            )
        if encoding not in _ENCODINGS:
            raise UpstreamError(
                StatusCode.UNIMPLEMENTED,
                f"The grpc-encoding {encoding[:32]!r} is not known; use {', '.join(_ENCODINGS)}.",
            )
        self._metadata = request_metadata(request.headers, self._endpoint.metadata)
        if self._quotas is not None and self._quotas.reads_answers:
            # rows of compressed messages could not be counted
            self._metadata = [field for field in self._metadata if field[0] != b"grpc-accept-encoding"]
        if request.timeout is not None:
            self._start_clock(request.timeout)

    def _start_clock(self, value: str) -> None:
        try:
            seconds = parse_timeout(value)
        except ProtocolError as error:
            raise UpstreamError(StatusCode.INTERNAL, str(error)) from None
        self._deadline = self._loop.time() + seconds
        # a timer of many years overflows select(); nobody waits for it anyway
        if seconds < 10_000_000:
            self._timer = self._loop.call_later(seconds, self._expire)

    def _expire(self) -> None:
        self._fail(UpstreamError(StatusCode.DEADLINE_EXCEEDED, _DEADLINE))

    def _fail(self, error: UpstreamError) -> None:
        if self._failure is None:
            self._failure = error
        if self._call is not None:
            self._call.fail(error)
        if self._step is not None:
            self._step.cancel()

    # -- the request

    async def feed(self, data: bytes) -> None:
        """Pass a piece of the body on; waits while the upstream cannot take more."""
        if self._failure is not None:
            return
        try:
            # The newest piece is held back: most requests are one piece, and then headers, message and end of
            # the stream leave in one write.
            held, self._held = self._held, self._body.feed(data)
            if self._quotas is not None and self._body.first_is_whole:
                self._admit_session(self._quotas)
            if held:
                await (await self._opened()).send(held)
        except UpstreamError as error:
            self._fail(error)

    async def _end_request(self) -> Call:
        self._check()
        self._body.finish()
        operation = self._operation()
        missed = self._pending_errors.take(operation) if operation is not None else None
        if missed is not None:
            raise missed
        self._tell()
        goes_on = operation is not None and self._take_up(operation)
        call = await self._opened()
        if self._quotas is not None:
            operation = await self._admit_query(self._quotas, operation)
        if operation is not None and operation.id:
            self._operations.attach(operation)
            self._attached = operation
        held, self._held = self._held, b""
        if not goes_on:
            await call.send(held, end=True)
        return call

    def _take_up(self, operation: Operation) -> bool:
        """Whether the answer goes on where it was silent, by the call that was held: Spark is not asked."""
        if self._fields is None or self._request.method != "ReattachExecute":
            return False
        if self._call is not None:
            self._held_calls.drop(operation)
            return False
        held = self._held_calls.take(operation, self._asker(), self._fields.last_response_id)
        if held is None:
            return False
        self._call, self._upstream = held.call, held.upstream
        return True

    def _asker(self) -> Asker:
        context = self._fields.user_context if self._fields is not None else b""
        return Asker(context, tuple(self._metadata))

    def _hold(self) -> None:
        """Keep the call of an answer that was silent."""
        operation, call, response = self._attached, self._call, self._response
        if (
            operation is None
            or call is None
            or self._upstream is None
            or response is None
            or response.tail is None
        ):
            return
        self._held_calls.hold(operation, HeldCall(call, self._upstream, self._asker(), response.tail))
        self._call = None

    def _admit_session(self, quotas: Quotas) -> None:
        """Before the first message goes on, with which Spark makes the session. Raises UpstreamError."""
        if self._admitted or self._fields is None:
            return
        self._admitted = True
        named = self._named()
        # what is compressed is not read, and has no session
        if named is None or not named.session.id:
            if self._request.method in QUERIES or quotas.reads_every_request:
                raise quotas.unreadable()
            return
        quotas.heard(named.session, self._request.method, self._fields.new_session_id)

    async def _admit_query(self, quotas: Quotas, operation: Operation | None) -> Operation | None:
        """The operation by which the query is counted. Raises UpstreamError."""
        if operation is None:
            return None
        if not operation.id:
            if self._fields is None or self._fields.reattachable:
                raise quotas.unreadable()
            # it ends with its answer, and nobody can name it
            operation = replace(operation, id=f"unnamed {uuid.uuid4()}")
            self._over = True
        if self._request.method == "ExecutePlan":
            await self._interruptible(quotas.wait_for_query(operation))
        return operation

    def _operation(self) -> Operation | None:
        """The query whose answer this call asks for, if it asks for one."""
        return self._named() if self._request.method in QUERIES else None

    def _named(self) -> Operation | None:
        fields = self._fields
        if fields is None or not fields.readable:
            return None
        return Operation(Session(self._endpoint.name, self._user, fields.session_id), fields.operation_id)

    def _tell(self) -> None:
        """Tell what the request means for the session's queries."""
        operation = self._named()
        if operation is None or self._fields is None:
            return
        self._operations.heard(operation.session)
        if self._fields.releases_all:
            self._operations.released(operation)
            self._held_calls.drop(operation)
            if self._quotas is not None:
                self._quotas.query_released(operation)
        elif self._request.method == "ReleaseSession":
            self._operations.session_released(operation.session)
            self._held_calls.drop_session(operation.session)

    def _detach(self) -> None:
        operation, self._attached = self._attached, None
        if operation is None or self._upstream is None or self._fields is None:
            return
        user = sent_user_context(self._fields.user_context) + self._suffix
        client = Client(self._endpoint, self._upstream, user)
        self._operations.detach(operation, client, over=self._over)
        if self._refused and self._fields.operation_id:
            self._operations.stop(operation, client)

    @property
    def names(self) -> tuple[str, str] | None:
        """The client's ids of session and query, once the request has come whole; None when it is not looked at."""
        fields = self._fields
        return (fields.session_id, fields.operation_id) if fields is not None and fields.readable else None

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    async def _opened(self) -> Call:
        if self._call is None:
            self._call = self._open_now()
        if self._call is None:
            self._call = await self._interruptible(self._open())
        return self._call

    async def _interruptible(self, step: Coroutine[Any, Any, Result]) -> Result:
        """Wait for a step, which a failure of the call ends."""
        task: asyncio.Task[Result] = asyncio.ensure_future(step)
        self._step = task
        try:
            return await task
        except asyncio.CancelledError:
            self._check()
            raise
        finally:
            self._step = None

    def _open_now(self) -> Call | None:
        ready = self._endpoint.ready()
        if ready is None:
            return None
        self._upstream, own = ready
        return self._upstream.open_now(self._headers(self._upstream, own))

    async def _open(self) -> Call:
        self._upstream, own = await self._endpoint.connect()
        try:
            return await self._upstream.open(self._headers(self._upstream, own))
        except UpstreamError as error:
            if await self._endpoint.explain(self._upstream, error) is error:
                raise
        # The engine had ended before this call, which it cannot have hit.
        self._upstream, own = await self._endpoint.connect()
        return await self._upstream.open(self._headers(self._upstream, own))

    def _headers(self, upstream: Upstream, own: Iterable[Header]) -> list[Header]:
        request = self._request
        own = list(own)
        # what the configuration sets wins over the browser's
        names = {name for name, _ in own}
        headers = call_headers(
            upstream.address.authority,
            f"{request.service}/{request.method}",
            tls=upstream.address.tls is not None,
            codec=request.content_type.codec,
        )
        if request.timeout is not None:
            headers.append((b"grpc-timeout", request.timeout.encode("ascii")))
        headers += (field for field in self._metadata if field[0] not in names)
        headers += own
        return headers

    # -- the answer

    def _promise(self) -> list[tuple[str, str]]:
        """The header of how long answers to queries of this endpoint may be silent: see `Response.end_when_silent`."""
        if not self._silence_limit or self._request.service != SPARK_CONNECT:
            return []
        return [(LONGEST_SILENCE, f"{1.5 * self._silence_limit:g}")]

    async def respond(self, sink: Sink) -> int:
        """Relay the answer to its end; returns the gRPC status number. Raises ClientGone, BrokenOff."""
        failure: UpstreamError | None = None
        text = self._request.reply_type.text
        try:
            call = await self._end_request()
            self._response = Response(call, sink, text=text, quota=self._result_quota(), head=self._promise())
            if self._fields is not None and self._fields.asks_to_reattach:
                self._response.end_when_silent(self._silence_limit, position(self._fields.last_response_id))
            pairs = await self._response.run()
            self._over = self._fields is not None and not self._fields.reattachable
        except QuotaExceeded as error:
            failure = error
            pairs = status_trailers(failure.code, failure.message)
            self._over = self._refused = True
        except UpstreamError as error:
            if error is SILENT:
                self._hold()
            failure = await self._explain(error)
            pairs = status_trailers(failure.code, failure.message)
            if failure.session_lost:
                pairs.append(SESSION_LOST)
        finally:
            self.close()
        response = self._response
        if self._gone:
            raise ClientGone
        if response is None or not response.begun:
            sink.begin(self._promise())
        elif not response.between_messages:
            status = int(dict(pairs)["grpc-status"])
            self._log.warning(
                "Spark's answer broke off inside a message (status %d): the call is cut off.", status
            )
            operation = self._operation()
            # after anything else the client may ask for the rest
            if failure is not None and failure.session_lost and operation is not None:
                self._pending_errors.keep(operation, failure)
            raise BrokenOff(status)
        sink.write(trailers_frame(pairs, text=text))
        return int(dict(pairs)["grpc-status"])

    def _result_quota(self) -> ResultQuota | None:
        if self._quotas is None or self._attached is None:
            return None
        return self._quotas.result(self._attached)

    async def _explain(self, error: UpstreamError) -> UpstreamError:
        if error is SILENT:
            return error
        self.failed = error is not self._failure or error.code in _TRANSPORT_CODES
        if error is self._failure or self._upstream is None or self._gone:
            return error
        return await self._endpoint.explain(self._upstream, error)

    def abandon(self) -> None:
        """The browser has left: stop the upstream call at once."""
        self._gone = True
        self._fail(UpstreamError(StatusCode.CANCELLED, "The browser closed the connection."))
        self.close()

    def drain(self, error: UpstreamError) -> None:
        """End with ``error`` as soon as trailers may follow what was sent."""
        if self._response is None:
            self._fail(error)
        else:
            self._failure = self._failure or error
            self._response.finish_message(error)

    def close(self) -> None:
        """Stop the clock and give the stream back; cancels it when it still runs."""
        self._detach()
        if self._timer is not None:
            self._timer.cancel()
        if self._call is not None:
            self._call.cancel()
