"""Which client gets the rest of an answer from a call that was held for it."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest

from pcw_server_ext.errors import UpstreamError
from pcw_server_ext.proxy.sessions.held_calls import Asker, HeldCall, HeldCalls, position
from pcw_server_ext.proxy.sessions.operations import Operation, Session
from tests.support.plans import base_pb2

SESSION = Session("default", "", "4c0b0a10-0000-4000-8000-000000000001")
OPERATION = Operation(SESSION, "4c0b0a10-0000-4000-8000-000000000002")
ME = Asker(b"\x0a\x02me", ((b"x-mine", b"1"),))
FIRST, SECOND = str(uuid.UUID(int=1 << 100)), str(uuid.UUID(int=1 << 101))


class _Stream:
    error: Exception | None = None


class _Call:
    """Stands for `connections.Call`: what is looked at here is only whether it runs and was cancelled."""

    def __init__(self) -> None:
        self.failure: UpstreamError | None = None
        self.stream = _Stream()
        self.cancelled = False
        self.ended = asyncio.Event()

    def cancel(self) -> None:
        self.cancelled = True
        self.ended.set()


def message(response_id: str, **fields: Any) -> bytes:
    """A response as Spark sends it, with its frame's head."""
    response = base_pb2.ExecutePlanResponse(
        session_id=SESSION.id,
        server_side_session_id=str(uuid.uuid4()),
        operation_id=OPERATION.id,
        response_id=response_id,
        **fields,
    )
    encoded = response.SerializeToString()
    return b"\0" + len(encoded).to_bytes(4, "big") + encoded


PROGRESS = base_pb2.ExecutePlanResponse.ExecutionProgress(
    stages=[{"stage_id": 1, "num_tasks": 8, "num_completed_tasks": 3}], num_inflight_tasks=4
)


def held(tail: bytes, asker: Asker = ME) -> tuple[HeldCall, _Call]:
    call = _Call()
    return HeldCall(call, None, asker, tail), call  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tail", "response_id", "stands"),
    [
        (b"", "", True),
        (b"", FIRST, False),
        (message(FIRST), FIRST, True),
        (message(FIRST), "", False),
        (message(FIRST), SECOND, False),
        (message(FIRST, execution_progress=PROGRESS), FIRST, True),
        # two short messages: who lost the second must not be given what follows it
        (message(FIRST) + message(SECOND), SECOND, True),
        (message(FIRST) + message(SECOND), FIRST, False),
        (message(FIRST)[40:], FIRST, True),
        (position(FIRST), FIRST, True),
        (position(FIRST), SECOND, False),
        (position(""), "", True),
        (message("not a UUID"), "not a UUID", False),
        (message(FIRST), OPERATION.id, False),
        (message(FIRST), SESSION.id, False),
    ],
)
def test_answer_goes_on_only_where_the_client_is(tail: bytes, response_id: str, stands: bool) -> None:
    assert held(tail)[0].stands_at(response_id) is stands


def test_call_is_given_once_to_who_asked() -> None:
    async def test() -> None:
        calls = HeldCalls(60)
        kept, call = held(message(FIRST))
        calls.hold(OPERATION, kept)
        assert calls.take(OPERATION, ME, FIRST) is kept
        assert calls.take(OPERATION, ME, FIRST) is None
        assert not call.cancelled

    asyncio.run(test())


@pytest.mark.parametrize(
    ("asker", "response_id"),
    [
        (Asker(b"\x0a\x03you", ME.metadata), FIRST),
        (Asker(ME.user_context, ((b"x-mine", b"2"),)), FIRST),
        (ME, SECOND),
    ],
)
def test_call_that_is_for_somebody_else_or_another_place_is_cancelled(asker: Asker, response_id: str) -> None:
    async def test() -> None:
        calls = HeldCalls(60)
        kept, call = held(message(FIRST))
        calls.hold(OPERATION, kept)
        assert calls.take(OPERATION, asker, response_id) is None
        assert call.cancelled

    asyncio.run(test())


def test_call_whose_connection_has_ended_is_not_given() -> None:
    async def test() -> None:
        calls = HeldCalls(60)
        kept, call = held(message(FIRST))
        calls.hold(OPERATION, kept)
        call.stream.error = ConnectionError()
        assert calls.take(OPERATION, ME, FIRST) is None

    asyncio.run(test())


def test_nobody_comes_back_and_the_call_is_cancelled() -> None:
    async def test() -> None:
        calls = HeldCalls(0.01)
        kept, call = held(message(FIRST))
        calls.hold(OPERATION, kept)
        await call.ended.wait()
        assert calls.take(OPERATION, ME, FIRST) is None

    asyncio.run(test())


@pytest.mark.parametrize("end", ["released", "session", "replaced", "closed"])
def test_calls_that_nobody_wants_are_cancelled(end: str) -> None:
    async def test() -> None:
        calls = HeldCalls(60)
        kept, call = held(message(FIRST))
        other, other_call = held(b"")
        calls.hold(OPERATION, kept)
        calls.hold(Operation(Session("default", "", "other"), "other"), other)
        if end == "released":
            calls.drop(OPERATION)
        elif end == "session":
            calls.drop_session(SESSION)
        elif end == "replaced":
            calls.hold(OPERATION, held(b"")[0])
        else:
            calls.close()
        assert call.cancelled
        assert other_call.cancelled is (end == "closed")

    asyncio.run(test())
