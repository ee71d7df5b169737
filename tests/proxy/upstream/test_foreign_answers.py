"""Upstreams that answer, but not with gRPC: each becomes a clear status with trailers, and nothing is followed."""

from __future__ import annotations

import asyncio
import http.client
import threading
from collections.abc import Callable, Iterator

import pytest

from pcw_server_ext.proxy.upstream.http2.frames import Flag, rst_stream
from tests.support.h2peer import RESPONSE, TRAILERS
from tests.support.raw_h2 import RawServer, RawStream
from tests.support.server import start
from tests.support.upstream import order
from tests.support.web import Site

END = Flag.END_HEADERS | Flag.END_STREAM
Fields = list[tuple[bytes, bytes]]


class Answers:
    """A raw server in a thread; `answer` is what it sends for a stream."""

    def __init__(self) -> None:
        self.answer: Callable[[RawStream, int], bytes] = lambda stream, number: b""
        self.port = 0
        self.requests = 0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._ready.wait(60)

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        async def script(stream: RawStream) -> None:
            await stream.hello()
            while True:
                number = await stream.request()
                self.requests += 1
                stream.write(self.answer(stream, number))

        async with RawServer(script) as server:
            self.port = server.port
            self._ready.set()
            await self._end.wait()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)


@pytest.fixture(scope="module")
def answers() -> Iterator[Answers]:
    server = Answers()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def foreign(answers: Answers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    endpoints = {"synthetic": f"sc://127.0.0.1:{answers.port}"}
    with start(tmp_path_factory.mktemp("foreign"), f"--PcwExtension.endpoints={endpoints}") as process:
        yield Site(process)


def head(*fields: tuple[bytes, bytes], end: bool = False) -> Callable[[RawStream, int], bytes]:
    return lambda stream, number: stream.peer.headers(number, list(fields), END if end else Flag.END_HEADERS)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (b"301", 2),
        (b"302", 2),
        (b"400", 13),
        (b"401", 16),
        (b"403", 7),
        (b"404", 12),
        (b"429", 14),
        (b"503", 14),
    ],
)
def test_http_status_becomes_the_mapped_code_and_is_not_followed(
    foreign: Site, answers: Answers, status: bytes, code: int
) -> None:
    answers.answer = head(
        (b":status", status),
        (b"location", b"http://127.0.0.1:1/evil"),
        (b"content-type", b"text/html"),
        end=True,
    )
    before = answers.requests
    answer = foreign.grpc("AnalyzePlan", order())
    assert answer.status == code
    assert answers.requests == before + 1
    assert "location" not in answer.http.headers
    assert status.decode() in answer.message


def test_page_in_place_of_grpc(foreign: Site, answers: Answers) -> None:
    def page(stream: RawStream, number: int) -> bytes:
        fields = [(b":status", b"200"), (b"content-type", b"text/html"), (b"set-cookie", b"a=b")]
        return stream.peer.headers(number, fields) + stream.peer.data(number, b"<html>", Flag.END_STREAM)

    answers.answer = page
    answer = foreign.grpc("AnalyzePlan", order())
    assert answer.status == 2
    assert "page in place of gRPC" in answer.message
    assert b"<html>" not in answer.http.body
    assert "a=b" not in answer.http.headers.get("set-cookie", "")


def test_trailers_only_answer(foreign: Site, answers: Answers) -> None:
    answers.answer = head(
        *RESPONSE, (b"grpc-status", b"5"), (b"grpc-message", b"not%20here"), (b"x-why", b"so"), end=True
    )
    answer = foreign.grpc("AnalyzePlan", order())
    assert (answer.status, answer.message, answer.trailers["x-why"]) == (5, "not%20here", "so")


def test_body_without_a_status_is_not_complete(foreign: Site, answers: Answers) -> None:
    answers.answer = lambda stream, number: (
        stream.peer.headers(number, RESPONSE) + stream.peer.data(number, b"\0\0\0\0\x01x", Flag.END_STREAM)
    )
    answer = foreign.grpc("AnalyzePlan", order())
    assert answer.status == 13
    assert "may be incomplete" in answer.message


