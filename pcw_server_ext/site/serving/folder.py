"""A folder as a site: which file a request path means, and with which headers its host would send it.

No I/O but file metadata, no Tornado: the development server, the staging area and the check share it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from pcw_server_ext.errors import SiteError, SiteNotFound
from pcw_server_ext.site import header_rules, record
from pcw_server_ext.site.hosts import (
    Host,
    common_headers,
    find_host,
    is_immutable,
    isolation_headers,
)
from pcw_server_ext.web import media_types
from pcw_server_ext.web.accept_encoding import accepts, parse_accept_encoding
from pcw_server_ext.web.caching import IMMUTABLE
from pcw_server_ext.web.content_codings import SUFFIXES

#: Files that configure a host; none of the hosts serves them.
CONFIGURATION = frozenset({"_headers", "_redirects"})

#: What hosts answer with instead of a file that is not there.
NOT_FOUND = "404.html"


@dataclass(frozen=True)
class Answer:
    """What to answer to a request: a file, or a redirect, or (file None) nothing found."""

    status: int
    headers: dict[str, str]
    file: Path | None = None
    size: int = 0
    etag: str = ""


class SiteFolder:
    """The site in `root`, as `host` would serve it.

    Args:
        root: an existing folder; raises `SiteError` otherwise.
        host: None takes the one the site was built for.
        isolation: None takes the one the site was built with.
        development: send isolation headers whatever the host would do, and never let a browser cache pages.
    """

    def __init__(
        self, root: Path, *, host: Host | None = None, isolation: str | None = None, development: bool = False
    ) -> None:
        if not root.is_dir():
            raise SiteError(f"{root} is no folder. Build a site first: jupyter pcw build --output-dir {root}")
        self.root = root.resolve()
        self.record = record.read(self.root)
        known = self.record or record.SiteRecord()
        self.host = host or find_host(known.host)
        self.isolation = isolation or known.isolation
        self.development = development
        path = self.root / "_headers"
        self.rules = header_rules.parse(
            path.read_bytes().decode("utf-8", "replace") if path.is_file() else ""
        )

    def locate(self, path: str) -> Path:
        """Return the file or folder that `path` (decoded, relative, `/` between parts) names inside the site.

        Raises:
            SiteNotFound: also for paths that would leave the site: nothing is told about what is outside.
        """
        parts = [part for part in path.split("/") if part]
        forbidden = ("\0", "\\", ":") if os.name == "nt" else ("\0",)
        if any(part in (".", "..") or any(sign in part for sign in forbidden) for part in parts):
            raise SiteNotFound("There is no such file.")
        found = self.root.joinpath(*parts)
        try:
            real = found.resolve(strict=True)
        except (OSError, RuntimeError, ValueError):
            raise SiteNotFound("There is no such file.") from None
        # Compared by component: "/srv/site-old" is not inside "/srv/site".
        if real != self.root and self.root not in real.parents:
            raise SiteNotFound("There is no such file.")
        if real.parent == self.root and real.name in CONFIGURATION:
            raise SiteNotFound("There is no such file.")
        return real

    def answer(self, path: str, *, accept_encoding: str = "", hostname: str = "", query: str = "") -> Answer:
        """Decide the answer to a GET or HEAD of `path`, relative to the site's root, percent-decoded."""
        try:
            found = self.locate(path)
            if found.is_dir():
                if path and not path.endswith("/"):
                    return self._redirect(f"{path}/", 301, query, hostname)
                found, path = self.locate(f"{path}index.html"), f"{path}index.html"
            elif path.endswith("/"):
                raise SiteNotFound("There is no such file.")
            elif self.host.clean_html and not self.development and path.endswith(".html"):
                return self._redirect(_clean(path), 308, query, hostname)
            if not found.is_file():
                raise SiteNotFound("There is no such file.")
        except SiteNotFound:
            if self.host.clean_html and not self.development and path and not path.endswith((".html", "/")):
                # Cloudflare answers /x with x.html.
                try:
                    found = self.locate(f"{path}.html")
                except SiteNotFound:
                    return self._missing(path, hostname)
            else:
                return self._missing(path, hostname)
        return self._file(path, found, accept_encoding, hostname)

    def headers(self, path: str, hostname: str = "") -> dict[str, str]:
        """Return the headers of the file `path`, without those of one transfer (length, encoding, ETag)."""
        sent = [("Content-Type", media_types.media_type(path)), *self.host.defaults]
        if self.development:
            sent += [*common_headers(), *isolation_headers(self.isolation)]
            sent.append(("Cache-Control", IMMUTABLE if is_immutable(path) else "no-cache"))
            dialect = self.host.dialect or header_rules.Dialect.NETLIFY
            return self.rules.apply(dialect, f"/{path}", sent, hostname)
        if self.host.sends_headers:
            sent += [*common_headers(), *isolation_headers(self.isolation)]
            sent.append(("Cache-Control", IMMUTABLE if is_immutable(path) else "no-cache"))
        if self.host.dialect is None:
            return {name.lower(): value for name, value in sent}
        # A folder's page is requested by the folder's path; the rules see that one.
        seen = path[: -len("index.html")] if path.endswith("index.html") else path
        return self.rules.apply(self.host.dialect, f"/{seen}", sent, hostname)

    def files(self) -> Iterator[str]:
        """Yield the relative path of every file that can be requested, sorted."""
        for path in sorted(self.root.rglob("*")):
            if path.is_file():
                relative = path.relative_to(self.root).as_posix()
                if relative not in CONFIGURATION:
                    yield relative

    def _file(self, path: str, found: Path, accept_encoding: str, hostname: str) -> Answer:
        headers = self.headers(path, hostname)
        # Only a redirect has one.
        headers.pop("location", None)
        # A file of the contents that ends so is a file of its own.
        if (self.development or self.host.precompressed) and not path.startswith("files/"):
            accepted = parse_accept_encoding(accept_encoding)
            for encoding, suffix in SUFFIXES.items():
                sibling = found.with_name(found.name + suffix)
                if not sibling.is_file():
                    continue
                headers["vary"] = "Accept-Encoding"
                if accepts(accepted, encoding) and "content-encoding" not in headers:
                    headers["content-encoding"] = encoding
                    found = sibling
                    break
        return _found(headers, found)

    def _redirect(self, target: str, status: int, query: str, hostname: str) -> Answer:
        headers = self.headers(target, hostname)
        # Relative to the root: the caller knows under which prefix the site is served.
        headers["location"] = quote(target) + (f"?{query}" if query else "")
        headers.pop("content-type", None)
        return Answer(status, headers)

    def _missing(self, path: str, hostname: str) -> Answer:
        headers = self.headers(path, hostname)
        headers.pop("location", None)
        root_page = self.root / "index.html"
        if (
            self.host.root_page_for_absent
            and not self.development
            and not (self.root / NOT_FOUND).is_file()
            and root_page.is_file()
        ):
            # With the headers of the path that was asked for: below the runtime it is cached for a year.
            headers["content-type"] = media_types.media_type(root_page.name)
            return _found(headers, root_page)
        headers["content-type"] = "text/plain; charset=utf-8"
        headers["cache-control"] = "no-store"
        return Answer(404, headers)


def _found(headers: dict[str, str], file: Path) -> Answer:
    stat = file.stat()
    stamp = f"{stat.st_mtime_ns}-{stat.st_size}-{headers.get('content-encoding', '')}"
    etag = f'"{hashlib.sha256(stamp.encode()).hexdigest()[:32]}"'
    return Answer(200, headers, file, stat.st_size, etag)


def _clean(path: str) -> str:
    folder, _, name = path.rpartition("/")
    return (f"{folder}/" if folder else "") if name == "index.html" else path[: -len(".html")]
