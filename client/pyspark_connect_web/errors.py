"""The exceptions of the client: all of them that it raises on purpose.

    PcwError
      +- ConnectionStringError     a connection string that names no server we can reach
      +- InstallError              this process cannot run the client as it is; the text says what to do
      |    +- UnsupportedVersion   a package has a version that was not tested with this client
      +- UnsupportedServer         the server runs a Spark that this client cannot work with
      +- ChannelError              a call could not be carried
      |    +- NetworkError         no connection, or it was cut
      |    |    +- DeadConnection   nothing came for longer than a living connection is silent
      |    +- ChannelTimeout       the call's time ran out
      |    +- ChannelCancelled     the call was cancelled on this side
      |    +- BridgeError          page, kernel and network worker do not fit together
      |         +- NotIsolatedError   the page is not cross-origin isolated
      +- PackageError              a Python package cannot be had in this kernel
      |    +- PackageNotLoaded     something needs the real pandas, pyarrow, numpy or plotly
      |    +- PackageFileError     a package's file cannot be had from the server
      |    +- NotInstalled         `%pip install` of something that is in no place this page asks
      +- SourceUnavailable         a function cannot be sent to the server's Python
      +- NotInBrowser              something that Python in a browser tab cannot do: threads, other programs

Three kinds of errors have bases of their own, because others define what those are: a call that failed is a
`grpc.RpcError` (`rpc.error.GrpcWebError`), of which PySpark makes its own exceptions; the stand-in for pyarrow raises
errors under pyarrow's names (`lean.arrow.errors`); the wire codec knows nothing of us (`wire.errors`).
"""

from __future__ import annotations

import pickle

__all__ = [
    "BridgeError",
    "ChannelCancelled",
    "ChannelError",
    "ChannelTimeout",
    "ConnectionStringError",
    "DeadConnection",
    "InstallError",
    "NetworkError",
    "NotInBrowser",
    "NotInstalled",
    "NotIsolatedError",
    "PackageError",
    "PackageFileError",
    "PackageNotLoaded",
    "PcwError",
    "SourceUnavailable",
    "UnsupportedServer",
    "UnsupportedVersion",
]


class PcwError(Exception):
    """Base of every error that this package raises on purpose."""


class ConnectionStringError(PcwError, ValueError):
    """A connection string that cannot be used; the text never repeats a token."""


class InstallError(PcwError, RuntimeError):
    """The process or the page lacks something that the client needs."""


class UnsupportedVersion(InstallError):
    """A package that is patched has a version that was not tested; names the ones that were, and the command."""


class UnsupportedServer(PcwError, RuntimeError):
    """The server runs a Spark that this client cannot work with; names both versions and what to do."""


class ChannelError(PcwError):
    """A call could not be carried."""


class NetworkError(ChannelError):
    """The server could not be reached, or the connection was cut."""


class DeadConnection(NetworkError):
    """Nothing came for so long that the connection cannot be alive."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"The connection to the server is dead: nothing has come for {seconds:.0f} seconds, and the server leaves"
            " none unanswered for so long. The network was interrupted, this machine slept, or a proxy dropped the"
            " connection. Run the cell again."
        )


class ChannelTimeout(ChannelError):
    """The time given for the call ran out."""


class ChannelCancelled(ChannelError):
    """The call was cancelled on this side."""


class BridgeError(ChannelError):
    """The parts of the page's bridge do not fit together; trying again does not help."""


class NotIsolatedError(BridgeError):
    """The page is not cross-origin isolated, so shared memory does not exist."""


class PackageError(PcwError, ImportError):
    """A Python package cannot be had in this kernel; the text says which and what to do."""


class PackageNotLoaded(PackageError):
    """Something needs a real package that is not available; `name` is the package."""


class PackageFileError(PackageError):
    """A package's file cannot be had; the text is the server's, for a person."""


class NotInstalled(PackageError):
    """`%pip install` of something that cannot be had here."""


class SourceUnavailable(PcwError, pickle.PicklingError):
    """A function cannot be sent to the server's Python: raised before anything is sent, it says why and what to do."""


class NotInBrowser(PcwError, RuntimeError):
    """Something that Python in a browser tab cannot do; the text says what to use instead."""
