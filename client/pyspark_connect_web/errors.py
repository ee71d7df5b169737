"""The exceptions of the client.

    PcwError
      +- ConnectionStringError     a connection string that names no server we can reach
      +- InstallError              this process cannot run the client as it is; the text says what to do
      +- ChannelError              a call could not be carried
           +- NetworkError         no connection, or it was cut
           +- ChannelTimeout       the call's time ran out
           +- ChannelCancelled     the call was cancelled on this side
           +- BridgeError          page, kernel and network worker do not fit together
                +- NotIsolatedError   the page is not cross-origin isolated

Errors of a call reach PySpark as `rpc_error.GrpcWebError`, a ``grpc.RpcError``; errors of the wire codec are in
`wire.errors`.
"""

from __future__ import annotations

__all__ = [
    "BridgeError",
    "ChannelCancelled",
    "ChannelError",
    "ChannelTimeout",
    "ConnectionStringError",
    "InstallError",
    "NetworkError",
    "NotIsolatedError",
    "PcwError",
]


class PcwError(Exception):
    """Base of every error that this package raises, the wire codec's own aside."""


class ConnectionStringError(PcwError, ValueError):
    """A connection string that cannot be used; the text never repeats a token."""


class InstallError(PcwError, RuntimeError):
    """The process or the page lacks something that the client needs."""


class ChannelError(PcwError):
    """A call could not be carried."""


class NetworkError(ChannelError):
    """The server could not be reached, or the connection was cut."""


class ChannelTimeout(ChannelError):
    """The time given for the call ran out."""


class ChannelCancelled(ChannelError):
    """The call was cancelled on this side."""


class BridgeError(ChannelError):
    """The parts of the page's bridge do not fit together; trying again does not help."""


class NotIsolatedError(BridgeError):
    """The page is not cross-origin isolated, so shared memory does not exist."""
