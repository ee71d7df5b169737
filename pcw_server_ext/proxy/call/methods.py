"""The one list of Spark Connect's methods, and which names of services and methods may be called at all.

Everything that treats methods differently reads it here: which exist and how many messages they take (endpoints,
metrics), which carry a query's result (exchange, events, the browser's connection), which field names the operation
(request_fields). `tests.proxy.call.test_methods.py` compares it with Spark's own protocol and with the client's list.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

SPARK_CONNECT: Final = "spark.connect.SparkConnectService"

# The fields that every request of the service has (spark/connect/base.proto).
SESSION_ID: Final = 1
USER_CONTEXT: Final = 2
NEW_SESSION_ID: Final = 4
"""Of CloneSession alone."""


@dataclass(frozen=True)
class Method:
    """What the server must know of a method of SparkConnectService."""

    client_streams: bool = False
    """Whether a request may have any number of messages; one otherwise."""
    server_streams: bool = False
    """Whether the answer may have any number of messages."""
    query: bool = False
    """Whether the answer is the result of a query, which the client can ask for again after a lost connection."""
    ends: bool = False
    """Whether a client ends by it what it began: a query, or its session."""
    operation_field: int | None = None
    """The field of the request that holds the operation's id; None when there is none."""


METHODS: Final[Mapping[str, Method]] = {
    "AddArtifacts": Method(client_streams=True),
    "AnalyzePlan": Method(),
    "ArtifactStatus": Method(),
    "CloneSession": Method(),
    "Config": Method(),
    "ExecutePlan": Method(server_streams=True, query=True, operation_field=6),
    "FetchErrorDetails": Method(),
    "GetStatus": Method(),
    "Interrupt": Method(),
    "ReattachExecute": Method(server_streams=True, query=True, operation_field=3),
    "ReleaseExecute": Method(ends=True, operation_field=3),
    "ReleaseSession": Method(ends=True),
}
QUERIES: Final = frozenset(name for name, method in METHODS.items() if method.query)
ENDING: Final = frozenset(name for name, method in METHODS.items() if method.ends)

# Identifiers of protobuf's language ("Lexical Elements", "Package"): nothing in them means anything to HTTP.
_IDENTIFIER: Final = r"[A-Za-z_][A-Za-z0-9_]*"
_METHOD: Final = re.compile(_IDENTIFIER)
_SERVICE: Final = re.compile(rf"{_IDENTIFIER}(?:\.{_IDENTIFIER})*")
_LONGEST_NAME: Final = 255


def is_method_name(name: str) -> bool:
    """Whether `name` can be a method's, such as `ExecutePlan`."""
    return len(name) <= _LONGEST_NAME and _METHOD.fullmatch(name) is not None


def is_service_name(name: str) -> bool:
    """Whether `name` can be a service's, such as `spark.connect.SparkConnectService`."""
    return len(name) <= _LONGEST_NAME and _SERVICE.fullmatch(name) is not None
