"""An identity provider for servers of the tests."""

from __future__ import annotations

PROVIDER = """
from jupyter_server.auth import IdentityProvider, User

class Known(IdentityProvider):
    async def get_user(self, handler):
        self._token_authenticated = True
        user = await super().get_user(handler)
        return user and User("ann@hub", "Ann")
"""
