"""`jupyter pcw serve`: a development server that sends what a site needs, or what its host would send."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable

from tornado import httpserver, web

from pcw_server_ext.errors import SiteError, SiteRefused
from pcw_server_ext.site.serving.folder import SiteFolder
from pcw_server_ext.site.serving.responder import respond
from pcw_server_ext.web.handlers import PathsInLogs

_LOGGER = logging.getLogger(__name__)


class SiteHandler(PathsInLogs):
    """Serves the files of one site."""

    def initialize(self, site: SiteFolder, prefix: str) -> None:
        self.site = site
        self.prefix = prefix

    def set_default_headers(self) -> None:
        """Drop Tornado's own name and its HTML default: only what the site's host sends is sent."""
        self.clear_header("Server")
        self.clear_header("Content-Type")

    def compute_etag(self) -> None:
        """The responder sets an ETag where there is one."""

    async def get(self, path: str) -> None:
        """Answer a GET or HEAD request."""
        await respond(self, self.site, path, self.prefix)

    async def head(self, path: str) -> None:
        """Answer a HEAD request."""
        await respond(self, self.site, path, self.prefix)


def normalize_base_path(value: str) -> str:
    """Return a URL path prefix that starts and ends with `/`; raises `SiteRefused` for anything else."""
    path = f"/{value.strip('/')}/" if value.strip("/") else "/"
    if any(part in (".", "..") for part in path.split("/")) or any(sign in path for sign in "?#\\ "):
        raise SiteRefused(f"{value!r} is no URL path. Use one such as /repo/.")
    return path


def application(site: SiteFolder, base_path: str = "/") -> web.Application:
    """Return the Tornado application that serves `site` below `base_path`; it logs what is missing, at debug."""
    prefix = normalize_base_path(base_path)
    arguments = {"site": site, "prefix": prefix}
    rules: list[tuple[str, type[web.RequestHandler], dict[str, object]]] = [
        (f"{prefix}(.*)", SiteHandler, {**arguments})
    ]
    if prefix != "/":
        rules.append((prefix.rstrip("/"), web.RedirectHandler, {"url": prefix}))
        rules.append(("/", web.RedirectHandler, {"url": prefix, "permanent": False}))
    return web.Application(rules, log_function=_log)


def _log(handler: web.RequestHandler) -> None:
    """JupyterLite asks for files that may be absent; a line for each would hide the address."""
    request = handler.request
    _LOGGER.debug("%d %s %s", handler.get_status(), request.method, request.path)


def listen(ip: str, port: int) -> socket.socket:
    """Bind `ip`:`port` (0: any free port); raises `SiteError` that names the remedy."""
    try:
        family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        bound = socket.create_server((ip, port), family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise SiteError(
                f"Port {port} is in use by another program. Choose another one, --port 0 takes any free one."
            ) from error
        if error.errno == errno.EACCES:
            raise SiteError(f"Port {port} needs more rights than you have. Choose one above 1023.") from error
        raise SiteError(f"{ip}:{port} cannot be used: {error.strerror or error}. Check --ip.") from error
    bound.setblocking(False)
    return bound


async def serve(
    site: SiteFolder, *, ip: str, port: int, base_path: str, announce: Callable[[str], None]
) -> None:
    """Serve `site` until cancelled; `announce` gets its URL once requests are answered."""
    server = httpserver.HTTPServer(application(site, base_path))
    bound = listen(ip, port)
    server.add_socket(bound)
    address = bound.getsockname()
    # 127.0.0.1 and not the name: browsers may resolve localhost to ::1 first.
    shown = f"[{address[0]}]" if ":" in address[0] else address[0]
    announce(f"http://{shown}:{address[1]}{normalize_base_path(base_path)}")
    try:
        await asyncio.Event().wait()
    finally:
        server.stop()
        await server.close_all_connections()
