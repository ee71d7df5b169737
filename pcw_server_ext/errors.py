"""The one exception tree of this package.

    PcwError
    ├── ConfigurationError          what the administrator or the user wrote cannot work
    ├── EngineError                 a local engine could not be started, or stopped
    ├── PackageError                a package of the Pyodide distribution, or of an index, cannot be had
    ├── SiteError                   a site cannot be built, served, staged or checked
    │   ├── NoBrowser               there is no browser to look at a site with
    │   ├── SiteNotFound            there is no such site, or no such file in it
    │   └── SiteRefused             a name, a path or a setting that must not be used
    ├── TokenError                  a token for one endpoint cannot be made as asked
    └── UpstreamError               a Spark Connect server did not answer as gRPC demands
        └── QuotaExceeded           a query or a session is more than its user may have

Errors of the sans-io HTTP/2 core have a tree of their own (``proxy.http2.errors``): it knows nothing of us.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark_connect_web.wire import StatusCode


class PcwError(Exception):
    """Base of every error this package raises on purpose; the text is meant for a person."""


class ConfigurationError(PcwError):
    """A configured value cannot work; the message names the value's place and the remedy, never a secret."""


class EngineError(PcwError):
    """A local engine could not be started or has stopped; the message says why and what to do.

    `permanent`: it would be the same at the next try, until somebody changes the installation or the configuration.
    """

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent


class PackageError(PcwError):
    """A package of the Pyodide distribution, or of an index, cannot be had; the message says why and what to do.

    ``reason`` is ``unknown``, ``no-source``, ``no-index``, ``forbidden``, ``unreachable``, ``corrupt``, ``too-large``
    or ``cache``.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class TokenError(PcwError):
    """A token for one endpoint cannot be made as asked; the message says why and what to do."""


class UpstreamError(PcwError):
    """An upstream failed below gRPC. ``code`` is the gRPC status that the browser is told.

    ``session_lost`` tells the client that the server's side of its session is gone.
    """

    def __init__(self, code: StatusCode, message: str, *, session_lost: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.session_lost = session_lost


class QuotaExceeded(UpstreamError):
    """A query or a session is more than its user may have; the message says the limit, who sets it and what to do.

    ``quota`` is ``queries``, ``sessions``, ``bytes`` or ``rows``. The code is RESOURCE_EXHAUSTED without a RetryInfo:
    Spark Connect's clients repeat no such call.
    """

    def __init__(self, quota: str, message: str) -> None:
        from pyspark_connect_web.wire import StatusCode

        super().__init__(StatusCode.RESOURCE_EXHAUSTED, message)
        self.quota = quota


class SiteError(PcwError):
    """A site cannot be built, served, staged or checked; the message says what to do."""


class NoBrowser(SiteError):
    """There is no browser to look at a site with; `fix` says what to install."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.fix = fix


class SiteNotFound(SiteError):
    """There is no such site, or no such file in it."""


class SiteRefused(SiteError):
    """A name, a path or a setting that must not be used; the message says which and why."""
