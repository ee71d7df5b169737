"""An `ExceptionGroup` fails its cell like every other exception.

IPython prints a group with `traceback.print_exc()` instead of handing it to the front end. The browser kernel's
shell takes its reply from what it was handed, so the cell was said to be fine, and Run All went on.
"""

from __future__ import annotations

import builtins
import sys
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any

from pyspark_connect_web.kernel.frames import is_own_code
from pyspark_connect_web.kernel.interrupt import own_part
from pyspark_connect_web.patches.apply import replace

__all__ = ["hand_over_groups"]

#: Python 3.10 has no groups.
_GROUPS: tuple[type[BaseException], ...] = (
    (builtins.__dict__["BaseExceptionGroup"],) if "BaseExceptionGroup" in builtins.__dict__ else ()
)


def hand_over_groups(shell: Any) -> None:
    """Let a shell show groups, and exceptions that come from one, with Python's own traceback and as its error."""

    def with_groups(show: Callable[..., None]) -> Callable[..., None]:
        def showtraceback(exc_tuple: Any = None, *arguments: Any, **options: Any) -> None:
            kind, error, trace = exc_tuple if exc_tuple is not None else sys.exc_info()
            if error is None or not _has_group(error):
                show(exc_tuple, *arguments, **options)
                return
            lines = traceback.format_exception(kind, error, _person_part(trace))
            shell._showtraceback(kind, error, "".join(lines).splitlines())

        return showtraceback

    replace("IPython.core.interactiveshell:InteractiveShell.showtraceback", with_groups, owner=shell)


def _has_group(error: BaseException) -> bool:
    """Whether IPython would print this exception instead of showing it."""
    looked_at: BaseException | None = error
    seen: set[int] = set()  # a context that a program has set may lead back
    while looked_at is not None and id(looked_at) not in seen:
        if isinstance(looked_at, _GROUPS):
            return True
        seen.add(id(looked_at))
        looked_at = looked_at.__context__
    return False


def _person_part(trace: TracebackType | None) -> TracebackType | None:
    """The traceback from the first to the last frame of code that is no installed package."""
    trace = own_part(trace)
    first = trace
    while first is not None and not is_own_code(first.tb_frame):
        first = first.tb_next
    return first or trace
