"""Spark Connect connection strings: ``sc://host:port/;param=value`` (Spark's client-connection-string.md).

Errors name the place and the remedy and never repeat the string: it may hold a token.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from pyspark_connect_web.wire import MetadataError, check_key, check_value, is_reserved

from ..errors import ConfigurationError

DEFAULT_PORT = 15002
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
# Parameters of a client, which mean nothing to a proxy that passes a browser's calls on.
_CLIENT_ONLY = frozenset({"session_id", "user_agent", "grpc_max_message_size"})


@dataclass(frozen=True)
class Target:
    """Where a Spark Connect server is and what it wants to be told.

    ``metadata`` holds extra request headers; ``token`` and ``metadata`` are secrets and left out of ``repr``.
    """

    host: str
    port: int
    use_tls: bool = False
    user_id: str | None = None
    token: str | None = field(default=None, repr=False)
    metadata: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def authority(self) -> str:
        """``host:port`` as HTTP writes it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse(url: str, where: str) -> Target:
    """The target of a connection string; ``where`` names its place in error messages.

    As in Spark's own clients a token implies TLS unless the host is the local machine. Raises
    ConfigurationError.
    """

    def refuse(what: str) -> ConfigurationError:
        return ConfigurationError(f"{where}: {what}. Write it as sc://host:port/;use_ssl=true;token=...")

    if not url.startswith("sc://"):
        raise refuse("a Spark Connect address starts with sc://")
    base, *parts = url.split(";")
    try:
        split = urlsplit("http" + base[2:])
        host, port = split.hostname, split.port
    except ValueError:
        raise refuse("host or port cannot be read") from None
    if not host:
        raise refuse("the host is missing")
    if split.username is not None or split.path not in ("", "/") or split.query or split.fragment:
        raise refuse("only host, port and parameters after /; are possible")
    params: dict[str, str] = {}
    for part in parts:
        if not part:
            continue
        name, equals, value = part.partition("=")
        if not equals or not name:
            raise refuse("every parameter is name=value")
        params[name] = unquote(value)
    use_ssl = params.pop("use_ssl", "").lower() == "true"
    token = params.pop("token", None)
    user_id = params.pop("user_id", None)
    metadata: list[tuple[str, str]] = []
    for name, value in params.items():
        if name in _CLIENT_ONLY or name.startswith("grpc_"):
            continue
        key = name.lower()
        try:
            check_key(key)
            check_value(key, value)
        except MetadataError:
            raise refuse(f"the parameter {name[:40]!r} cannot be sent as a header") from None
        if is_reserved(key) or key == "authorization":
            raise refuse(f"the parameter {key!r} is reserved; use token=... for a credential")
        metadata.append((key, value))
    if token is not None:
        try:
            check_value("token", token)
        except MetadataError:
            raise refuse("the token holds characters that a header cannot carry") from None
    return Target(
        host=host,
        port=DEFAULT_PORT if port is None else port,
        use_tls=use_ssl or (token is not None and host not in LOOPBACK),
        user_id=user_id,
        token=token,
        metadata=tuple(metadata),
    )
