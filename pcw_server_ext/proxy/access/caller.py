"""Who makes a call, once it is admitted."""

from __future__ import annotations

from dataclasses import dataclass

from jupyter_server.auth import User

from pcw_server_ext.proxy.access.delegation import Delegation


@dataclass(frozen=True)
class Caller:
    """The authenticated user of a call; ``delegation`` when a token for one endpoint stands for them."""

    user: User
    delegation: Delegation | None = None

    @property
    def token_id(self) -> str | None:
        """The public part of the token for one endpoint that the call came with."""
        return self.delegation.token_id if self.delegation is not None else None
