"""Listeners of streaming queries where no thread can be started.

PySpark reads the events of a session's listeners in a thread. Here they stay with the server, which keeps them for the
running operation, until the last listener is removed (or the session is stopped): then they are read and handed out,
in their order, before the removal returns.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

__all__ = ["ReadAtEnd", "patch_listeners"]


class ReadAtEnd:
    """Stands in for ``threading.Thread`` in PySpark's listener bus: the work is done by who waits for its end."""

    def __init__(self, target: Callable[..., Any], args: tuple[Any, ...] = ()) -> None:
        self._target: Callable[..., Any] | None = target
        self._args = args

    def start(self) -> None:
        """Nothing to start."""

    def join(self, timeout: float | None = None) -> None:
        """Do the work, once; it blocks until the server has ended the events."""
        target, self._target = self._target, None
        if target is not None:
            target(*self._args)


def patch_listeners(query: Any) -> None:
    """Let the listener bus of ``pyspark.sql.connect.streaming.query`` do without a thread. Idempotent.

    The bus waits for its thread with its lock held, and takes that lock for each event.
    """
    query.Thread = ReadAtEnd
    query.Lock = threading.RLock
