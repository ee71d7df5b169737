"""Errors that an answer could not carry, kept for the request with which the client comes back for the rest.

Trailers cannot follow half a message, so an answer that ends there can only be cut off, and its error is lost. PySpark
then asks for the rest (ReattachExecute, or ExecutePlan again, with the same operation): that request gets the error.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from pcw_server_ext.errors import UpstreamError
from pcw_server_ext.proxy.sessions.operations import Operation

_MOST: Final = 256


class PendingErrors:
    """At most 256 errors, the oldest are forgotten; each is handed out once."""

    def __init__(self) -> None:
        self._errors: OrderedDict[Operation, UpstreamError] = OrderedDict()

    def keep(self, operation: Operation, error: UpstreamError) -> None:
        """Hold the error until the operation is asked for again."""
        self._errors[operation] = error
        self._errors.move_to_end(operation)
        if len(self._errors) > _MOST:
            self._errors.popitem(last=False)

    def take(self, operation: Operation) -> UpstreamError | None:
        """The error that the operation's client did not get, if any."""
        return self._errors.pop(operation, None)
