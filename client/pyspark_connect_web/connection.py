"""Connection strings.

    sc://host:port/;transport=grpcweb[;use_ssl=true][;token=...][;endpoint=NAME][;channel=sab|xhr|http]
    http(s)://host[:port]/path[;token=...][;endpoint=NAME][;channel=...]

``sc://`` follows the Spark Connect client's "Connection string" document; ``transport``, ``endpoint`` and
``channel`` are ours. Parameters that neither knows travel as metadata, as they do with PySpark.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, quote, unquote, urlsplit

from .channel import TRANSPORTS
from .errors import ConnectionStringError
from .page import GRPC_PATH, Page

__all__ = ["Target", "is_ours", "parse_target"]

SC_DEFAULT_PORT = 15002

_OWN = frozenset({"transport", "endpoint", "channel"})
_TRANSPORT_VALUES = frozenset({"grpcweb", "grpc-web", "grpc_web"})
_ENDPOINT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Target:
    """Where calls go.

    Attributes:
        base: absolute URL, no slash at the end; ``/service/Method`` is appended.
        host: the host, for display.
        token: sent as ``Authorization: Bearer``; never shown.
        transport: name of the channel, or None for the default.
        params: the other parameters of the connection string, PySpark's own included.
        headers: further headers of every call, for the page's own server only.
    """

    base: str
    host: str
    token: str | None = field(default=None, repr=False)
    transport: str | None = None
    params: dict[str, str] = field(default_factory=dict, repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


def is_ours(url: str) -> bool:
    """True for strings that ask for grpc-web: ``http(s)://``, or ``sc://`` with ``transport=grpcweb``."""
    if url.lower().startswith(("http://", "https://")):
        return True
    return any(
        key == "transport" and value.lower() in _TRANSPORT_VALUES for key, value in _pairs(url, strict=False)
    )


def parse_target(url: str, page: Page | None) -> Target:
    """Parse a connection string.

    Args:
        url: the connection string.
        page: the page of this process, whose own host and port mean its server's endpoints.

    Raises:
        ConnectionStringError: it cannot be used; the text says why and shows the right form.
    """
    params = dict(_pairs(url, strict=True))
    split = _split(url)
    transport = params.pop("channel", None)
    if transport is not None and transport not in (*TRANSPORTS, "kernel"):
        raise ConnectionStringError(f"There is no channel {transport[:32]!r}: use {', '.join(TRANSPORTS)}.")
    endpoint = params.pop("endpoint", None)
    if endpoint is not None and not _ENDPOINT.fullmatch(endpoint):
        raise ConnectionStringError(
            "An endpoint's name holds letters, digits, '_', '-' and '.', 64 at most, as in ';endpoint=x'."
        )
    carrier = params.pop("transport", "grpcweb")
    if carrier.lower() not in _TRANSPORT_VALUES:
        raise ConnectionStringError(f"There is no transport {carrier[:32]!r}: use ';transport=grpcweb'.")
    token = params.get("token")
    if token is not None and (not token.isascii() or not token.isprintable()):
        raise ConnectionStringError("The token holds characters that a header cannot carry; check its copy.")

    host = str(split.hostname)
    if split.scheme == "sc":
        port = split.port or SC_DEFAULT_PORT
        base = _sc_base(host, port, params)
        path = ""
    else:
        port = split.port or (443 if split.scheme == "https" else 80)
        base = f"{split.scheme}://{split.netloc}"
        path = split.path.rstrip("/")

    headers: tuple[tuple[str, str], ...] = ()
    if page is not None and page.owns(host, port):
        # The page's own scheme counts: its server speaks one of them on this port.
        base = page.origin
        headers = page.headers
        transport = transport or page.transport
        if page.grpc_url and (not path or path == page.grpc_url.partition(GRPC_PATH)[0]):
            return Target(page.endpoint_url(endpoint), host, token, transport, params, headers)
    elif page is not None:
        transport = transport or page.transport
    if endpoint is not None:
        path = f"{path}{GRPC_PATH}{endpoint}"
    return Target(f"{base}{quote(path, safe='/%~:@!$&()*+,=')}", host, token, transport, params, headers)


def _sc_base(host: str, port: int, params: dict[str, str]) -> str:
    ssl = params.get("use_ssl", "").lower()
    if ssl not in ("", "true", "false"):
        raise ConnectionStringError("use_ssl is true or false, e.g. ';use_ssl=true'.")
    # As in PySpark a token implies TLS, so that it does not cross a network in the clear; loopback aside.
    secure = ssl == "true" or (ssl == "" and "token" in params and host not in _LOOPBACK)
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if secure else 'http'}://{shown}:{port}"


def _split(url: str) -> SplitResult:
    address = url.partition(";")[0]
    try:
        split = urlsplit(address)
        port = split.port
    except ValueError:
        raise ConnectionStringError("The host or the port is not valid, e.g. 'sc://host:15002'.") from None
    if split.scheme not in ("sc", "http", "https"):
        raise ConnectionStringError("The address must start with sc://, http:// or https://.")
    if not split.hostname:
        raise ConnectionStringError("The host is missing, e.g. 'sc://host:15002' or 'http://host:8888/'.")
    if port == 0:
        raise ConnectionStringError("The port must be 1 to 65535.")
    if split.username is not None or split.password is not None:
        raise ConnectionStringError("The address must not hold a user name or password: pass ';token=...'.")
    if split.query or split.fragment:
        raise ConnectionStringError(
            "The address must not hold '?' or '#': pass a token as ';token=...' after the path."
        )
    if split.scheme == "sc" and split.path not in ("", "/"):
        raise ConnectionStringError("An sc:// address has no path; use http(s)://host/path for that.")
    return split


def _pairs(url: str, *, strict: bool) -> list[tuple[str, str]]:
    pairs = []
    for part in url.partition(";")[2].split(";"):
        key, equals, value = part.partition("=")
        if not part:
            continue
        if not equals or not key:
            if strict:
                raise ConnectionStringError(
                    f"The parameter {key[:32]!r} must be key=value, e.g. ';transport=grpcweb'."
                )
            continue
        pairs.append((key.strip(), unquote(value)))
    return pairs
