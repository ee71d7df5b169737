"""Who makes the server fetch something for a browser."""

from __future__ import annotations

from typing import Any

from jupyter_server.utils import ensure_async
from tornado import web

from pcw_server_ext.web.addresses import same_origin
from pcw_server_ext.web.handlers import AUTH_RESOURCE, JsonErrors


class FetchingHandler(JsonErrors):
    """A handler that may make the server fetch a file: it asks `admit` before it does."""

    auth_resource = AUTH_RESOURCE

    async def admit(self) -> None:
        """Let users pass who may execute, and whose own page or program asks. Raises HTTPError (403)."""
        user = self.current_user
        if user is None:
            raise web.HTTPError(403, "Log in to the Jupyter server to load this package.", reason="login")
        if not self._asked_here():
            raise web.HTTPError(
                403,
                "Only a page of this server, or a request with a token, makes the server fetch a package.",
                reason="forbidden",
            )
        if not await ensure_async(self.authorizer.is_authorized(self, user, "execute", AUTH_RESOURCE)):
            raise web.HTTPError(403, "This user may not load packages.", reason="forbidden")

    def _asked_here(self) -> bool:
        """Whether a page of this server asks, or somebody who knows a token: any page's request brings the cookie.

        Browsers say where a request comes from in a header that no page can set (Fetch Metadata).
        """
        if self.token_authenticated:
            return True
        sent = self.request.headers.get("Sec-Fetch-Site")
        if sent is not None:
            return sent == "same-origin"
        # Browsers that do not know that header yet.
        page = self.request.headers.get("Origin") or self.request.headers.get("Referer", "")
        return same_origin(page, f"{self.request.protocol}://{self.request.host}")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """JSON, never kept by the browser."""
        self.set_header("Cache-Control", "no-store")
        super().write_error(status_code, **kwargs)
