"""The staging area's URLs, below the server's base_url.

GET    pcw/api/sites                    {"sites": [{"name", "host", "url", ...}]}
GET    pcw/api/sites/{name}             one of them
POST   pcw/api/sites/{name}             build from {"host", "endpoint", "contents": [...], ...} and stage
PUT    pcw/api/sites/{name}             stage the zip file in the body; ?trust=true: and trust it
DELETE pcw/api/sites/{name}
POST   pcw/api/sites/{name}/trust       let it act with the caller's rights
DELETE pcw/api/sites/{name}/trust       no longer
GET    pcw/api/sites/{name}/download    the site as a zip file
GET    pcw/sites/{name}/...             its files, with the headers of its host
GET    pcw/guests/{name}/...            leads to the same files on an origin of their own
GET    pcw/lite/...                     the files of the server's own site
"""

from __future__ import annotations

import asyncio
import functools
import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote

from jupyter_server.utils import url_path_join
from tornado import iostream, web

from pcw_server_ext.errors import SiteError, SiteNotFound, SiteRefused
from pcw_server_ext.site.serving.responder import CHUNK, respond
from pcw_server_ext.site.staging.guest_headers import guest_headers, own_headers
from pcw_server_ext.site.staging.service import SiteService, read_request
from pcw_server_ext.site.staging.store import StagedSite
from pcw_server_ext.site.staging.trust import ASKING_POLICY, asking_page, person
from pcw_server_ext.web.body_watch import BodyWatch, Pace
from pcw_server_ext.web.handlers import (
    AUTH_RESOURCE,
    JsonErrors,
    ParsedOrigin,
    declared_length,
    may,
)
from pcw_server_ext.web.isolation import COEP, COOP

if TYPE_CHECKING:
    from jupyter_server.extension.application import ExtensionApp

#: Uploads up to this many bytes stay in memory.
_SPOOL = 8 << 20
#: Bytes that the description of a site to build may have.
_MAX_DESCRIPTION = 1 << 20


def routes(app: ExtensionApp, pace: Pace) -> list[tuple[str, type[web.RequestHandler], dict[str, Any]]]:
    """Return the handlers for `app`; Jupyter puts base_url before them. `pace` is that of uploads."""
    service = SiteService(parent=app)
    arguments = {"service": service}
    name = r"([^/]+)"
    lite: list[tuple[str, type[web.RequestHandler], dict[str, Any]]] = [
        (r"/pcw/lite(/.*)?", LiteFilesHandler, arguments)
    ]
    if not service.enabled:
        return lite if service.lite_site else []
    return [
        (r"/pcw/api/sites", SitesHandler, arguments),
        (rf"/pcw/api/sites/{name}", SiteHandler, {**arguments, "pace": pace}),
        (rf"/pcw/api/sites/{name}/download", DownloadHandler, arguments),
        (rf"/pcw/api/sites/{name}/trust", TrustHandler, arguments),
        (rf"/pcw/sites/{name}(/.*)?", StagedFilesHandler, arguments),
        (rf"/pcw/guests/{name}(/.*)?", InviteHandler, arguments),
        *lite,
    ]


