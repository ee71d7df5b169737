"""A Spark server that means harm: its calls end with a named error, and the Jupyter server goes on as before.

Every flood here goes on until the endpoint closes the connection: a test whose limit is gone runs into its guard.
"""

from __future__ import annotations

import asyncio
import http.client
import re
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from pyspark_connect_web.wire import encode_frame

from pcw_server_ext.proxy.upstream.http2.frames import (
    MAX_WINDOW,
    Flag,
    FrameType,
    Setting,
    frame,
    goaway,
    rst_stream,
    settings,
    window_update,
)
from tests.support.h2peer import RESPONSE, TRAILERS
from tests.support.raw_h2 import RawServer, RawStream
from tests.support.server import start
from tests.support.upstream import SyntheticUpstream, order
from tests.support.web import Site

Attack = Callable[[RawStream, int], Awaitable[None]]
GUARD = 60
"""Seconds after which something is said to hang."""
ROOM = 48 << 20
"""Octets by which the server may grow, whatever is sent: the windows and buffers of some calls."""
WINDOW = 1 << 20
"""What a stream may be sent ahead."""


async def polite(stream: RawStream, number: int) -> None:
    """An answer as it should be."""
    stream.write(stream.peer.answer(number, encode_frame(b"fine")))


class HostileSpark:
    """A raw HTTP/2 server in a thread; `attack` answers every request of every connection."""

    def __init__(self, hello: dict[Setting, int] | None = None) -> None:
        self.attack: Attack = polite
        self.connections = 0
        self.ended = threading.Event()
        """Set when a connection has ended."""
        self._hello = hello
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._ready.wait(GUARD)

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        async with RawServer(self._script) as server:
            self.port = server.port
            self._ready.set()
            await self._stop.wait()

    async def _script(self, stream: RawStream) -> None:
        self.connections += 1
        try:
            await stream.hello(self._hello)
            while True:
                number = await stream.request()
                # what is set now, not when the last request was answered
                await self.attack(stream, number)
        finally:
            self.ended.set()

    @property
    def url(self) -> str:
        """The connection string."""
        return f"sc://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """End it at once."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(GUARD)


@pytest.fixture(scope="module")
def hostile() -> Iterator[HostileSpark]:
    server = HostileSpark()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def without_streams() -> Iterator[HostileSpark]:
    server = HostileSpark({Setting.MAX_CONCURRENT_STREAMS: 0})
    yield server
    server.stop()


@pytest.fixture(scope="module")
def without_window() -> Iterator[HostileSpark]:
    server = HostileSpark({Setting.INITIAL_WINDOW_SIZE: 0})
    yield server
    server.stop()


