"""Tells the page how far the running query is, so that its cell can show a bar.

PySpark calls a progress handler with what the server reports, and at the end of every query; the session's
hook for executions says when a query begins. The page decides what is worth showing: it knows the time, also
while Python waits, and a query that is done within a second shows nothing. Nothing of this is output of the
cell, so neither the notebook nor a program that captures output has anything of it.

What is sent is JSON: ``{"operation", "done": false, "label", "stages", "stages_done", "tasks", "tasks_done",
"running", "bytes"}`` with counts (0 where the server reports none) and bytes read, or ``{"operation",
"done": true}``.
"""

from __future__ import annotations

import json
import os
import weakref
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from pyspark_connect_web.patches.pyspark_types import ConnectClient

__all__ = ["SWITCH", "QueryProgress"]

SWITCH = "PCW_PROGRESS"
"""Name in ``os.environ``: ``0`` or ``off`` shows no progress from the next query on."""

_COUNTS = ("stages", "stages_done", "tasks", "tasks_done", "running", "bytes")


class QueryProgress:
    """The progress of the queries of one kernel.

    Args:
        send: takes the JSON to the page; must not block.
    """

    def __init__(self, send: Callable[[str], object]) -> None:
        self._send = send

    def watch(self, client: ConnectClient) -> None:
        """Follow the queries of a ``SparkConnectClient``, until ``spark.clearProgressHandlers()``."""

        def handler(
            stages: Iterable[Any] | None, inflight_tasks: int, operation_id: str | None, done: bool
        ) -> None:
            if done:
                self._tell(operation_id, done=True)
            elif is_on():
                self._tell(operation_id, done=False, counts=_counts(list(stages or ()), inflight_tasks))

        client.register_progress_handler(handler)
        client._session_hooks = [*client._session_hooks, _Begin(self, client, handler)]

    def label(self, text: str | None) -> None:
        """Say that the kernel does something else that takes its time; None: it is done."""
        if text is None:
            self._tell("", done=True)
        elif is_on():
            self._tell("", done=False, label=text)

    def begin(self, operation: str) -> None:
        """A query is about to be sent."""
        if is_on():
            self._tell(operation, done=False)

    def _tell(
        self,
        operation: str | None,
        *,
        done: bool,
        label: str = "",
        counts: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        message: dict[str, Any] = {"operation": operation or "", "done": done}
        if not done:
            message |= {"label": label, **dict.fromkeys(_COUNTS, 0), **counts}
        self._send(json.dumps(message))


class _Begin:
    """A ``SparkSession.Hook``."""

    def __init__(self, progress: QueryProgress, client: ConnectClient, handler: Callable[..., None]) -> None:
        self._progress = progress
        self._client = weakref.ref(client)
        self._handler = handler

    def on_execute_plan(self, request: Any) -> Any:
        """Called before a query is sent; returns the request as it is."""
        client = self._client()
        # Without the handler nobody would say that the query is done.
        if client is not None and self._handler in client._progress_handlers:
            self._progress.begin(request.operation_id)
        return request


def is_on() -> bool:
    """Whether progress is to be shown."""
    return os.environ.get(SWITCH, "").strip().lower() not in ("0", "off", "false", "no")


def _counts(stages: list[Any], running: int) -> dict[str, int]:
    return {
        "stages": len(stages),
        "stages_done": sum(1 for stage in stages if stage.done),
        "tasks": sum(stage.num_tasks for stage in stages),
        "tasks_done": sum(stage.num_completed_tasks for stage in stages),
        "running": running,
        "bytes": sum(stage.num_bytes_read for stage in stages),
    }