class _ApiHandler(JsonErrors):
    """JSON in, JSON out."""

    auth_resource = AUTH_RESOURCE

    def initialize(self, service: SiteService) -> None:
        """Called by Tornado with the handler's arguments."""
        self.service = service

    def settings_ip(self) -> str:
        """Return the address that the server listens on."""
        return str(getattr(self.serverapp, "ip", ""))

    def describe(self, site: StagedSite) -> dict[str, Any]:
        """Return what the page is told of a site."""
        url = url_path_join(self.base_url, "pcw/sites", quote(site.name), "/")
        told = {key: value for key, value in asdict(site).items() if key not in ("folder", "trusted")}
        return told | {"url": url, "trusted": person(self) in site.trusted}

    async def answer(self, work: Any, status: int = 200) -> Any:
        """Await `work` and translate the site's own errors into HTTP's."""
        try:
            return await work
        except SiteNotFound as error:
            raise web.HTTPError(404, _verbatim(error)) from None
        except SiteRefused as error:
            raise web.HTTPError(400, _verbatim(error)) from None
        except SiteError as error:
            raise web.HTTPError(500, _verbatim(error)) from None

    def send(self, data: Any, status: int = 200) -> None:
        """Finish with JSON."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps(data))


class SitesHandler(_ApiHandler):
    """All sites."""

    @web.authenticated
    @may("read")
    async def get(self) -> None:
        """List the staged sites."""
        sites = await asyncio.to_thread(self.service.store.list)
        self.send({"sites": [self.describe(site) for site in sites]})


@web.stream_request_body
class SiteHandler(_ApiHandler):
    """One site."""

    def initialize(self, service: SiteService, pace: Pace) -> None:  # type: ignore[override]
        """Called by Tornado with the handler's arguments; `pace` is an upload's."""
        super().initialize(service)
        self._pace = pace
        self._watch: BodyWatch | None = None
        self._body: IO[bytes] | None = None

    async def prepare(self) -> None:  # type: ignore[override]
        """Admit an upload before a byte of it is read."""
        await super().prepare(_redirect_to_login=False)
        if self.request.method not in ("PUT", "POST") or self._finished:
            return
        admitted = self._admit()
        if admitted is not None:
            await admitted
        length = declared_length(self.request.headers)
        limit = self.service.max_site_size
        if self.request.method == "POST":
            limit = _MAX_DESCRIPTION
            if length > limit:
                raise web.HTTPError(413, "The settings of a site to build have 1 MiB at most.")
        elif length > limit:
            raise web.HTTPError(413, f"The upload is larger than {limit} bytes (SiteService.max_site_size).")
        self.request.connection.set_max_body_size(limit)  # type: ignore[union-attr]
        # Closed by who takes it, or when the request ends.
        self._body = tempfile.SpooledTemporaryFile(_SPOOL)  # noqa: SIM115
        self._watch = BodyWatch(self._pace, self._cut)

    @web.authenticated
    @may("write")
    async def _admit(self) -> None:
        if not self.check_origin():
            raise web.HTTPError(403, "The request comes from another origin, which is not allowed here.")

    def data_received(self, chunk: bytes) -> None:
        """Keep a piece of the upload."""
        if self._body is not None and self._watch is not None:
            self._body.write(chunk)
            self._watch.received(len(chunk))

    def _cut(self) -> None:
        self.log.warning("An upload to pcw/api/sites stood still and is cut off.")
        self.request.connection.stream.close()  # type: ignore[union-attr]

    def on_finish(self) -> None:
        """Forget an upload that nobody took."""
        if self._watch is not None:
            self._watch.stop()
        if self._body is not None:
            self._body.close()

    def on_connection_close(self) -> None:
        """Forget an upload that was cut."""
        self.on_finish()

    @web.authenticated
    @may("read")
    async def get(self, name: str) -> None:
        """Describe a site."""
        self.send(self.describe(await self.answer(asyncio.to_thread(self.service.store.get, name))))

    @web.authenticated
    @may("write")
    async def put(self, name: str) -> None:
        """Stage the zip file in the body; the site it replaces is served until this one is complete."""
        body = self._whole_body()
        trusted = (person(self),) if self.get_query_argument("trust", "") == "true" else ()

        # It goes on when the client does not wait: the upload is complete, and how far it is cannot be seen from there.
        def stage() -> StagedSite:
            with body, self.service.store.new_folder() as folder:
                self.service.store.unpack(body, folder)
                return self.service.store.put(name, folder, trusted)

        self.send(self.describe(await self.answer(self.service.work(stage))), 201)

    @web.authenticated
    @may("write")
    async def post(self, name: str) -> None:
        """Build a site from files of the user's and stage it."""
        with self._whole_body() as body:
            described = body.read()
        root = getattr(self.contents_manager, "root_dir", "")
        if not root:
            raise web.HTTPError(
                400,
                "This server keeps its files elsewhere than on its disk: build a site yourself and upload it.",
            )
        try:
            job = read_request(described, Path(root))
        except SiteRefused as error:
            raise web.HTTPError(400, _verbatim(error)) from None
        staged, left_out = await self.answer(self.service.build(name, job, Path(root), person(self)))
        self.send({**self.describe(staged), "left_out": left_out}, 201)

    @web.authenticated
    @may("write")
    async def delete(self, name: str) -> None:
        """Remove a site."""
        await self.answer(self.service.work(self.service.store.delete, name))
        self.set_status(204)
        self.finish()

    def _whole_body(self) -> IO[bytes]:
        """The body, from now on its taker's to close: the connection may end while a thread reads it."""
        body, self._body = self._body, None
        if self._watch is not None:
            self._watch.stop()
        if body is None:
            raise AssertionError("prepare has admitted no body")
        body.seek(0)
        return body


