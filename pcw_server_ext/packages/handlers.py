"""URLs of the packages that the browser runtime does not hold: their files, and which there are."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

from jupyter_server.auth.decorator import allow_unauthenticated, authorized
from jupyter_server.base.handlers import APIHandler
from tornado import web

from pcw_server_ext.errors import PackageError
from pcw_server_ext.packages.fetching import FetchingHandler
from pcw_server_ext.packages.lock import Package
from pcw_server_ext.packages.mirror import PackageMirror, public
from pcw_server_ext.runtime.handlers import copy
from pcw_server_ext.web.caching import PRIVATE_IMMUTABLE
from pcw_server_ext.web.handlers import AUTH_RESOURCE, ParsedOrigin
from pcw_server_ext.web.isolation import CORP


class PackageHandler(FetchingHandler):
    """``{hash}/pyodide/{file}`` of a package that is not bundled.

    What is kept is as public as the rest of the runtime. Only for someone who is logged in, and may run queries, does
    the server fetch what is not.
    """

    def initialize(self, mirror: PackageMirror, runtime: str) -> None:
        """Called by Tornado with the handler's arguments; ``runtime`` is the bundle's hash."""
        self._mirror = mirror
        self._runtime = runtime

    def set_default_headers(self) -> None:
        """As the runtime's other files have them."""
        super().set_default_headers()
        self.set_header(CORP, "same-origin")

    def compute_etag(self) -> str | None:
        """The tag is the content's hash."""
        return None

    @allow_unauthenticated
    async def get(self, wanted: str, file: str) -> None:
        """Send the file, fetching it first if need be."""
        package = self._package(wanted, file)
        # A kept file that does not verify counts as absent: getting it would mean to fetch it.
        if await asyncio.to_thread(self._mirror.kept, package) is None:
            await self.admit()
        try:
            path = await self._mirror.get(package)
        except PackageError as error:
            self.log.warning("%s", error)
            raise web.HTTPError(503, public(package, error), reason=error.reason) from None
        self._describe(package, path.stat().st_size)
        if self.check_etag_header():
            self.set_status(304)
            return
        await copy(self, path)

    @allow_unauthenticated
    async def head(self, wanted: str, file: str) -> None:
        """200 when the file is kept, else 404: nothing is fetched."""
        package = self._package(wanted, file)
        path = await asyncio.to_thread(self._mirror.kept, package)
        if path is None:
            raise web.HTTPError(404, "This package is not kept on the server.")
        self._describe(package, path.stat().st_size)

    def _package(self, wanted: str, file: str) -> Package:
        package = self._mirror.lock.file(file)
        if wanted != self._runtime or package is None:
            raise web.HTTPError(
                404, "The server's browser runtime has changed since this page was loaded: reload the page."
            )
        return package

    def _describe(self, package: Package, size: int) -> None:
        self.set_header("Content-Type", "application/zip")
        self.set_header("Content-Length", str(size))
        self.set_header("Cache-Control", PRIVATE_IMMUTABLE)
        self.set_header("Etag", f'"{package.sha256[:32]}"')


class PackagesHandler(ParsedOrigin, APIHandler):
    """``GET {base_url}pcw/api/packages``."""

    auth_resource = AUTH_RESOURCE

    def initialize(self, mirror: PackageMirror) -> None:
        """Called by Tornado with the handler's arguments."""
        self._mirror = mirror

    @web.authenticated
    @authorized
    def get(self) -> None:
        """Every package of the lock and whether it is here; never the source, which may be internal."""
        packages = {
            package.name: {
                "version": package.version,
                "file": package.file,
                "state": self._mirror.state(package),
            }
            for package in self._mirror.lock.packages.values()
        }
        self.finish(json.dumps({"fetches": self._mirror.source is not None, "packages": packages}))


def routes(
    mirror: PackageMirror | None, runtime: str
) -> list[tuple[str, type[web.RequestHandler], dict[str, Any]]]:
    """URL patterns below base_url. The lock's file names are the pattern: no other can be asked for."""
    if mirror is None:
        return []
    names = (package.file for package in mirror.lock.packages.values() if not package.bundled)
    # Tornado compares with the path as it was sent, where a + may be encoded.
    files = "|".join(re.escape(name).replace(r"\+", r"(?:\+|%2[Bb])") for name in names)
    found: list[tuple[str, type[web.RequestHandler], dict[str, Any]]] = [
        (r"/pcw/api/packages", PackagesHandler, {"mirror": mirror})
    ]
    if files:
        found.append(
            (
                rf"/pcw/runtime/([^/]+)/pyodide/({files})",
                PackageHandler,
                {"mirror": mirror, "runtime": runtime},
            )
        )
    return found
