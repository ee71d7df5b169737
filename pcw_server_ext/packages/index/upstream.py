"""Another index over HTTP: the one that pip is configured with on this server, or one that a setting names.

What is asked for is made of a configured address and a normalized name, or is a link of the index's own page. A login
goes to the index's own origin only. Texts of errors reach browsers: they hold no address. The log has hosts, and no
more of an address, since a token can be part of a path.
"""

from __future__ import annotations

import hashlib
import http.client
import logging
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import closing
from email.message import Message
from typing import IO, Final
from urllib.parse import urljoin, urlsplit

from pcw_server_ext.errors import ConfigurationError, PackageError
from pcw_server_ext.packages.index import pages, pip_configuration
from pcw_server_ext.packages.index.wheel_files import METADATA_LIMIT, WheelFile
from pcw_server_ext.packages.sources import split_login
from pcw_server_ext.web.addresses import origin_of, same_origin

#: The value of the setting that means pip's own configuration.
PIP: Final = "pip"
#: Seconds without a byte after which an index counts as unreachable.
SILENCE: Final = 20.0
#: Seconds that a page, and that a wheel may take in all.
PAGE_SECONDS: Final = 60.0
FILE_SECONDS: Final = 600.0
#: Bytes; the largest pages of the public index have some 20 MB.
PAGE_LIMIT: Final = 48 << 20
_PIECE: Final = 1 << 16
_REDIRECTIONS: Final = 5


class HttpIndex:
    """An index behind one address; see `index.Upstream`.

    Args:
        address: may have a login.
        largest: bytes of the largest file that is read.
        log: told what went wrong.
        certificate: a file of certificate authorities; empty: those of Python.
        silence: seconds without a byte after which it counts as unreachable.
    """

    def __init__(
        self,
        address: str,
        *,
        largest: int,
        log: logging.Logger,
        certificate: str = "",
        silence: float = SILENCE,
    ) -> None:
        check(address)
        self._address, self._login = split_login(address if address.endswith("/") else f"{address}/")
        self.name = str(urlsplit(self._address).hostname)
        self._largest = largest
        self._log = log
        self._silence = silence
        try:
            self._tls = ssl.create_default_context(cafile=certificate or None)
        except OSError as error:
            raise ConfigurationError(
                f"pip's certificate file (cert) for packages cannot be read: {error.strerror or error}."
            ) from None

    def files(self, project: str) -> Sequence[WheelFile]:
        """See `index.Upstream.files`."""
        address = urljoin(self._address, f"{project}/")
        try:
            content, final = self._page(address, project)
        except _Absent:
            return []
        try:
            files = pages.read(content, final)
        except pages.UnreadablePage as error:
            raise self._failed("unreachable", f"the page of {project}: {error}") from None
        return [one for one in files if _may_follow(self._address, one.url)]

    def read(self, wheel: WheelFile) -> Iterator[bytes]:
        """See `index.Upstream.read`."""
        return self._file(wheel.url, wheel.file, self._largest)

    def read_metadata(self, wheel: WheelFile) -> bytes:
        """See `index.Upstream.read_metadata`."""
        parts = urlsplit(wheel.url)
        address = parts._replace(path=f"{parts.path}.metadata").geturl()
        content = b"".join(self._file(address, f"{wheel.file}.metadata", METADATA_LIMIT))
        if wheel.metadata and hashlib.sha256(content).hexdigest() != wheel.metadata:
            raise self._failed("corrupt", f"the metadata of {wheel.file} have another hash than it names")
        return content

    def _page(self, address: str, project: str) -> tuple[bytes, str]:
        with closing(self._open(address, f"the page of {project}", pages.ACCEPT)) as response:
            pieces = self._pieces(response, f"the page of {project}", PAGE_LIMIT, PAGE_SECONDS)
            return b"".join(pieces), str(response.geturl())

    def _file(self, address: str, what: str, limit: int) -> Iterator[bytes]:
        if not _may_follow(self._address, address):
            raise self._failed("unreachable", f"{what} lies at an address that is not followed")
        try:
            with closing(self._open(address, what, "*/*")) as response:
                yield from self._pieces(response, what, limit, FILE_SECONDS)
        except _Absent:
            raise self._failed("unreachable", f"{what} is not there (HTTP status 404)") from None

    def _open(self, address: str, what: str, accept: str) -> http.client.HTTPResponse:
        headers = {"Accept": accept, "User-Agent": "pcw-server-ext"}
        request = urllib.request.Request(address, headers=headers)
        if self._login is not None and same_origin(address, self._address):
            # not sent again where a redirection leads
            request.add_unredirected_header("Authorization", self._login)
        try:
            response: http.client.HTTPResponse = self._opener().open(request, timeout=self._silence)
        except urllib.error.HTTPError as error:
            with closing(error):
                if error.code in (404, 410):
                    raise _Absent from None
                raise self._failed("unreachable", f"{what}: HTTP status {error.code}") from None
        except urllib.error.URLError as error:
            # a text of ours or of the system: neither has an address in it
            raise self._failed("unreachable", f"{what}: {error.reason}") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._failed("unreachable", f"{what}: {type(error).__name__}") from None
        return response

    def _opener(self) -> urllib.request.OpenerDirector:
        """Only http and https, through the environment's proxies."""
        opener = urllib.request.OpenerDirector()
        for handler in (
            urllib.request.ProxyHandler(),
            urllib.request.HTTPHandler(),
            urllib.request.HTTPSHandler(context=self._tls),
            _Redirections(self._address, self._login),
            urllib.request.HTTPDefaultErrorHandler(),
            urllib.request.HTTPErrorProcessor(),
            urllib.request.UnknownHandler(),
        ):
            opener.add_handler(handler)
        return opener

    def _pieces(
        self, response: http.client.HTTPResponse, what: str, limit: int, seconds: float
    ) -> Iterator[bytes]:
        end, total = time.monotonic() + seconds, 0
        expected = response.length
        while True:
            try:
                # no more than one read of the socket: time is looked at in between
                piece = response.read1(_PIECE)
            except (OSError, http.client.HTTPException) as error:
                raise self._failed("unreachable", f"{what} broke off: {type(error).__name__}") from None
            if not piece:
                break
            total += len(piece)
            if total > limit:
                raise self._failed("too-large", f"{what} has more than {limit >> 20} MiB")
            if time.monotonic() > end:
                raise self._failed("unreachable", f"{what} takes longer than {seconds:.0f} s")
            yield piece
        if expected is not None and total < expected:
            # read1 does not tell
            raise self._failed("unreachable", f"{what} broke off after {total} bytes")

    def _failed(self, reason: str, what: str) -> PackageError:
        self._log.warning("The index at %s: %s", self.name, what)
        if reason == "corrupt":
            return PackageError(
                reason,
                f"The index that this server asks is damaged: {what}. Tell the administrator of this server.",
            )
        if reason == "too-large":
            return PackageError(reason, f"{what}, the limit of this server; nothing of it was kept.")
        return PackageError(
            reason,
            f"The index that this server asks did not give {what}. Try again; if it stays so, the administrator of this"
            " server finds the reason in its log.",
        )