class TrustHandler(_ApiHandler):
    """Whether a site acts with the rights of the caller."""

    @web.authenticated
    @may("read")
    async def post(self, name: str) -> None:
        """Trust the site; a form, which the page that asks sends, is led there."""
        form = (
            self.request.headers.get("Content-Type", "").partition(";")[0]
            == "application/x-www-form-urlencoded"
        )
        site = await self._choose(
            name, trusted=True, folder=self.get_body_argument("content") if form else None
        )
        if form:
            path = self.get_body_argument("path", "").lstrip("/")
            self.redirect(
                url_path_join(self.base_url, "pcw/sites", quote(site.name), "/") + quote(path), status=303
            )
            return
        self.send(self.describe(site))

    @web.authenticated
    @may("read")
    async def delete(self, name: str) -> None:
        """Trust it no longer."""
        await self._choose(name, trusted=False)
        self.set_status(204)
        self.finish()

    async def _choose(self, name: str, *, trusted: bool, folder: str | None = None) -> StagedSite:
        if not self.check_origin():
            raise web.HTTPError(403, "The request comes from another origin, which is not allowed here.")
        store = self.service.store
        choose = functools.partial(store.trust, name, person(self), trusted=trusted, folder=folder)
        site: StagedSite = await self.answer(self.service.work(choose))
        return site


class InviteHandler(_ApiHandler):
    """``pcw/guests/{name}/{path}``: leads to a site on an origin of its own."""

    @web.authenticated
    @may("read")
    async def get(self, name: str, path: str | None) -> None:
        """Redirect with a ticket that opens this site once."""
        if not self.service.has_guests(self.settings_ip(), self.request.host_name):
            raise web.HTTPError(
                404, "This server has no address for sites that are not trusted (SiteService.origin)."
            )
        site = await self.answer(asyncio.to_thread(self.service.store.get, name))
        home = url_path_join(
            f"{self.request.protocol}://{self.request.host}", self.base_url, "pcw/sites", quote(name), "/"
        )
        try:
            address = self.service.guests.invite(site, (path or "").lstrip("/"), home)
        except SiteError as error:
            raise web.HTTPError(503, _verbatim(error)) from None
        self.set_header("Cache-Control", "no-store")
        self.set_header("Referrer-Policy", "no-referrer")
        self.redirect(address)


class DownloadHandler(_ApiHandler):
    """A site as a zip file."""

    @web.authenticated
    @may("read")
    async def get(self, name: str) -> None:
        """Send the zip file."""
        store = self.service.store
        site = await self.answer(asyncio.to_thread(store.get, name))
        with tempfile.TemporaryFile() as archive:
            await self.answer(self.service.work(store.pack, site, archive))
            self.set_header("Content-Type", "application/zip")
            self.set_header("Content-Disposition", f'attachment; filename="{site.name}.zip"')
            self.set_header("Content-Length", str(archive.tell()))
            archive.seek(0)
            while piece := archive.read(CHUNK):
                self.write(piece)
                try:
                    await self.flush()
                except iostream.StreamClosedError:
                    return
        await self.finish()


