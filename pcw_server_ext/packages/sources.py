"""Where packages of the Pyodide distribution come from: a base URL, a folder, or a wheel index.

A source only brings bytes: whether they are the right ones is for the mirror to say.
"""

from __future__ import annotations

import base64
import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path
from typing import IO, Final, Protocol
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

from pcw_server_ext.errors import ConfigurationError, PackageError
from pcw_server_ext.packages.lock import Package
from pcw_server_ext.web.addresses import origin_of, same_origin

#: Seconds without a byte after which a source counts as unreachable.
TIMEOUT: Final = 30.0
#: Bytes; no package of the distribution comes near.
LIMIT: Final = 1 << 30
_PIECE: Final = 1 << 18
_INDEX_LIMIT: Final = 32 << 20
_JSON: Final = "application/vnd.pypi.simple.v1+json"
_INDEX: Final = "index+"


class Source(Protocol):
    """Something that has packages. ``name`` is for messages and holds no secret."""

    name: str

    def read(self, package: Package) -> Iterator[bytes]:
        """The content of a package's file, in pieces. Raises PackageError."""


class FolderSource:
    """A folder with the files, or an unpacked distribution (its files are in ``pyodide/``)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = str(folder)

    def read(self, package: Package) -> Iterator[bytes]:
        """See Source."""
        for path in (self.folder / package.file, self.folder / "pyodide" / package.file):
            try:
                with path.open("rb") as file:
                    yield from _pieces(file, self.name)
                return
            except FileNotFoundError:
                continue
            except OSError as error:
                raise PackageError("unreachable", f"{path} cannot be read: {error.strerror}") from error
        raise PackageError("unreachable", f"{self.name} has no {package.file}")


class UrlSource:
    """A place on the web with the files side by side."""

    def __init__(self, url: str) -> None:
        self._url, self._login = split_login(url if url.endswith("/") else f"{url}/")
        self.name = self._url

    def read(self, package: Package) -> Iterator[bytes]:
        """See Source."""
        return _download(urljoin(self._url, quote(package.file)), self._login, self.name)


class IndexSource:
    """A wheel index (PEP 503 or PEP 691), as pip uses."""

    def __init__(self, url: str) -> None:
        self._url, self._login = split_login(url if url.endswith("/") else f"{url}/")
        self.name = self._url

    def read(self, package: Package) -> Iterator[bytes]:
        """See Source."""
        page = urljoin(self._url, f"{quote(package.name)}/")
        content = b"".join(
            _download(page, self._login, self.name, limit=_INDEX_LIMIT, accept=f"{_JSON}, text/html;q=0.5")
        )
        for link in _links(content):
            target = urljoin(page, link)
            parts = urlsplit(target)
            if origin_of(target) is not None and unquote(parts.path).rpartition("/")[2] == package.file:
                # a login is for the index's own host
                login = self._login if same_origin(target, self._url) else None
                return _download(urlunsplit(parts._replace(fragment="")), login, self.name)
        raise PackageError("unreachable", f"{self.name} has no {package.file}")


def make_source(setting: str, version: str) -> Source | None:
    """The source that a setting means, None for an empty one; ``{version}`` is Pyodide's. Raises ConfigurationError."""
    text = setting.strip().replace("{version}", version)
    if not text:
        return None
    if text.startswith(_INDEX):
        _check_url(text.removeprefix(_INDEX))
        return IndexSource(text.removeprefix(_INDEX))
    if urlsplit(text).scheme.lower() in ("http", "https"):
        _check_url(text)
        return UrlSource(text)
    if text.startswith("file://"):
        parts = urlsplit(text)
        if parts.netloc not in ("", "localhost"):
            raise ConfigurationError(
                "A file:// source of packages names a folder of this machine: file:///srv/pyodide."
            )
        return FolderSource(Path(urllib.request.url2pathname(parts.path)))
    if "://" in text or not Path(text).expanduser().is_absolute():
        raise ConfigurationError(
            "The source of packages must be an http(s) URL, index+URL of a wheel index, a file:// URL or an absolute"
            " path."
        )
    return FolderSource(Path(text).expanduser())


def _check_url(url: str) -> None:
    if origin_of(url) is None:
        raise ConfigurationError(
            "packages_source must be an http(s) URL with a host: try https://host/folder/."
        )


def split_login(url: str) -> tuple[str, str | None]:
    """The URL without user and password, and these as an Authorization header."""
    parts = urlsplit(url)
    if parts.username is None:
        return url, None
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return bare, f"Basic {base64.b64encode(login.encode()).decode()}"


def _opener() -> urllib.request.OpenerDirector:
    """Only http and https, through the environment's proxies: a redirection to a local file leads nowhere."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _download(
    url: str, login: str | None, name: str, *, limit: int = LIMIT, accept: str = "*/*"
) -> Iterator[bytes]:
    request = urllib.request.Request(url, headers={"Accept": accept, "User-Agent": "pcw-server-ext"})
    if login is not None:
        # not sent again where a redirection leads
        request.add_unredirected_header("Authorization", login)
    try:
        with closing(_opener().open(request, timeout=TIMEOUT)) as response:
            yield from _pieces(response, name, limit)
    except urllib.error.HTTPError as error:
        with closing(error):
            raise PackageError("unreachable", f"{name} answered {error.code} for {_last(url)}") from None
    except urllib.error.URLError as error:
        raise PackageError("unreachable", f"{name} cannot be reached ({error.reason})") from None
    except (OSError, http.client.HTTPException) as error:
        raise PackageError(
            "unreachable", f"{name} broke off while sending {_last(url)} ({error!r})"
        ) from None


def _pieces(file: IO[bytes], name: str, limit: int = LIMIT) -> Iterator[bytes]:
    total = 0
    while piece := file.read(_PIECE):
        total += len(piece)
        if total > limit:
            raise PackageError("unreachable", f"{name} sends more than {limit} bytes for one file")
        yield piece


def _last(url: str) -> str:
    path = unquote(urlsplit(url).path)
    return path.rstrip("/").rpartition("/")[2]


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.links += [value for key, value in attrs if key == "href" and value]


def _links(content: bytes) -> list[str]:
    """The files' addresses on a page of a wheel index, JSON or HTML."""
    text = content.decode("utf-8", "replace")
    if text.lstrip().startswith("{"):
        try:
            return [str(file["url"]) for file in json.loads(text)["files"]]
        except (ValueError, KeyError, TypeError):
            return []
    parser = _Anchors()
    parser.feed(text)
    return parser.links