@pytest.fixture(scope="module")
def attacked(
    hostile: HostileSpark,
    without_streams: HostileSpark,
    without_window: HostileSpark,
    upstream: SyntheticUpstream,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    endpoints = {
        "hostile": hostile.url,
        "without-streams": without_streams.url,
        "without-window": without_window.url,
        "synthetic": upstream.address,
    }
    with start(tmp_path_factory.mktemp("attacked"), f"--PcwExtension.endpoints={endpoints}") as process:
        yield Site(process)


def status_of(site: Site, name: str) -> int:
    """A value of the server's process in octets."""
    text = Path(f"/proc/{site.process.process.pid}/status").read_text()
    found = re.search(rf"^{name}:\s+(\d+) kB$", text, re.MULTILINE)
    assert found
    return int(found[1]) << 10


@contextmanager
def others_unharmed(site: Site) -> Iterator[None]:
    """While this runs, calls of another endpoint are answered; at the end the server has not grown."""
    assert site.grpc("AnalyzePlan", order()).status == 0
    # "5": forget the peak until now (proc(5))
    Path(f"/proc/{site.process.process.pid}/clear_refs").write_text("5")
    before = status_of(site, "VmRSS")
    over, statuses = threading.Event(), []

    def calls() -> None:
        while True:
            statuses.append(site.grpc("AnalyzePlan", order(), timeout=GUARD).status)
            if over.wait(0.02):
                return

    with ThreadPoolExecutor(1) as pool:
        others = pool.submit(calls)
        try:
            yield
        finally:
            over.set()
        others.result(GUARD)
    assert set(statuses) == {0}
    assert status_of(site, "VmHWM") - before < ROOM
    assert site.request("GET", "pcw/api/endpoints").status == 200


def without_end(*pieces: Callable[[RawStream, int], bytes]) -> Attack:
    """Write all pieces but the last once, and that again and again until the endpoint has closed the connection."""

    async def attack(stream: RawStream, number: int) -> None:
        for piece in pieces[:-1]:
            stream.write(piece(stream, number))
        again = pieces[-1](stream, number)
        again *= max(1, (1 << 16) // len(again))
        while True:
            stream.write(again)
            await stream.written()

    return attack


def once(*pieces: Callable[[RawStream, int], bytes]) -> Attack:
    """Write all pieces once."""

    async def attack(stream: RawStream, number: int) -> None:
        stream.write(b"".join(piece(stream, number) for piece in pieces))

    return attack


def head(stream: RawStream, number: int) -> bytes:
    return stream.peer.headers(number, RESPONSE)


def open_head(stream: RawStream, number: int) -> bytes:
    return frame(FrameType.HEADERS, 0, number, b"\x88")


def bomb(stream: RawStream, number: int) -> bytes:
    fields = [*RESPONSE, (b"x", b"y" * 4000), *[(b"x", b"y" * 4000)] * 5000]
    return stream.peer.headers(number, fields)


def whole(stream: RawStream, number: int) -> bytes:
    return stream.peer.answer(number, encode_frame(b"fine"))


CALM = "too many frames without progress"
ATTACKS: dict[str, tuple[Attack, int, str]] = {
    "GOAWAY": (without_end(head, lambda _, number: goaway(number, 0)), 14, CALM),
    "GOAWAY that goes back": (once(lambda _, number: goaway(0, 11)), 14, "server closes the connection"),
    "PING": (without_end(lambda *_: frame(FrameType.PING, 0, 0, bytes(8))), 14, CALM),
    "SETTINGS": (without_end(lambda *_: settings({Setting.MAX_FRAME_SIZE: 1 << 14})), 14, CALM),
    "WINDOW_UPDATE of the connection": (without_end(lambda *_: window_update(0, 1)), 14, CALM),
    "WINDOW_UPDATE of a stream": (without_end(lambda _, number: window_update(number, 1)), 14, CALM),
    "a window above all limits": (once(lambda *_: window_update(0, MAX_WINDOW)), 14, "out of range"),
    "PRIORITY": (
        without_end(lambda _, number: frame(FrameType.PRIORITY, 0, number, bytes(5))),
        14,
        CALM,
    ),
    "frames of no known type": (without_end(lambda *_: frame(0x77, 0, 0, b"x")), 14, CALM),
    "empty DATA": (without_end(head, lambda _, number: frame(FrameType.DATA, 0, number)), 14, CALM),
    "interim heads": (
        without_end(lambda _, number: frame(FrameType.HEADERS, Flag.END_HEADERS, number, b"\x08\x03103")),
        14,
        CALM,
    ),
    "empty CONTINUATION": (
        without_end(open_head, lambda _, number: frame(FrameType.CONTINUATION, 0, number)),
        14,
        CALM,
    ),
    "CONTINUATION of 16 KiB": (
        without_end(open_head, lambda _, number: frame(FrameType.CONTINUATION, 0, number, bytes(1 << 14))),
        14,
        "header block above our limit",
    ),
    "a header bomb": (once(bomb), 14, "header"),
    "a frame of 16 MiB": (
        once(lambda _, number: b"\xff\xff\xff" + frame(FrameType.DATA, 0, number)[3:]),
        14,
        "above our limit",
    ),
    "a second head": (once(head, head), 13, "malformed"),
    "resets": (without_end(lambda _, number: rst_stream(number, 8)), 1, "reset the stream"),
    "resets that ask for calm": (once(lambda _, number: rst_stream(number, 11)), 8, "reset the stream"),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_flood_ends_with_a_named_error_and_hurts_nobody_else(
    attacked: Site, hostile: HostileSpark, name: str
) -> None:
    hostile.attack, code, says = ATTACKS[name]
    with others_unharmed(attacked):
        answer = attacked.grpc("AnalyzePlan", order(), endpoint="hostile", timeout=GUARD)
    assert answer.status == code
    assert says in answer.message.replace("%20", " ")
    assert "127.0.0.1" not in answer.message
    hostile.attack = polite
    again = attacked.grpc("AnalyzePlan", order(), endpoint="hostile", timeout=GUARD)
    assert (again.status, again.messages) == (0, [b"fine"])


@pytest.mark.parametrize(
    "flood",
    [
        lambda _, number: frame(FrameType.DATA, 0, number, bytes(1 << 14)),
        lambda stream, number: stream.peer.headers(number, TRAILERS),
        lambda _, number: rst_stream(number, 8),
    ],
    ids=["body", "trailers", "resets"],
)
def test_flood_behind_the_end_of_an_answer_ends_the_connection_and_not_the_answer(
    attacked: Site, hostile: HostileSpark, flood: Callable[[RawStream, int], bytes]
) -> None:
    hostile.ended.clear()
    hostile.attack = without_end(whole, flood)
    with others_unharmed(attacked):
        answer = attacked.grpc("AnalyzePlan", order(), endpoint="hostile", timeout=GUARD)
        assert (answer.status, answer.messages) == (0, [b"fine"])
        assert hostile.ended.wait(GUARD)
    hostile.attack = polite
    assert attacked.grpc("AnalyzePlan", order(), endpoint="hostile", timeout=GUARD).status == 0


def begin(site: Site) -> http.client.HTTPConnection:
    """A call of the hostile endpoint whose answer is not read yet."""
    return site.begin(order(), endpoint="hostile", timeout=GUARD)


def test_body_above_the_window_that_nobody_reads_is_cut(attacked: Site, hostile: HostileSpark) -> None:
    hostile.ended.clear()
    hostile.attack = without_end(head, lambda _, number: frame(FrameType.DATA, 0, number, bytes(1 << 14)))
    with others_unharmed(attacked):
        connection = begin(attacked)
        assert hostile.ended.wait(GUARD)
        connection.close()


def test_endless_answer_stops_when_its_reader_leaves(attacked: Site, hostile: HostileSpark) -> None:
    cancelled = threading.Event()
    wanted = 48 << 20

    async def endless(stream: RawStream, number: int) -> None:
        """Messages without end, always as much as the window allows."""
        stream.write(head(stream, number))
        message = encode_frame(bytes((1 << 14) - 5))
        window = WINDOW
        while True:
            while window >= len(message):
                stream.write(stream.peer.data(number, message))
                window -= len(message)
            await stream.written()
            found = await stream.frame()
            if found.kind == FrameType.WINDOW_UPDATE and found.stream_id == number:
                window += int.from_bytes(found.payload, "big")
            elif found.kind == FrameType.RST_STREAM:
                cancelled.set()
                return

    hostile.attack = endless
    with others_unharmed(attacked):
        connection = begin(attacked)
        response = connection.getresponse()
        read = 0
        while read < wanted:
            read += len(response.read(1 << 16))
        connection.close()
        assert cancelled.wait(GUARD)
    hostile.attack = polite
    assert attacked.grpc("AnalyzePlan", order(), endpoint="hostile", timeout=GUARD).status == 0


def test_message_that_says_it_has_4_gib_takes_no_memory(attacked: Site, hostile: HostileSpark) -> None:
    def lies(stream: RawStream, number: int) -> bytes:
        return stream.peer.answer(number, b"\0\xff\xff\xff\xff" + bytes(100))

    hostile.attack = once(lies)
    with others_unharmed(attacked):
        connection = begin(attacked)
        # cut, before its head or behind it, so that nobody takes it for a whole answer
        with pytest.raises((http.client.IncompleteRead, http.client.RemoteDisconnected)):
            connection.getresponse().read()
        connection.close()
    assert "broke off inside a message" in attacked.process.printed()


@pytest.mark.parametrize(
    "attack",
    [
        once(lambda *_: b""),
        once(head),
        once(head, lambda stream, number: stream.peer.data(number, encode_frame(b"x"))),
    ],
    ids=["no head", "no body", "no trailers"],
)
def test_answer_that_never_ends_ends_with_the_calls_deadline(
    attacked: Site, hostile: HostileSpark, attack: Attack
) -> None:
    hostile.attack = attack
    timeout = {"grpc-timeout": "300m"}
    with others_unharmed(attacked):
        answer = attacked.grpc("AnalyzePlan", order(), endpoint="hostile", headers=timeout, timeout=GUARD)
    assert answer.status == 4
    assert "deadline" in answer.message


def test_server_without_streams_gets_few_connections_and_the_call_ends(
    attacked: Site, without_streams: HostileSpark
) -> None:
    timeout = {"grpc-timeout": "300m"}
    with others_unharmed(attacked), ThreadPoolExecutor(12) as pool:
        calls = [
            pool.submit(
                attacked.grpc,
                "AnalyzePlan",
                order(),
                endpoint="without-streams",
                headers=timeout,
                timeout=GUARD,
            )
            for _ in range(12)
        ]
        assert {call.result().status for call in calls} == {4}
    assert 1 <= without_streams.connections <= 4


def test_upload_that_the_server_never_takes_ends_with_the_deadline(
    attacked: Site, without_window: HostileSpark
) -> None:
    timeout = {"grpc-timeout": "300m"}
    with others_unharmed(attacked):
        answer = attacked.grpc(
            "AnalyzePlan",
            order(filler="x" * (1 << 20)),
            endpoint="without-window",
            headers=timeout,
            timeout=GUARD,
        )
    assert answer.status == 4
    assert "deadline" in answer.message
