"""The staging area's URLs, below the server's base_url.

GET    pcw/api/sites                    {"sites": [{"name", "host", "url", ...}]}
GET    pcw/api/sites/{name}             one of them
POST   pcw/api/sites/{name}             build from {"host", "endpoint", "contents": [...], ...} and stage
PUT    pcw/api/sites/{name}             stage the zip file in the body
DELETE pcw/api/sites/{name}
GET    pcw/api/sites/{name}/download    the site as a zip file
GET    pcw/sites/{name}/...             its files, with the headers of its host
GET    pcw/lite/...                     the files of the server's own site
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from typing import IO, TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import quote, urlsplit

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import url_path_join
from tornado import iostream, web

from pcw_server_ext.isolation import COEP, COOP
from pcw_server_ext.proxy.handlers import AUTH_RESOURCE, JsonErrors, declared_length
from pcw_server_ext.site.errors import SiteError, SiteNotFound, SiteRefused
from pcw_server_ext.site.folder import SiteFolder
from pcw_server_ext.site.responder import CHUNK, respond
from pcw_server_ext.site.service import SiteService
from pcw_server_ext.site.settings import ASK
from pcw_server_ext.site.store import StagedSite

if TYPE_CHECKING:
    from jupyter_server.extension.application import ExtensionApp

#: Uploads up to this many bytes stay in memory.
_SPOOL = 8 << 20
#: Bytes that the description of a site to build may have.
_MAX_DESCRIPTION = 1 << 20

Method = TypeVar("Method", bound=Callable[..., Any])


def _may(action: str) -> Callable[[Method], Method]:
    """``authorized(action)``, which has no usable type of its own."""

    def decorate(method: Method) -> Method:
        return cast("Method", authorized(action)(method))

    return decorate


def routes(app: ExtensionApp) -> list[tuple[str, type[web.RequestHandler], dict[str, Any]]]:
    """Return the handlers for `app`; Jupyter puts base_url before them."""
    service = SiteService(parent=app)
    arguments = {"service": service}
    name = r"([^/]+)"
    return [
        (r"/pcw/api/sites", SitesHandler, arguments),
        (rf"/pcw/api/sites/{name}", SiteHandler, arguments),
        (rf"/pcw/api/sites/{name}/download", DownloadHandler, arguments),
        (rf"/pcw/sites/{name}(/.*)?", StagedFilesHandler, arguments),
        (r"/pcw/lite(/.*)?", LiteFilesHandler, arguments),
    ]


class _ApiHandler(JsonErrors):
    """JSON in, JSON out."""

    auth_resource = AUTH_RESOURCE

    def initialize(self, service: SiteService) -> None:
        """Called by Tornado with the handler's arguments."""
        self.service = service

    def describe(self, site: StagedSite) -> dict[str, Any]:
        """Return what the page is told of a site."""
        url = url_path_join(self.base_url, "pcw/sites", quote(site.name), "/")
        return {key: value for key, value in asdict(site).items() if key != "folder"} | {"url": url}

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
    @_may("read")
    async def get(self) -> None:
        """List the staged sites."""
        sites = await asyncio.to_thread(self.service.store.list)
        self.send({"sites": [self.describe(site) for site in sites]})


@web.stream_request_body
class SiteHandler(_ApiHandler):
    """One site."""

    def initialize(self, service: SiteService) -> None:
        """Called by Tornado with the handler's arguments."""
        super().initialize(service)
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

    @web.authenticated
    @_may("write")
    async def _admit(self) -> None:
        if not self.check_origin():
            raise web.HTTPError(403, "The request comes from another origin, which is not allowed here.")

    def data_received(self, chunk: bytes) -> None:
        """Keep a piece of the upload."""
        if self._body is not None:
            self._body.write(chunk)

    def on_finish(self) -> None:
        """Forget an upload that nobody took."""
        if self._body is not None:
            self._body.close()

    def on_connection_close(self) -> None:
        """Forget an upload that was cut."""
        self.on_finish()

    @web.authenticated
    @_may("read")
    async def get(self, name: str) -> None:
        """Describe a site."""
        self.send(self.describe(await self.answer(asyncio.to_thread(self.service.store.get, name))))

    @web.authenticated
    @_may("write")
    async def put(self, name: str) -> None:
        """Stage the zip file in the body; the site it replaces is served until this one is complete."""
        body = self._whole_body()

        # It goes on when the client does not wait: the upload is complete, and how far it is cannot be seen from there.
        def stage() -> StagedSite:
            with body, self.service.store.new_folder() as folder:
                self.service.store.unpack(body, folder)
                return self.service.store.put(name, folder)

        self.send(self.describe(await self.answer(asyncio.to_thread(stage))), 201)

    @web.authenticated
    @_may("write")
    async def post(self, name: str) -> None:
        """Build a site from files of the user's and stage it."""
        with self._whole_body() as body:
            described = body.read()
        try:
            request = json.loads(described or b"{}")
        except ValueError:
            raise web.HTTPError(400, "The body is no JSON.") from None
        if not isinstance(request, dict):
            raise web.HTTPError(400, "The body is no JSON object.")
        root = getattr(self.contents_manager, "root_dir", "")
        if not root:
            raise web.HTTPError(
                400,
                "This server keeps its files elsewhere than on its disk: build a site yourself and upload it.",
            )
        from pathlib import Path

        staged = await self.answer(self.service.build(name, request, Path(root)))
        self.send(self.describe(staged), 201)

    @web.authenticated
    @_may("write")
    async def delete(self, name: str) -> None:
        """Remove a site."""
        await self.answer(asyncio.to_thread(self.service.store.delete, name))
        self.set_status(204)
        self.finish()

    def _whole_body(self) -> IO[bytes]:
        """The body, from now on its taker's to close: the connection may end while a thread reads it."""
        body, self._body = self._body, None
        if body is None:
            raise AssertionError("prepare has admitted no body")
        body.seek(0)
        return body


