"""The transport of CPython, against servers that behave and servers that do not."""

from __future__ import annotations

import gc
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark_connect_web.channel.http import HttpCall, HttpChannel
from pyspark_connect_web.errors import ChannelCancelled, ChannelError, ChannelTimeout, NetworkError

from tests.client.peer import OK_HEAD, Exchange, Peer
from tests.support import certificates
from tests.support.jupyter import free_port


@pytest.fixture
def channel() -> Iterator[HttpChannel]:
    channel = HttpChannel()
    yield channel
    channel.close()


def body_of(call: HttpCall) -> bytes:
    pieces = []
    while piece := call.read():
        pieces.append(piece)
    return b"".join(pieces)


def echo(exchange: Exchange) -> None:
    exchange.whole(exchange.request.body, kind="text/plain")


def test_call_sends_the_parts_as_one_body(channel: HttpChannel) -> None:
    with Peer(echo) as peer:
        call = channel.call(
            f"{peer.url}/a/b?c=d", [("x-one", "1"), ("x-two", "2")], [b"ab", b"", b"cd"], None
        )
        head = call.head()
        assert (head.status, dict(head.headers)["Content-Type"]) == (200, "text/plain")
        assert body_of(call) == b"abcd"
        assert call.read() == b""
        [request] = peer.requests
        assert (request.method, request.path, request.body) == ("POST", "/a/b?c=d", b"abcd")
        assert (request.headers["x-one"], request.headers["x-two"]) == ("1", "2")
        assert request.headers["content-length"] == "4"
        assert "transfer-encoding" not in request.headers


def test_large_body_of_many_parts_arrives_whole(channel: HttpChannel) -> None:
    parts = [bytes([number]) * 300_000 for number in range(20)]
    with Peer(echo) as peer:
        assert body_of(channel.call(peer.url, [], parts, 10)) == b"".join(parts)


def test_connection_is_kept_for_the_next_call(channel: HttpChannel) -> None:
    with Peer(echo) as peer:
        for _ in range(3):
            assert body_of(channel.call(peer.url, [], [b"x"], None)) == b"x"
        assert [request.connection for request in peer.requests] == [0, 0, 0]


def test_connection_that_the_server_closed_is_not_used_again(channel: HttpChannel) -> None:
    closed = threading.Event()

    def once(exchange: Exchange) -> None:
        echo(exchange)
        # At once: the connection is ended only after this has returned.
        exchange.sock.shutdown(socket.SHUT_WR)
        exchange.hang_up()
        closed.set()

    with Peer(once) as peer:
        for _ in range(2):
            assert body_of(channel.call(peer.url, [], [b"x"], None)) == b"x"
            # The close arrives a moment after the body.
            assert closed.wait(20)
            closed.clear()
        assert [request.connection for request in peer.requests] == [0, 1]


