"""What a server says of its local engine, and whether a process has ended."""

from __future__ import annotations

import psutil

from tests.support.web import Site

FAILED_PRECONDITION = 9


def state(site: Site) -> tuple[str, str]:
    (found,) = site.request("GET", "pcw/api/endpoints").json()["endpoints"]
    return found["kind"], found["state"]


def gone(process: psutil.Process, seconds: float = 10) -> bool:
    try:
        process.wait(seconds)
    except psutil.TimeoutExpired:
        return False
    return True


def engine_of(site: Site) -> psutil.Process:
    (child,) = [c for c in site.process.children() if "sail_main.py" in " ".join(c.cmdline())]
    return child