@pytest.mark.parametrize("text", [False, True], ids=["binary", "text"])
@pytest.mark.parametrize("size", [3, 100, 200_000])
def test_answer_that_breaks_off_inside_a_message_is_cut_off_and_not_ended(
    foreign: Site, answers: Answers, size: int, text: bool
) -> None:
    # as long as a trailers frame or longer: trailers must not pass for the rest of the message
    message = b"\0" + (size + 60).to_bytes(4, "big") + bytes(size)

    def broken(stream: RawStream, number: int) -> bytes:
        pieces = [message[at : at + 16_000] for at in range(0, len(message), 16_000)]
        data = [stream.peer.data(number, piece) for piece in pieces]
        return stream.peer.headers(number, RESPONSE) + b"".join(data) + rst_stream(number, 2)

    answers.answer = broken
    with pytest.raises((http.client.IncompleteRead, http.client.RemoteDisconnected, ConnectionResetError)):
        foreign.grpc("ExecutePlan", order(), text=text)
    answers.answer = lambda stream, number: (
        stream.peer.headers(number, RESPONSE)
        + stream.peer.data(number, message + bytes(60))
        + rst_stream(number, 7)
        if size < 1000
        else stream.peer.headers(number, RESPONSE) + rst_stream(number, 7)
    )
    assert foreign.grpc("ExecutePlan", order(), text=text).status == 14


def test_trailers_without_a_status(foreign: Site, answers: Answers) -> None:
    answers.answer = lambda stream, number: (
        stream.peer.headers(number, RESPONSE) + stream.peer.headers(number, [(b"x", b"y")], END)
    )
    assert foreign.grpc("AnalyzePlan", order()).status == 2


@pytest.mark.parametrize("status", [b"99", b"17", b"-1", b"abc", b"", b"1.0", b"4294967296", b"9" * 5000])
@pytest.mark.parametrize("end", [True, False], ids=["trailers-only", "trailers"])
def test_status_that_grpc_does_not_have_is_unknown(
    foreign: Site, answers: Answers, status: bytes, end: bool
) -> None:
    fields = [(b"grpc-status", status), (b"grpc-message", b"odd")]

    def answer(stream: RawStream, number: int) -> bytes:
        if end:
            return stream.peer.headers(number, RESPONSE + fields, END)
        return stream.peer.headers(number, RESPONSE) + stream.peer.headers(number, fields, END)

    answers.answer = answer
    assert foreign.grpc("AnalyzePlan", order()).status == 2
    assert "Traceback" not in foreign.process.printed()


def test_reset_after_a_message_keeps_the_message_and_says_why(foreign: Site, answers: Answers) -> None:
    answers.answer = lambda stream, number: (
        stream.peer.headers(number, RESPONSE)
        + stream.peer.data(number, b"\0\0\0\0\x01x")
        + rst_stream(number, 0x2)
    )
    answer = foreign.grpc("ExecutePlan", order())
    assert answer.messages == [b"x"]
    assert answer.status == 13


def test_value_that_no_header_can_hold_is_dropped(foreign: Site, answers: Answers) -> None:
    answers.answer = lambda stream, number: (
        stream.peer.headers(number, [*RESPONSE, (b"x-raw", b"\xff\xfe"), (b"x-fine", b"1")])
        + stream.peer.headers(number, [*TRAILERS, (b"x-raw", b"\xff"), (b"x-fine", b"2")], END)
    )
    answer = foreign.grpc("ExecutePlan", order())
    assert answer.status == 0
    assert answer.trailers["x-fine"] == "2"
    assert "x-raw" not in answer.trailers
    assert answer.http.headers["x-fine"] == "1"
    assert "x-raw" not in answer.http.headers


def test_padding_and_tiny_frames_pass(foreign: Site, answers: Answers) -> None:
    def drip(stream: RawStream, number: int) -> bytes:
        message = b"\0\0\0\0\x05hello"
        pieces = b"".join(stream.peer.data(number, bytes([1, octet, 0]), Flag.PADDED) for octet in message)
        return stream.peer.headers(number, RESPONSE) + pieces + stream.peer.headers(number, TRAILERS, END)

    answers.answer = drip
    answer = foreign.grpc("ExecutePlan", order())
    assert answer.messages == [b"hello"]
    assert answer.status == 0
