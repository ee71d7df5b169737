"""Tokens for one endpoint as a REST resource, behind Jupyter's own authentication.

GET    pcw/api/tokens         {"tokens": [{"id", "endpoint", "user", "created", "expires", "note"}]}
POST   pcw/api/tokens         make one from {"endpoint", "ttl", "note"}; 201, with the endpoint's "kind" and "token",
                              which is told only here
DELETE pcw/api/tokens/{id}    revoke it

Users see and revoke their own. Who may ``write`` the resource ``pcw_tokens`` sees and revokes everybody's.
"""

from __future__ import annotations

import json
import unicodedata
from datetime import datetime, timezone
from typing import Final

from jupyter_core.utils import ensure_async
from tornado import web

from pcw_server_ext.errors import TokenError
from pcw_server_ext.proxy.access.scoped_tokens import ScopedToken
from pcw_server_ext.proxy.service import Proxy
from pcw_server_ext.web.handlers import AUTH_RESOURCE, JsonErrors, json_object, may

ADMIN_RESOURCE: Final = "pcw_tokens"
LOCAL_ENGINE: Final = (
    "A token for one endpoint does not open the local engine: who has it could run code as the account of the Jupyter"
    " server and read its files, Jupyter's own token among them. Name a remote Spark server as an endpoint, or allow it"
    " with PcwExtension.scoped_tokens_local_engine=True."
)
_LONGEST_NOTE: Final = 200


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")


def describe(token: ScopedToken) -> dict[str, str]:
    """What people are told of a token; times in UTC, ISO 8601."""
    return {
        "id": token.id,
        "endpoint": token.endpoint,
        "user": token.username,
        "created": _time(token.created),
        "expires": _time(token.expires),
        "note": token.note,
    }


class _TokenHandler(JsonErrors):
    """What both have in common."""

    auth_resource = AUTH_RESOURCE

    def initialize(self, proxy: Proxy, default_ttl: int) -> None:
        """Called by Tornado with the handler's arguments; ``default_ttl`` is in seconds."""
        self._proxy = proxy
        self._default_ttl = default_ttl

    def set_cors_headers(self) -> None:
        """None: a page of another origin has nothing to read here."""

    def _send(self, data: object, status: int = 200) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps(data))

    async def _visible(self) -> list[ScopedToken]:
        tokens = self._proxy.delegations.tokens.list()
        user = self.current_user
        if await ensure_async(self.authorizer.is_authorized(self, user, "write", ADMIN_RESOURCE)):
            return tokens
        return [token for token in tokens if token.username == user.username]


class TokensHandler(_TokenHandler):
    """``pcw/api/tokens``."""

    @web.authenticated
    @may("read")
    async def get(self) -> None:
        """The live tokens that the user may revoke; never a token itself."""
        self._send({"tokens": [describe(token) for token in await self._visible()]})

    @web.authenticated
    @may("execute")
    async def post(self) -> None:
        """Make a token."""
        asked = json_object(self.request.body, ("endpoint", "ttl", "note"))
        name, ttl = asked.get("endpoint", "default"), asked.get("ttl", self._default_ttl)
        note = asked.get("note", "")
        if type(ttl) is not int or not isinstance(name, str) or not isinstance(note, str):
            raise web.HTTPError(400, "endpoint and note are strings, ttl is a whole number of seconds.")
        if len(note) > _LONGEST_NOTE:
            raise web.HTTPError(400, f"A note has at most {_LONGEST_NOTE} characters.")
        if any(unicodedata.category(sign) == "Cc" for sign in note):
            raise web.HTTPError(400, "A note is one line of text, without control characters.")
        endpoint = self._proxy.endpoints.get(name)
        if endpoint is None:
            raise web.HTTPError(404, "There is no endpoint of that name: see pcw/api/endpoints.")
        if not self._proxy.takes_scoped_tokens(endpoint):
            raise web.HTTPError(400, LOCAL_ENGINE)
        try:
            kept, token = self._proxy.delegations.mint(
                endpoint.name, self.current_user, self.identity_provider, ttl=ttl, note=note
            )
        except TokenError as error:
            raise web.HTTPError(400, str(error)) from None
        self._proxy.log.info(
            "%s made the token %s for the endpoint %s, until %s",
            kept.username,
            kept.id,
            kept.endpoint,
            _time(kept.expires),
        )
        self._send({**describe(kept), "kind": endpoint.kind, "token": token}, 201)


class TokenHandler(_TokenHandler):
    """``pcw/api/tokens/{id}``."""

    @web.authenticated
    @may("execute")
    async def delete(self, token_id: str) -> None:
        """Revoke a token at once."""
        if not any(token.id == token_id for token in await self._visible()):
            raise web.HTTPError(404, "There is no such token, or it is not yours.")
        self._proxy.delegations.tokens.revoke(token_id)
        self._proxy.admissions.forget()
        self._proxy.log.info("%s revoked the token %s", self.current_user.username, token_id)
        self.set_status(204)
        await self.finish()
