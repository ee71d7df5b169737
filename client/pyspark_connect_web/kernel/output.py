"""What a cell prints goes to the page in batches, as ipykernel sends it: each message costs the page a drawing of the
whole output.

Nothing runs a timer while Python computes, so a line is sent at once where few were printed lately, and what is held
back is sent by the next line, by whoever waits (`Batches.while_waiting`), or by the event loop.
"""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from typing import Any

from pyspark_connect_web.patches.apply import replace

__all__ = ["Batches", "OutStream", "install_streams"]

INTERVAL = 0.1
"""Seconds between two batches while a cell prints without end."""

BURST = 16
"""Lines after a pause that are sent at once, each for itself."""

SIZE = 1 << 18
"""Characters that are sent without regard to time."""

TURNS = 16
"""Changes between standard output and error that a batch keeps; of one with more, each stream becomes one text."""


class Batches:
    """What was printed to both streams and not sent yet, in order.

    Args:
        publish: takes ``("stdout" | "stderr", text)``; it may block while the page has enough to draw, once it has sent
            the text.
        later: runs a function after some seconds, when the event loop has time.
        clock: seconds.
    """

    def __init__(
        self,
        publish: Callable[[str, str], object],
        later: Callable[[float, Callable[[], None]], object],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._publish = publish
        self._later = later
        self._clock = clock
        self._name = "stdout"
        self._parts: list[str] = []
        self._closed: list[tuple[str, str]] = []
        self._size = 0
        self._began = 0.0
        self._looked = clock()
        self._lines = float(BURST)
        self._timed = False

    def add(self, name: str, text: str) -> None:
        """Take a text; sends what there is, if it is time."""
        if not self._size:
            self._began = self._clock()
        if name != self._name:
            self._turn(name)
        self._parts.append(text)
        self._size += len(text)
        # print() writes its end by itself: an empty one, too.
        if not text or text[-1] == "\n":
            now = self._clock()
            self._lines = min(self._lines + (now - self._looked) / INTERVAL, BURST)
            self._looked = now
            if self._lines >= 1:
                self._lines -= 1
                self.flush()
                return
        elif self._clock() - self._began >= INTERVAL:
            self.flush()
            return
        if self._size >= SIZE:
            self.flush()
        elif self._size and not self._timed:
            self._timed = True
            self._later(INTERVAL, self._on_time)

    def flush(self) -> None:
        """Send all of it.

        An interrupt may come between any two steps. A text is taken from here in the step before it is sent: none is
        lost, or sent twice.
        """
        if not self._parts and not self._closed:
            return
        self._turn(self._name)
        self._size = 0
        if len(self._closed) > TURNS:
            self._closed = merged(self._closed)
        while self._closed:
            name, text = self._closed[0]
            del self._closed[0]
            self._publish(name, text)

    def while_waiting(self) -> None:
        """Send what has been held back long enough; for whoever blocks, every now and then."""
        if self._clock() - self._began >= INTERVAL / 2:
            self.flush()

    def _turn(self, name: str) -> None:
        if self._parts:
            text = "".join(self._parts)
            self._parts = []
            if text:
                self._closed.append((self._name, text))
        self._name = name

    def _on_time(self) -> None:
        self._timed = False
        self.flush()


def merged(texts: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """One text a stream, in the order of their first."""
    found: dict[str, list[str]] = {}
    for name, text in texts:
        found.setdefault(name, []).append(text)
    return [(name, "".join(parts)) for name, parts in found.items()]


class OutStream(io.TextIOBase):
    """``sys.stdout`` or ``sys.stderr`` of the kernel."""

    encoding = "utf-8"
    errors = None

    def __init__(self, name: str, batches: Batches) -> None:
        self.name = name
        #: Set by the stock kernel with every cell; the batches have a way of their own.
        self.publish_stream_callback: Any = None
        self._add = batches.add
        self._batches = batches

    def write(self, text: str, /) -> int:
        """Returns the number of characters. Raises TypeError for what is no string."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._add(self.name, text)
        return len(text)

    def flush(self) -> None:
        """Send what was printed, to either stream."""
        self._batches.flush()

    def writable(self) -> bool:
        """True."""
        return True

    def isatty(self) -> bool:
        """False: no terminal."""
        return False


def install_streams(publish: Callable[[str, str], object]) -> Batches:
    """Put streams that send in batches into the place of the browser kernel's.

    Args:
        publish: see `Batches`.
    """
    import asyncio

    batches = Batches(publish, asyncio.get_event_loop().call_later)
    replace("pyodide_kernel:stdout_stream", lambda old: _instead("stdout", old, batches))
    replace("pyodide_kernel:stderr_stream", lambda old: _instead("stderr", old, batches))
    return batches


def _instead(name: str, old: Any, batches: Batches) -> OutStream:
    # Whoever has the old one, as a log's handler may, prints on.
    old.publish_stream_callback = batches.add
    stream = OutStream(name, batches)
    setattr(sys, name, stream)
    return stream
