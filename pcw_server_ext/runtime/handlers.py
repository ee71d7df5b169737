"""URLs of the browser runtime, below ``{base_url}pcw/runtime/``."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Final

from jupyter_server.auth.decorator import allow_unauthenticated
from tornado import web

from pcw_server_ext.runtime.bundle import Bundle, RuntimeFile
from pcw_server_ext.runtime.forms import Forms
from pcw_server_ext.web.accept_encoding import parse_accept_encoding
from pcw_server_ext.web.caching import IMMUTABLE
from pcw_server_ext.web.content_codings import IDENTITY
from pcw_server_ext.web.handlers import PathsInLogs
from pcw_server_ext.web.isolation import CORP

_CHUNK: Final = 1 << 18


async def copy(handler: web.RequestHandler, path: Path) -> None:
    """Write a file as the answer's body."""
    with path.open("rb") as source:
        while chunk := source.read(_CHUNK):
            handler.write(chunk)
            # waits until the browser took it: a slow reader holds one piece, not the file
            await handler.flush()


class PublicFiles(PathsInLogs):
    """Not a JupyterHandler on purpose: these files are public software, the same for all, as ``/static`` is.

    A worker's module imports and a memory snapshot of many megabytes are fetched without a token, and a
    shared cache may keep them; nothing here depends on who asks, and nothing outside the manifest can be
    named.
    """

    def initialize(self, bundle: Bundle | None) -> None:
        """Called by Tornado with the handler's arguments."""
        self._bundle = bundle

    def set_default_headers(self) -> None:
        """Never guessed types, never embedded by another site."""
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header(CORP, "same-origin")
        self.clear_header("Server")

    def compute_etag(self) -> str | None:
        """Tags are content hashes set by ``get``; hashing megabytes for each request would be for nothing."""
        return None

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """``{"message", "reason"}`` as JSON."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        # a format, in which Tornado has doubled every %
        message = (
            error.log_message % error.args if isinstance(error, web.HTTPError) and error.log_message else None
        )
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps({"message": message or self._reason, "reason": None}))

    def bundle(self) -> Bundle:
        """The bundle; 404 with the remedy when this installation has none."""
        if self._bundle is None:
            raise web.HTTPError(404, "This installation has no browser runtime: see the server's log.")
        return self._bundle


class RuntimeHandler(PublicFiles):
    """``{hash}/{path}``: immutable, because the hash is that of the whole bundle's content."""

    def initialize(self, bundle: Bundle | None, forms: Forms) -> None:  # type: ignore[override]
        """Called by Tornado with the handler's arguments."""
        super().initialize(bundle)
        self._forms = forms

    @allow_unauthenticated
    async def get(self, wanted: str, path: str) -> None:
        """Send the best variant of a file."""
        await self._send(wanted, path, body=True)

    @allow_unauthenticated
    async def head(self, wanted: str, path: str) -> None:
        """The headers alone."""
        await self._send(wanted, path, body=False)

    async def _send(self, wanted: str, path: str, *, body: bool) -> None:
        bundle = self.bundle()
        if wanted != bundle.hash:
            raise web.HTTPError(
                404, "The server's browser runtime has changed since this page was loaded: reload the page."
            )
        file = bundle.get(path)
        if file is None:
            raise web.HTTPError(404, "The browser runtime has no such file.")
        coding = file.choose(parse_accept_encoding(self.request.headers.get("Accept-Encoding", "")))
        self.set_header("Vary", "Accept-Encoding")
        if coding is None:
            raise web.HTTPError(406, "The browser accepts no form of this file that the server has.")
        tag = f'"{file.sha256[:32]}{"" if coding == IDENTITY else "-" + coding}"'
        self.set_header("Etag", tag)
        self.set_header("Cache-Control", IMMUTABLE)
        self.set_header("Content-Type", file.content_type)
        if self.check_etag_header():
            self.set_status(304)
            return
        if coding != IDENTITY:
            self.set_header("Content-Encoding", coding)
        found = await asyncio.to_thread(self._forms.find, file, coding)
        if found is not None:
            self.set_header("Content-Length", str(found.stat().st_size))
        elif coding == IDENTITY:
            self.set_header("Content-Length", str(file.size))
        if not body:
            return
        if found is not None:
            await copy(self, found)
        else:
            await self._make(file, coding)

    async def _make(self, file: RuntimeFile, coding: str) -> None:
        """Send a form while it is made; the browser has it as soon as it would had it been kept and read."""
        pieces = self._forms.pieces(file, coding)
        try:
            # other requests are served between two pieces
            while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
                self.write(piece)
                await self.flush()
        finally:
            # even then: what was made of a form that nobody waits for is removed
            await asyncio.to_thread(pieces.close)


class ManifestHandler(PublicFiles):
    """``current/manifest.json``: which bundle the server has now; never cached."""

    @allow_unauthenticated
    def get(self) -> None:
        """The manifest."""
        self.set_header("Cache-Control", "no-cache")
        self.set_header("Content-Type", "application/json")
        self.set_header("Etag", f'"{self.bundle().hash}"')
        if self.check_etag_header():
            self.set_status(304)
            return
        self.write(json.dumps(self.bundle().manifest))
