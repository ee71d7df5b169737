"""Reading a stream without waiting for its next message, where no thread could do that."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator

__all__ = ["NothingYet", "may_wait", "without_waiting"]

_not_waiting: contextvars.ContextVar[bool] = contextvars.ContextVar("pcw_not_waiting", default=False)


class NothingYet(BaseException):
    """A stream that is read `without_waiting` has no message.

    No Exception: PySpark, between the stream and who reads it, shall not take it for a failure.
    """


@contextlib.contextmanager
def without_waiting() -> Iterator[None]:
    """Within it a stream without a message raises `NothingYet`, and can be read again later."""
    token = _not_waiting.set(True)
    try:
        yield
    finally:
        _not_waiting.reset(token)


def may_wait() -> bool:
    """False within `without_waiting`."""
    return not _not_waiting.get()
