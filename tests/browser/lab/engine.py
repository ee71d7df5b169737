"""The engine behind a JupyterLab: how busy it is, and a query that keeps it so."""

from __future__ import annotations

import contextlib
import time

import psutil
from playwright.sync_api import expect

from tests.support.jupyter import JupyterProcess
from tests.support.lab_page import LabPage
from tests.support.leaving import wanted

#: Work for hours, whatever the machine.
ENDLESS = "spark.range(0, 10**13, 1, 8).selectExpr('id % 7 AS a')"


class Engine:
    """The process that computes: all its threads, its children too (Python workers)."""

    def __init__(self, server: JupyterProcess) -> None:
        self.process, _ = server.engine()

    @property
    def is_spark(self) -> bool:
        """Whether it is Apache Spark, which reports its tasks; Sail reports nothing."""
        return self.process.name().startswith("java")

    def seconds(self) -> float:
        """Processor time that its queries used or waited for so far."""
        total = wanted(self.process)
        for child in self.process.children(recursive=True):
            # Python workers of Spark come and go
            with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError):
                total += wanted(child)
        return total

    def load(self, interval: float = 1.0) -> float:
        """Cores in use over `interval` seconds."""
        before = self.seconds()
        time.sleep(interval)
        return max(self.seconds() - before, 0) / interval

    def await_load(self, busy: bool, seconds: float = 60) -> float:
        """Wait until the engine computes, or until it does not; return its load then."""
        end = time.monotonic() + seconds
        while True:
            load = self.load()
            if (load > 0.2) if busy else (load < 0.1):
                return load
            assert time.monotonic() < end, f"load {load} after {seconds} s"

    def await_query(self, lab: LabPage) -> None:
        """Wait until it computes the query of the notebook that is shown.

        Planning is load too. A query that is interrupted while Spark 4.3 still plans it ends, and leaves a job behind
        that nobody ends.
        """
        if self.is_spark:
            bar = lab.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell .pcw-Query")
            expect(bar).to_contain_text("tasks", timeout=60_000)
        self.await_load(busy=True)
