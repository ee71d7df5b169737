"""When a query is interrupted, when its session is released, and when neither happens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from pcw_server_ext.proxy.access.identity import sent_user_context, user_context
from pcw_server_ext.proxy.sessions.cleanup import interrupt_request, release_request, told
from pcw_server_ext.proxy.sessions.operations import Client, Operation, Operations, Session
from pcw_server_ext.proxy.sessions.timed_map import TimedMap
from tests.support import virtual_time
from tests.support.plans import base_pb2

SESSION = Session("default", "", "session")
QUERY = Operation(SESSION, "query")
CLIENT = Client(cast("Any", None), cast("Any", None), b"")
GRACE = 0.05
LATER = 0.3


class Told:
    """Operations, and what they asked for."""

    def __init__(self, grace: float = GRACE, session_grace: float = GRACE) -> None:
        self.asked: list[object] = []
        self.runs = True
        self.operations = Operations(
            grace,
            session_grace,
            interrupt=self.interrupt,
            stop=lambda operation, _: self.asked.append(("stop", operation)),
            release=lambda session, _: self.asked.append(session),
        )

    def interrupt(self, operation: Operation, client: Client) -> None:
        self.asked.append(operation)
        if self.runs:
            self.operations.interrupted(operation, client)

    def leave(self, *, over: bool = False) -> None:
        self.operations.attach(QUERY)
        self.operations.detach(QUERY, CLIENT, over=over)


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        await asyncio.wait_for(test(), 100)

    virtual_time.run(limited())


def test_query_that_nobody_comes_back_for_is_interrupted_then_its_session_released() -> None:
    async def test() -> None:
        told = Told(session_grace=0.4)
        told.leave()
        assert told.asked == []
        await asyncio.sleep(0.2)
        assert told.asked == [QUERY]
        assert told.operations.waits_for_sessions
        await asyncio.sleep(0.6)
        assert told.asked == [QUERY, SESSION]

    run(test)


def reattach(told: Told) -> None:
    told.operations.attach(QUERY)


def release(told: Told) -> None:
    told.operations.released(QUERY)


def release_session(told: Told) -> None:
    told.operations.session_released(SESSION)


def close(told: Told) -> None:
    told.operations.close()


@pytest.mark.parametrize("act", [reattach, release, release_session, close])
def test_query_is_not_interrupted_after_its_client_came_back(act: Callable[[Told], None]) -> None:
    async def test() -> None:
        told = Told()
        told.leave()
        act(told)
        await asyncio.sleep(LATER)
        assert told.asked == []

    run(test)


def test_query_released_while_its_answer_ends_is_not_waited_for() -> None:
    async def test() -> None:
        told = Told()
        told.operations.attach(QUERY)
        told.operations.released(QUERY)
        told.operations.detach(QUERY, CLIENT, over=False)
        told.leave(over=True)
        await asyncio.sleep(LATER)
        assert told.asked == []

    run(test)


def test_query_with_two_answers_is_detached_by_the_last() -> None:
    async def test() -> None:
        told = Told()
        told.operations.attach(QUERY)
        told.leave()
        await asyncio.sleep(LATER)
        assert told.asked == []
        told.operations.detach(QUERY, CLIENT, over=False)
        await asyncio.sleep(GRACE / 2)
        assert told.asked == []
        await asyncio.sleep(LATER)
        assert QUERY in told.asked

    run(test)


def test_session_that_is_heard_of_is_not_released() -> None:
    async def test() -> None:
        told = Told(session_grace=0.3)
        told.leave()
        await asyncio.sleep(0.15)
        told.operations.heard(SESSION)
        assert not told.operations.waits_for_sessions
        await asyncio.sleep(0.5)
        assert told.asked == [QUERY]

    run(test)


def test_session_with_a_running_answer_is_not_waited_for() -> None:
    async def test() -> None:
        told = Told()
        told.operations.attach(Operation(SESSION, "another"))
        told.leave()
        await asyncio.sleep(LATER)
        assert told.asked == [QUERY]

    run(test)


def test_session_of_a_query_that_was_over_is_kept() -> None:
    async def test() -> None:
        told = Told()
        told.runs = False
        told.leave()
        await asyncio.sleep(LATER)
        assert told.asked == [QUERY]
        assert not told.operations.waits_for_sessions

    run(test)


def test_zero_never_does_it() -> None:
    async def test() -> None:
        told = Told(grace=0)
        told.leave()
        told_of_session = Told(session_grace=0)
        told_of_session.leave()
        await asyncio.sleep(LATER)
        assert told.asked == []
        assert told_of_session.asked == [QUERY]

    run(test)


def test_oldest_of_too_many_is_due_at_once() -> None:
    async def test() -> None:
        due: list[int] = []
        expiring: TimedMap[int, str] = TimedMap(60, 3, lambda key, _: due.append(key))
        for number in range(5):
            expiring.add(number, "")
        assert due == [0, 1]
        assert expiring.keys() == [2, 3, 4]
        expiring.clear()

    run(test)


def test_requests_name_session_user_and_query() -> None:
    sent = base_pb2.UserContext(user_id="mallory", user_name="Mallory")
    fields = sent_user_context(sent.SerializeToString()) + user_context("ann", "Ann")
    client = Client(cast("Any", None), cast("Any", None), fields)
    interrupt = base_pb2.InterruptRequest.FromString(interrupt_request(QUERY, client))
    assert interrupt.interrupt_type == base_pb2.InterruptRequest.INTERRUPT_TYPE_OPERATION_ID
    assert (interrupt.session_id, interrupt.operation_id) == ("session", "query")
    assert (interrupt.user_context.user_id, interrupt.user_context.user_name) == ("ann", "Ann")
    release = base_pb2.ReleaseSessionRequest.FromString(release_request(SESSION, client))
    assert (release.session_id, release.user_context.user_id) == ("session", "ann")


@pytest.mark.parametrize("status", [b"", b"\x1b[2J", b"1\n", b"999999", "\u0661".encode(), b"-1"])
def test_log_shows_numbers_of_a_status_alone(status: bytes) -> None:
    assert told(status) == "a gRPC status that is no number"
    assert told(b"14") == "gRPC status 14"