class Indexes:
    """Several indexes; the first that has a project is the one that is asked for its files.

    Versions of two indexes are never mixed: who registers the name of a company's package in a public index, with a
    higher version, would get his code into it.
    """

    def __init__(self, indexes: Sequence[HttpIndex]) -> None:
        self._indexes = tuple(indexes)
        self.name = ", ".join(one.name for one in self._indexes)
        self._of: dict[str, HttpIndex] = {}

    def files(self, project: str) -> Sequence[WheelFile]:
        """See `index.Upstream.files`. One that cannot be asked ends it: another's answer could be the wrong one."""
        for one in self._indexes:
            found = one.files(project)
            if found:
                self._of[project] = one
                return found
        return []

    def read(self, wheel: WheelFile) -> Iterator[bytes]:
        """See `index.Upstream.read`."""
        return self._index_of(wheel).read(wheel)

    def read_metadata(self, wheel: WheelFile) -> bytes:
        """See `index.Upstream.read_metadata`."""
        return self._index_of(wheel).read_metadata(wheel)

    def _index_of(self, wheel: WheelFile) -> HttpIndex:
        return self._of[wheel.name]


def make_upstream(setting: str, *, largest: int, log: logging.Logger) -> HttpIndex | Indexes | None:
    """The index that a setting means: `pip`, an address, or empty for none. Raises ConfigurationError."""
    text = setting.strip()
    certificate = ""
    if text == PIP:
        configured = pip_configuration.read()
        addresses, certificate = configured.indexes, configured.certificate
    else:
        addresses = (text,) if text else ()
    indexes = [HttpIndex(one, largest=largest, log=log, certificate=certificate) for one in addresses]
    return Indexes(indexes) if len(indexes) > 1 else next(iter(indexes), None)


def check(address: str) -> None:
    """Raises ConfigurationError where it is no address of an index; the text does not repeat it."""
    if origin_of(address) is None:
        raise ConfigurationError(
            "An index of packages is an http(s) address with a host: try https://host/simple/. (In pip's"
            " configuration: index-url and extra-index-url.)"
        )


def _may_follow(index: str, address: str) -> bool:
    """Whether a link or a redirection of an index may be followed: to https, or to the index's own host."""
    origin, own = origin_of(address), origin_of(index)
    if origin is None or own is None:
        return False
    # not from https down to http on the same host either
    return origin[0] == "https" or (own[0] == "http" and origin[1] == own[1])


class _Absent(Exception):
    """HTTP status 404 or 410."""


class _Redirections(urllib.request.HTTPRedirectHandler):
    max_redirections = _REDIRECTIONS

    def __init__(self, index: str, login: str | None) -> None:
        self._index, self._login = index, login

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Message,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Follow to https or to the same host; anything else is an error."""
        if not _may_follow(self._index, newurl):
            raise urllib.error.URLError("it leads to an address that is not followed")
        made = super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]
        if made is not None and self._login is not None and same_origin(newurl, self._index):
            made.add_unredirected_header("Authorization", self._login)
        return made
