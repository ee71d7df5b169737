"""Spark's answers to silent queries, held open until their client asks for the rest.

An answer that is silent ends towards the client (`relay.SILENT`), which asks again at once. Spark need not be asked:
its stream is still there, and goes on where it was. Sail could not be: while Python code of a query runs, it does not
let go of the stream, and refuses everybody who asks for the rest ("task is being paused").
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from pcw_server_ext.proxy.sessions.operations import Operation, Session
from pcw_server_ext.proxy.sessions.timed_map import TimedMap
from pcw_server_ext.proxy.upstream.connections import Call, Header, Upstream

#: Each may keep as much of an answer as its window allows.
_MOST: Final = 64

#: The field response_id of an ExecutePlanResponse, whose ids are UUIDs (spark/connect/base.proto).
_RESPONSE_ID: Final = re.compile(rb"\x6a\x24([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


@dataclass(frozen=True)
class Asker:
    """As whom Spark was asked: who asks for the rest as somebody else is not given it."""

    user_context: bytes
    metadata: tuple[Header, ...]


@dataclass(frozen=True)
class HeldCall:
    """A running call, and up to where its client has its answer.

    Attributes:
        call: its stream is read by nobody.
        upstream: the connection that it belongs to.
        asker: who may have the rest.
        tail: the last bytes that the client was sent; empty when it was sent nothing.
    """

    call: Call
    upstream: Upstream
    asker: Asker
    tail: bytes

    @property
    def runs(self) -> bool:
        """Whether something can still come of it, or has come: its connection is there."""
        return self.call.failure is None and self.call.stream.error is None

    def stands_at(self, response_id: str) -> bool:
        """Whether ``response_id`` is that of the last message that was sent; empty: whether none was."""
        if not response_id:
            return not self.tail
        found = _RESPONSE_ID.findall(self.tail)
        return bool(found) and found[-1] == response_id.encode("utf-8", "replace")


def position(response_id: str) -> bytes:
    """What stands for the end of an answer that a client has up to ``response_id``, in place of its last bytes."""
    return b"\x6a\x24" + response_id.encode("utf-8", "replace") if response_id else b""


class HeldCalls:
    """Holds calls for ``seconds``, at most 64; then, and when it is told that nobody wants them, it cancels them."""

    def __init__(self, seconds: float) -> None:
        self._calls: TimedMap[Operation, HeldCall] = TimedMap(
            seconds, _MOST, lambda _, held: held.call.cancel()
        )

    def hold(self, operation: Operation, held: HeldCall) -> None:
        """Keep the call for whoever asks for the rest of the operation's answer."""
        self.drop(operation)
        self._calls.add(operation, held)

    def take(self, operation: Operation, asker: Asker, response_id: str) -> HeldCall | None:
        """The call that goes on where the client is, if there is one. One that does not is cancelled."""
        held = self._calls.pop(operation)
        if held is None:
            return None
        if held.runs and held.asker == asker and held.stands_at(response_id):
            return held
        held.call.cancel()
        return None

    def drop(self, operation: Operation) -> None:
        """Nobody wants the rest of the operation's answer."""
        held = self._calls.pop(operation)
        if held is not None:
            held.call.cancel()

    def drop_session(self, session: Session) -> None:
        """Nobody wants anything of the session's queries."""
        held = self._calls.keys()
        for operation in held:
            if operation.session == session:
                self.drop(operation)

    def close(self) -> None:
        """Cancel them all."""
        held = self._calls.keys()
        for operation in held:
            self.drop(operation)
        self._calls.clear()
