"""The one exception tree of this package.

    PcwError
    ├── ConfigurationError          what the administrator or the user wrote cannot work
    ├── EngineError                 a local engine could not be started, or stopped
    ├── PackageError                a package of the Pyodide distribution cannot be had
    ├── TokenError                  a token for one endpoint cannot be made as asked
    └── UpstreamError               a Spark Connect server did not answer as gRPC demands

Errors of the sans-io HTTP/2 core have a tree of their own (``proxy.http2.errors``): it knows nothing of us.
"""

from __future__ import annotations


class PcwError(Exception):
    """Base of every error this package raises on purpose; the text is meant for a person."""


class ConfigurationError(PcwError):
    """A configured value cannot work; the message names the value's place and the remedy, never a secret."""


class EngineError(PcwError):
    """A local engine could not be started or has stopped; the message says why and what to do."""


class PackageError(PcwError):
    """A package of the Pyodide distribution cannot be had; the message says why and what to do.

    ``reason`` is ``unknown``, ``no-source``, ``unreachable``, ``corrupt`` or ``cache``.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class TokenError(PcwError):
    """A token for one endpoint cannot be made as asked; the message says why and what to do."""


class UpstreamError(PcwError):
    """An upstream failed below gRPC. ``code`` is the gRPC status number that the browser is told.

    ``session_lost`` tells the client that the server's side of its session is gone.
    """

    def __init__(self, code: int, message: str, *, session_lost: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.session_lost = session_lost
