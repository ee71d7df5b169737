"""The grpc-web endpoint and its list, as Tornado handlers.

Errors below gRPC are JSON, ``{"message", "reason"}``; once a gRPC status exists the HTTP status is 200.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import socket
from collections.abc import Awaitable, Callable, Sequence
from http.client import responses
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from jupyter_server.auth.decorator import allow_unauthenticated, authorized
from jupyter_server.base.call_context import CallContext
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from pyspark_connect_web.wire import ContentType, StatusCode, parse_content_type
from tornado import web
from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPHeaders
from tornado.iostream import IOStream, StreamClosedError

from .admission import Admission
from .cors import Standing
from .delegation import Delegation
from .exchange import ANSWERED, CallRequest, Exchange
from .keepalive import probe
from .observation import Observation
from .relay import BrokenOff, ClientGone
from .scoped_tokens import scoped_token

if TYPE_CHECKING:
    from .service import Proxy

AUTH_RESOURCE: Final = "pcw"
_DECIDED: Final = ("Access-Control-", "Cross-Origin-Resource-Policy", "Vary")
_LONGEST_LENGTH: Final = 20
_NO_TOKEN: Final = "A page of another origin must send a token; make one with: jupyter pcw token"


Method = TypeVar("Method", bound=Callable[..., Any])


def _may_execute(method: Method) -> Method:
    """``authorized("execute")``, which has no usable type of its own."""
    return cast("Method", authorized("execute")(method))


def declared_length(headers: HTTPHeaders) -> int:
    """Return the body's length in bytes that a request declares; 0 when it declares none.

    Raises:
        HTTPError: 400, it is no number (RFC 9110 section 8.6).
    """
    length = headers.get("Content-Length", "0")
    if not length.isdecimal() or len(length) > _LONGEST_LENGTH:
        raise web.HTTPError(400, "Content-Length must be one number.")
    return int(length)


class JsonErrors(JupyterHandler):
    """Writes errors as the boundary says, and never redirects to a login page."""

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """``{"message", "reason"}``; an unexpected exception says no more than its status."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        message = responses.get(status_code, "Error")
        reason = None
        if isinstance(error, web.HTTPError):
            message = error.log_message or message
            reason = error.reason
        self.set_header("Content-Type", "application/json; charset=UTF-8")
        self.finish(json.dumps({"message": message, "reason": reason}))

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """As Tornado does, but without the address's query, in which Jupyter takes tokens."""
        where = f"{self.request.method} {self.request.path} ({self.request.remote_ip})"
        if isinstance(value, web.HTTPError):
            if value.log_message:
                self.log.warning("%d %s: %s", value.status_code, where, value.log_message % value.args)
        else:
            self.log.error("Uncaught exception in %s", where, exc_info=(typ, value, tb))

    def get_login_url(self) -> str:
        """A program asks: tell it, do not show it a page."""
        raise web.HTTPError(403, "Log in to the Jupyter server, or send a valid token.")


