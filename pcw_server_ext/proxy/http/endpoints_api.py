"""Which endpoints there are, and whether Spark answers there."""

from __future__ import annotations

import json

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from tornado import web

from pcw_server_ext.proxy.service import Proxy
from pcw_server_ext.web.handlers import AUTH_RESOURCE, ParsedOrigin


class EndpointsHandler(ParsedOrigin, APIHandler):
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
