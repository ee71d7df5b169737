"""Things that become due when nothing has happened to them for a while."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class TimedMap(Generic[Key, Value]):
    """Calls ``due(key, value)`` ``delay`` seconds after the key was added, unless it was removed before.

    At most ``most`` are held: when one more comes, the oldest is due at once.
    """

    def __init__(self, delay: float, most: int, due: Callable[[Key, Value], None]) -> None:
        self._delay = delay
        self._most = most
        self._due = due
        self._items: OrderedDict[Key, tuple[float, Value]] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._items)

    def keys(self) -> list[Key]:
        """What is waiting, the oldest first."""
        return list(self._items)

    def add(self, key: Key, value: Value) -> None:
        """Start (again) to wait."""
        self.remove(key)
        self._items[key] = asyncio.get_running_loop().time() + self._delay, value
        if len(self._items) > self._most:
            self._expire(next(iter(self._items)))
        if self._timer is None:
            self._look()

    def remove(self, key: Key) -> None:
        """Stop waiting for the key; one that is not there is ignored."""
        self._items.pop(key, None)

    def pop(self, key: Key) -> Value | None:
        """Stop waiting for the key, and return its value; None when it is not there."""
        _, value = self._items.pop(key, (0.0, None))
        return value

    def clear(self) -> None:
        """Forget everything."""
        self._items.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self, key: Key) -> None:
        _, value = self._items.pop(key)
        self._due(key, value)

    def _look(self) -> None:
        # All wait equally long, so the first is due first; a timer of one that was removed finds nothing to do.
        loop = asyncio.get_running_loop()
        self._timer = None
        while self._items:
            key, (at, _) = next(iter(self._items.items()))
            if at > loop.time():
                self._timer = loop.call_at(at, self._look)
                return
            self._expire(key)
