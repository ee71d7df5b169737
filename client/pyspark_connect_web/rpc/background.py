"""Calls that nobody waits for, where no thread can be started: ReleaseExecute.

PySpark sends a ReleaseExecute for every response it has read, on a thread pool. A browser kernel has no
threads, and waiting for each answer would stop the reading. Here the request is handed to the transport
and the answer is collected later, between two reads. ``release_until`` is cumulative (base.proto,
ReleaseExecuteRequest): only the newest is kept, and sent when `INTERVAL` has passed and none is under way.
The final ``release_all`` is sent at once.
"""

from __future__ import annotations

import contextlib
import contextvars
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark_connect_web.rpc.call import Rpc

__all__ = ["BackgroundCalls", "InlineExecutor", "in_background"]

logger = logging.getLogger(__name__)

METHOD = "/spark.connect.SparkConnectService/ReleaseExecute"
TIMEOUT = 10.0
"""Seconds that a release may take; the server drops abandoned executions by itself later."""
INTERVAL = 0.2
"""Seconds between two ``release_until``. Spark itself keeps 10 MB of sent responses for a reattach, so more
of them free nothing, and each costs a request."""
WATCH_INTERVAL = 0.2
"""Seconds between two looks of a watcher."""
MAX_RUNNING = 3
"""A browser opens six connections to a server; streams and other calls need theirs."""

Metadata = Iterable[tuple[str, "str | bytes"]] | None
Launch = Callable[[str, Sequence[bytes], float | None, Metadata], "Rpc"]

_background: contextvars.ContextVar[bool] = contextvars.ContextVar("pcw_background", default=False)


def in_background() -> bool:
    """True inside a task of `InlineExecutor`."""
    return _background.get()


@contextlib.contextmanager
def _marked() -> Iterator[None]:
    token = _background.set(True)
    try:
        yield
    finally:
        _background.reset(token)


class InlineExecutor:
    """Stands in for PySpark's ThreadPoolExecutor: a task runs at once, its calls do not wait for answers."""

    def submit(self, task: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run the task; the future is finished when this returns."""
        future: Future[Any] = Future()
        try:
            with _marked():
                result = task(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - a future carries whatever the task raised
            future.set_exception(error)
        else:
            future.set_result(result)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Nothing runs between calls."""


class BackgroundCalls:
    """The releases of one channel.

    Args:
        launch: starts a call: method, frames of the request, seconds it may take, metadata.
    """

    def __init__(self, launch: Launch) -> None:
        self._launch = launch
        self._running: list[Rpc] = []
        # operation id -> the newest release_until that waits to be sent
        self._waiting: dict[str, tuple[Sequence[bytes], Metadata]] = {}
        self._next_until = 0.0
        self._watchers: list[Callable[[], None]] = []
        self._watching = False
        self._next_look = 0.0

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call `watcher` now and then while calls are made on this channel, and wait for answers, until `unwatch`.

        It must not wait for an answer that may never come; it may make calls.
        """
        self._watchers.append(watcher)

    def unwatch(self, watcher: Callable[[], None]) -> None:
        """See `watch`."""
        if watcher in self._watchers:
            self._watchers.remove(watcher)

    def attend(self, rpc: Rpc) -> None:
        """Return when `rpc` has something to read; until then let the watchers look. At once without watchers."""
        while self._watchers and not self._watching and not in_background():
            if rpc.arrived(WATCH_INTERVAL):
                return
            self._look()

    def _look(self) -> None:
        self._watching = True
        try:
            for watcher in list(self._watchers):
                watcher()
        finally:
            self._watching = False
            self._next_look = time.monotonic() + WATCH_INTERVAL

    def send(self, method: str, request: Any, parts: Sequence[bytes], metadata: Metadata) -> bool:
        """Send a release without waiting; False when the call is no release and must run as usual."""
        if method != METHOD:
            return False
        operation = str(request.operation_id)
        if request.HasField("release_until"):
            if not self._waiting and not self._running:
                self._next_until = max(self._next_until, time.monotonic() + INTERVAL)
            self._waiting[operation] = (parts, metadata)
            self.poll()
        else:
            self._waiting.pop(operation, None)
            self.poll()
            self._start(parts, metadata)
        return True

    def _start(self, parts: Sequence[bytes], metadata: Metadata) -> None:
        while len(self._running) >= MAX_RUNNING:
            self._collect(self._running.pop(0))
        self._running.append(self._launch(METHOD, parts, TIMEOUT, metadata))

    def send_patiently(self, method: str, parts: Sequence[bytes], metadata: Metadata, seconds: float) -> None:
        """Send a call whose answer tells nothing; wait up to `seconds` for it, and collect it later if need be."""
        rpc = self._launch(method, parts, TIMEOUT, metadata)
        end = time.monotonic() + seconds
        while not rpc.ready():
            if time.monotonic() >= end:
                self._running.append(rpc)
                return
            time.sleep(0.01)
        self._collect(rpc)

    def poll(self) -> None:
        """Collect the answers that are there, and send what waited for them. Does not block.

        Watchers have a look now and then.
        """
        for rpc in list(self._running):
            if rpc.ready():
                self._running.remove(rpc)
                self._collect(rpc)
        if self._waiting and not self._running and time.monotonic() >= self._next_until:
            self._next_until = time.monotonic() + INTERVAL
            self._send_waiting()
        if not self._watchers or self._watching or in_background():
            return
        if time.monotonic() >= self._next_look:
            self._look()

    def finish(self) -> None:
        """Send what waits and collect every answer; blocks up to `TIMEOUT` for each."""
        self._send_waiting()
        while self._running:
            self._collect(self._running.pop(0))

    def _send_waiting(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for parts, metadata in waiting.values():
            self._start(parts, metadata)

    def _collect(self, rpc: Rpc) -> None:
        from pyspark_connect_web.rpc.error import grpc

        try:
            while rpc.next_message() is not None:
                pass
        except grpc.RpcError as error:
            # PySpark itself only logs this: the server releases abandoned executions after a while.
            logger.debug("A call in the background failed: %s", error)
