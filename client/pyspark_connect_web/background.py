"""Calls that nobody waits for, where no thread can be started: ReleaseExecute.

PySpark sends a ReleaseExecute for every response it has read, on a thread pool. A browser kernel has no
threads, and waiting for each answer would stop the reading. Here the request is handed to the transport
and the answer is collected later, between two reads. ``release_until`` is cumulative (base.proto,
ReleaseExecuteRequest), so while one is under way only the newest waits to be sent.
"""

from __future__ import annotations

import contextlib
import contextvars
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .stub import GrpcWebChannel, Rpc

__all__ = ["BackgroundCalls", "InlineExecutor", "in_background"]

logger = logging.getLogger(__name__)

METHOD = "/spark.connect.SparkConnectService/ReleaseExecute"
TIMEOUT = 10.0
"""Seconds that a release may take; the server drops abandoned executions by itself later."""
MAX_RUNNING = 3
"""A browser opens six connections to a server; streams and other calls need theirs."""

Metadata = Iterable[tuple[str, "str | bytes"]] | None

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
    """The releases of one channel."""

    def __init__(self, channel: GrpcWebChannel) -> None:
        self._channel = channel
        self._running: list[Rpc] = []
        # operation id -> the newest release_until that waits for the one under way
        self._waiting: dict[str, tuple[Sequence[bytes], Metadata]] = {}

    def send(self, method: str, request: Any, parts: Sequence[bytes], metadata: Metadata) -> bool:
        """Send a release without waiting; False when the call is no release and must run as usual."""
        if method != METHOD:
            return False
        self.poll()
        operation = str(request.operation_id)
        if request.HasField("release_until"):
            if self._running:
                self._waiting[operation] = (parts, metadata)
                return True
        else:
            self._waiting.pop(operation, None)
        self._start(parts, metadata)
        return True

    def _start(self, parts: Sequence[bytes], metadata: Metadata) -> None:
        while len(self._running) >= MAX_RUNNING:
            self._collect(self._running.pop(0))
        self._running.append(self._channel.launch(METHOD, parts, TIMEOUT, metadata))

    def poll(self) -> None:
        """Collect the answers that are there, and send what waited for them. Does not block."""
        if not self._running:
            return
        still = []
        for rpc in self._running:
            if rpc.ready():
                self._collect(rpc)
            else:
                still.append(rpc)
        self._running = still
        if not still and self._waiting:
            waiting, self._waiting = self._waiting, {}
            for parts, metadata in waiting.values():
                self._start(parts, metadata)

    def finish(self) -> None:
        """Send what waits and collect every answer; blocks up to `TIMEOUT` for each."""
        waiting, self._waiting = self._waiting, {}
        for parts, metadata in waiting.values():
            self._start(parts, metadata)
        while self._running:
            self._collect(self._running.pop(0))

    def _collect(self, rpc: Rpc) -> None:
        from .stub import grpc

        try:
            while rpc.next_message() is not None:
                pass
        except grpc.RpcError as error:
            # PySpark itself only logs this: the server releases abandoned executions after a while.
            logger.debug("ReleaseExecute failed: %s", error)
