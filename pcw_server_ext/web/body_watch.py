"""Cuts off a request whose body stands still or creeps: it holds a connection, and what has come of it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """How a body must come: `idle` is seconds without a byte, `rate` bytes a second on average after that (0: any)."""

    idle: float
    rate: float


class BodyWatch:
    """Calls `cut` when a body comes more slowly than `pace`; begins at once.

    Between `pause` and `resume` whoever takes the body takes no more, so that its sender may not send more.
    """

    def __init__(self, pace: Pace, cut: Callable[[], None]) -> None:
        self._pace = pace
        self._cut = cut
        self._loop = asyncio.get_running_loop()
        self._began = self._last = self._loop.time()
        self._size = 0
        self._paused = self._held_up = 0.0
        self._timer = self._loop.call_later(pace.idle, self._look)

    def received(self, size: int) -> None:
        """So many bytes have come."""
        self._size += size
        self._last = self._loop.time()

    def pause(self) -> None:
        """Nothing more is taken for a while."""
        self._paused = self._loop.time()
        self._last = math.inf

    def resume(self) -> None:
        """More is taken from now on."""
        self._last = self._loop.time()
        self._held_up += self._last - self._paused

    def stop(self) -> None:
        """The body is there, or nobody waits for it any more; more than once does nothing."""
        self._timer.cancel()

    def _look(self) -> None:
        now, pace = self._loop.time(), self._pace
        left = self._last + pace.idle - now
        if pace.rate and self._last < math.inf:
            taken = now - self._began - self._held_up
            left = min(left, pace.idle + self._size / pace.rate - taken)
        if left <= 0:
            self._cut()
        else:
            self._timer = self._loop.call_later(min(left, pace.idle), self._look)
