"""What a connection string means to the server: the reading of `pyspark_connect_web.connection_string`, and two rules.

The parameters of a client (its session, its name, the settings of its channel) mean nothing to a proxy that passes a
browser's calls on, and are left out. Errors name the setting that holds the string and never repeat it: it may hold a
token.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pyspark_connect_web.connection_string import parse_connection_string
from pyspark_connect_web.errors import ConnectionStringError

from pcw_server_ext.errors import ConfigurationError


@dataclass(frozen=True)
class Target:
    """Where a Spark Connect server is and what it wants to be told.

    `metadata` holds extra request headers; `token` and `metadata` are secrets and left out of `repr`.
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
    """The target of a connection string.

    Args:
        url: the connection string.
        where: the setting that holds it, for error messages.

    Raises:
        ConfigurationError: it cannot be used; the text says why and what to write.
    """
    try:
        found = parse_connection_string(url)
    except ConnectionStringError as error:
        raise ConfigurationError(
            f"{where}: {error} A whole one is sc://host:port/;use_ssl=true;token=..."
        ) from None
    return Target(
        host=found.host,
        port=found.port,
        use_tls=found.use_tls,
        user_id=found.params.get("user_id"),
        token=found.token,
        metadata=tuple(pair for pair in found.metadata.items() if not pair[0].startswith("grpc_")),
    )
