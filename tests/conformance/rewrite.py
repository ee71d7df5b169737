"""A Jupyter extension for the suite: its client knows no path prefix and no token, so the server supplies both.

A request for ``/package.Service/Method`` is given the endpoint's path and the token
before it is routed; everything after that is the extension under test, untouched.
"""

from __future__ import annotations

import re
from typing import Any

from pyspark_connect_web.wire import DECLARED_METADATA
from tornado.httputil import HTTPServerRequest
from tornado.routing import Matcher, Rule

SERVICE = "connectrpc.conformance.v1.ConformanceService"
ENDPOINT = "/pcw/grpc/default"
_METADATA = ("x-conformance-", "x-custom-", "x-test-", "x-expect-")
_METHOD = re.compile(r"/[a-z0-9]+(\.\w+)+/\w+")


class AddPrefixAndToken(Matcher):
    """Matches nothing; changes the request on its way to the rules that follow."""

    def __init__(self, token: str) -> None:
        self._token = token

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """See `Matcher.match`."""
        if _METHOD.fullmatch(request.path):
            request.path = ENDPOINT + request.path
            request.uri = ENDPOINT + str(request.uri)
            request.headers["Authorization"] = f"token {self._token}"
            # the suite's own metadata, which its client cannot declare
            names = [name.lower() for name in request.headers if name.lower().startswith(_METADATA)]
            if names:
                request.headers[DECLARED_METADATA] = ",".join(names)
        return None


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(serverapp: Any) -> None:
    rule = Rule(AddPrefixAndToken(serverapp.identity_provider.token), None)
    serverapp.web_app.default_router.rules.insert(0, rule)