def test_connection_close_header_is_honoured(channel: HttpChannel) -> None:
    def once(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx")

    with Peer(once) as peer:
        for _ in range(2):
            assert body_of(channel.call(peer.url, [], [], None)) == b"x"
        assert [request.connection for request in peer.requests] == [0, 1]


def test_body_that_ends_with_the_connection_is_read(channel: HttpChannel) -> None:
    def until_close(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\n\r\nsome bytes")
        exchange.hang_up()

    with Peer(until_close) as peer:
        assert body_of(channel.call(peer.url, [], [], None)) == b"some bytes"


def test_calls_run_side_by_side(channel: HttpChannel) -> None:
    arrived = threading.Barrier(2, timeout=60)

    def together(exchange: Exchange) -> None:
        arrived.wait()
        echo(exchange)

    with Peer(together) as peer:
        calls = [channel.call(peer.url, [], [str(number).encode()], 10) for number in range(2)]
        assert [body_of(call) for call in calls] == [b"0", b"1"]


def test_piece_is_handed_out_while_the_server_still_works(channel: HttpChannel) -> None:
    more = threading.Event()

    def stream(exchange: Exchange) -> None:
        exchange.send(OK_HEAD)
        exchange.chunk(b"first")
        assert more.wait(60)
        exchange.chunk(b"second")
        exchange.chunk(b"")

    with Peer(stream) as peer:
        call = channel.call(peer.url, [], [], 10)
        assert call.read() == b"first"
        more.set()
        assert body_of(call) == b"second"


def test_ready_tells_whether_the_head_is_there(channel: HttpChannel) -> None:
    go = threading.Event()

    def wait(exchange: Exchange) -> None:
        assert go.wait(60)
        echo(exchange)

    with Peer(wait) as peer:
        call = channel.call(peer.url, [], [b"x"], 10)
        assert not call.ready()
        go.set()
        call.head()
        assert call.ready()


def test_no_server_is_a_network_error(channel: HttpChannel) -> None:
    port = free_port()
    with pytest.raises(NetworkError) as caught:
        channel.call(f"http://127.0.0.1:{port}/secret/path", [], [], None)
    assert str(caught.value) == (
        f"Could not connect to http://127.0.0.1:{port} (Connection refused). Check that the server runs, and the"
        " address."
    )


def test_address_without_a_host_is_refused(channel: HttpChannel) -> None:
    with pytest.raises(NetworkError, match="no http"):
        channel.call("file:///etc/passwd", [], [], None)


def cut_in_chunk(exchange: Exchange) -> None:
    exchange.send(OK_HEAD + b"10\r\nabc")
    exchange.hang_up()


def cut_between_chunks(exchange: Exchange) -> None:
    exchange.send(OK_HEAD)
    exchange.chunk(b"abc")
    exchange.hang_up()


def cut_before_length(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
    exchange.hang_up()


HEAD_WAS_READ = threading.Event()


def reset_in_body(exchange: Exchange) -> None:
    exchange.send(OK_HEAD)
    exchange.chunk(b"abc")
    # a reset throws away what was not read
    HEAD_WAS_READ.wait(20)
    exchange.reset()


@pytest.mark.parametrize("handler", [cut_in_chunk, cut_between_chunks, cut_before_length, reset_in_body])
def test_cut_body_is_a_network_error_never_an_end(channel: HttpChannel, handler: object) -> None:
    HEAD_WAS_READ.clear()
    with Peer(handler) as peer:  # type: ignore[arg-type]  # a parametrised function
        call = channel.call(peer.url, [], [], 10)
        call.head()
        HEAD_WAS_READ.set()
        with pytest.raises(NetworkError, match="was cut in the middle of the answer"):
            body_of(call)


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n"])
def test_connection_without_an_answer_is_a_network_error(channel: HttpChannel, answer: bytes) -> None:
    def close(exchange: Exchange) -> None:
        exchange.send(answer)
        exchange.hang_up()

    with Peer(close) as peer:
        call = channel.call(peer.url, [], [], 10)
        with pytest.raises(NetworkError, match="closed before an answer"):
            call.head()


def silent(exchange: Exchange) -> None:
    exchange.stop.wait(20)


def stalls(exchange: Exchange) -> None:
    exchange.send(OK_HEAD)
    exchange.chunk(b"abc")
    exchange.stop.wait(20)


@pytest.mark.parametrize("handler", [silent, stalls])
def test_timeout_covers_the_whole_call(channel: HttpChannel, handler: object) -> None:
    with Peer(handler) as peer:  # type: ignore[arg-type]  # a parametrised function
        started = time.monotonic()
        call = channel.call(peer.url, [], [], 0.3)
        with pytest.raises(ChannelTimeout, match="within the time given"):
            body_of(call)
        assert time.monotonic() - started < 15


def test_expired_timeout_sends_nothing(channel: HttpChannel) -> None:
    with Peer(echo) as peer:
        with pytest.raises(ChannelTimeout):
            channel.call(peer.url, [], [], -1)
        assert peer.requests == []


@pytest.mark.parametrize("handler", [silent, stalls])
def test_cancel_from_another_thread_wakes_the_reader_and_the_server_sees_it(
    channel: HttpChannel, handler: object
) -> None:
    seen: list[bool] = []

    def watched(exchange: Exchange) -> None:
        if handler is stalls:
            exchange.send(OK_HEAD)
            exchange.chunk(b"abc")
        seen.append(exchange.wait_for_close())

    with Peer(watched) as peer:
        call = channel.call(peer.url, [], [], None)
        outcome: list[BaseException] = []

        def read() -> None:
            try:
                body_of(call)
            except ChannelError as error:
                outcome.append(error)

        reader = threading.Thread(target=read)
        reader.start()
        time.sleep(0.2)
        call.cancel()
        reader.join(30)
        assert not reader.is_alive()
        assert [type(error) for error in outcome] == [ChannelCancelled]
    assert seen == [True]
    call.cancel()


def test_close_cancels_what_runs(channel: HttpChannel) -> None:
    with Peer(stalls) as peer:
        call = channel.call(peer.url, [], [], 10)
        assert call.read() == b"abc"
        channel.close()
        with pytest.raises(ChannelCancelled):
            call.read()


def test_refusal_of_a_large_body_is_read_although_the_server_stopped_reading(channel: HttpChannel) -> None:
    def refuse(exchange: Exchange) -> None:
        exchange.whole(b'{"message": "too large"}', "413 Content Too Large", "application/json")
        exchange.stop.wait(1)
        exchange.hang_up()

    with Peer(refuse) as peer:
        call = channel.call(peer.url, [("x-test-body", "unread")], [bytes(1 << 20)] * 16, 10)
        assert call.head().status == 413


def test_https_is_verified(tmp_path: Path) -> None:
    pair = certificates.make(tmp_path, "peer")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pair.certificate, pair.key)
    trusting = HttpChannel(ssl.create_default_context(cafile=str(pair.certificate)))
    suspicious = HttpChannel()
    with Peer(echo, server) as peer:
        assert body_of(trusting.call(peer.url, [], [b"secret"], 10)) == b"secret"
        with pytest.raises(NetworkError, match="certificate verify failed"):
            suspicious.call(peer.url, [], [b"secret"], 10)
    trusting.close()
    gc.collect()
