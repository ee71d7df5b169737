"""Writes the line that each call gets, a little later and in a thread.

To format and write a line takes as long as a tenth of a short call, and a thread that wakes for each line slows calls
as much. So lines are collected for a moment and written together, each with the logger's own formatting.
"""

from __future__ import annotations

import json
import logging
import threading
from collections import deque
from collections.abc import Mapping
from typing import Final

# Seconds that lines are collected.
_COLLECT_SECONDS: Final = 0.25
# Lines that may wait; when the log's disk or terminal stands still, calls go on and lines are lost.
_MAX_LINES: Final = 10_000
_CLOSE_WAIT: Final = 2.0

Fields = Mapping[str, object]


class CallLog:
    """Lines go to ``log`` in their order, at level INFO. ``write`` is for one thread."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._lines: deque[Fields] = deque()
        self._has_lines = threading.Event()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def write(self, fields: Fields) -> None:
        """Add a line; returns at once."""
        if len(self._lines) >= _MAX_LINES or not self._log.isEnabledFor(logging.INFO):
            return
        self._lines.append(fields)
        if len(self._lines) == 1:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="pcw-call-log", daemon=True)
                self._thread.start()
            self._has_lines.set()

    def _run(self) -> None:
        while not self._closed.is_set():
            self._has_lines.wait()
            self._has_lines.clear()
            self._closed.wait(_COLLECT_SECONDS)
            self._drain()

    def _drain(self) -> None:
        while self._lines:
            self._log.info("call %s", json.dumps(self._lines.popleft()))

    def close(self) -> None:
        """Write what waits, for two seconds at most."""
        self._closed.set()
        self._has_lines.set()
        if self._thread is not None:
            self._thread.join(_CLOSE_WAIT)
            if not self._thread.is_alive():
                self._drain()
