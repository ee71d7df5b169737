"""Clients that go away in the middle of a query, and what an engine does then."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.support.web import Site

IDLE = 0.25
"""Share of one core, used or waited for, below which an engine counts as idle."""


SPARK_TASK = "Executor task"
"""How the names of the threads begin that run Spark's tasks."""


def cpu_share(process: psutil.Process, seconds: float = 1.0) -> float:
    """How much of one core an engine's queries use or wait for.

    On a busy machine they get little of what they could use. Of Spark only the threads count that run tasks: before
    there are tasks, the planning of a query keeps a core busy for seconds, and an interrupt that comes then ends the
    query and lets its job begin (Spark 4.3, with every client).
    """
    before, begin = wanted(process), time.monotonic()
    time.sleep(seconds)
    return max(wanted(process) - before, 0) / (time.monotonic() - begin)


def wanted(process: psutil.Process) -> float:
    """Seconds of processor time that an engine's queries used, and for which they had no core."""
    only = SPARK_TASK if process.name() == "java" else ""
    ticks, waited = 0, 0
    for thread in Path(f"/proc/{process.pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            name, _, fields = (thread / "stat").read_text().partition(" (")[2].rpartition(") ")
            if name.startswith(only):
                # utime and stime, the 14th and 15th field; the second of schedstat is in nanoseconds
                ticks += sum(map(int, fields.split()[11:13]))
                waited += int((thread / "schedstat").read_text().split()[1])
    return ticks / os.sysconf("SC_CLK_TCK") + waited / 1e9


def becomes_busy(process: psutil.Process, within: float = 60) -> bool:
    """Wait until the process computes; False when it does not within so many seconds."""
    end = time.monotonic() + within
    while cpu_share(process) <= IDLE:
        if time.monotonic() > end:
            return False
    return True


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
    connection = site.begin(request, method, endpoint="default")
    try:
        yield
    finally:
        connection.close()
