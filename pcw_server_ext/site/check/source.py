"""Reads a site: from a folder, with the headers its host would send, or over HTTP."""

from __future__ import annotations

import email.message
import http.client
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol
from urllib.parse import quote, urlsplit

from pcw_server_ext.errors import SiteError
from pcw_server_ext.site.serving.folder import SiteFolder
from pcw_server_ext.site.settings import APPS
from pcw_server_ext.web.addresses import origin_of

TIMEOUT = 20.0
#: Nothing that is read whole is larger.
MAX_BODY = 256 << 20
USER_AGENT = "pcw-server-ext check"


@dataclass(frozen=True)
class Reply:
    """An HTTP response; header names are in lower case, repeated ones joined by a comma."""

    status: int
    headers: dict[str, str]
    body: bytes = b""


class Source(Protocol):
    """A site that can be asked for files."""

    @property
    def origin(self) -> str:
        """Origin of the pages, an empty string where it is not known yet."""

    def get(self, path: str, *, body: bool = True) -> Reply:
        """Return the answer to a GET (or HEAD) of `path`, relative to the site's root; redirects are not followed."""


class FolderSource:
    """A site in a folder.

    Args:
        site: the folder.
        port: where a check that needs a browser serves it on loopback; 0: a free one.
    """

    origin = ""

    def __init__(self, site: SiteFolder, port: int = 0) -> None:
        self.site = site
        self.port = port

    def get(self, path: str, *, body: bool = True) -> Reply:
        """See `Source`."""
        answer = self.site.answer(path)
        content = answer.file.read_bytes() if body and answer.file is not None else b""
        headers = {**answer.headers, "content-length": str(answer.size)} if answer.file else answer.headers
        return Reply(answer.status, headers, content)


class UrlSource:
    """A site at a URL.

    Args:
        url: the site's root; a page's name at its end is cut off.
        token: of a Jupyter server, sent to the site's own origin only, and only where the address is that of a site on
            a Jupyter server: the variable may be set where somebody checks a site that is hosted elsewhere.
    """

    def __init__(self, url: str, token: str = "") -> None:
        split = urlsplit(url)
        path = split.path if split.path.endswith("/") else split.path.rpartition("/")[0] + "/"
        for app in APPS:
            path = path.removesuffix(f"/{app}/") + "/" if path.endswith(f"/{app}/") else path
        self.root = f"{split.scheme}://{split.netloc}{path}"
        self.token = token if self.server else ""

    @property
    def server(self) -> str:
        """Base URL of the Jupyter server that the site is on; an empty string for a site that is on none."""
        for mark in ("/pcw/sites/", "/pcw/lite/"):
            base, found, _ = self.root.partition(mark)
            if found:
                return f"{base}/"
        return ""

    @property
    def origin(self) -> str:
        """See `Source`."""
        split = urlsplit(self.root)
        return f"{split.scheme}://{split.netloc}"

    def get(self, path: str, *, body: bool = True) -> Reply:
        """See `Source`."""
        headers = {"Authorization": f"token {self.token}"} if self.token else {}
        return fetch(self.root + quote(path, safe="/?=&"), method="GET" if body else "HEAD", headers=headers)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer to look at, and no place to send a token to."""

    def redirect_request(self, *args: object) -> None:
        return None


def fetch(
    url: str,
    *,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    body: bytes | IO[bytes] | None = None,
    timeout: float = TIMEOUT,
) -> Reply:
    """Send one request and return whatever is answered.

    Args:
        url: where to.
        method: HTTP's.
        headers: with `Content-Length` for a body that is a file.
        body: bytes, or a file that is read piece by piece.
        timeout: seconds without a byte after which the server counts as silent.

    Raises:
        SiteError: no HTTP answer came; the text says why (name, connection, certificate, silence) in plain words.
    """
    request = urllib.request.Request(url, data=body, method=method)
    for name, value in {"User-Agent": USER_AGENT, **(headers or {})}.items():
        request.add_header(name, value)
    opener = urllib.request.build_opener(_NoRedirect())
    host = urlsplit(url).netloc
    try:
        with opener.open(request, timeout=timeout) as response:
            return _reply(response.status, response.headers, response.read(MAX_BODY))
    except urllib.error.HTTPError as error:
        with error:
            return _reply(error.code, error.headers, error.read(MAX_BODY))
    except urllib.error.URLError as error:
        reason = error.reason
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise SiteError(f"the certificate of {host} is not trusted: {reason.verify_message}") from None
        if isinstance(reason, ssl.SSLError):
            raise SiteError(f"{host} does not speak TLS as expected: {reason.reason}") from None
        raise SiteError(_broken(host, reason, timeout) or f"{host} cannot be reached: {reason}") from None
    except (OSError, http.client.HTTPException) as error:
        if broken := _broken(host, error, timeout):
            raise SiteError(broken) from None
        raise SiteError(f"{host} did not answer as HTTP demands: {error or type(error).__name__}") from None


def _broken(host: str, reason: object, timeout: float) -> str | None:
    """What to say of a connection that fell silent or was closed; None for another reason."""
    if isinstance(reason, TimeoutError):
        return f"{host} did not answer within {timeout:g} s"
    # A server that has stopped, or that refuses a body before it has come.
    if isinstance(reason, (BrokenPipeError, ConnectionAbortedError, ConnectionResetError)):
        return f"{host} closed the connection before it had answered"
    return None


def _reply(status: int, headers: email.message.Message, body: bytes) -> Reply:
    joined: dict[str, str] = {}
    for name, value in headers.items():
        key = name.lower()
        joined[key] = f"{joined[key]}, {value}" if key in joined else value
    return Reply(status, joined, body)


def open_source(target: str, *, token: str = "", host: str | None = None, port: int = 0) -> Source:
    """Return the site that `target`, a folder or a URL, means; `port` is a folder's. Raises `SiteError`."""
    from pcw_server_ext.site.hosts import find_host

    if origin_of(target) is not None:
        return UrlSource(target, token)
    return FolderSource(SiteFolder(Path(target), host=find_host(host) if host else None), port)
