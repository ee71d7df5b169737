"""Who a token for one endpoint stands for: the user that made it, as the identity provider knows users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from jupyter_server.auth import IdentityProvider, User

from pcw_server_ext.proxy.access.scoped_tokens import ScopedToken, ScopedTokens

# JupyterHub's authorizer reads these from the user that its identity provider made.
_HUB: Final = "hub_user"
_HUB_FIELDS: Final = ("kind", "name", "scopes")


@dataclass(frozen=True)
class Delegation:
    """A user's right to call one endpoint, until ``expires`` (seconds since 1970)."""

    token_id: str
    endpoint: str
    user: User
    expires: float


class Delegations:
    """Writes a user down with a new token, and reads the user of a token that comes."""

    def __init__(self, tokens: ScopedTokens) -> None:
        self.tokens = tokens

    def mint(
        self, endpoint: str, user: User, provider: IdentityProvider, *, ttl: int, note: str
    ) -> tuple[ScopedToken, str]:
        """A token with which its bearer may do at ``endpoint`` what ``user`` may. Raises TokenError."""
        written: dict[str, Any] = {"cookie": provider.user_to_cookie(user)}
        hub = getattr(user, _HUB, None)
        if isinstance(hub, Mapping):
            written[_HUB] = {name: hub[name] for name in _HUB_FIELDS if name in hub}
        return self.tokens.mint(endpoint, user.username, written, ttl=ttl, note=note)

    def find(self, token: str, provider: IdentityProvider) -> Delegation | None:
        """What the token opens; None when it is not valid, or no longer."""
        kept = self.tokens.find(token)
        if kept is None:
            return None
        user = provider.user_from_cookie(kept.user["cookie"])
        if user is None:
            return None
        if _HUB in kept.user:
            setattr(user, _HUB, kept.user[_HUB])
        return Delegation(kept.id, kept.endpoint, user, kept.expires)
