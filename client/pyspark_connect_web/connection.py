"""Connection strings.

    sc://host:port/;transport=grpcweb[;use_ssl=true][;token=...][;endpoint=NAME][;channel=sab|xhr|http]
    http(s)://host[:port]/path[;token=...][;endpoint=NAME][;channel=...]

``sc://`` means what it means to PySpark and to the server (`connection_string`); ``transport``, ``endpoint`` and
``channel`` are ours. Other parameters are read in the same way in both forms.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import quote

from pyspark_connect_web.channel import TRANSPORTS
from pyspark_connect_web.connection_string import (
    check_parameters,
    is_loopback,
    parse_connection_string,
    read_parameters,
    split_address,
)
from pyspark_connect_web.errors import ConnectionStringError
from pyspark_connect_web.page import GRPC_PATH, Page, default_port

__all__ = ["Target", "is_ours", "parse_target"]

_TRANSPORT_VALUES = frozenset({"grpcweb", "grpc-web", "grpc_web"})
_ENDPOINT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}")


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
    pairs = (part.partition("=") for part in url.split(";")[1:])
    return any(name == "transport" and value.lower() in _TRANSPORT_VALUES for name, _, value in pairs)


def parse_target(url: str, page: Page | None) -> Target:
    """Parse a connection string.

    Args:
        url: the connection string.
        page: the page of this process, whose own host and port mean its server's endpoints.

    Raises:
        ConnectionStringError: it cannot be used; the text says why and shows the right form.
    """
    address, path, params = _parse_sc(url) if url.startswith("sc://") else _parse_http(url)
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

    if page is not None:
        transport = transport or page.transport
    own = page if page is not None and page.owns(address.host, address.port) else None
    # The page's own scheme counts: its server speaks one of them on this port.
    base = address.url if own is None else own.origin
    headers = () if own is None else own.headers
    token = params.get("token")
    if token is not None and base.startswith("http://") and not is_loopback(address.host):
        raise ConnectionStringError(
            "The token would cross the network unencrypted. Use https://, or reach the server through a tunnel at"
            " http://localhost:PORT."
        )
    if own is not None and own.grpc_url and path in ("", own.grpc_url.partition(GRPC_PATH)[0]):
        return Target(own.endpoint_url(endpoint), address.host, token, transport, params, headers)
    if endpoint is not None:
        path = f"{path}{GRPC_PATH}{endpoint}"
    base += quote(path, safe="/%~:@!$&()*+,=")
    return Target(base, address.host, token, transport, params, headers)


@dataclass(frozen=True)
class _Address:
    scheme: str
    host: str
    port: int
    url: str


def _parse_sc(url: str) -> tuple[_Address, str, dict[str, str]]:
    found = parse_connection_string(url)
    scheme = "https" if found.use_tls else "http"
    shown = f"[{found.host}]" if ":" in found.host else found.host
    return (
        _Address(scheme, found.host, found.port, f"{scheme}://{shown}:{found.port}"),
        "",
        dict(found.params),
    )


def _parse_http(url: str) -> tuple[_Address, str, dict[str, str]]:
    text, _, rest = url.partition(";")
    if not text.lower().startswith(("http://", "https://")):
        raise ConnectionStringError("The address must start with sc://, http:// or https://.")
    split = split_address(text, "http://host:8888/")
    params = read_parameters(rest)
    check_parameters(params)
    address = _Address(
        split.scheme,
        str(split.hostname),
        split.port or default_port(split.scheme),
        f"{split.scheme}://{split.netloc}",
    )
    return address, split.path.rstrip("/"), params
