"""Clients that go away in the middle of a query, and what an engine does then."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from pyspark_connect_web.wire import encode_frame

from tests.server.web import SERVICE, Site

IDLE = 0.25
"""Share of one core, used or waited for, below which an engine counts as idle."""


def cpu_share(process: psutil.Process, seconds: float = 1.0) -> float:
    """How much of one core the process uses or waits for: a busy machine gives it little of what it could use."""

    def wanted() -> float:
        times = process.cpu_times()
        return float(times.user + times.system) + waited(process)

    before, begin = wanted(), time.monotonic()
    time.sleep(seconds)
    return (wanted() - before) / (time.monotonic() - begin)


def waited(process: psutil.Process) -> float:
    """Seconds for which its threads could run and had no core (the second field of schedstat, in nanoseconds)."""
    total = 0
    for thread in Path(f"/proc/{process.pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            total += int((thread / "schedstat").read_text().split()[1])
    return total / 1e9


def becomes_idle(process: psutil.Process, within: float) -> float | None:
    """Seconds until the process is idle, and stays so for three.

    None when it is still busy after ``within``.
    """
    begin = time.monotonic()
    idle = 0
    while idle or time.monotonic() - begin < within:
        idle = idle + 1 if cpu_share(process) < IDLE else 0
        if idle == 3:
            return time.monotonic() - begin - 3
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
