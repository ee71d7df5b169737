"""What is known of a call when it has ended: counted as metrics, told as events, and written as one line of the log.

The line is made of names and numbers only. No header, no message of a request or an answer and no error text goes into
it, so there is nothing in it to redact.
"""

from __future__ import annotations

import time

from pyspark_connect_web.wire import StatusCode

from pcw_server_ext.proxy.observability.call_log import CallLog
from pcw_server_ext.proxy.observability.events import Session, SparkEvents
from pcw_server_ext.proxy.observability.metrics import call_metrics, method_label


class Observation:
    """One call from its admission on; ``end`` counts once.

    ``token_id`` is the public id of a token for one endpoint, where one was used.
    """

    __slots__ = (
        "_begun",
        "_ended",
        "_lifecycle",
        "_log",
        "_metrics",
        "_names",
        "endpoint",
        "method",
        "request",
        "response",
        "token_id",
        "user",
    )

    def __init__(
        self,
        log: CallLog | None,
        endpoint: str,
        service: str,
        method: str,
        user: str,
        token_id: str | None,
        lifecycle: SparkEvents,
    ) -> None:
        self._log = log
        self._lifecycle = lifecycle
        self._names: tuple[Session, str] | None = None
        self.endpoint = endpoint
        self.method = method_label(service, method)
        self.user = user
        self.token_id = token_id
        self.request = 0
        """Bytes of the body so far."""
        self.response = 0
        """Bytes of the answer so far."""
        self._begun = time.perf_counter()
        self._ended = False
        self._metrics = call_metrics(endpoint, self.method)
        self._metrics.begin()

    def named(self, session_id: str, operation_id: str) -> None:
        """The request has come whole; the ids are the client's."""
        self._names = (self.endpoint, self.user, session_id), operation_id
        self._lifecycle.began(self.method, *self._names)

    def end(self, status: int, *, upstream_error: bool = False) -> None:
        """The call ended with a gRPC status; ``upstream_error`` when the way to Spark failed."""
        if self._ended:
            return
        self._ended = True
        seconds = time.perf_counter() - self._begun
        self._metrics.end(status, seconds, self.request, self.response, upstream_error=upstream_error)
        if self._names is not None:
            self._lifecycle.ended(
                self.method, *self._names, status=status, seconds=seconds, size=self.response
            )
        if self._log is not None:
            self._log.write(self._fields(status, seconds))

    def _fields(self, status: int, seconds: float) -> dict[str, object]:
        fields: dict[str, object] = {
            "endpoint": self.endpoint,
            "method": self.method,
            "status": StatusCode(status).name,
            "ms": round(seconds * 1000, 1),
            "request_bytes": self.request,
            "response_bytes": self.response,
            "user": self.user,
        }
        if self.token_id is not None:
            fields["token"] = self.token_id
        return fields
