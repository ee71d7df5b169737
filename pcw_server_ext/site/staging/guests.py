"""Sites that the visitor has not trusted, on an origin of their own: they run, without the visitor's rights.

A page has the rights of its origin's cookies, so a site that somebody uploaded must not share Jupyter's origin. It gets
a listener of its own under a host name of its own: on this machine `{label}.localhost`, which browsers lead to loopback
themselves, elsewhere `SiteService.origin`. Cookies know no ports, so another port alone would not do.

The visitor comes from Jupyter's origin, logged in, with a ticket that opens one content once and within a minute; the
listener gives a cookie for it that no script can read, and that opens this content alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote, urlencode, urlsplit

from tornado import httpserver, netutil, web

from pcw_server_ext.errors import SiteError, SiteNotFound, SiteRefused
from pcw_server_ext.site.serving.folder import SiteFolder
from pcw_server_ext.site.serving.responder import respond
from pcw_server_ext.site.staging.guest_headers import guest_headers, own_headers
from pcw_server_ext.site.staging.store import SiteStore, StagedSite
from pcw_server_ext.web.handlers import PathsInLogs

COOKIE = "pcw_guest"
#: Seconds in which a ticket must be used, and after which a visit without a request is over.
TICKET_SECONDS, VISIT_SECONDS = 60.0, 3600.0
#: Tickets and visits that are kept at once; the oldest is forgotten.
_MOST = 1000


class SitesOfGuests(Protocol):
    """What guests need of the service whose sites they see."""

    @property
    def store(self) -> SiteStore:
        """Where the sites are."""

    def folder(self, name: str) -> SiteFolder:
        """Return the files of the staged site `name`; raises `SiteNotFound`."""


@dataclass
class Visit:
    """What a ticket or a cookie opens.

    Attributes:
        name: the site's.
        folder: its content: a new upload is another one.
        home: the address on Jupyter's origin where the visitor can come again.
        until: on the monotonic clock.
    """

    name: str
    folder: str
    home: str
    until: float

    @property
    def label(self) -> str:
        """The name of this content's origin: no two contents have one."""
        return label_of(self.name, self.folder)


def label_of(name: str, folder: str) -> str:
    """Return the name of a content's origin."""
    return hashlib.sha256(f"{name}/{folder}".encode()).hexdigest()[:20]


