"""Prometheus metrics of the endpoint, in the registry that Jupyter serves at ``{base_url}metrics``.

Labels are the endpoint's configured name and a method that it serves; whatever else a browser asks for is ``other``.
There is no label for a user.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from prometheus_client import Counter, Gauge, Histogram
from pyspark_connect_web.wire import StatusCode

from pcw_server_ext.proxy.call.methods import METHODS, SPARK_CONNECT

OTHER: Final = "other"
_CALL: Final = ("endpoint", "method")

CALLS = Counter("pcw_calls", "gRPC calls that ended, by gRPC status.", (*_CALL, "code"))
REQUEST_BYTES = Counter("pcw_request_bytes", "Bytes of requests, as browsers sent them.", _CALL)
RESPONSE_BYTES = Counter("pcw_response_bytes", "Bytes of responses, as they were sent to browsers.", _CALL)
DURATION = Histogram(
    "pcw_call_duration_seconds",
    "Time from a call's admission to the end of its answer.",
    _CALL,
    buckets=(0.005, 0.02, 0.1, 0.5, 2, 10, 60, 600),
)
ACTIVE = Gauge("pcw_active_streams", "Calls that are running.", _CALL)
UPSTREAM_ERRORS = Counter(
    "pcw_upstream_errors",
    "Calls that failed on the way to Spark, or whose answer was no gRPC.",
    (*_CALL, "code"),
)
QUOTA_REFUSALS = Counter(
    "pcw_quota_refusals",
    "Calls that a quota refused or ended, by quota: queries, sessions, bytes or rows.",
    ("endpoint", "quota"),
)


def method_label(service: str, method: str) -> str:
    """A label from what a browser asked for: a bounded number of values."""
    return method if service == SPARK_CONNECT and method in METHODS else OTHER


class CallMetrics:
    """The metrics of one endpoint's method: looked up once, not at each call."""

    def __init__(self, endpoint: str, method: str) -> None:
        self._labels = endpoint, method
        self._requests = REQUEST_BYTES.labels(endpoint, method)
        self._responses = RESPONSE_BYTES.labels(endpoint, method)
        self._duration = DURATION.labels(endpoint, method)
        self._active = ACTIVE.labels(endpoint, method)
        self._calls: dict[int, Counter] = {}

    def begin(self) -> None:
        """A call was admitted."""
        self._active.inc()

    def end(self, status: int, seconds: float, request: int, response: int, *, upstream_error: bool) -> None:
        """A call has ended; sizes are in bytes."""
        self._active.dec()
        calls = self._calls.get(status)
        if calls is None:
            calls = self._calls[status] = CALLS.labels(*self._labels, StatusCode(status).name)
        calls.inc()
        self._requests.inc(request)
        self._responses.inc(response)
        self._duration.observe(seconds)
        if upstream_error:
            UPSTREAM_ERRORS.labels(*self._labels, StatusCode(status).name).inc()


@cache
def call_metrics(endpoint: str, method: str) -> CallMetrics:
    """The metrics for two labels, which come from ``Endpoint.name`` and ``method_label``."""
    return CallMetrics(endpoint, method)


def quota_refusals(endpoint: str, quota: str) -> Counter:
    """What counts the refusals by one quota."""
    return QUOTA_REFUSALS.labels(endpoint, quota)
