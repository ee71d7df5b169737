"""URLs of the index of wheels, below ``{base_url}pcw/pypi/``: PEP 503 and PEP 691.

Everything here wants a login, and the right to execute: an administrator's wheels may be no public software, and a
project's page makes the server ask another index. A browser names projects, and files of them by their hash, and never
an address.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable
from typing import Any, Final, TypeVar

from jupyter_server.auth.decorator import allow_unauthenticated
from tornado import web

from pcw_server_ext.errors import PackageError
from pcw_server_ext.packages.fetching import FetchingHandler
from pcw_server_ext.packages.index import pages
from pcw_server_ext.packages.index.index import PackageIndex
from pcw_server_ext.runtime.handlers import copy
from pcw_server_ext.web.caching import PRIVATE_IMMUTABLE
from pcw_server_ext.web.isolation import CORP

#: HTTP statuses of failures; all others are the server's or the other index's.
_STATUSES: Final = {"unknown": 404, "no-index": 404, "forbidden": 403}

Result = TypeVar("Result")


class IndexHandler(FetchingHandler):
    """What the pages have in common."""

    def initialize(self, index: PackageIndex) -> None:
        """Called by Tornado with the handler's arguments."""
        self._index = index

    def set_default_headers(self) -> None:
        """Nothing of it is for other sites, or kept unless a page says so."""
        super().set_default_headers()
        self.set_header(CORP, "same-origin")
        self.set_header("Cache-Control", "no-store")

    async def found(self, result: Awaitable[Result]) -> Result:
        """The result. Raises HTTPError where it is a PackageError."""
        try:
            return await result
        except PackageError as error:
            if error.reason not in _STATUSES:
                self.log.warning("%s", error)
            raise web.HTTPError(_STATUSES.get(error.reason, 503), str(error), reason=error.reason) from None

    def wants_json(self) -> bool:
        """Whether the client takes JSON, as pip does, or asks for it by name, as kernels do; a person sees HTML.

        The file's name is for sites, whose hosts send files and choose nothing.
        """
        if self.request.path.endswith("/index.json"):
            return True
        accepted = self.request.headers.get("Accept", "")
        return pages.JSON in accepted or "application/vnd.pypi.simple.latest+json" in accepted

    def send(self, json: str, html: str) -> None:
        """One of the two forms of a page."""
        self.set_header("Vary", "Accept")
        if self.wants_json():
            self.set_header("Content-Type", pages.JSON)
            self.finish(json)
        else:
            self.set_header("Content-Type", "text/html; charset=UTF-8")
            self.finish(html)


class RootHandler(IndexHandler):
    """``pcw/pypi/simple/``."""

    @allow_unauthenticated  # by itself: `admit` answers with JSON
    async def get(self) -> None:
        """The administrator's own projects, and whether another index is asked for those that are not here."""
        await self.admit()
        names = await asyncio.to_thread(self._index.own.projects)
        self.send(
            pages.root_json(names, {"_upstream": self._index.upstream is not None}), pages.root_html(names)
        )


class ProjectHandler(IndexHandler):
    """``pcw/pypi/simple/{project}/``."""

    @allow_unauthenticated  # by itself: `admit` answers with JSON
    async def get(self, name: str) -> None:
        """The wheels of a project that a kernel can use."""
        await self.admit()
        project = await self.found(self._index.in_thread(self._index.project, name))
        links = {wheel.sha256: f"../../files/{wheel.sha256}/{wheel.file}" for wheel in project.wheels}
        private = {"_own": project.own, "_unusable": list(project.unusable)}
        self.send(
            pages.project_json(project.name, project.wheels, links, private),
            pages.project_html(project.name, project.wheels, links),
        )


class FileHandler(IndexHandler):
    """``pcw/pypi/files/{sha256}/{file}``, and the same with ``.metadata`` (PEP 658)."""

    def compute_etag(self) -> str | None:
        """The address has the content's hash."""
        return None

    @allow_unauthenticated  # by itself: `admit` answers with JSON
    async def get(self, sha256: str, file: str, metadata: str | None) -> None:
        """Send it, fetching it first if need be."""
        await self.admit()
        wheel = await self.found(self._index.in_thread(self._index.wheel, sha256, file))
        if metadata is not None:
            content = await self.found(self._index.metadata(wheel))
            self.set_header("Content-Type", "text/plain; charset=UTF-8")
            self.set_header("Cache-Control", PRIVATE_IMMUTABLE)
            self.finish(content)
            return
        path = await self.found(self._index.content(wheel))
        self.set_header("Content-Type", "application/zip")
        self.set_header("Content-Length", str(path.stat().st_size))
        self.set_header("Cache-Control", PRIVATE_IMMUTABLE)
        await copy(self, path)


def routes(index: PackageIndex) -> list[tuple[str, type[web.RequestHandler], dict[str, Any]]]:
    """URL patterns below base_url."""
    arguments = {"index": index}
    return [
        (r"/pcw/pypi/simple/?(?:(?<=/)index\.json)?", RootHandler, arguments),
        (r"/pcw/pypi/simple/([^/]+)/?(?:(?<=/)index\.json)?", ProjectHandler, arguments),
        (
            rf"/pcw/pypi/files/([0-9a-f]{{64}})/([^/]+\.whl)({re.escape('.metadata')})?",
            FileHandler,
            arguments,
        ),
    ]
