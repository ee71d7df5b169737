"""What needs threads in a browser's Python, which has one: a pool's work runs when it is submitted, all else is told
what to use.

A pool's work seldom waits for what its caller does next, so that it has the same result; a thread's often does (a queue
that is filled later), and would wait for ever.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from pyspark_connect_web.errors import NotInBrowser
from pyspark_connect_web.patches.apply import replace

__all__ = ["run_pools_inline"]

_POOL = "concurrent.futures.thread:ThreadPoolExecutor"

# What pools run before their first work.
_initializers: weakref.WeakKeyDictionary[Any, Callable[[], object]] = weakref.WeakKeyDictionary()


def _nothing() -> None:
    pass


def run_pools_inline() -> None:
    """Let `ThreadPoolExecutor` work without threads, and `Thread.start` say that there are none."""

    def with_initializer(construct: Callable[..., None]) -> Callable[..., None]:
        def keep_initializer(
            pool: Any,
            max_workers: int | None = None,
            thread_name_prefix: str = "",
            initializer: Callable[..., object] | None = None,
            initargs: tuple[Any, ...] = (),
            **more: Any,
        ) -> None:
            construct(pool, max_workers, thread_name_prefix, initializer, initargs, **more)
            if initializer is not None:
                _initializers[pool] = functools.partial(initializer, *initargs)

        return keep_initializer

    def inline(original: Callable[..., Any]) -> Callable[..., Any]:
        def submit(
            pool: Any, function: Callable[..., Any], /, *arguments: Any, **options: Any
        ) -> Future[Any]:
            if pool._shutdown:
                raise RuntimeError("cannot schedule new futures after shutdown")
            future: Future[Any] = Future()
            future.set_running_or_notify_cancel()
            try:
                _initializers.pop(pool, _nothing)()
                future.set_result(function(*arguments, **options))
            except KeyboardInterrupt:
                raise  # Stop means the cell
            except BaseException as error:  # noqa: BLE001 - a future carries whatever the work raised
                future.set_exception(error)
            return future

        return submit

    def refusing(start: Callable[..., None]) -> Callable[..., None]:
        def start_or_explain(thread: Any) -> None:
            try:
                start(thread)
            except RuntimeError as error:
                if "can't start new thread" not in str(error):
                    raise
                raise NotInBrowser(
                    f"Python in a browser tab has one thread, so {thread.name} cannot be started. Use"
                    " concurrent.futures.ThreadPoolExecutor or asyncio.to_thread, whose work is done at once, or tasks"
                    " of asyncio."
                ) from None

        return start_or_explain

    replace(f"{_POOL}.__init__", with_initializer)
    replace(f"{_POOL}.submit", inline)
    replace("threading:Thread.start", refusing)
