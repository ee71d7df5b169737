"""Answers that fall silent: ended in good order when their client can ask for the rest, else left alone."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Iterator, Sequence

import pytest
from pyspark_connect_web.wire import encode_frame

from pcw_server_ext.errors import UpstreamError
from pcw_server_ext.proxy.call.relay import SILENT, Response
from pcw_server_ext.proxy.upstream.connections import Address, Upstream
from tests.support.h2peer import REQUEST, RESPONSE
from tests.support.plans import base_pb2
from tests.support.raw_h2 import RawServer, RawStream
from tests.support.server import StartServer, start
from tests.support.upstream import SyntheticUpstream, order, pattern
from tests.support.web import Site

LIMIT = 1.0
TOO_LONG = 4 * LIMIT
"""Longer than an answer may be silent: at most 1.5 times the limit."""

CAN_COME_BACK = base_pb2.ExecutePlanRequest(
    request_options=[
        base_pb2.ExecutePlanRequest.RequestOption(reattach_options={"reattachable": True}),
    ]
).SerializeToString()
DONE = [("x-done", "yes")]
"""Trailers that only an answer has which Spark has ended itself."""


@pytest.fixture(scope="module")
def impatient(upstream: SyntheticUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server that ends silent answers after a second."""
    endpoints = f"--PcwExtension.endpoints={{'synthetic': '{upstream.address}'}}"
    limit = f"--PcwExtension.silence_limit={LIMIT}"
    with start(tmp_path_factory.mktemp("impatient"), endpoints, limit) as process:
        yield Site(process)


def test_silent_answer_is_ended_in_good_order_behind_its_messages(
    impatient: Site, upstream: SyntheticUpstream
) -> None:
    upstream.cancelled.clear()
    answer = impatient.grpc("ExecutePlan", order(messages=2, size=70_000, forever=True) + CAN_COME_BACK)
    assert (answer.status, answer.message) == (0, "")
    assert answer.messages == [pattern(70_000, number) for number in range(2)]
    assert upstream.cancelled.wait(30), "Spark's stream is still open"


def test_answer_that_has_not_begun_is_ended_too(impatient: Site) -> None:
    answer = impatient.grpc("ExecutePlan", order(forever=True) + CAN_COME_BACK)
    assert (answer.status, answer.message, answer.messages) == (0, "", [])


def test_client_that_cannot_come_back_waits_as_long_as_it_takes(impatient: Site) -> None:
    answer = impatient.grpc("ExecutePlan", order(messages=1, wait=TOO_LONG, trailing=DONE))
    assert (answer.status, answer.trailers["x-done"], len(answer.messages)) == (0, "yes", 1)


def test_unary_call_waits_as_long_as_it_takes(impatient: Site) -> None:
    answer = impatient.grpc("AnalyzePlan", order(wait=TOO_LONG, trailing=DONE))
    assert (answer.status, answer.trailers["x-done"]) == (0, "yes")


def test_limit_of_0_ends_nothing(start_server: StartServer, upstream: SyntheticUpstream) -> None:
    endpoints = f"--PcwExtension.endpoints={{'synthetic': '{upstream.address}'}}"
    site = start_server(endpoints, "--PcwExtension.silence_limit=0")
    answer = site.grpc("ExecutePlan", order(messages=1, wait=TOO_LONG, trailing=DONE) + CAN_COME_BACK)
    assert (answer.status, answer.trailers["x-done"]) == (0, "yes")


def test_browser_that_does_not_read_is_not_taken_for_silence_of_spark(impatient: Site) -> None:
    body = order(messages=30, size=1_000_000, trailing=DONE) + CAN_COME_BACK
    connection = impatient.begin(body)
    response = connection.getresponse()
    time.sleep(TOO_LONG)
    data = response.read()
    assert data.startswith(encode_frame(pattern(1_000_000, 0)))
    assert data.count(b"x-done") == 1
    assert len(data) > 30_000_000
    connection.close()


def test_server_that_is_interrupted_ends_its_answers(
    start_server: StartServer, upstream: SyntheticUpstream
) -> None:
    # as JupyterHub's own spawner stops a server
    site = start_server(f"--PcwExtension.endpoints={{'synthetic': '{upstream.address}'}}")
    connection = site.begin(order(messages=1, size=1000, forever=True))
    response = connection.getresponse()
    assert response.read(1005) == encode_frame(pattern(1000, 0))
    site.process.process.send_signal(signal.SIGINT)
    end = response.read()
    assert b"grpc-status:14" in end
    assert b"shutting down" in end
    site.process.process.wait(60)
    connection.close()


class Collected:
    """The browser's side of a call: keeps what is sent, and takes all of it."""

    def __init__(self) -> None:
        self.body = b""

    def begin(self, metadata: list[tuple[str, str]]) -> None:
        """No headers are looked at."""

    def send(self, pieces: Sequence[bytes | memoryview], size: int) -> None:
        self.body += b"".join(pieces)

    def write(self, data: bytes) -> None:
        self.body += data


def test_silence_inside_a_message_is_waited_for_and_silence_behind_it_ends_the_answer() -> None:
    message = encode_frame(bytes(100))
    rest = asyncio.Event()

    async def halting(stream: RawStream) -> None:
        await stream.hello()
        number = await stream.request()
        stream.write(stream.peer.headers(number, RESPONSE) + stream.peer.data(number, message[:50]))
        await rest.wait()
        stream.write(stream.peer.data(number, message[50:]))
        await stream.closed()

    async def test() -> None:
        async with RawServer(halting) as server:
            address = Address("127.0.0.1", server.port, f"127.0.0.1:{server.port}")
            upstream = Upstream(address, logging.getLogger("test"))
            call = await upstream.open(REQUEST)
            await call.send(b"", end=True)
            sink = Collected()
            response = Response(call, sink, text=False)
            response.end_when_silent(0.02)
            running = asyncio.ensure_future(response.run())
            # many times as long as an answer may be silent
            done, _ = await asyncio.wait({running}, timeout=0.5)
            assert not done
            assert sink.body == message[:50]
            rest.set()
            with pytest.raises(UpstreamError) as ended:
                await running
            assert ended.value is SILENT
            assert sink.body == message
            call.cancel()
            upstream.close("end of the test")
            await upstream.wait_closed()

    asyncio.run(asyncio.wait_for(test(), 60))
