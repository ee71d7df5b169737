"""Which pages may call the endpoint: those of the server's own origin, and of origins that configuration names.

Fetch Standard, "CORS protocol". An origin is compared whole: no patterns, no wildcard. A page of another origin never
gets cookies accepted (``Access-Control-Allow-Credentials`` is not sent), so it needs a token.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Final
from urllib.parse import urlsplit

from pyspark_connect_web.wire import MetadataError, check_key
from tornado.httputil import HTTPHeaders

from pcw_server_ext.web.cors_headers import REQUEST_HEADERS, RESPONSE_HEADERS
from pcw_server_ext.web.isolation import CORP

Headers = list[tuple[str, str]]

PREFLIGHT_SECONDS: Final = 600
_MOST_REQUESTED: Final = 64
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class RequestOrigin(Enum):
    """Where a request comes from."""

    OWN = "own"
    """A page of this server, or no page: programs send no Origin."""
    ALLOWED = "allowed"
    """A page of an origin that configuration names."""
    FOREIGN = "foreign"
    """A page of any other origin; ``Origin: null`` too."""


def check_origin(text: str) -> str:
    """``text`` when it is an origin as browsers write it, such as ``https://pages.example``.

    Raises ValueError, whose text is the remedy.
    """
    try:
        split = urlsplit(text)
        port = split.port
    except ValueError:
        raise ValueError("write an origin as https://host or https://host:port") from None
    host = split.hostname or ""
    if split.scheme not in _DEFAULT_PORTS or not host or "*" in host:
        raise ValueError("write one exact origin, https://host or https://host:port; there are no wildcards")
    shown = f"[{host}]" if ":" in host else host
    exact = f"{split.scheme}://{shown}" + (
        f":{port}" if port is not None and port != _DEFAULT_PORTS[split.scheme] else ""
    )
    if text != exact:
        raise ValueError(f"write it as browsers do: {exact}")
    return text


class Cors:
    """The allow-list: ``origins`` of our own configuration, and what Jupyter's allows for the whole server.

    Jupyter's ``allow_origin`` counts when it is an origin (``*`` does not), and so does ``allow_origin_pat``: pages
    that may use all of the server may use this part of it.
    """

    def __init__(self, origins: Iterable[str], jupyter: Mapping[str, object]) -> None:
        self._origins = frozenset(origins)
        self._jupyter = jupyter

    def origin_of(self, headers: HTTPHeaders) -> RequestOrigin:
        """Where the request with these headers comes from."""
        origin = headers.get("Origin")
        if origin is None:
            return RequestOrigin.OWN
        try:
            host = urlsplit(origin).netloc
        except ValueError:
            return RequestOrigin.FOREIGN
        # Jupyter's own comparison: the scheme is not known behind a proxy that ends TLS
        if host and host.lower() == headers.get("Host", "").lower():
            return RequestOrigin.OWN
        return RequestOrigin.ALLOWED if self._allows(origin) else RequestOrigin.FOREIGN

    def _allows(self, origin: str) -> bool:
        if origin in self._origins:
            return True
        exact, pattern = self._jupyter.get("allow_origin"), self._jupyter.get("allow_origin_pat")
        if exact:
            return origin == exact != "*"
        # Jupyter keeps it compiled
        return isinstance(pattern, re.Pattern) and pattern.fullmatch(origin) is not None

    def response(self, headers: HTTPHeaders) -> Headers:
        """The headers of an answer to the request with these headers."""
        if self.origin_of(headers) is not RequestOrigin.ALLOWED:
            return []
        return [
            ("Access-Control-Allow-Origin", headers["Origin"]),
            ("Access-Control-Expose-Headers", ", ".join(RESPONSE_HEADERS)),
            (CORP, "cross-origin"),
            ("Vary", "Origin"),
        ]

    def preflight(self, headers: HTTPHeaders) -> Headers:
        """The further headers of a preflight's answer; none for a page that may not call."""
        if self.origin_of(headers) is not RequestOrigin.ALLOWED:
            return []
        return [
            ("Access-Control-Allow-Methods", "POST"),
            ("Access-Control-Allow-Headers", ", ".join((*REQUEST_HEADERS, *_custom(headers)))),
            ("Access-Control-Max-Age", str(PREFLIGHT_SECONDS)),
            ("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers"),
        ]


def _custom(headers: HTTPHeaders) -> list[str]:
    """Further headers that the page wants to send, as far as they can be gRPC metadata."""
    names = []
    for word in headers.get("Access-Control-Request-Headers", "").split(",")[:_MOST_REQUESTED]:
        name = word.strip().lower()
        if name in REQUEST_HEADERS or name in names:
            continue
        try:
            check_key(name)
        except MetadataError:
            continue
        names.append(name)
    return names
