"""Clients that go away in the middle of a query, and what an engine does then."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
from pyspark_connect_web.wire import encode_frame

from tests.server.web import SERVICE, Site

IDLE = 0.25
"""Share of one core below which an engine counts as idle."""


def cpu_share(process: psutil.Process, seconds: float = 1.0) -> float:
    """How much of one core the process uses, measured from its CPU time."""

    def used() -> float:
        times = process.cpu_times()
        return float(times.user + times.system)

    before, begin = used(), time.monotonic()
    time.sleep(seconds)
    return (used() - before) / (time.monotonic() - begin)


def becomes_idle(process: psutil.Process, within: float) -> float | None:
    """Seconds until the process is idle; None when it is still busy after ``within``."""
    begin = time.monotonic()
    while time.monotonic() - begin < within:
        if cpu_share(process) < IDLE:
            return time.monotonic() - begin
    return None


@contextmanager
def running(site: Site, request: bytes, method: str = "ExecutePlan") -> Iterator[None]:
    """A client that sends a request and leaves, in whatever state the answer is, at the end of the block."""
    connection = site.connect(30)
    connection.request(
        "POST",
        f"{site.base_url}pcw/grpc/default/{SERVICE}/{method}",
        body=encode_frame(request),
        headers={"Content-Type": "application/grpc-web+proto", **site.auth},
    )
    try:
        yield
    finally:
        connection.close()
