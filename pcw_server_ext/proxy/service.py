"""What the handlers share: the endpoints and the limits."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from jupyter_server.base.handlers import JupyterHandler

from .endpoints import Endpoint, Endpoints
from .exchange import CallRequest, Exchange


@dataclass
class Proxy:
    """Limits are in bytes."""

    endpoints: Endpoints
    log: logging.Logger
    max_request_body: int
    max_request_message: int

    def exchange(self, endpoint: Endpoint, request: CallRequest, handler: JupyterHandler) -> Exchange:
        """A new call for the handler's authenticated user."""
        return Exchange(endpoint, request, self.log, max_message=self.max_request_message)
