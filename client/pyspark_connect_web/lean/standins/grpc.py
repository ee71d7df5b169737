"""A stand-in for `grpc` where grpcio is not installed: the calling convention and no transport.

The names, bases and values are those of grpcio that PySpark's client and its generated stub use. Channels
come from ``pyspark_connect_web.rpc.stub``; asking this module for one says so.
"""

from __future__ import annotations

import enum
from typing import Any, NoReturn

__version__ = "1.76.0"

# told apart from grpcio by the patch: there is no native transport here
__pcw_lean__ = True


class StatusCode(enum.Enum):
    """gRPC status codes with grpcio's values: ``(number, text)``."""

    OK = (0, "ok")
    CANCELLED = (1, "cancelled")
    UNKNOWN = (2, "unknown")
    INVALID_ARGUMENT = (3, "invalid argument")
    DEADLINE_EXCEEDED = (4, "deadline exceeded")
    NOT_FOUND = (5, "not found")
    ALREADY_EXISTS = (6, "already exists")
    PERMISSION_DENIED = (7, "permission denied")
    RESOURCE_EXHAUSTED = (8, "resource exhausted")
    FAILED_PRECONDITION = (9, "failed precondition")
    ABORTED = (10, "aborted")
    OUT_OF_RANGE = (11, "out of range")
    UNIMPLEMENTED = (12, "unimplemented")
    INTERNAL = (13, "internal")
    UNAVAILABLE = (14, "unavailable")
    DATA_LOSS = (15, "data loss")
    UNAUTHENTICATED = (16, "unauthenticated")


class ChannelConnectivity(enum.Enum):
    """Mirrors ``grpc.ChannelConnectivity``."""

    IDLE = (0, "idle")
    CONNECTING = (1, "connecting")
    READY = (2, "ready")
    TRANSIENT_FAILURE = (3, "transient failure")
    SHUTDOWN = (4, "shutdown")


class Compression(enum.IntEnum):
    """Mirrors ``grpc.Compression``."""

    NoCompression = 0
    Deflate = 1
    Gzip = 2


class RpcError(Exception):
    """Raised when a call ends with a status other than OK."""


class FutureTimeoutError(Exception):
    """A future took too long."""


class FutureCancelledError(Exception):
    """A future was cancelled."""


class RpcContext:
    """Base of what a call offers about itself."""


class Call(RpcContext):
    """Base of call objects: ``code()``, ``details()``, ``initial_metadata()``, ``trailing_metadata()``."""


class Future:
    """Base of asynchronous results."""


class Channel:
    """Base of channels."""


class Status:
    """Base of status descriptions."""


class UnaryUnaryMultiCallable:
    """Base of unary-unary calls."""


class UnaryStreamMultiCallable:
    """Base of unary-stream calls."""


class StreamUnaryMultiCallable:
    """Base of stream-unary calls."""


class StreamStreamMultiCallable:
    """Base of stream-stream calls."""


class ClientCallDetails:
    """Base of what an interceptor is told about a call."""


class UnaryUnaryClientInterceptor:
    """Base of interceptors of unary-unary calls."""


class UnaryStreamClientInterceptor:
    """Base of interceptors of unary-stream calls."""


class StreamUnaryClientInterceptor:
    """Base of interceptors of stream-unary calls."""


class StreamStreamClientInterceptor:
    """Base of interceptors of stream-stream calls."""


class ChannelCredentials:
    """Credentials of a channel; opaque."""


class CallCredentials:
    """Credentials of a call; opaque."""


def _no_transport(what: str) -> NoReturn:
    raise RuntimeError(
        f"grpc.{what} is not available: grpcio is not installed here, and native gRPC cannot leave this "
        "kernel. Call `pyspark_connect_web.install()` before the session is created; it uses grpc-web."
    )


def insecure_channel(target: str, options: Any = None, compression: Any = None) -> NoReturn:
    _no_transport("insecure_channel()")


def secure_channel(target: str, credentials: Any, options: Any = None, compression: Any = None) -> NoReturn:
    _no_transport("secure_channel()")


def ssl_channel_credentials(*args: Any, **kwargs: Any) -> ChannelCredentials:
    return ChannelCredentials()


def local_channel_credentials(*args: Any, **kwargs: Any) -> ChannelCredentials:
    return ChannelCredentials()


def access_token_call_credentials(access_token: str) -> CallCredentials:
    return CallCredentials()


def composite_channel_credentials(
    channel_credentials: ChannelCredentials, *call_credentials: CallCredentials
) -> ChannelCredentials:
    return channel_credentials


def intercept_channel(channel: Any, *interceptors: Any) -> Any:
    """The channel itself when there is nothing to intercept with."""
    if interceptors:
        raise NotImplementedError(
            "grpc interceptors need grpcio; pass headers through the connection string instead"
        )
    return channel