@web.stream_request_body
class GrpcWebHandler(JsonErrors):
    """``POST {base_url}pcw/grpc/{endpoint}/{service}/{method}``."""

    auth_resource = AUTH_RESOURCE

    def initialize(self, proxy: Proxy) -> None:
        """Called by Tornado with the handler's arguments."""
        self._proxy = proxy
        self._exchange: Exchange | None = None
        self.delegation: Delegation | None = None
        self._observation: Observation | None = None
        self._status = int(StatusCode.CANCELLED)
        self._heard = 0.0
        self._patience: asyncio.TimerHandle | None = None
        self.reply_type = ContentType(False, "proto")

    def set_cors_headers(self) -> None:
        """By our allow-list, in place of Jupyter's, which lets every origin read what a token opens."""
        for name in ("Origin", "Credentials", "Methods", "Headers"):
            self.clear_header(f"Access-Control-Allow-{name}")
        for name, value in self._proxy.cors.response(self.request.headers):
            self.set_header(name, value)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """As JSON, which the page of an allowed origin can read."""
        self.set_cors_headers()
        if status_code == 401:
            self.set_header("WWW-Authenticate", 'Bearer error="invalid_token"')
        super().write_error(status_code, **kwargs)

    async def prepare(self) -> None:  # type: ignore[override]
        """Admit the request before a byte of its body is read or anything is dialled."""
        admissions = self._proxy.admissions
        known = admissions.recall(self.request)
        if known is not None:
            CallContext.set(CallContext.JUPYTER_HANDLER, self)
            self.current_user = known.user
            self.delegation = known.delegation
            for name, value in known.headers:
                self.set_header(name, value)
        else:
            await self._authenticate()
            if self.request.method != "POST" or self._finished:
                return
            admitted = self._admit()
            if admitted is not None:
                await admitted
            decided = [pair for pair in self._headers.get_all() if pair[0].startswith(_DECIDED)]
            admissions.remember(
                self.request,
                Admission(self.current_user, tuple(decided), self.delegation),
                until=self.delegation.expires if self.delegation is not None else None,
            )
        self._exchange = self._begin(*self.path_args)

    def check_origin(self, origin_to_satisfy_tornado: str = "") -> bool:
        """By our allow-list; what a page of an allowed origin may do is decided by its token."""
        return self._proxy.cors.standing(self.request.headers) is not Standing.FOREIGN

    async def _authenticate(self) -> None:
        """Find out who asks: by a token for this endpoint alone, or as Jupyter does."""
        headers = self.request.headers
        standing = self._proxy.cors.standing(headers)
        if self.request.method != "POST":
            await super().prepare(_redirect_to_login=False)
            return
        if standing is Standing.FOREIGN:
            raise web.HTTPError(
                403, "Pages of this origin may not call the endpoint (PcwExtension.allowed_origins)."
            )
        token = scoped_token(headers.get("Authorization", ""))
        if token is not None:
            self._authenticate_scoped(token)
            return
        needs_token = standing is Standing.ALLOWED and self.identity_provider.auth_enabled
        if needs_token and "Authorization" not in headers:
            raise web.HTTPError(403, _NO_TOKEN)
        await super().prepare(_redirect_to_login=False)
        if needs_token and not self.token_authenticated:
            raise web.HTTPError(403, _NO_TOKEN)

    def _authenticate_scoped(self, token: str) -> None:
        CallContext.set(CallContext.JUPYTER_HANDLER, self)
        self.current_user = self._jupyter_current_user = None
        if not self.check_host():
            raise web.HTTPError(403)
        self.set_cors_headers()
        delegation = self._proxy.delegations.find(token, self.identity_provider)
        if delegation is None:
            raise web.HTTPError(
                401, "The token has expired, was revoked or is unknown; make a new one: jupyter pcw token"
            )
        endpoint = self._proxy.endpoints.get(self.path_args[0])
        if endpoint is None or endpoint.name != delegation.endpoint:
            raise web.HTTPError(403, "The token is for another endpoint.")
        self.delegation = delegation
        self.current_user = self._jupyter_current_user = delegation.user
        self._token_authenticated = True

    @web.authenticated
    @_may_execute
    async def _admit(self) -> None:
        if self.delegation is None and not self.check_origin():
            raise web.HTTPError(403, "The request comes from another origin, which is not allowed here.")

    def _begin(self, name: str, service: str, method: str) -> Exchange:
        headers = self.request.headers
        content_type = parse_content_type(headers.get("Content-Type", ""))
        if content_type is None or content_type.codec != "proto":
            raise web.HTTPError(415, "Send application/grpc-web+proto or application/grpc-web-text+proto.")
        endpoint = self._proxy.endpoints.get(name)
        if endpoint is None:
            raise web.HTTPError(404, "There is no endpoint of that name: see pcw/api/endpoints.")
        limit = self._proxy.max_request_body
        if declared_length(headers) > limit:
            raise web.HTTPError(
                413, f"The request is larger than {limit} bytes (PcwExtension.max_request_body)."
            )
        self.request.connection.set_max_body_size(limit)  # type: ignore[union-attr]
        accepted = parse_content_type(headers.get("Accept", ""))
        self.reply_type = ContentType(accepted.text if accepted else content_type.text, content_type.codec)
        request = CallRequest(
            service=service,
            method=method,
            headers=tuple(headers.get_all()),
            content_type=content_type,
            reply_type=self.reply_type,
            timeout=headers.get("grpc-timeout"),
            encoding=headers.get("grpc-encoding"),
        )
        self._wait_for_body()
        exchange = self._proxy.exchange(endpoint, request, self)
        self._observation = self._proxy.observe(endpoint, request, self)
        return exchange

    def set_signed_cookie(self, *args: Any, **kwargs: Any) -> None:
        """No cookies: a call with a token is no login, and to sign one takes longer than to check the token."""

    set_secure_cookie = set_signed_cookie

    def _conclude(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
        if self._observation is not None and self._exchange is not None:
            self._observation.end(self._status, upstream_error=self._exchange.failed)

    def _log(self) -> None:
        """Tornado's hook for the line that it logs of a request, when its answer is out.

        Ours says more; Tornado's comes at debug level only, unless the request was refused.
        """
        self._conclude()
        if self.get_status() >= 400 or self.settings["serverapp"].log_level <= logging.DEBUG:
            super()._log()

    async def data_received(self, chunk: bytes) -> None:
        """A piece of the body; Tornado reads the next one when this returns."""
        if self._exchange is not None and self._observation is not None:
            self._observation.request += len(chunk)
            # while Spark does not take more, the browser may not send more
            self._heard = math.inf
            await self._exchange.feed(chunk)
            self._heard = asyncio.get_running_loop().time()

    def _wait_for_body(self) -> None:
        """Close the connection when its request stands still: it holds a stream of the upstream's."""
        loop = asyncio.get_running_loop()
        patience = self._proxy.request_idle_timeout
        if self._patience is None:
            self._heard = loop.time()
        left = self._heard + patience - loop.time()
        if left <= 0:
            self.log.warning("A request to the grpc-web endpoint stood still and is cut off.")
            self.request.connection.stream.close()  # type: ignore[union-attr]
        else:
            self._patience = loop.call_later(min(left, patience), self._wait_for_body)

    @web.authenticated
    @_may_execute
    async def post(self, name: str, service: str, method: str) -> None:
        """Relay the answer."""
        if self._exchange is None or self._observation is None or self._patience is None:
            raise web.HTTPError(500)
        self._patience.cancel()
        names = self._exchange.names
        if names is not None:
            self._observation.named(*names)
        stream = getattr(self.request.connection, "stream", None)
        if method in ANSWERED and isinstance(stream, IOStream) and stream.socket is not None:
            probe(stream.socket)
        try:
            self._status = await self._exchange.respond(_BrowserSink(self, self._observation))
            await self.finish()
        except (ClientGone, StreamClosedError):
            self._exchange.abandon()
        except BrokenOff as error:
            self._status = error.status
            # without the end of the chunked body the browser sees a failure, never a short result
            self.request.connection.close()  # type: ignore[union-attr]
        finally:
            self._proxy.ended(self._exchange)

    def on_finish(self) -> None:
        """The request is answered, perhaps before its body was read."""
        super().on_finish()
        if self._exchange is not None:
            self._proxy.ended(self._exchange)

    def on_connection_close(self) -> None:
        """The browser left."""
        super().on_connection_close()
        self._conclude()
        if self._exchange is not None:
            self._exchange.abandon()
            self._proxy.ended(self._exchange)

    @allow_unauthenticated
    def options(self, *path: str) -> None:
        """The preflight of a page; one of an origin that is not on the list is allowed nothing."""
        for name, value in self._proxy.cors.preflight(self.request.headers):
            self.add_header(name, value)
        self.set_status(204)


class _BrowserSink:
    """The relay's Sink over a Tornado handler.

    Tornado puts the chunks of a response together by three copies. Once the headers are out, pieces become a chunk
    (RFC 9112 section 7.1) here and go to the connection's socket by one gathering call, without any copy; only what
    the socket does not take is copied, and given to Tornado's stream. Tornado still ends the body.
    """

    def __init__(self, handler: GrpcWebHandler, observation: Observation) -> None:
        self._handler = handler
        self._observation = observation
        self._stream: IOStream | None = None
        self._gathers = False

    def write(self, data: bytes) -> None:
        self._observation.response += len(data)
        self._handler.write(data)

    def begin(self, metadata: list[tuple[str, str]]) -> None:
        handler = self._handler
        handler.set_header("Content-Type", handler.reply_type.header)
        # a reverse proxy that collects the answer would undo streaming and back-pressure
        handler.set_header("X-Accel-Buffering", "no")
        handler.set_header("Cache-Control", "no-store")
        for name, value in metadata:
            handler.add_header(name, value)

    def send(self, pieces: Sequence[bytes | memoryview], size: int) -> Awaitable[None] | None:
        stream = self._stream
        self._observation.response += size
        if stream is None:
            self._handler.write(b"".join(pieces))
            written = self._handler.flush()
            self._find_stream()
            return self._wait(written)
        chunk = (b"%x\r\n" % size, *pieces, b"\r\n")
        sent = self._gather(stream, chunk)
        if sent == len(chunk[0]) + size + 2:
            return None
        try:
            written = stream.write(memoryview(b"".join(chunk))[sent:])
        except StreamClosedError:
            raise ClientGone from None
        return self._wait(written) if stream.writing() else None

    def _gather(self, stream: IOStream, chunk: Sequence[bytes | memoryview]) -> int:
        """Write at once what the socket takes, when nothing waits before it; returns how many bytes that were."""
        if not self._gathers or stream.writing() or stream.socket is None:
            return 0
        try:
            return stream.socket.sendmsg(chunk)
        except OSError:
            # it is full, or broken, which the stream finds too
            return 0

    def _find_stream(self) -> None:
        request = self._handler.request
        if request.version == "HTTP/1.1" and isinstance(request.connection, HTTP1Connection):
            self._stream = request.connection.stream
            # not TLS, whose streams are of another class, and not Windows
            self._gathers = type(self._stream) is IOStream and hasattr(socket.socket, "sendmsg")

    async def _wait(self, written: Awaitable[None]) -> None:
        try:
            await written
        except StreamClosedError:
            raise ClientGone from None


class EndpointsHandler(APIHandler):
    """``GET {base_url}pcw/api/endpoints``, and ``.../{name}``, which looks whether Spark answers there."""

    auth_resource = AUTH_RESOURCE

    def initialize(self, proxy: Proxy) -> None:
        """Called by Tornado with the handler's arguments."""
        self._proxy = proxy

    @web.authenticated
    @authorized
    async def get(self, name: str | None = None) -> None:
        """Names, states and health, never addresses or secrets."""
        endpoints = self._proxy.endpoints
        if name is None:
            self.finish(json.dumps({"endpoints": endpoints.describe()}))
            return
        endpoint = endpoints.get(name)
        if endpoint is None:
            raise web.HTTPError(404, "There is no endpoint of that name: see pcw/api/endpoints.")
        health = await endpoint.check()
        described = endpoints.describe_one(endpoint)
        self.finish(json.dumps({**described, "healthy": health.ok, "message": health.message}))