class _FilesHandler(ParsedOrigin):
    """Files of a site with the headers of its host, and a content security policy of ours."""

    auth_resource = AUTH_RESOURCE

    def initialize(self, service: SiteService) -> None:
        """Called by Tornado with the handler's arguments."""
        self.service = service

    def set_default_headers(self) -> None:
        """Only what the site's host sends is sent: Jupyter's own headers are left out here."""
        self.clear_header("Server")
        self.clear_header("Content-Type")

    def set_cors_headers(self) -> None:
        """No other origin reads a site, not even with a token."""

    def compute_etag(self) -> None:
        """The responder sets an ETag where there is one."""

    async def serve(self, name: str | None, path: str, prefix: str) -> None:
        """Send a file, redirect to the site's root, or ask whether the site may act with the visitor's rights.

        Args:
            name: of a staged site; None means the server's own folder, which its administrator trusts.
            path: the file's, with its first `/`.
            prefix: URL path of the site's root.
        """
        try:
            site = self.service.folder(name) if name is not None else self.service.lite_folder()
            if name is not None and not self._acts(staged := self.service.store.get(name)):
                self._ask(staged, path)
                return
        except (SiteNotFound, SiteRefused) as error:
            raise web.HTTPError(404, _verbatim(error)) from None
        if not path:
            self.redirect(prefix)
            return
        # Not to send a header and to send this value is the same to a browser (HTML Standard, "cross-origin opener
        # policies"): what isolates the whole server must not isolate a site whose host would not.
        if not site.host.isolates or site.isolation == "off":
            self.set_header(COOP, "unsafe-none")
            self.set_header(COEP, "unsafe-none")
        if path.endswith(("/", ".html")):
            # Asking for it sets the cookie that the page's own requests to Spark must repeat.
            _ = self.xsrf_token
        file = path.lstrip("/")
        own = own_headers(site, file)
        await respond(self, site, file, prefix, lambda headers: {**guest_headers(headers), **own})

    def _acts(self, site: StagedSite) -> bool:
        """Whether what is sent may act with the visitor's rights.

        A request with a token in its header is not a browser's that opens a page: it comes from a program. A name and a
        password in a link, which browsers put into the same header, are not meant.
        """
        scheme = self.request.headers.get("Authorization", "").partition(" ")[0].lower()
        return person(self) in site.trusted or scheme in ("token", "bearer")

    def _ask(self, site: StagedSite, path: str) -> None:
        self.clear()
        self.set_status(403)
        self.set_header("Cache-Control", "no-store")
        self.set_header("Content-Security-Policy", ASKING_POLICY)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "same-origin")
        if self.request.headers.get("Sec-Fetch-Dest", "document") != "document":
            # A frame, a script, a worker: there is nobody to ask.
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.finish("This site is not trusted. Open it in a tab of its own.\n")
            return
        name, file = quote(site.name), path.lstrip("/")
        apart = None
        if self.service.has_guests(str(getattr(self.serverapp, "ip", "")), self.request.host_name):
            apart = url_path_join(self.base_url, "pcw/guests", name, "/") + quote(file)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(
            asking_page(
                site.name,
                trust=url_path_join(self.base_url, "pcw/api/sites", name, "trust"),
                content=site.folder,
                xsrf=self.xsrf_token.decode(),
                path=file,
                apart=apart,
            )
        )


class StagedFilesHandler(_FilesHandler):
    """``pcw/sites/{name}/{path}``."""

    @web.authenticated
    @may("read")
    async def get(self, name: str, path: str | None) -> None:
        """Send a file of a staged site."""
        prefix = url_path_join(self.base_url, "pcw/sites", quote(name), "/")
        await self.serve(name, path or "", prefix)

    head = get


class LiteFilesHandler(_FilesHandler):
    """``pcw/lite/{path}``."""

    @web.authenticated
    @may("read")
    async def get(self, path: str | None) -> None:
        """Send a file of the server's own site."""
        prefix = url_path_join(self.base_url, "pcw/lite/")
        await self.serve(None if self.service.lite_site else "lite", path or "", prefix)

    head = get


def _verbatim(error: Exception) -> str:
    """Tornado formats log messages with %."""
    return str(error).replace("%", "%%")