class DownloadHandler(_ApiHandler):
    """A site as a zip file."""

    @web.authenticated
    @_may("read")
    async def get(self, name: str) -> None:
        """Send the zip file."""
        store = self.service.store
        site = await self.answer(asyncio.to_thread(store.get, name))
        with tempfile.TemporaryFile() as archive:
            await self.answer(asyncio.to_thread(store.pack, site, archive))
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


class _FilesHandler(JupyterHandler):
    """Files of a site with the headers of its host, and a content security policy of ours."""

    auth_resource = AUTH_RESOURCE

    def initialize(self, service: SiteService) -> None:
        """Called by Tornado with the handler's arguments."""
        self.service = service

    def set_default_headers(self) -> None:
        """Only what the site's host sends is sent: Jupyter's own headers are left out here."""
        self.clear_header("Server")
        self.clear_header("Content-Type")

    def compute_etag(self) -> None:
        """The responder sets an ETag where there is one."""

    async def serve(self, find: Callable[[], SiteFolder], path: str, prefix: str) -> None:
        """Send a file, or redirect to the site's root."""
        try:
            site = find()
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
        self.set_header("Content-Security-Policy", content_security_policy(site))
        if path.endswith(("/", ".html")):
            # Asking for it sets the cookie that the page's own requests to Spark must repeat.
            _ = self.xsrf_token
        await respond(self, site, path.lstrip("/"), prefix)


class StagedFilesHandler(_FilesHandler):
    """``pcw/sites/{name}/{path}``."""

    @web.authenticated
    @_may("read")
    async def get(self, name: str, path: str | None) -> None:
        """Send a file of a staged site."""
        prefix = url_path_join(self.base_url, "pcw/sites", quote(name), "/")
        await self.serve(lambda: self.service.folder(name), path or "", prefix)

    head = get


class LiteFilesHandler(_FilesHandler):
    """``pcw/lite/{path}``."""

    @web.authenticated
    @_may("read")
    async def get(self, path: str | None) -> None:
        """Send a file of the server's own site."""
        prefix = url_path_join(self.base_url, "pcw/lite/")
        await self.serve(self.service.lite_folder, path or "", prefix)

    head = get


def content_security_policy(site: SiteFolder) -> str:
    """Return the policy of a served site.

    A sandbox would take away the origin, and with it service workers, storage and shared memory: a site runs with
    the rights of who opens it, as a notebook does. It may talk to this server and to its own endpoint.
    """
    endpoint = site.record.endpoint if site.record else ASK
    split = urlsplit(endpoint)
    if split.scheme:
        elsewhere = f" {split.scheme}://{split.netloc}"
    else:
        elsewhere = " http: https:" if endpoint in (ASK, "") else ""
    return "; ".join(
        (
            "default-src 'self'",
            # Pyodide compiles WebAssembly, JupyterLite and its extensions use inline scripts and eval.
            "script-src 'self' 'unsafe-inline' 'unsafe-eval' 'wasm-unsafe-eval' blob:",
            "worker-src 'self' blob:",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob: https:",
            "font-src 'self' data:",
            f"connect-src 'self' blob: data:{elsewhere}",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'self'",
        )
    )


def _verbatim(error: Exception) -> str:
    """Tornado formats log messages with %."""
    return str(error).replace("%", "%%")
