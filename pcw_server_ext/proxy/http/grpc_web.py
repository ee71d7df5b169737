"""The grpc-web endpoint as a Tornado handler.

Errors below gRPC are JSON, ``{"message", "reason"}``; once a gRPC status exists the HTTP status is 200.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.call_context import CallContext
from pyspark_connect_web.wire import ContentType, StatusCode, parse_content_type
from tornado import web
from tornado.iostream import IOStream, StreamClosedError

from pcw_server_ext.proxy.access.admission import Admission
from pcw_server_ext.proxy.access.caller import Caller
from pcw_server_ext.proxy.access.delegation import Delegation
from pcw_server_ext.proxy.access.scoped_tokens import scoped_token
from pcw_server_ext.proxy.call.exchange import CallRequest, Exchange
from pcw_server_ext.proxy.call.methods import QUERIES, is_method_name, is_service_name
from pcw_server_ext.proxy.call.relay import BrokenOff, ClientGone
from pcw_server_ext.proxy.http.cors import RequestOrigin
from pcw_server_ext.proxy.http.keepalive import probe
from pcw_server_ext.proxy.http.sink import BrowserSink
from pcw_server_ext.proxy.http.tokens_api import LOCAL_ENGINE
from pcw_server_ext.proxy.observability.observation import Observation
from pcw_server_ext.proxy.service import Proxy
from pcw_server_ext.web.body_watch import BodyWatch, Pace
from pcw_server_ext.web.handlers import AUTH_RESOURCE, JsonErrors, declared_length, may

_NO_TOKEN: Final = "A page of another origin must send a token; make one with: jupyter pcw token"


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
        self._watch: BodyWatch | None = None
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
            if self.request.method != "POST":
                return
            admitted = self._admit()
            if admitted is not None:
                await admitted
            admissions.remember(
                self.request,
                Admission(
                    self.current_user, tuple(self._proxy.cors.response(self.request.headers)), self.delegation
                ),
                until=self.delegation.expires if self.delegation is not None else None,
            )
        self._exchange = self._begin(*self.path_args)

    def check_origin(self, origin_to_satisfy_tornado: str = "") -> bool:
        """By our allow-list; what a page of an allowed origin may do is decided by its token."""
        return self._proxy.cors.origin_of(self.request.headers) is not RequestOrigin.FOREIGN

    async def _authenticate(self) -> None:
        """Find out who asks: by a token for this endpoint alone, or as Jupyter does."""
        headers = self.request.headers
        origin = self._proxy.cors.origin_of(headers)
        if self.request.method != "POST":
            await super().prepare(_redirect_to_login=False)
            return
        if origin is RequestOrigin.FOREIGN:
            raise web.HTTPError(
                403, "Pages of this origin may not call the endpoint (PcwExtension.allowed_origins)."
            )
        token = scoped_token(headers.get("Authorization", ""))
        if token is not None:
            self._authenticate_scoped(token)
            return
        needs_token = origin is RequestOrigin.ALLOWED and self.identity_provider.auth_enabled
        if needs_token and "Authorization" not in headers:
            raise web.HTTPError(403, _NO_TOKEN)
        await super().prepare(_redirect_to_login=False)
        if needs_token and not self.token_authenticated:
            raise web.HTTPError(403, _NO_TOKEN)

    def _authenticate_scoped(self, token: str) -> None:
        CallContext.set(CallContext.JUPYTER_HANDLER, self)
        self.current_user = None
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
        if not self._proxy.takes_scoped_tokens(endpoint):
            raise web.HTTPError(403, LOCAL_ENGINE)
        self.delegation = delegation
        self.current_user = delegation.user

    @property
    def token_authenticated(self) -> bool:
        """Also by a token for this endpoint alone."""
        return self.delegation is not None or super().token_authenticated

    @web.authenticated
    @may("execute")
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
        if not is_service_name(service) or not is_method_name(method):
            raise web.HTTPError(
                404, "There is no such method: names of services and methods are letters, digits, _ and dots."
            )
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
        caller = Caller(self.current_user, self.delegation)
        exchange = self._proxy.exchange(endpoint, request, caller)
        self._observation = self._proxy.observe(endpoint, request, caller)
        proxy = self._proxy
        self._watch = BodyWatch(Pace(proxy.request_idle_timeout, proxy.request_minimum_rate), self._cut)
        return exchange

    def set_signed_cookie(self, *args: Any, **kwargs: Any) -> None:
        """No cookies: a call with a token is no login, and to sign one takes longer than to check the token."""

    set_secure_cookie = set_signed_cookie

    def _end_observation(self) -> None:
        if self._watch is not None:
            self._watch.stop()
        if self._observation is not None and self._exchange is not None:
            self._observation.end(self._status, upstream_error=self._exchange.failed)

    def wants_log_line(self) -> bool:
        """At debug level, or when the request was refused: our own line says more."""
        return self.get_status() >= 400 or self.settings["serverapp"].log_level <= logging.DEBUG

    async def data_received(self, chunk: bytes) -> None:
        """A piece of the body; Tornado reads the next one when this returns."""
        if self._exchange is not None and self._observation is not None and self._watch is not None:
            self._observation.request += len(chunk)
            self._watch.received(len(chunk))
            self._watch.pause()
            await self._exchange.feed(chunk)
            self._watch.resume()

    def _cut(self) -> None:
        """Close the connection: a request that stands still holds a stream of the upstream's."""
        self.log.warning("A request to the grpc-web endpoint stood still and is cut off.")
        self.request.connection.stream.close()  # type: ignore[union-attr]

    @web.authenticated
    @may("execute")
    async def post(self, name: str, service: str, method: str) -> None:
        """Relay the answer."""
        if self._exchange is None or self._observation is None or self._watch is None:
            raise web.HTTPError(500)
        self._watch.stop()
        names = self._exchange.names
        if names is not None:
            self._observation.named(*names)
        stream = getattr(self.request.connection, "stream", None)
        if method in QUERIES and isinstance(stream, IOStream) and stream.socket is not None:
            probe(stream.socket)
        try:
            self._status = await self._exchange.respond(BrowserSink(self, self.reply_type, self._observation))
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
        self._end_observation()
        if self._exchange is not None:
            self._proxy.ended(self._exchange)

    def on_connection_close(self) -> None:
        """The browser left."""
        super().on_connection_close()
        self._end_observation()
        if self._exchange is not None:
            self._exchange.abandon()
            self._proxy.ended(self._exchange)

    @allow_unauthenticated
    def options(self, *path: str) -> None:
        """The preflight of a page; one of an origin that is not on the list is allowed nothing."""
        for name, value in self._proxy.cors.preflight(self.request.headers):
            self.add_header(name, value)
        self.set_status(204)
