"""Which answers are dead: a connection that is gone without a word looks like a query that takes long.

A laptop that slept, or a proxy that forgot the connection, closes nothing: no byte comes any more, and no end. Our
server lets no answer that can be asked for again be silent for longer than it says in a header
(`wire.LONGEST_SILENCE`): it ends it, and is asked for the rest. So what is silent for much longer is no slow query.
Such a call fails as one does whose connection was cut, and PySpark asks for the rest. Servers that promise nothing may
be silent for ever.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Final

from pyspark_connect_web import wire

__all__ = ["Silence", "can_be_asked_again"]

_FACTOR: Final = 2.0
_MARGIN: Final = 10.0
"""Seconds that are added to the promise, doubled: a busy machine or a slow network is not dead."""
_UPLOAD: Final = 4096.0
"""Bytes a second that a request brings at least, before the server can answer it."""
_MOST: Final = 3600.0
"""A promise of more seconds is taken for this one."""


class Silence:
    """What the server of a channel has promised."""

    def __init__(self) -> None:
        self._longest: float | None = None

    def learn(self, headers: Iterable[tuple[str, str]]) -> None:
        """Take the promise from the head of an answer; one without it, such as a proxy's own, changes nothing."""
        for name, value in headers:
            if name.lower() == wire.LONGEST_SILENCE:
                try:
                    seconds = float(value)
                except ValueError:
                    continue
                if math.isfinite(seconds) and seconds > 0:
                    self._longest = min(seconds, _MOST)

    def limit(self, uploaded: int) -> float | None:
        """Seconds without a byte after which an answer is dead; None: never.

        Args:
            uploaded: Bytes of the request that the server has to receive first, 0 once it has answered.
        """
        if self._longest is None:
            return None
        return _FACTOR * self._longest + _MARGIN + uploaded / _UPLOAD


def can_be_asked_again(method: str, request: Any) -> bool:
    """Whether the rest of the answer to `request` can be asked for, so that the server's promise holds for it."""
    if method.endswith("/ReattachExecute"):
        return True
    return method.endswith("/ExecutePlan") and any(
        option.reattach_options.reattachable for option in request.request_options
    )
