"""What may pass between browser and upstream.

Upstream goes what the client itself declares as its metadata (the header `x-pcw-metadata`, which names it) and what
the endpoint's configuration lists (`metadata`). Everything else stays here: cookies, Jupyter's token, XSRF values, and
whatever a proxy in front adds to log people in, whose names nobody can list. What comes down must not speak for the
Jupyter server: no cookies, redirects, CORS, isolation, caching or security policies of an upstream.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from pyspark_connect_web.wire import (
    DECLARED_METADATA,
    MetadataError,
    StatusCode,
    check_key,
    check_value,
    is_reserved,
)

from pcw_server_ext.errors import UpstreamError
from pcw_server_ext.proxy.upstream.http2 import field_size

Header = tuple[bytes, bytes]

# Octets of a call's metadata, counted as HTTP/2 counts a header list: what grpc-java, and so Spark, takes at most.
MOST_METADATA: Final = 8192
_MOST_DECLARED: Final = 64
# Names that are no metadata of a call, whoever declares them: they belong to HTTP, to Jupyter or to a proxy.
_NEVER_UP: Final = frozenset(
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
    }
)
_NEVER_UP_PREFIXES: Final = (
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
    "x-pcw-",
    "x-remote-",
)
_NOT_DOWN: Final = frozenset(
    {
        "accept-ch",
        "activate-storage-access",
        "allow",
        "alt-used",
        "cdn-cache-control",
        "clear-site-data",
        "content-disposition",
        "content-language",
        "content-location",
        "content-range",
        "content-security-policy-report-only",
        "critical-ch",
        "document-policy",
        "expect-ct",
        "integrity-policy",
        "integrity-policy-report-only",
        "link",
        "nel",
        "no-vary-search",
        "observe-browsing-topics",
        "origin-agent-cluster",
        "permissions-policy",
        "permissions-policy-report-only",
        "public-key-pins",
        "public-key-pins-report-only",
        "referrer-policy",
        "refresh",
        "report-to",
        "reporting-endpoints",
        "require-document-policy",
        "retry-after",
        "server-timing",
        "service-worker-allowed",
        "set-cookie2",
        "set-login",
        "sourcemap",
        "speculation-rules",
        "status",
        "strict-transport-security",
        "supports-loading-mode",
        "surrogate-control",
        "timing-allow-origin",
        "use-as-dictionary",
        "www-authenticate",
        "x-dns-prefetch-control",
        "x-download-options",
        "x-frame-options",
        "x-lighttpd-send-file",
        "x-permitted-cross-domain-policies",
        "x-robots-tag",
        "x-sendfile",
        "x-sendfile2",
        "x-sourcemap",
        "x-ua-compatible",
        "x-xss-protection",
    }
)
# What proxies before the server act on (nginx, Envoy, JupyterHub's users' servers), and families of the names above.
_NOT_DOWN_PREFIXES: Final = (
    "attribution-reporting-",
    "x-accel-",
    "x-envoy-",
    "x-jupyter",
    "x-litespeed-",
    "x-reproxy-",
)


def _speaks_for_the_server(key: str) -> bool:
    return key in _NOT_DOWN or key.startswith(_NOT_DOWN_PREFIXES)


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


def check_metadata_name(name: str) -> None:
    """Refuse a lower-case name that is never passed on as a call's metadata.

    Raises:
        ValueError: the text says why, and what to write instead.
    """
    if "_" in name:
        # many servers take x_user for x-user
        raise ValueError(
            f"the metadata key {name[:64]!r} has a _, which proxies confuse with -: write it with -"
        )
    try:
        check_key(name)
    except MetadataError:
        raise ValueError(
            f"the metadata key {name[:64]!r} is not valid: use letters, digits, - and ."
        ) from None
    if is_reserved(name) or name in _NEVER_UP or name.startswith(_NEVER_UP_PREFIXES):
        raise ValueError(
            f"the metadata key {name[:64]!r} belongs to HTTP, to Jupyter or to a proxy and is not passed on to Spark:"
            " choose another name"
        )


def _declared(fields: Sequence[tuple[str, str]]) -> set[str]:
    """The names that the client declares. Raises UpstreamError for those that never pass."""
    names = {
        word.strip().lower()
        for name, value in fields
        if name == DECLARED_METADATA
        for word in value.split(",")
    } - {""}
    if len(names) > _MOST_DECLARED:
        raise UpstreamError(
            StatusCode.RESOURCE_EXHAUSTED,
            f"The call has {len(names)} metadata keys; {_MOST_DECLARED} can be passed on to Spark.",
        )
    for name in names:
        try:
            check_metadata_name(name)
        except ValueError as error:
            raise UpstreamError(
                StatusCode.INVALID_ARGUMENT, f"The call is not passed on to Spark: {error}."
            ) from None
    return names


def request_metadata(headers: Iterable[tuple[str, str]], configured: frozenset[str]) -> list[Header]:
    """The browser's headers that go upstream, lower-case; values that gRPC cannot carry are left out.

    Args:
        headers: as the browser, and what is between, sent them.
        configured: further names, which the endpoint's configuration lists.

    Raises:
        UpstreamError: a declared name never passes, or there is too much.
    """
    fields = [(name.lower(), value) for name, value in headers]
    allowed = _declared(fields) | configured | _ENCODING_UP
    passed = [
        (key.encode("ascii"), value.encode("ascii"))
        for key, value in fields
        if key in allowed and _carried(key, value)
    ]
    size = sum(field_size(*field) for field in passed)
    if size > MOST_METADATA:
        raise UpstreamError(
            StatusCode.RESOURCE_EXHAUSTED,
            f"The call's metadata has {size} bytes; {MOST_METADATA} bytes can be passed on to Spark. Send fewer or"
            " shorter keys.",
        )
    return passed


def response_metadata(headers: Iterable[Header]) -> list[tuple[str, str]]:
    """The upstream's initial metadata that the browser may see."""
    passed = []
    for name, value in headers:
        key = name.decode("latin-1")
        if key in _ENCODING_DOWN or not (is_reserved(key) or _speaks_for_the_server(key)):
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