class Guests:
    """The listener of guests, started when the first one is asked for.

    Args:
        service: whose sites are served.
        origin: where browsers find the listener, such as `https://sites.example` or `https://{site}.sites.example`; an
            empty string means `http://{label}.localhost` and the listener's port.
        port: the listener's on loopback; 0 takes any free one.
        clock: seconds that only go on.
    """

    def __init__(
        self, service: SitesOfGuests, *, origin: str, port: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._service = service
        self._origin = origin
        self._port = port
        self._clock = clock
        self._server: httpserver.HTTPServer | None = None
        self._tickets: dict[str, Visit] = {}
        self._visits: dict[str, Visit] = {}

    def invite(self, site: StagedSite, path: str, home: str) -> str:
        """Return the address, with a ticket, at which a visitor finds `path` of `site`; raises `SiteError`."""
        self._listen()
        visit = Visit(site.name, site.folder, home, self._clock() + TICKET_SECONDS)
        ticket = secrets.token_urlsafe(32)
        self._keep(self._tickets, ticket, visit)
        return f"{self.origin(visit.label)}/{visit.label}/{quote(path)}?{urlencode({'ticket': ticket})}"

    def origin(self, label: str) -> str:
        """Return the origin of a content."""
        if self._origin:
            return self._origin.replace("{site}", label)
        return f"http://{label}.localhost:{self._port}"

    def admit(self, ticket: str, label: str) -> str | None:
        """Return the cookie for a ticket, which is used up by this; None for one that does not open this content."""
        visit = self._tickets.pop(ticket, None)
        if visit is None or visit.label != label or visit.until < self._clock():
            return None
        cookie = secrets.token_urlsafe(32)
        self._keep(self._visits, cookie, visit)
        visit.until = self._clock() + VISIT_SECONDS
        return cookie

    def visit(self, cookie: str, label: str) -> Visit | None:
        """Return what a cookie opens, and let it live on; None where it does not open this content."""
        visit = self._visits.get(cookie)
        if visit is None or visit.label != label or visit.until < self._clock():
            return None
        visit.until = self._clock() + VISIT_SECONDS
        return visit

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.stop()
            await self._server.close_all_connections()
            self._server = None

    def _keep(self, kept: dict[str, Visit], key: str, visit: Visit) -> None:
        for old in [key for key, other in kept.items() if other.until < self._clock()]:
            del kept[old]
        while len(kept) >= _MOST:
            del kept[next(iter(kept))]
        kept[key] = visit

    def _listen(self) -> None:
        if self._server is not None:
            return
        try:
            sockets = netutil.bind_sockets(self._port, "127.0.0.1")
        except OSError as error:
            raise SiteError(
                f"Port {self._port} for sites that are not trusted cannot be used: {error.strerror}. Set "
                "SiteService.guest_port to a free one."
            ) from error
        self._port = sockets[0].getsockname()[1]
        with contextlib.suppress(OSError):
            # Some browsers look for *.localhost there first.
            sockets += netutil.bind_sockets(self._port, "::1")
        arguments = {"service": self._service, "guests": self}
        application = web.Application(
            [(r"/([0-9a-f]{20})(/.*)?", GuestHandler, arguments), (r".*", _NothingHandler)],
            log_function=lambda handler: None,
        )
        self._server = httpserver.HTTPServer(application, max_body_size=1 << 20, xheaders=False)
        self._server.add_sockets(sockets)


class _PlainHandler(PathsInLogs):
    """Errors as text, and no header that is not asked for."""

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        self.clear_header("Content-Type")

    def compute_etag(self) -> None:
        """The responder sets an ETag where there is one."""

    def write_error(self, status_code: int, **kwargs: object) -> None:
        self.refuse(status_code, "There is nothing here.")

    def refuse(self, status: int, text: str) -> None:
        """Finish with a text for a person, in a page that can do nothing."""
        self.clear()
        self.set_status(status)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.set_header("Content-Security-Policy", "default-src 'none'; sandbox")
        self.finish(f"{text}\n")


class _NothingHandler(_PlainHandler):
    """Everything that belongs to no content."""

    def prepare(self) -> None:
        self.refuse(404, "There is nothing here.")


class GuestHandler(_PlainHandler):
    """``/{label}/{path}``."""

    def initialize(self, service: SitesOfGuests, guests: Guests) -> None:
        """Called by Tornado with the handler's arguments."""
        self._service = service
        self._guests = guests

    async def get(self, label: str, path: str | None) -> None:
        """Send a file to a visitor who has the cookie, or the cookie to one who has a ticket."""
        origin = urlsplit(self._guests.origin(label))
        if self.request.host.lower() not in (origin.netloc, origin.hostname):
            self.refuse(404, "There is nothing here.")
            return
        ticket = self.get_query_argument("ticket", "")
        if ticket and self.request.method == "GET":
            self._admit(ticket, label, path or "/", secure=origin.scheme == "https")
            return
        visit = self._guests.visit(self.get_cookie(COOKIE, ""), label)
        if visit is None:
            self.refuse(
                403, "This visit is over, or was never begun. Open the site again from the Jupyter server."
            )
            return
        try:
            site = self._service.store.get(visit.name)
            if site.folder != visit.folder:
                raise SiteNotFound("replaced")
            folder = self._service.folder(visit.name)
        except (SiteNotFound, SiteRefused):
            self.refuse(404, f"This site was deleted or replaced. Look at {visit.home}")
            return
        file = (path or "/").lstrip("/")
        own = own_headers(folder, file)
        await respond(self, folder, file, f"/{label}/", lambda headers: {**guest_headers(headers), **own})

    head = get

    def post(self, label: str, path: str | None) -> None:
        """Answer the calls of a site whose Spark is on its own server."""
        visit = self._guests.visit(self.get_cookie(COOKIE, ""), label)
        if visit is None or not (path or "").startswith("/pcw/grpc/"):
            self.refuse(403, "There is nothing here.")
            return
        self.set_header("Content-Type", "application/grpc-web+proto")
        self.set_header("Cache-Control", "no-store")
        self.set_header("grpc-status", "7")
        self.set_header(
            "grpc-message",
            quote(
                "This site runs apart from the Jupyter server, without your rights there, so it cannot use the "
                f"server's Spark. If you trust it, open {visit.home} and say so; else connect it to another Spark."
            ),
        )
        self.finish()

    def check_xsrf_cookie(self) -> None:
        """Nothing here changes anything."""

    def _admit(self, ticket: str, label: str, path: str, *, secure: bool) -> None:
        cookie = self._guests.admit(ticket, label)
        if cookie is None:
            self.refuse(403, "This address opens a site once. Open it again from the Jupyter server.")
            return
        self.set_cookie(COOKIE, cookie, path=f"/{label}/", httponly=True, samesite="Lax", secure=secure)
        self.set_header("Cache-Control", "no-store")
        self.set_header("Referrer-Policy", "no-referrer")
        self.redirect(path_of(label, path))


def path_of(label: str, path: str) -> str:
    """Return the address of a decoded path of a content, relative to its origin."""
    return f"/{label}/{quote(path.lstrip('/'))}"
