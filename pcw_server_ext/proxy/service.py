"""What the handlers share: the endpoints and the limits."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from jupyter_server.base.handlers import JupyterHandler

from .admission import Admissions
from .cors import Cors
from .delegation import Delegations
from .endpoints import SPARK_CONNECT, Endpoint, Endpoints
from .exchange import CallRequest, Exchange
from .identity import user_context
from .undelivered import Undelivered


@dataclass
class Proxy:
    """Limits are in bytes; ``set_user`` puts Jupyter's user into every request."""

    endpoints: Endpoints
    cors: Cors
    delegations: Delegations
    set_delegating_user: bool
    """Puts who made a token for one endpoint into the requests that come with it."""
    log: logging.Logger
    max_request_body: int
    max_request_message: int
    admissions: Admissions
    set_user: bool
    undelivered: Undelivered = field(default_factory=Undelivered)

    def exchange(self, endpoint: Endpoint, request: CallRequest, handler: JupyterHandler) -> Exchange:
        """A new call for the handler's authenticated user."""
        return Exchange(
            endpoint,
            request,
            self.log,
            max_message=self.max_request_message,
            undelivered=self.undelivered,
            user=handler.current_user.username if self.set_user else "",
            suffix=self._user(endpoint, request, handler),
        )

    def _user(self, endpoint: Endpoint, request: CallRequest, handler: JupyterHandler) -> bytes:
        if request.service != SPARK_CONNECT:
            return b""
        delegated = getattr(handler, "delegation", None) is not None
        if self.set_user or (delegated and self.set_delegating_user and not endpoint.user_id):
            user = handler.current_user
            return user_context(user.username, user.name or user.username)
        # as in Spark's own clients, the connection string may name the user
        return user_context(endpoint.user_id, endpoint.user_id) if endpoint.user_id else b""
