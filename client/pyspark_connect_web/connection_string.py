"""What a Spark Connect connection string says: ``sc://host:port/;name=value;name=value``.

One reading for the browser's client and for the Jupyter server, after PySpark 4.3's own (``DefaultChannelBuilder``,
https://spark.apache.org/docs/latest/spark-connect-overview.html, client-connection-string.md). Cases on which all three
are tested are in ``tests/vectors/connection_strings.json``, with the few differences:

- A token goes over TLS, whatever ``use_ssl`` says, but for an address of this machine (``localhost``, ``127.0.0.0/8``,
  ``::1``). PySpark takes only the name ``localhost`` for that.
- What PySpark drops without a word (a user name before the host, a query, a fragment) or takes for a header that gRPC
  then refuses (a name in capitals, a value that is no ASCII) is an error here.
- A missing ``/`` before the first ``;`` is allowed.

Errors name the place and the remedy and never repeat a value: it may be a secret.
"""

from __future__ import annotations

import ipaddress
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, quote, unquote, urlsplit

from pyspark_connect_web.errors import ConnectionStringError
from pyspark_connect_web.wire import MetadataError, check_key, check_value, is_reserved

__all__ = [
    "SC_PORT",
    "ConnectionString",
    "check_parameters",
    "is_loopback",
    "parse_connection_string",
    "read_parameters",
    "split_address",
]

SC_PORT = 15002
"""The port of a string that names none."""

_HOST = re.compile(r"[A-Za-z0-9._-]+")
_USER_AGENT_LIMIT = 2048
# Parameters with a meaning of their own; all others are headers of every call.
_NOT_METADATA = frozenset(
    {
        "token",
        "use_ssl",
        "user_id",
        "user_agent",
        "session_id",
        "grpc_keepalive_enabled",
        "grpc_keepalive_time_ms",
        "grpc_keepalive_timeout_ms",
        "grpc_keepalive_without_calls",
    }
)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, so that nobody on a network reads what is sent to it."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class ConnectionString:
    """A connection string that was read.

    Attributes:
        host: lower case, an IPv6 address without brackets.
        port: 1 to 65535.
        params: all parameters, decoded; of a name given twice the last value.
    """

    host: str
    port: int
    params: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def use_tls(self) -> bool:
        """Whether the connection is encrypted: it was asked for, or a token would cross a network."""
        asked = self.params.get("use_ssl", "").lower() == "true"
        return asked or (self.token is not None and not is_loopback(self.host))

    @property
    def token(self) -> str | None:
        """Sent as ``Authorization: Bearer``; None without one."""
        return self.params.get("token")

    @property
    def metadata(self) -> dict[str, str]:
        """Headers of every call: the parameters that mean nothing else."""
        return {name: value for name, value in self.params.items() if name not in _NOT_METADATA}


def parse_connection_string(text: str) -> ConnectionString:
    """Read an ``sc://`` connection string.

    Raises:
        ConnectionStringError: it cannot be used; the text says why and what to write.
    """
    address, _, rest = text.partition(";")
    if not address.startswith("sc://"):
        raise ConnectionStringError("The address must start with sc://, as in 'sc://host:15002'.")
    split = split_address(address, "sc://host:15002")
    if split.path not in ("", "/"):
        raise ConnectionStringError("An sc:// address has no path; use http(s)://host/path for that.")
    params = read_parameters(rest)
    check_parameters(params)
    return ConnectionString(str(split.hostname), split.port or SC_PORT, params)


def split_address(address: str, example: str) -> SplitResult:
    """The parts of ``scheme://host[:port][/path]``, its host and port checked.

    Raises:
        ConnectionStringError: it is not such an address, or holds more.
    """
    if (
        not address.isascii()
        or not address.isprintable()
        or " " in address.partition("://")[2].partition("/")[0]
    ):
        raise ConnectionStringError(
            "The host or the port is not valid: it holds a blank, a control character or a letter outside ASCII"
            f" (write such a name as xn--...). Write it as in '{example}'."
        )
    try:
        split = urlsplit(address)
        port = split.port
    except ValueError:
        raise ConnectionStringError(
            f"The host or the port is not valid, write it as in '{example}'."
        ) from None
    if not split.hostname:
        raise ConnectionStringError(f"The host is missing, write it as in '{example}'.")
    if port == 0:
        raise ConnectionStringError("The port must be 1 to 65535.")
    if split.username is not None or split.password is not None:
        raise ConnectionStringError("The address must not hold a user name or password: pass ';token=...'.")
    if split.query or split.fragment or address[-1] in "?#":
        raise ConnectionStringError(
            "The address must not hold '?' or '#': pass a token as ';token=...' after the path."
        )
    if not _HOST.fullmatch(split.hostname):
        try:
            ipaddress.ip_address(split.hostname)
        except ValueError:
            raise ConnectionStringError(f"The host is not valid, write it as in '{example}'.") from None
    return split


def read_parameters(text: str) -> dict[str, str]:
    """The parameters of what follows the first ``;``, decoded; the last of those with one name.

    Raises:
        ConnectionStringError: not ``name=value``, or a character that must be percent-encoded.
    """
    params: dict[str, str] = {}
    if not text:
        return params
    for number, part in enumerate(text.split(";"), 1):
        name, equals, value = part.partition("=")
        if not equals or not name:
            raise ConnectionStringError(
                f"Parameter {number} after the address must be name=value, as in ';use_ssl=true', without an empty"
                " one (';;', or ';' at the end)."
            )
        if set(value) & set("=/?#"):
            raise ConnectionStringError(
                f"The value of the parameter {name[:32]!r} holds one of '=', '/', '?' and '#': write them as %3D, %2F,"
                " %3F and %23."
            )
        params[name] = unquote(value)
    return params


def check_parameters(params: Mapping[str, str]) -> None:
    """Refuse parameters that cannot be sent.

    Raises:
        ConnectionStringError: a token, a session's id or a header that is not valid.
    """
    token = params.get("token")
    if token is not None and (not token.strip() or not token.isascii() or not token.isprintable()):
        raise ConnectionStringError(
            "The token is empty or holds characters that a header cannot carry; copy it again."
        )
    session_id = params.get("session_id")
    if session_id is not None:
        try:
            uuid.UUID(session_id, version=4)
        except ValueError:
            raise ConnectionStringError(
                "session_id must be a UUID, as in ';session_id=00112233-4455-4677-8899-aabbccddeeff'; leave it out for"
                " a new session."
            ) from None
    if len(quote(params.get("user_agent", ""))) > _USER_AGENT_LIMIT:
        raise ConnectionStringError(
            f"user_agent must not exceed {_USER_AGENT_LIMIT} characters, percent-encoded."
        )
    for name, value in params.items():
        if name in _NOT_METADATA:
            continue
        try:
            check_key(name)
            check_value(name, value)
        except MetadataError:
            raise ConnectionStringError(
                f"The parameter {name[:32]!r} cannot be sent as a header: names are lower case, without blanks; values"
                " are printable ASCII."
            ) from None
        if is_reserved(name) or name == "authorization" or name.endswith("-bin"):
            raise ConnectionStringError(
                f"The parameter {name[:32]!r} is reserved; a credential is passed as ';token=...', other headers need"
                " another name."
            )
