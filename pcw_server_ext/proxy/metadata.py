"""What may pass between browser and upstream.

A browser's credentials for Jupyter never go up: Cookie, Authorization, XSRF values, and everything that
names the hop (Host, Forwarded). What comes down must not speak for the Jupyter server: no cookies,
redirects, CORS, isolation, caching or security policies of an upstream.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pyspark_connect_web.wire import MetadataError, StatusCode, check_key, check_value, is_reserved

Header = tuple[bytes, bytes]

_NOT_UP: Final = frozenset(
    {
        "accept-language",
        "authorization",
        "content-md5",
        "dnt",
        "forwarded",
        "from",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "max-forwards",
        "priority",
        "purpose",
        "range",
        "remote-user",
        "save-data",
        "upgrade-insecure-requests",
        "user-agent",
        "x-csrftoken",
        "x-real-ip",
        "x-requested-with",
        "x-scheme",
        "x-xsrf-token",
        "_xsrf",
    }
)
# Also what reverse proxies that log people in add: names, and tokens with which others could act for them.
_NOT_UP_PREFIXES: Final = (
    "cf-access-",
    "x-amzn-oidc-",
    "x-auth-request-",
    "x-forwarded-",
    "x-goog-authenticated-user-",
    "x-goog-iap-",
    "x-jupyter",
    "x-ms-client-principal",
    "x-ms-token-",
    "x-original-",
    "x-remote-",
)
_NOT_DOWN: Final = frozenset(
    {
        "allow",
        "clear-site-data",
        "content-disposition",
        "content-language",
        "content-location",
        "content-range",
        "content-security-policy-report-only",
        "link",
        "nel",
        "origin-agent-cluster",
        "permissions-policy",
        "public-key-pins",
        "referrer-policy",
        "refresh",
        "report-to",
        "reporting-endpoints",
        "retry-after",
        "service-worker-allowed",
        "sourcemap",
        "strict-transport-security",
        "timing-allow-origin",
        "www-authenticate",
        "x-dns-prefetch-control",
        "x-frame-options",
        "x-sourcemap",
        "x-ua-compatible",
        "x-xss-protection",
    }
)
# The transport's own fields that a browser's client and the server agree on end to end.
_ENCODING_UP: Final = frozenset({"grpc-encoding", "grpc-accept-encoding"})
_ENCODING_DOWN: Final = frozenset({"grpc-encoding", "grpc-accept-encoding"})
STATUS_FIELDS: Final = frozenset({"grpc-status", "grpc-message", "grpc-status-details-bin"})
_STATUSES: Final = frozenset(str(int(code)) for code in StatusCode)


def _carried(key: str, value: str) -> bool:
    try:
        check_key(key)
        check_value(key, value)
    except MetadataError:
        return False
    return True


def call_headers(authority: str, path: str, *, tls: bool, codec: str = "proto") -> list[Header]:
    """What every call begins with ("Requests" in the gRPC protocol document); ``path`` is ``service/method``."""
    return [
        (b":method", b"POST"),
        (b":scheme", b"https" if tls else b"http"),
        (b":path", f"/{path}".encode("ascii")),
        (b":authority", authority.encode("ascii")),
        (b"te", b"trailers"),
        (b"content-type", b"application/grpc+" + codec.encode("ascii")),
        (b"user-agent", b"pcw-server-ext"),
    ]


def request_metadata(headers: Iterable[tuple[str, str]], *, own: frozenset[str]) -> list[Header]:
    """The browser's headers that go upstream, lower-case; ``own`` names the endpoint's, which win."""
    passed: list[Header] = []
    for name, value in headers:
        key = name.lower()
        if key not in _ENCODING_UP and (
            is_reserved(key) or key in _NOT_UP or key in own or key.startswith(_NOT_UP_PREFIXES)
        ):
            continue
        if _carried(key, value):
            passed.append((key.encode("ascii"), value.encode("ascii")))
    return passed


def response_metadata(headers: Iterable[Header]) -> list[tuple[str, str]]:
    """The upstream's initial metadata that the browser may see."""
    passed = []
    for name, value in headers:
        key = name.decode("latin-1")
        if key in _ENCODING_DOWN or not (is_reserved(key) or key in _NOT_DOWN):
            text = value.decode("latin-1")
            if _carried(key, text):
                passed.append((key, text))
    return passed


def trailing_metadata(headers: Iterable[Header]) -> list[tuple[str, str]]:
    """The upstream's trailers as they go into the trailers frame: status fields and custom metadata.

    A status that gRPC does not have becomes UNKNOWN ("Status codes and their use in gRPC").
    """
    passed = []
    for name, value in headers:
        key = name.decode("latin-1")
        if key in STATUS_FIELDS or not is_reserved(key):
            text = value.decode("latin-1")
            if key == "grpc-status" and text not in _STATUSES:
                text = str(int(StatusCode.UNKNOWN))
            if _carried(key, text):
                passed.append((key, text))
    return passed
